"""What an event means, in one line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oncall_runbook.run.events import UNDER_WAY, Event
from oncall_runbook.run.host_state import HostState, as_mapping
from oncall_runbook.run.journal import result_of_step

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts


def decision(event: Event, state: HostState) -> str:
    """Say what an event decided and why, given the host's state after it; else nothing."""
    result = event.result
    if event.kind in UNDER_WAY:
        return ""
    if event.action == "act" and not result.get("verdict") and result.get("rung"):
        return _act(result)
    if event.action == "probe" and result.get("phase") == "evidence":
        return _evidence(as_mapping(result.get("evidence")))
    if event.action == "probe" and isinstance(result.get("held"), bool):
        told = f"{result.get('rung')} {'held' if result['held'] else 'did not hold'}"
        return ": ".join(filter(None, (told, state.reason)))
    if event.kind == "unreachable" or result.get("verdict") or _failed(event):
        return _verdict(state)
    return ""


def _failed(event: Event) -> bool:
    return event.kind == "failed" and not event.ignored


def _act(result: Facts) -> str:
    title = result.get("title") or result["rung"]
    text = f"{title}: {result_of_step(result)}, {result.get('seconds', 0)} s"
    return f"{text}: {result['reason']}" if result.get("reason") else text


def _evidence(kept: Facts) -> str:
    return f"evidence kept: {kept.get('files', 0)} files in {kept.get('path', '?')}"


def _verdict(state: HostState) -> str:
    word = state.verdict.value if state.verdict else "unknown"
    return ": ".join(filter(None, (word, ", ".join(state.root_causes), state.reason)))
