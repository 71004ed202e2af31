"""A run's document as text for people: the same for a run just ended and for an old one."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from oncall_runbook.run.journal import result_of_step
from oncall_runbook.text.output import harmless

if TYPE_CHECKING:
    from oncall_runbook.documents import (
        DoneStep,
        Finding,
        HostDocument,
        JudgedCard,
        PlannedStep,
        RunDocument,
    )

_ENDLESS = 100_000  # without a terminal nothing is wrapped
_LINES_SHOWN = 8  # of what a rung said it did
_STYLES = {
    "healthy": "bold green",
    "fixed": "bold green",
    "incident": "bold red",
    "not_fixed": "bold red",
    "error": "bold red",
    "unhealthy": "red",
    "refused": "bold yellow",
    "locked": "bold yellow",
    "unreachable": "bold magenta",
    "unknown": "bold magenta",
    "SEV1": "bold red",
    "SEV2": "yellow",
}


# How a finding's reason begins that was not told what it asks for (lack of the collection).
_NOTHING_SAID = ("the answer does not say", "cannot be judged: there is no value")


def console(file: IO[str] | None = None) -> Console:
    """Return a console that wraps and colours on a terminal only."""
    file = file or sys.stdout
    width = None if file.isatty() else _ENDLESS
    return Console(file=file, width=width, highlight=False, markup=False, emoji=False)


def show(document: RunDocument, file: IO[str] | None = None, *, final: bool = True) -> None:
    """Print a run's document; unless it is `final`, without how the run ended."""
    screen = console(file)
    for text in lines(document):
        screen.print(text)
    if final:
        screen.print(_footer(document))


def lines(document: RunDocument) -> Iterator[Text]:
    """Yield the report, host by host."""
    for host, state in document.get("hosts", {}).items():
        yield from _host(host, state)
        yield Text()
    for warning in document.get("warnings") or []:
        yield Text(f"warning: {clean(warning)}", "yellow")
    if document.get("error"):
        yield Text(f"error: {clean(document['error'])}", "bold red")


def _footer(document: RunDocument) -> Text:
    state = document.get("state", "finished")
    code = document.get("exit_code")
    ending = f"exit {code}, {document.get('seconds')} s" if code is not None else state
    run = f"run {document.get('run')}"
    if document.get("resumes"):
        run += f" resumes {document['resumes']}"
    return Text(" · ".join((run, f"inventory {document.get('inventory')}", ending)), "dim")


def _host(host: str, state: HostDocument) -> Iterator[Text]:
    verdict = str(state["verdict"])
    reason = ": ".join(filter(None, (state.get("unreachable"), clean(state.get("reason")))))
    findings, uncovered = state.get("findings") or {}, state.get("uncovered") or []
    if uncovered and verdict == "healthy":
        reason = "but for what no card covers and no rung cures:"
    yield Text.assemble((host, "bold"), ": ", word(verdict), f" — {reason}" if reason else "")
    for id in uncovered:
        told = _finding(id, findings.get(id, {}))
        note = "" if verdict == "healthy" else " (no rung cures this)"
        yield Text.assemble("  ", word("unhealthy"), f"  {told}{note}")
    yield from _causes(state)
    yield from _findings({id: said for id, said in findings.items() if id not in uncovered})
    if shallow := clean(findings.get("not_looked_into", {}).get("value")):
        yield Text(
            f"  not looked into further than container, health check and log: {shallow}", "dim"
        )
    yield from _plan(state.get("plan") or [])
    if "actions" in state:
        yield from _actions(state)


def unhealthy_findings(host: str, state: HostDocument) -> Iterator[Text]:
    """Return a line for each finding of a host that is unhealthy though its verdict is not."""
    for name, finding in (state.get("findings") or {}).items():
        if finding.get("status") == "unhealthy":
            yield Text.assemble((host, "bold"), f": {_finding(name, finding)}")


def word(text: str) -> Text:
    """Return a word of ours in its colour, as people write it."""
    return Text(text.replace("_", " "), _STYLES.get(text, ""))


def _causes(state: HostDocument) -> Iterator[Text]:
    judged = state.get("incidents") or {}
    known = {**(state.get("diagnosis") or {}).get("incidents", {}), **judged}
    for root in state.get("root_causes") or []:
        yield Text.assemble("  ", _incident(root, known.get(root, {})))
        explained = [n for n, i in known.items() if _explains(root, i)]
        for name in explained:
            branch = "└─" if name == explained[-1] else "├─"
            yield Text.assemble(f"    {branch} explains ", _incident(name, known[name]))
    for name, incident in judged.items():
        # What cannot be judged for a trouble that is known is no news.
        if incident.get("confirmed") is None and not incident.get("may_come_of"):
            yield Text.assemble("  ", word("unknown"), " whether ", _incident(name, incident))


