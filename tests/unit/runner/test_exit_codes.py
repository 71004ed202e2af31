"""Verdicts and exit codes: every verdict has one, and the gravest wins."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncall_runbook.run.conclusion import exit_code
from oncall_runbook.run.engine import Outcome
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.verdict import GRAVEST_FIRST, Verdict

CODES = {
    "healthy": 0,
    "fixed": 0,
    "error": 1,
    "incident": 3,
    "unreachable": 4,
    "unknown": 4,
    "not_fixed": 5,
    "refused": 6,
    "locked": 7,
}
verdicts = st.lists(st.sampled_from(list(Verdict)), min_size=1)


def states(*found: Verdict) -> list[HostState]:
    return [HostState(verdict=verdict) for verdict in found]


def test_every_verdict_has_the_exit_code_of_the_design() -> None:
    assert {verdict.value: verdict.exit_code for verdict in Verdict} == CODES


@given(verdicts)
def test_no_host_is_graver_than_the_exit_code(found: list[Verdict]) -> None:
    code = exit_code(states(*found), Outcome())
    assert code in {verdict.exit_code for verdict in found}
    ranks = [GRAVEST_FIRST.index(verdict.exit_code) for verdict in found]
    assert GRAVEST_FIRST.index(code) == min(ranks)


@pytest.mark.parametrize(
    ("found", "outcome", "code"),
    [
        ((Verdict.HEALTHY,), Outcome(), 0),
        ((Verdict.HEALTHY, Verdict.INCIDENT), Outcome(rc=2), 3),
        ((Verdict.INCIDENT, Verdict.UNREACHABLE), Outcome(rc=4), 4),
        ((Verdict.INCIDENT, Verdict.REFUSED), Outcome(), 6),
        ((Verdict.NOT_FIXED, Verdict.LOCKED), Outcome(), 7),
        ((Verdict.HEALTHY,), Outcome(rc=250, error="Unexpected"), 1),
        ((Verdict.UNKNOWN,), Outcome("timeout", 254), 124),
        ((Verdict.UNKNOWN,), Outcome("cancelled", 254), 130),
        ((Verdict.ERROR,), Outcome("cancelled", 254), 1),
        ((), Outcome("cancelled", 254), 130),
        ((), Outcome(rc=0), 8),
        ((), Outcome(rc=1, no_hosts=True), 8),
        ((), Outcome(rc=1, error="Completely failed to parse inventory source x"), 8),
        ((), Outcome(rc=1, error="the playbook could not be found"), 1),
        ((), Outcome(rc=4, error="no action detected"), 1),
    ],
)
def test_the_run_as_a_whole_counts_too(
    found: tuple[Verdict, ...], outcome: Outcome, code: int
) -> None:
    assert exit_code(states(*found), outcome) == code
