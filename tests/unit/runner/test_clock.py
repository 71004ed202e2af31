"""Times that people write, and lengths of time that they read."""

import contextlib
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncall_runbook import clock
from oncall_runbook.errors import BadInputError

NOW = round(datetime(2026, 11, 24, 0, 10, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def zone(monkeypatch):
    def put(name):
        monkeypatch.setenv("TZ", name)
        time.tzset()

    put("UTC")
    yield put
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("30m", "2026-11-24T00:40:00.000Z"),
        ("+1h30m", "2026-11-24T01:40:00.000Z"),
        ("-10m", "2026-11-24T00:00:00.000Z"),
        ("2d", "2026-11-26T00:10:00.000Z"),
        ("00:05", "2026-11-24T00:05:00.000Z"),
        ("23:55", "2026-11-23T23:55:00.000Z"),  # five minutes ago is nearer than tonight
        ("12:00:30", "2026-11-24T12:00:30.000Z"),
        ("2026-11-23", "2026-11-23T00:00:00.000Z"),
        ("2026-11-23 22:15", "2026-11-23T22:15:00.000Z"),
        ("2026-11-23T22:15:01.5Z", "2026-11-23T22:15:01.500Z"),
        ("2026-11-23T22:15+02:00", "2026-11-23T20:15:00.000Z"),
    ],
)
def test_a_time_is_read_as_it_was_meant(zone, given, meant):
    assert clock.text(clock.parse(given, NOW)) == meant


def test_without_a_zone_it_is_the_machines(zone):
    zone("America/New_York")
    assert clock.text(clock.parse("2026-11-23T22:15", NOW)) == "2026-11-24T03:15:00.000Z"
    assert clock.text(clock.parse("19:15", NOW)) == "2026-11-24T00:15:00.000Z"
    assert clock.text(clock.parse("2026-11-23T22:15Z", NOW)) == "2026-11-23T22:15:00.000Z"


@pytest.mark.parametrize(
    "given",
    ["", "soon", "25:00", "12:61", "30", "30x", "2026-13-01", "m30", "99999999d", "999999999999d"],
)
def test_what_is_no_time_says_what_would_be(given):
    with pytest.raises(BadInputError, match="is no time; write 30m"):
        clock.parse(given, NOW)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("30m", "2026-11-24T00:40"), ("23:55", "2026-11-24T23:55"), ("00:05", "2026-11-25T00:05")],
)
def test_what_is_to_come_is_the_next_one(zone, given, meant):
    assert clock.text(clock.ahead(given, NOW)) == f"{meant}:00.000Z"


@pytest.mark.parametrize("given", ["-10m", "2026-11-23", "0s"])
def test_what_is_over_is_not_to_come(zone, given):
    with pytest.raises(BadInputError, match="which is over"):
        clock.ahead(given, NOW)


@given(st.text(max_size=20))
def test_whatever_is_written_is_a_time_or_bad_input(text):
    with contextlib.suppress(BadInputError):
        assert isinstance(clock.parse(text, NOW), int)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (303, "5 m 3 s"),
        (300, "5 m"),
        (7200, "2 h"),
        (7800, "2 h 10 m"),
        (273600, "3 d 4 h"),
    ],
)
def test_a_length_of_time_for_people(seconds, told):
    assert clock.span(seconds * 1000) == told
