"""Pieces that texts about runs are made of: words in their colour, answers of probes, names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from oncall_runbook.text.output import harmless

if TYPE_CHECKING:
    from oncall_runbook.documents import Finding, JudgedCard

_STYLES = {
    "healthy": "bold green",
    "fixed": "bold green",
    "done": "bold green",
    "nothing_to_do": "bold green",
    "incident": "bold red",
    "not_fixed": "bold red",
    "not_done": "bold red",
    "error": "bold red",
    "unhealthy": "red",
    "refused": "bold yellow",
    "locked": "bold yellow",
    "unreachable": "bold magenta",
    "unknown": "bold magenta",
    "SEV1": "bold red",
    "SEV2": "yellow",
}


def word(text: str) -> Text:
    """Return a word of ours in its colour, as people write it."""
    return Text(text.replace("_", " "), _STYLES.get(text, ""))


def clean(value: object, limit: int = 200) -> str:
    """Return a value of a host as one harmless line: no control codes, no more than `limit`."""
    if value is None:
        return ""
    text = " ".join(harmless(str(value)).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def incident_name(name: str, incident: JudgedCard) -> Text:
    """Return severity, title and name of an incident."""
    severity = str(incident.get("severity") or "")
    title = clean(incident.get("title"))
    shown = Text(f"{title} ({name})" if title else name)
    return Text.assemble(word(severity), " ", shown) if severity else shown


def finding_line(name: str, finding: Finding) -> str:
    """Return what a probe asked, what it was answered, and why."""
    said = answer_of(finding)
    why = clean(finding.get("reason") or (finding.get("stderr") if not said else ""))
    # A value that is a sentence is often the reason as well.
    told = why if said and why.startswith(said) else " — ".join(filter(None, (said, why)))
    title = clean(finding.get("title")) or name
    return f"{title}: {told}" if told else title


def answer_of(finding: Finding) -> str:
    """Return a probe's answer in short; nothing where it is not one that people read."""
    value = finding.get("value")
    if value in (None, ""):
        return clean(finding.get("output"))
    if isinstance(value, dict | list):
        return ""
    return f"{clean(value)} {clean(finding.get('unit'))}".strip()
