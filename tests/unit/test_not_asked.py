"""What could not be asked is unknown: no finding that is read from such an answer is healthy."""

import json

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, expressions, verdict
from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import Answer
from ansible_collections.oncall.runbook.plugins.plugin_utils.findings import derived, finding

LIBRARY = cards.library()
VALUES = {**LIBRARY.defaults, **cards.own()}
HOLDER = {"service": "", "who": "", "half": False}
HUNG = {"accepts": 2, "ready": "no response", "holder": HOLDER, "asked": False}
CROWDED = {
    "accepts": 0,
    "ready": "accepting connections",
    "holder": {"service": "backend", "who": "100 sessions of the API", "half": True},
    "sessions_percent": 100,
    "crowded": True,
    "blocked": None,
}
FULL = {"accepts": 0, "ready": "accepting connections", "holder": HOLDER, "error": "no space left"}
NODE = {
    "here": True,
    "answers": False,
    "in_memory": True,
    "stopped_processes": 0,
    "api_client": "no answer",
    "contract": "0x5Fb",
    "expected_chain_id": 31337,
    "pending_seconds": 0,
    "contract_elsewhere": "",
    "elsewhere_said": "",
}
CACHE = {"refuses": "gone", "hangs": "", "latency_ms": 0, "slow": False, "answers": False}


def view(outcome, route=None, ms=4):
    seen = {"outcome": outcome, "reason": "postgres:5432 …", "where": "postgres:5432", "ms": ms}
    return {"way": "driver", "database": seen, "cache": None, "chain": None, "route": route}


def evaluate(expression, names):
    return expressions.evaluate(expression, names, VALUES.__getitem__)


def read_from(source, answer):
    """The findings of all cards that are read from one question's answer."""
    asked = verdict.probes_of(LIBRARY.cards.values(), LIBRARY.probes)
    (question,) = (probe for probe in asked if probe["id"] == source)
    told = Answer(rc=0, ms=3000, output=json.dumps(answer), stderr="", timed_out=False, cut=False)
    found = finding(question, told, evaluate)
    readers = [probe for probe in asked if probe.get("of") == source]
    return found, {probe["id"]: derived(probe, found, evaluate) for probe in readers}


@pytest.mark.parametrize(
    ("source", "answer", "told"),
    [
        ("database_activity", HUNG, {"database_accepts"}),
        ("database_activity", CROWDED, {"database_accepts", "sessions_holder"}),
        ("database_activity", FULL, {"database_accepts"}),
        ("blockchain_node", NODE, {"blockchain_client"}),
        ("cache_activity", CACHE, {"cache_hangs"}),
        *(
            ("application_view", view(outcome, ms=ms), {"backend_route", "backend_pool"})
            for outcome in ("timed_out", "refused", "no_session_left", "wrong_password", "error")
            for ms in (4, 4005)
        ),
    ],
)
def test_nothing_is_healthy_that_nobody_was_told(source, answer, told):
    _, readers = read_from(source, answer)
    healthy = {id for id, found in readers.items() if found["status"] == "healthy"}
    assert healthy <= told | {"backend_reaches_cache", "backend_reaches_chain", "backend_resolver"}


@pytest.mark.parametrize(
    ("database", "route", "ms"),
    [
        ("works", None, 4),
        ("works", ("works", 2700), 2700),
        ("works", ("timed_out", 4000), 4000),
        ("works", ("unknown", 2), 4),
        ("works", ("error", 2), 4),
        ("unknown", ("works", 30), 30),
        ("refused", ("refused", 2), None),
        ("refused", ("unknown", 2), None),
    ],
)
def test_only_a_read_that_came_about_is_timed(database, route, ms):
    named = route and {"outcome": route[0], "reason": "…", "status": 0, "ms": route[1]}
    _, readers = read_from("application_view", view(database, named))
    assert readers["read_time"]["value"] == ms


@pytest.mark.parametrize(("ms", "status"), [(1400, "unknown"), (4005, "unhealthy")])
def test_a_read_that_was_cut_off_takes_longer_than_it_was_let(ms, status):
    _, readers = read_from("application_view", view("timed_out", ms=ms))
    assert readers["read_time"]["status"] == status


@pytest.mark.parametrize("answer", [HUNG, CROWDED, FULL])
def test_a_database_that_says_nothing_of_its_sessions_is_not_well(answer):
    found, _ = read_from("database_activity", answer)
    assert found["status"] == "unhealthy"
