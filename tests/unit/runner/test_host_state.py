"""A host's events, folded into its state."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncall_runbook.run.events import Action, Event, Kind, translate
from oncall_runbook.run.host_state import Action as Rung
from oncall_runbook.run.host_state import HostState, advance, unreachable
from oncall_runbook.run.verdict import Verdict

INCIDENT = {"database": {"confirmed": True, "severity": "SEV1", "explained_by": []}}


def event(action: Action = "probe", kind: Kind = "ok", **result: Any) -> Event:
    return Event(kind, 0.0, "h", "stem | Do it", action, result)


def fold(*events: Event) -> HostState:
    return functools.reduce(advance, events, HostState())


def test_a_remediation_from_diagnosis_to_verified_cure() -> None:
    state = fold(
        event(
            phase="diagnose",
            verdict="incident",
            root_causes=["database"],
            incidents=INCIDENT,
            findings={"accepts": {"status": "unhealthy"}},
            plan=[{"rung": "restart", "risk": "restart", "allowed": True, "why": "it is down"}],
        ),
        event(phase="evidence", evidence={"path": "/e", "files": 2, "bytes": 9}),
        event("act", changed=True),
        event("act", changed=True, rung="restart", incident="database", risk="restart", seconds=2),
        event("act", changed=False, rung="restart", incident="database", risk="restart", seconds=1),
        event(phase="settle", verdict="incident", rung="restart", incident="database", held=True),
        event(phase="verify", verdict="fixed", findings={"accepts": {"status": "healthy"}}),
    )
    assert state == HostState(
        verdict=Verdict.FIXED,
        phase="verify",
        findings={"accepts": {"status": "healthy"}},
        actions=(Rung("restart", "database", risk="restart", changed=True, seconds=3, held=True),),
        evidence={"path": "/e", "files": 2, "bytes": 9},
        diagnosis={"root_causes": ["database"], "incidents": INCIDENT},
    )


@pytest.mark.parametrize("verdict", ["refused", "locked"])
@pytest.mark.parametrize("kind", ["ok", "failed"])
def test_an_act_that_does_not_act_is_a_verdict_and_no_action(kind: Kind, verdict: str) -> None:
    state = fold(event("act", kind, rung="wipe", verdict=verdict, reason="needs --allow data"))
    assert state == HostState(verdict=Verdict(verdict), reason="needs --allow data")


def test_a_failed_task_without_a_verdict_is_an_error_in_one_line() -> None:
    state = fold(event("", "failed", msg="Task failed: no such module\nOrigin: x.yml"))
    assert state == HostState(verdict=Verdict.ERROR, reason="stem | Do it: no such module")


def test_a_failed_task_with_a_verdict_counts_as_that_verdict() -> None:
    assert fold(event("", "failed", verdict="not_fixed", reason="still down")) == HostState(
        verdict=Verdict.NOT_FIXED, reason="still down"
    )


def test_an_ignored_failure_is_no_verdict() -> None:
    assert fold(Event("failed", 0.0, "h", "t", "", {"msg": "x"}, ignored=True)) == HostState()


def test_a_later_judgement_replaces_an_earlier_failure() -> None:
    state = fold(event("act", "failed", rung="r", msg="boom"), event(verdict="not_fixed"))
    assert state.verdict is Verdict.NOT_FIXED
    assert [action.rung for action in state.actions] == ["r"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "Task failed: Failed to connect to the host via ssh: ssh: connect to host ::1 port 1: "
            "Connection refused",
            ("refused", "connect to host ::1 port 1: Connection refused"),
        ),
        ("ssh: connect to host h port 22: Connection timed out\n", ("timed out", None)),
        ("ops@h: Permission denied (publickey).", ("key", "ops@h: Permission denied (publickey).")),
        (
            "@@@@@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nbla\n"
            "Host key verification failed.",
            ("key", None),
        ),
        ("ssh: Could not resolve hostname x: Name or service not known", ("name", None)),
        ("Failed to create temporary directory: No space left on device", ("disk full", None)),
        ("something else\n", ("other", "something else")),
        ("", ("other", "no reason given")),
    ],
)
def test_why_a_host_cannot_be_reached(message: str, told: tuple[str, str | None]) -> None:
    cause, line = unreachable(message)
    assert cause == told[0]
    assert told[1] in (None, line)
    assert "\n" not in line


def test_an_event_of_ansible_runner_becomes_ours() -> None:
    raw = {
        "event": "runner_on_ok",
        "event_data": {
            "host": "h",
            "task": "diagnose | Ask",
            "task_action": "probe",
            "resolved_action": "oncall.runbook.judge",
            "res": {"verdict": "healthy", "output": "password hunter22"},
        },
    }
    (found,) = translate(raw, frozenset({"hunter22"}))
    assert (found.kind, found.host, found.task, found.action) == (
        "ok",
        "h",
        "diagnose | Ask",
        "probe",
    )
    assert found.result == {"verdict": "healthy", "output": "password ********"}


def test_a_loop_is_an_event_for_each_item_and_a_cut_result_keeps_what_was_printed() -> None:
    data = {"host": "h", "resolved_action": "oncall.runbook.act"}
    loop = {
        "event": "runner_on_ok",
        "event_data": {**data, "res": {"results": [{}, {"rung": "r"}]}},
    }
    assert [found.result for found in translate(loop)] == [{}, {"rung": "r"}]
    cut = {"event": "runner_on_failed", "stdout": "fatal: x", "event_data": {**data, "res": {}}}
    assert [found.result for found in translate(cut)] == [{"msg": "fatal: x"}]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
KEYS = ["verdict", "reason", "findings", "incidents", "root_causes", "plan", "phase", "held"]
KEYS += ["rung", "incident", "seconds", "rc", "changed", "evidence", "msg", "results"]


@given(
    st.sampled_from(["oncall.runbook.judge", "oncall.runbook.act", "ansible.builtin.raw"]),
    st.sampled_from(["runner_on_ok", "runner_on_failed", "runner_on_unreachable"]),
    anything | st.dictionaries(st.sampled_from(KEYS), anything),
)
def test_no_result_however_odd_breaks_the_fold(action: str, kind: str, res: object) -> None:
    data = {"host": "h", "task": "t", "resolved_action": action, "res": res}
    for found in translate({"event": kind, "event_data": data}):
        state = advance(HostState(), found)
        assert "\n" not in state.reason
