"""What people are told, from templates: pages, reminders, and status updates in three forms."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from oncall_runbook import clock
from oncall_runbook.errors import BadInputError
from oncall_runbook.templates.environment import template_environment

if TYPE_CHECKING:
    from oncall_runbook.documents import IncidentDocument

FORMS = {"text": "update.txt.j2", "markdown": "update.md.j2", "chat": "update.chat.j2"}
Said = Literal["impact", "eta", "owner"]
_DONE = 5  # of the actions, the newest
_SPOKEN = ("rung", "note", "mitigated", "resolved")


def render(name: str, own: Path | None, **facts: Any) -> str:
    """Fill a template: the inventory's own of that name, else ours; BadInputError if it is bad."""
    from jinja2 import TemplateError

    environment = template_environment(own)
    environment.filters["span"] = clock.span
    try:
        return environment.get_template(name).render(facts).strip()
    except (
        TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        number = _line_of(error)
        line = f", line {number}" if number else ""
        where = f"{own}/{name}" if own and (own / name).exists() else name
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInputError(
            f"template {where}{line}: {said[0]}; mend it, nothing was sent"
        ) from error


def _line_of(error: Exception) -> int | None:
    """Return the line of a template that an error comes from: jinja2 puts it into the traceback."""
    if isinstance(number := getattr(error, "lineno", None), int):
        return number
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename.endswith(".j2")]
    return lines[-1] if lines else None


def subject(document: IncidentDocument, what: str) -> str:
    """Return a message's subject: severity, number, title, and what it is about."""
    return f"[{document['severity']}] #{document['id']} {document['title']}: {what}"


def update(document: IncidentDocument, form: str, own: Path | None) -> str:
    """Return the status update of an incident, as `text`, `markdown` or `chat`."""
    return render(FORMS[form], own, incident=document, fields=fields(document))


def fields(document: IncidentDocument) -> dict[str, str]:
    """Return the lines of the status update by name; what a person must still say is marked."""
    return {
        "INCIDENT": f"{document['title']} (#{document['id']} on {_hosts(document)})",
        "SEVERITY": str(document["severity"]),
        "IMPACT": _said(document, "impact"),
        "STATUS": str(document["status"]).capitalize(),
        "ETA": "done" if document["resolved"] else _said(document, "eta"),
        "ACTIONS": _actions(document),
        "OWNER": _said(document, "owner"),
    }


def missing(document: IncidentDocument) -> list[str]:
    """Name what only a person can say of an incident and nobody has: impact, eta, owner."""
    wanted: list[Said] = ["impact", "eta", "owner"]
    if document["resolved"]:
        wanted.remove("eta")
    return [name for name in wanted if not document[name]]


def _said(document: IncidentDocument, name: Said) -> str:
    value = document[name]
    return str(value) if value else f"MISSING (runbook incident update {document['id']} --{name} …)"


def _hosts(document: IncidentDocument) -> str:
    return ", ".join(document["hosts"]) or "no host"


def _actions(document: IncidentDocument) -> str:
    told = [
        entry["text"].splitlines()[0]
        for entry in document["timeline"]
        if entry["kind"] in _SPOKEN and entry["text"]
    ]
    return "; ".join(told[-_DONE:]) or "none yet"
