"""How a change goes through several hosts: in batches, a canary first, and no further if it fails.

Pure functions over the hosts' states; the rules are inputs of the role run, which each host told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from oncall_runbook.run.host_state import HostState, as_list
from oncall_runbook.run.verdict import Verdict

_FAILED = (Verdict.UNREACHABLE, Verdict.UNKNOWN, Verdict.ERROR, Verdict.NOT_FIXED)
_WELL = (Verdict.HEALTHY, Verdict.FIXED)
# Of fewer hosts a root cause is no trouble of the fleet, whatever share of it they are.
_COMMON_AT_LEAST = 3
_NEVER = 101
_PLAN_HOURS = 24


@dataclass(frozen=True)
class Rules:
    """How a change may go through hosts: the most careful of what their inventory says."""

    batches: tuple[str, ...]
    soak_seconds: float
    max_fail: str
    common_cause_percent: int
    hosts: int
    plan_hours: int = _PLAN_HOURS

    @classmethod
    def of(cls, states: Mapping[str, HostState]) -> Rules:
        """Return the rules of hosts that were looked at; those that told nothing have none."""
        told = [state.rollout for state in states.values() if state.rollout]
        total = len(states)
        batches = [tuple(str(size) for size in as_list(each.get("batches"))) for each in told]
        fails = [str(each.get("max_fail") or "100%") for each in told]
        return cls(
            min(batches, key=lambda sizes: [how_many(s, total) for s in sizes], default=())
            or ("1",),
            max((float(each.get("soak_seconds") or 0) for each in told), default=0),
            min(fails, key=lambda text: how_many(text, total), default="100%"),
            min((int(each.get("common_cause_percent") or _NEVER) for each in told), default=_NEVER),
            max((int(each.get("hosts") or 0) for each in told), default=0),
            min((int(each.get("plan_hours") or _PLAN_HOURS) for each in told), default=_PLAN_HOURS),
        )


def how_many(text: str, total: int) -> int:
    """Return how many of ``total`` a number or a share means, as ``5`` or ``10%``: one at least."""
    return max(1, ceil(total * int(text[:-1]) / 100) if text.endswith("%") else int(text))


def common_causes(states: Mapping[str, HostState], rules: Rules) -> dict[str, list[str]]:
    """Return the root causes that too many hosts have to be each one's own, with those hosts.

    The most common first, in an order that does not depend on which host answered first.
    """
    counted = Counter(name for state in states.values() for name in set(state.root_causes))
    total = max(rules.hosts, len(states))
    return {
        name: sorted(host for host, state in states.items() if name in state.root_causes)
        for name, hits in sorted(counted.items(), key=lambda found: (-found[1], found[0]))
        if hits >= _COMMON_AT_LEAST and hits * 100 >= total * rules.common_cause_percent
    }


def failed(states: Mapping[str, HostState]) -> list[str]:
    """Return the hosts that a run has nothing good to say of, or nothing at all."""
    return sorted(host for host, state in states.items() if state.verdict in _FAILED)


def barred(
    states: Mapping[str, HostState], waiting: Sequence[str], batch: Iterable[str], rules: Rules
) -> str:
    """Return why nothing more may be begun; nothing, where the next batch may.

    ``batch`` is the last one, of which one host at least must be well now.
    """
    bad = failed(states)
    if len(bad) >= how_many(rules.max_fail, len(states)):
        return (
            f"{len(bad)} of {len(states)} hosts failed, are unknown or could not be reached "
            f"({_some(bad)}), and that many may not (--max-fail {rules.max_fail})"
        )
    treated = list(batch)
    if treated and waiting and not any(states[host].verdict in _WELL for host in treated):
        return f"none of the batch before is well: {_some(treated)}"
    return ""


def in_the_way(host: str, states: Mapping[str, HostState]) -> dict[str, str]:
    """Return which other hosts of a run keep one from being changed, and why, as things stand."""
    own = states[host].rollout
    group = str(own.get("quorum_group") or "")
    ways = {str(other): "comes before it" for other in as_list(own.get("after"))}
    for other in as_list(own.get("quorum_members")):
        ways[str(other)] = f"is of its quorum group {group}"
    return {
        other: f"{other}, which {why}, is {_word(states[other])}"
        for other, why in ways.items()
        if other != host and other in states and states[other].verdict not in _WELL
    }


def next_batch(
    states: Mapping[str, HostState], waiting: Sequence[str], number: int, total: int, rules: Rules
) -> list[str]:
    """Return the hosts of batch ``number`` (from 0) among those ``waiting``, of ``total`` in all.

    Who comes before another, or is of its quorum group, has its turn in a batch before it. Of whom
    a host is in the way that waits for nothing any more, it is nobody's turn.
    """
    size = how_many(rules.batches[min(number, len(rules.batches) - 1)], total)
    chosen: list[str] = []
    groups: set[str] = set()
    for host in waiting:
        group = str(states[host].rollout.get("quorum_group") or "")
        if len(chosen) < size and not _waits(host, states, waiting) and group not in groups:
            chosen.append(host)
            groups |= {group} - {""}
    return chosen


def _waits(host: str, states: Mapping[str, HostState], waiting: Sequence[str]) -> bool:
    """Tell whether another host is in the way: of a quorum group the first that waits may go."""
    own = states[host].rollout
    before = {str(other) for other in as_list(own.get("after"))}
    earlier = waiting[: list(waiting).index(host)]
    return any(
        other in before or other in earlier or other not in waiting
        for other in in_the_way(host, states)
    )


def _word(state: HostState) -> str:
    return state.verdict.value.replace("_", " ") if state.verdict else "unknown"


def _some(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - 4} more" if len(hosts) > 4 else ""
    return ", ".join(hosts[:4]) + more
