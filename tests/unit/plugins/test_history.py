"""What runs did on a host lately, and what that leaves no sense in doing now."""

import contextlib

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import history
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_800_000_000
CARD = "high_error_rate"


def told(*climbed):
    """A host's history: what was climbed how many seconds ago, by whom, and whether it held."""
    lines = [
        f"{NOW - ago}|{run}|{CARD}|{rung}|{'held' if held else ''}"
        for ago, run, rung, held in climbed
    ]
    return ";".join([str(NOW), *lines])


def spent(*climbed, own=("me",), window=3600, attempts=3):
    return history.spent(told(*climbed), own, window, attempts)


def test_nothing_is_spent_where_nothing_was_done():
    assert history.spent("", ["me"], 3600, 3) == {}


def test_a_rung_that_did_not_hold_is_not_climbed_again():
    reasons = spent((120, "a", "restart", False))
    assert [*reasons] == [(CARD, "restart")]
    assert reasons[CARD, "restart"] == (
        "restart at 07:58:00Z (run a), which did not hold within 60 min"
    )


def test_what_held_in_the_end_held():
    assert spent((120, "a", "restart", False), (90, "a", "restart", True)) == {}


@pytest.mark.parametrize(
    "climbed",
    [
        (120, "me", "restart", False),  # by this very run
        (4000, "a", "restart", False),  # long ago
        (-900, "a", "restart", False),  # a clock that was set back
    ],
)
def test_what_does_not_count(climbed):
    assert spent(climbed) == {}


def test_after_some_runs_an_incident_is_left_to_people():
    runs = [(60 * n, f"run{n}", "restart", True) for n in (1, 2, 3)]
    assert spent(*runs[:2]) == {}
    assert spent(*runs, attempts=4) == {}
    reasons = spent(*runs)
    assert [*reasons] == [(CARD, "")]
    assert reasons[CARD, ""].startswith(f"{CARD} was remediated 3 times within 60 min, and is back")
    assert "run3" in reasons[CARD, ""]


def test_several_rungs_of_one_run_are_one_remediation():
    rungs = [(60 + n, "a", f"rung{n}", True) for n in range(5)]
    assert spent(*rungs) == {}


@given(st.text())
def test_whatever_a_host_says_is_read(text):
    with contextlib.suppress(OverflowError):
        history.spent(text, ["me"], 3600, 3)


@given(st.lists(st.text(alphabet="0123456789|;abcheld", max_size=60)))
def test_whatever_lines_it_keeps_are_read(lines):
    history.spent(";".join([str(NOW), *lines]), ["me"], 3600, 3)
