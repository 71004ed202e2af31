"""What a run means: pure functions from host states to final verdicts, document, exit code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, cast

from oncall_runbook.clock import timestamp
from oncall_runbook.run.engine import Outcome
from oncall_runbook.run.host_state import HostState, as_list, as_mapping
from oncall_runbook.run.rollout import Rules, common_causes
from oncall_runbook.run.verdict import (
    BROKEN,
    CANCELLED,
    GRAVEST_FIRST,
    NOTHING_MATCHED,
    TIMEOUT,
    Verdict,
)

if TYPE_CHECKING:
    from oncall_runbook.documents import DoneStep, HostDocument, OrderDocument, RunDocument

_RCS_OF_HOSTS = (0, 2, 4, 6, 8)  # ansible's own: nothing, failed or unreachable hosts
_NOT_JUDGED = ("unknown", "unreachable", "locked", "error")
_NOT_DONE = (*_NOT_JUDGED, "incident", "refused")


@dataclass(frozen=True)
class Job:
    """What was asked for: the facts of a run that its events do not change."""

    run: str
    command: str
    card: str | None  # the one it is about; none for all of them, and for an operation
    started: float
    inventory: str
    limit: str | None = None
    author: str = ""
    order: OrderDocument | None = None  # what it takes to give it again
    resumes: str | None = None

    @property
    def is_operation(self) -> bool:
        """Tell whether it is a routine operation, which has a plan but no incident."""
        return is_operation(self.command)

    def waits(self, state: HostState) -> bool:
        """Tell whether something on a host waits for somebody to agree to it."""
        if self.is_operation:
            return state.verdict is Verdict.HEALTHY and bool(state.plan)
        return state.verdict is Verdict.INCIDENT


def is_operation(command: str) -> bool:
    """Tell whether a command, as a run's document has it, is a routine operation."""
    return command.startswith("ops ") or command == "hold"


def conclude(job: Job, states: Mapping[str, HostState], outcome: Outcome) -> dict[str, HostState]:
    """Give every host its final verdict, also where the run ended before it had one.

    A cure that has held, and was not verified yet, is not said to be one.
    """
    silent = {
        "timeout": f"timed out after {outcome.deadline_seconds:.0f} s",
        "cancelled": "cancelled",
    }.get(outcome.status, "the playbook did not judge this host")
    ended = outcome.status != "finished"
    return {
        host: _explained(job, state)
        if state.verdict and not (ended and _unverified(state))
        else replace(state, verdict=Verdict.UNKNOWN, reason=silent)
        for host, state in states.items()
    }


def _unverified(state: HostState) -> bool:
    return state.verdict is Verdict.FIXED and state.phase == "settle"


def _explained(job: Job, state: HostState) -> HostState:
    """Refuse to plan for an incident that another confirmed one explains."""
    if job.command not in ("plan", "remediate") or state.verdict is not Verdict.INCIDENT:
        return state
    causes = as_list(as_mapping(state.incidents.get(job.card or "")).get("explained_by"))
    if not causes:
        return state
    by = [cause for cause in state.root_causes if cause in causes] or causes
    reason = f"{job.card} is explained by {', '.join(by)}; next: runbook {job.command} {by[0]}"
    return replace(state, verdict=Verdict.REFUSED, reason=reason)


def refuse(job: Job, states: Mapping[str, HostState], missing: str) -> dict[str, HostState]:
    """Return the states with all that waits refused: because of the allowance, or `missing`."""
    return {
        host: replace(state, verdict=Verdict.REFUSED, reason=allowance(state) or missing)
        if job.waits(state)
        else state
        for host, state in states.items()
    }


def allowance(state: HostState) -> str:
    """Say what a host's plan lacks when none of its rungs may be climbed; else nothing."""
    if any(step.get("allowed") for step in state.plan):
        return ""
    if state.changed_since:
        return f"changed since the plan: {'; '.join(state.changed_since)}"
    if spent := next((str(step["spent"]) for step in state.plan if step.get("spent")), ""):
        return spent
    risks = [str(step.get("risk")) for step in state.plan]
    needed = next((risk for risk in ("restart", "outage", "data") if risk in risks), None)
    return f"the plan needs --allow {needed}" if needed else "no rung of the ladder applies now"


def actionable(job: Job, states: Mapping[str, HostState]) -> bool:
    """Tell whether something could be done on some host."""
    return any(not allowance(state) for state in states.values() if job.waits(state))