def _explains(root: str, incident: JudgedCard) -> bool:
    return bool(incident.get("confirmed")) and root in (incident.get("explained_by") or [])


def _incident(name: str, incident: JudgedCard) -> Text:
    severity = str(incident.get("severity") or "")
    title = clean(incident.get("title"))
    evidence = clean(incident.get("evidence"))
    shown = Text(f"{title} ({name})" if title else name)
    told = Text.assemble(shown, (f" — {evidence}", "dim")) if evidence else shown
    return Text.assemble(word(severity), " ", told) if severity else told


def _findings(findings: Mapping[str, Finding]) -> Iterator[Text]:
    for status in ("unhealthy", "unknown"):
        for name, finding in findings.items():
            if finding.get("status") == status and not _repeats(finding, findings):
                yield Text.assemble("  ", word(status), f"  {_finding(name, finding)}")


def _repeats(finding: Finding, findings: Mapping[str, Finding]) -> bool:
    """Tell whether a finding only says that what it is read from does not tell it.

    Then that, or another that is read from it, says why.
    """
    source = str(finding.get("of"))
    if finding.get("status") != "unknown" or source not in findings:
        return False
    reason = str(finding.get("reason"))
    others = [
        other
        for id, other in findings.items()
        if source in (id, other.get("of")) and other is not finding
    ]
    ill = [other for other in others if other.get("status") == "unhealthy"]
    told = [other.get("reason") for other in (*ill, findings[source])]
    return reason in told or bool(ill and reason.startswith(_NOTHING_SAID))


def _finding(name: str, finding: Finding) -> str:
    said = _answer(finding)
    why = clean(finding.get("reason") or (finding.get("stderr") if not said else ""))
    ms = f" ({finding['ms']} ms)" if finding.get("ms") is not None else ""
    told = " — ".join(filter(None, (said, why)))
    title = clean(finding.get("title")) or name
    return (f"{title}: {told}" if told else title) + ms


def _answer(finding: Finding) -> str:
    """Return a probe's answer in short; nothing where it is not one that people read."""
    value = finding.get("value")
    if value in (None, ""):
        return clean(finding.get("output"))
    if isinstance(value, dict | list):
        return ""
    return f"{clean(value)} {clean(finding.get('unit'))}".strip()


def _plan(plan: Sequence[PlannedStep]) -> Iterator[Text]:
    for number, step in enumerate(plan, 1):
        allowed = bool(step.get("allowed"))
        risk = str(step.get("risk") or "")
        lacks = clean(step.get("spent")) or f"needs --allow {risk}"
        gate = Text("allowed", "green") if allowed else Text(lacks, "yellow")
        costs = f", costs {clean(step['costs'])}" if step.get("costs") else ""
        why = f"{costs} — {clean(step['why'])}" if step.get("why") else costs
        title = clean(step.get("title")) or str(step.get("rung"))
        yield Text.assemble(f"  rung {number}  {title} [{risk}] ", gate, why)
        for line in str(step.get("shows") or "").splitlines():
            yield Text(f"       {harmless(line)}", "dim")


def _actions(state: HostDocument) -> Iterator[Text]:
    for action in state["actions"] or []:
        held = action.get("held")
        outcome = "" if held is None else "held" if held else "did not hold"
        told = ", ".join(
            filter(None, (result_of_step(action), f"{action['seconds']:g} s", outcome))
        )
        cost = f", at the cost of {clean(action['costs'])}" if _cost(action) else ""
        why = f" — {clean(action['reason'])}" if action.get("reason") else cost
        yield Text(f"  did  {clean(action.get('title')) or action['rung']}: {told}{why}")
        for line in str(action.get("output") or "").splitlines()[-_LINES_SHOWN:]:
            yield Text(f"       {clean(line)}", "dim")
    if kept := state.get("evidence"):
        yield Text(f"  evidence  {clean(kept.get('path'))}")


def _cost(action: DoneStep) -> bool:
    return bool(action.get("changed") and action.get("costs"))


def clean(value: object, limit: int = 200) -> str:
    """Return a value of a host as one harmless line: no control codes, no more than `limit`."""
    if value is None:
        return ""
    text = " ".join(harmless(str(value)).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def show_runs(documents: list[RunDocument]) -> None:
    """Print one line for each run."""
    screen = console()
    for document in documents:
        verdicts = [f"{h}: {s['verdict']}" for h, s in document.get("hosts", {}).items()]
        code = document.get("exit_code")
        ending = document["state"] if code is None else f"exit {code}"
        what = f"{document.get('command', '?')} {document.get('incident') or ''}".strip()
        shown = (document["run"], f"{what:<9}", f"{ending:<11}", ", ".join(verdicts))
        screen.print(Text("  ".join(shown).rstrip()), soft_wrap=True)
