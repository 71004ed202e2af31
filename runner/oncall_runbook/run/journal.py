"""What a run's journal keeps of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from oncall_runbook.clock import timestamp
from oncall_runbook.run.events import UNDER_WAY, Event
from oncall_runbook.run.host_state import as_mapping

if TYPE_CHECKING:
    from oncall_runbook.documents import DoneStep, Facts, Finding, JournalEntry, JudgedCard


def entry(event: Event) -> JournalEntry:
    """Reduce an event to what the journal keeps of it."""
    result = event.result
    facts = ("incident", "rung", "title", "risk", "held", "reason", "rc", "root_causes")
    known = {name: result[name] for name in facts if result.get(name) is not None}
    found: JournalEntry = {
        "time": timestamp(event.time),
        "host": event.host,
        "event": event.kind,
        "phase": result.get("phase"),
        "task": event.task,
        "verdict": result.get("verdict"),
        "changed": bool(result.get("changed")),
        "seconds": result.get("seconds"),
        **cast("JournalEntry", known),
    }
    if findings := as_mapping(result.get("findings")):
        found["findings"] = {k: str(as_mapping(f).get("status")) for k, f in findings.items()}
        found["values"] = _values(findings)
    if incidents := as_mapping(result.get("incidents")):
        found["incidents"] = _confirmed(incidents)
    if result.get("phase") == "evidence":
        found["evidence"] = as_mapping(result.get("evidence"))
    if event.kind in ("failed", "unreachable") and result.get("msg"):
        found["message"] = str(result["msg"]).strip()[:500]
    return found


def _values(findings: Facts) -> dict[str, Finding]:
    """Return the figures among findings, which a chart can show over time."""
    facts = ("value", "unit", "title")
    return {
        id: cast("Finding", {fact: finding[fact] for fact in facts if fact in finding})
        for id, finding in findings.items()
        if isinstance(finding.get("value"), int | float)
        and not isinstance(finding["value"], bool)
        and finding.get("unit")
    }


def _confirmed(incidents: Facts) -> dict[str, JudgedCard]:
    """Return the confirmed incidents with what a timeline says of them."""
    facts = ("title", "severity", "explained_by", "evidence")
    return {
        name: cast("JudgedCard", {fact: incident.get(fact) for fact in facts})
        for name, incident in incidents.items()
        if as_mapping(incident).get("confirmed")
    }


def worth_keeping(event: Event) -> bool:
    """Tell whether the journal wants the event: probes, acts, and whatever went wrong.

    Of the looks of a watch those that judged: between them a figure stands on the screen only.
    """
    ended = event.kind not in UNDER_WAY and not (
        event.result.get("phase") == "watch" and not event.result.get("verdict")
    )
    return ended and (bool(event.action) or event.kind in ("failed", "unreachable"))


def result_of_step(step: DoneStep | JournalEntry | Facts) -> str:
    """Return what became of a step or rung in a word or two: a failed one is no change."""
    if step.get("reason"):
        return "failed after a change" if step.get("changed") else "failed"
    return "changed" if step.get("changed") else "nothing to change"