def exit_code(states: Iterable[HostState], outcome: Outcome) -> int:
    """Return the gravest code of the run and its hosts; 8 when there was no host at all."""
    codes = {(state.verdict or Verdict.UNKNOWN).exit_code for state in states}
    if outcome.status != "finished":
        codes.add(TIMEOUT if outcome.status == "timeout" else CANCELLED)
    elif not codes and (outcome.no_hosts or outcome.rc == 0 or _unreadable(outcome)):
        return NOTHING_MATCHED
    elif outcome.rc not in _RCS_OF_HOSTS or not codes:
        codes.add(BROKEN)
    return next(code for code in GRAVEST_FIRST if code in codes)


def _unreadable(outcome: Outcome) -> bool:
    return "parse inventory source" in outcome.error or "No inventory was parsed" in outcome.error


def document(
    job: Job, states: Mapping[str, HostState], outcome: Outcome, finished: float
) -> RunDocument:
    """Return the run as the JSON document that `schema/run.schema.json` describes."""
    return {
        **opening(job),
        "finished": timestamp(finished),
        "seconds": round(finished - job.started, 3),
        "exit_code": exit_code(states.values(), outcome),
        "error": _error(job, states, outcome),
        "warnings": list(outcome.warnings),
        "hosts": {host: _host(job, state) for host, state in sorted(states.items())},
        **({"common_causes": common} if (common := _common(job, states)) else {}),
    }


def _common(job: Job, states: Mapping[str, HostState]) -> dict[str, list[str]]:
    return {} if job.is_operation else common_causes(states, Rules.of(states))


def opening(job: Job) -> RunDocument:
    """Return the document of a run that has only just begun."""
    return {
        "schema": 1,
        "run": job.run,
        "command": job.command,
        "incident": job.card,
        "author": job.author,
        "inventory": job.inventory,
        "order": job.order or {},
        "resumes": job.resumes,
        "started": timestamp(job.started),
        "finished": None,
        "seconds": None,
        "exit_code": None,
        "error": None,
        "hosts": {},
    }


def finished_hosts(document: RunDocument) -> list[str]:
    """Return the hosts of a run's document that need nothing more of what was ordered."""
    order = document["order"]
    return [host for host, state in document["hosts"].items() if _finished(order, state)]


def _finished(order: OrderDocument, state: HostDocument) -> bool:
    if not order["acts"]:
        return state["verdict"] not in _NOT_JUDGED
    if state["verdict"] == "healthy" and order["operation"]:
        return not state["plan"]  # it was looked at, and something was to be done
    wants_file = bool(order["inputs"].get("operation_fetch_to"))
    return state["verdict"] not in _NOT_DONE and not (wants_file and not state["fetched"])


def _error(job: Job, states: Mapping[str, HostState], outcome: Outcome) -> str | None:
    code = exit_code(states.values(), outcome)
    if code == NOTHING_MATCHED and _unreadable(outcome):
        return f"{outcome.error}; try: ansible-inventory --list -i …"
    if code == NOTHING_MATCHED:
        limit = f" with --limit {job.limit}" if job.limit else ""
        return f"no host matched in inventory {job.inventory}{limit}; nothing was done"
    if code == BROKEN and not any(s.verdict is Verdict.ERROR for s in states.values()):
        return outcome.error or f"ansible-playbook ended with {outcome.rc}"
    return None


def _host(job: Job, state: HostState) -> HostDocument:
    verdict = state.verdict or Verdict.UNKNOWN
    found: HostDocument = {
        "verdict": verdict.value,
        "reason": state.reason,
        "root_causes": list(state.root_causes),
        "incidents": dict(state.incidents),
        "findings": state.findings,
    }
    if state.cause:
        found["unreachable"] = state.cause
    if state.uncovered:
        found["uncovered"] = list(state.uncovered)
    if job.is_operation:
        found["plan"] = list(state.plan)
        found["actions"] = [cast("DoneStep", asdict(action)) for action in state.actions]
        found["fetched"] = dict(state.fetched) if state.fetched else None
    if state.changed_since:
        found["changed_since"] = list(state.changed_since)
    if state.batch:
        found["batch"] = state.batch
    if job.command == "plan" or (job.command == "remediate" and not state.actions):
        found["plan"] = list(state.plan)
    if job.command == "remediate":
        found["actions"] = [cast("DoneStep", asdict(action)) for action in state.actions]
        found["evidence"] = dict(state.evidence) if state.evidence else None
        found["diagnosis"] = state.diagnosis
    return found
