"""What is known of a host: pure functions that fold its events into a state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from oncall_runbook.packed import unpacked
from oncall_runbook.run.events import UNDER_WAY, Event
from oncall_runbook.run.verdict import Verdict

if TYPE_CHECKING:
    from oncall_runbook.documents import (
        Diagnosis,
        Document,
        Facts,
        Finding,
        JudgedCard,
        PlannedStep,
    )

_UNREACHABLE = {
    "machine": re.compile(r"^through .+: "),  # the one that was to ask: see link.py
    "disk full": re.compile(r"no space left|quota exceeded", re.I),
    "refused": re.compile(r"connection refused", re.I),
    "timed out": re.compile(r"timed? ?out", re.I),
    "key": re.compile(
        r"permission denied|host key|host identification|too many authentication", re.I
    ),
    "name": re.compile(r"resolve|name or service not known|nodename nor servname", re.I),
}
_STEP: PlannedStep = {"rung": "", "risk": "", "allowed": False}
_UNKNOWN: Finding = {"status": "unknown"}
_NOT_JUDGED: JudgedCard = {"confirmed": None}
# What Ansible puts before the reason: one of them, as the moment will have it.
_PREFIXES = re.compile(
    r"^(Task failed: |Failed to connect to the host via \w+: |ssh: "
    r'|Data could not be sent to remote host "[^"]*"\. '
    r"Make sure this host can be reached over ssh: )+"
)


@dataclass(frozen=True)
class Action:
    """A rung that was climbed."""

    rung: str
    incident: str = ""
    title: str = ""
    risk: str = ""
    costs: str = ""  # what users or data lose by it
    changed: bool = False
    seconds: float = 0.0
    held: bool | None = None
    rc: int | None = None
    reason: str = ""  # why a step of it failed
    output: str = ""


@dataclass(frozen=True)
class HostState:
    """What is known of a host so far."""

    verdict: Verdict | None = None
    reason: str = ""
    cause: str = ""  # why it could not be reached, in a word
    root_causes: tuple[str, ...] = ()
    incidents: Mapping[str, JudgedCard] = field(default_factory=dict)
    findings: Mapping[str, Finding] = field(default_factory=dict)
    uncovered: tuple[str, ...] = ()
    plan: tuple[PlannedStep, ...] = ()
    actions: tuple[Action, ...] = ()
    evidence: Facts | None = None
    fetched: Facts | None = None  # a backup, to the control host
    diagnosis: Diagnosis | None = None  # the first judgement, when a later one replaced it
    rollout: Facts = field(default_factory=dict)  # what its inventory says of changes to many hosts
    resolved: Facts = field(default_factory=dict)  # checksums of what its inventory comes to
    decided: Facts = field(default_factory=dict)  # findings that decided, as a plan keeps them
    changed_since: tuple[str, ...] = ()  # the plan that is carried out, a line each
    phase: str = ""  # of the last judgement: while a cure settles, or is verified
    batch: int | None = None  # in which it was changed, from 1


def advance(state: HostState, event: Event) -> HostState:
    """Return the state of a host after an event of it."""
    if event.kind in UNDER_WAY:
        return state
    if event.kind == "unreachable" or "lost" in event.result:
        cause, line = unreachable(str(event.result.get("msg") or event.result.get("lost") or ""))
        return replace(state, verdict=Verdict.UNREACHABLE, cause=cause, reason=line)
    if rollout := as_mapping(event.result.get("rollout")):
        resolved, decided = (as_mapping(event.result.get(k)) for k in ("resolved", "decided"))
        state = replace(state, rollout=rollout, resolved=resolved, decided=decided)
    if event.action == "act":
        state = _acted(state, event.result)
    elif event.action == "probe":
        state = _probed(state, event.result)
    elif verdict := _verdict(event.result):
        return replace(state, verdict=verdict, reason=_line(event.result.get("reason")))
    if isinstance(fetched := event.result.get("fetched"), dict):
        return replace(state, fetched=fetched)
    if event.kind == "failed" and not event.ignored and _verdict(event.result) is None:
        reason = f"{event.task}: {_line(event.result.get('msg')) or 'failed without a message'}"
        return replace(state, verdict=Verdict.ERROR, reason=reason)
    return state


def _probed(state: HostState, result: Facts) -> HostState:
    if result.get("phase") == "evidence":
        kept = result.get("evidence")
        return replace(state, evidence=kept) if isinstance(kept, dict) else state
    findings = _records(result.get("findings"), _UNKNOWN)
    if _verdict(result) is None:
        return replace(state, findings={**unpacked(state.findings), **findings})
    held = result.get("held")
    if result.get("phase") == "settle" and isinstance(held, bool):
        state = _settled(state, result, held=held)
    return _judged(state, result, findings)


def _judged(state: HostState, result: Facts, findings: Mapping[str, Finding]) -> HostState:
    diagnosis = state.diagnosis
    if diagnosis is None and state.incidents:
        diagnosis = {"root_causes": list(state.root_causes), "incidents": dict(state.incidents)}
    return replace(
        state,
        verdict=_verdict(result),
        phase=str(result.get("phase") or ""),
        reason=_line(result.get("reason")),
        cause="",
        root_causes=tuple(str(name) for name in as_list(result.get("root_causes"))),
        incidents=_records(result.get("incidents"), _NOT_JUDGED),
        uncovered=tuple(str(id) for id in as_list(result.get("uncovered"))),
        findings={**unpacked(state.findings), **findings}
        if result.get("operation")
        else findings or state.findings,
        plan=_plan(result.get("plan"))
        if "plan" in result or not result.get("operation")
        else state.plan,
        changed_since=tuple(_line(each) for each in as_list(result.get("changed_since"))),
        diagnosis=diagnosis,
    )


def _plan(value: object) -> tuple[PlannedStep, ...]:
    steps = [step for step in as_list(value) if isinstance(step, dict)]
    return tuple(cast("PlannedStep", {**_STEP, **step}) for step in steps)


def _acted(state: HostState, result: Facts) -> HostState:
    verdict = _verdict(result)
    if verdict is not None:
        return replace(state, verdict=verdict, reason=_line(result.get("reason")), cause="")
    if not result.get("rung"):
        return state
    step = _action(result)
    known = next((a for a in state.actions if _same(a, step)), None)
    if known is None:
        return replace(state, actions=(*state.actions, step))
    joined = replace(
        known,
        changed=known.changed or step.changed,
        seconds=round(known.seconds + step.seconds, 3),
        rc=step.rc,
        reason=known.reason or step.reason,
        output="\n".join(filter(None, (known.output, step.output))),
    )
    return replace(state, actions=tuple(joined if a is known else a for a in state.actions))


def _action(result: Facts) -> Action:
    rc = result.get("rc")
    return Action(
        rung=str(result["rung"]),
        incident=str(result.get("incident") or ""),
        title=str(result.get("title") or ""),
        risk=str(result.get("risk") or ""),
        costs=str(result.get("costs") or ""),
        changed=bool(result.get("changed")),
        seconds=_number(result.get("seconds")),
        rc=rc if isinstance(rc, int) else None,
        reason=_line(result.get("reason")),
        output=str(result.get("output") or "").strip(),
    )


def _settled(state: HostState, result: Facts, *, held: bool) -> HostState:
    wanted = Action(str(result.get("rung") or ""), str(result.get("incident") or ""))
    return replace(
        state,
        actions=tuple(replace(a, held=held) if _same(a, wanted) else a for a in state.actions),
    )


def _same(one: Action, other: Action) -> bool:
    return (one.rung, one.incident) == (other.rung, other.incident)


def unreachable(message: str) -> tuple[str, str]:
    """Return why a host cannot be reached: a word (refused, key, …, other) and the line."""
    lines = [line.strip() for line in message.splitlines() if line.strip(" @\t")]
    for cause, pattern in _UNREACHABLE.items():
        for line in lines:
            if pattern.search(line):
                return cause, _PREFIXES.sub("", line)
    return "other", _PREFIXES.sub("", lines[-1]) if lines else "no reason given"


def _verdict(result: Facts) -> Verdict | None:
    try:
        return Verdict(result.get("verdict"))
    except ValueError:
        return None


def _line(value: object) -> str:
    text = str(value or "").strip()
    return _PREFIXES.sub("", text.splitlines()[0]) if text else ""


def as_mapping(value: object) -> Facts:
    """Return a mapping as it is, and anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def _records(value: object, defaults: Document) -> dict[str, Document]:
    """Return the mappings of a mapping, each with the keys it must have."""
    found = {key: item for key, item in as_mapping(value).items() if isinstance(item, dict)}
    return {key: cast("Document", {**defaults, **item}) for key, item in found.items()}


def as_list(value: object) -> list[Any]:
    """Return a list as it is, and anything else as an empty one."""
    return value if isinstance(value, list) else []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
