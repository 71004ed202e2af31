"""What plain ansible says of a host, without the command."""

import pytest
from ansible_collections.oncall.runbook.plugins.action.tell import said

INCIDENTS = {
    "database_connection_failures": {
        "severity": "SEV1",
        "confirmed": True,
        "explained_by": [],
        "evidence": "The database accepts connections: unhealthy",
    },
    "high_error_rate": {
        "severity": "SEV2",
        "confirmed": True,
        "explained_by": ["database_connection_failures"],
        "evidence": "Errors",
    },
    "disk_space_full": {"severity": "SEV1", "confirmed": False, "explained_by": []},
}


def state(verdict, reason="", causes=("database_connection_failures",), **more):
    found = {"incidents": INCIDENTS, "root_causes": [*causes]}
    return {**found, "verdict": verdict, "reason": reason, **more}


def test_an_incident_names_its_root_cause_what_decides_and_what_comes_next():
    assert list(said(state("incident"), "h")) == [
        "incident",
        "SEV1 database_connection_failures: The database accepts connections: unhealthy",
        "high_error_rate is explained by database_connection_failures",
        "next: ansible-playbook oncall.runbook.database_connection_failures --tags remediate -l h",
    ]


@pytest.mark.parametrize(
    ("found", "first"),
    [
        (state("unknown", "no answer within 4 s", []), "unknown: no answer within 4 s"),
        (state("not_fixed", "no rung cures this"), "not_fixed: no rung cures this"),
        (state("healthy", "", []), "healthy"),
    ],
)
def test_other_verdicts_say_why_and_give_no_next_command(found, first):
    lines = list(said(found, "web1"))
    assert lines[0] == first
    assert not [line for line in lines if line.startswith("next:")]


def test_a_cure_says_what_was_done():
    lines = list(said(state("fixed", "", [], acted=["start_database", "restart_backend"]), "web1"))
    assert lines[:2] == ["fixed", "done: start_database, restart_backend"]


PLAN = [
    {"title": "Start the database", "risk": "restart", "allowed": True},
    {"title": "Restore it", "risk": "data", "allowed": False},
    {"title": "Restart it", "risk": "restart", "allowed": False, "spent": "it did not hold"},
]
PLANNED = [
    "plan: Start the database [restart]",
    "plan: Restore it [data]: needs --allow data",
    "plan: Restart it [restart]: it did not hold",
]


def test_a_plan_is_said_where_it_is_asked_for():
    planned = state("incident", plan=PLAN)
    assert [line for line in said(planned, "h") if line.startswith("plan:")] == []
    assert list(said(planned, "h", plan=True))[-4:-1] == PLANNED


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("one\ntwo", ["one", "two"]),
        (None, []),
        (
            {
                "services": [
                    {"name": "a ", "up": True, "health": None},
                    {"name": "b", "ports": [80]},
                ],
                "free": 3,
            },
            ["free 3", "services:", "  name a, up True", "  name b", "  ports:", "    80"],
        ),
    ],
)
def test_what_a_routine_operation_saw_is_said_in_lines(value, lines):
    seen = {"operation": "status", "findings": {"status": {"value": value}}, "plan": []}
    assert list(said({"verdict": "healthy", **seen}, "h", plan=True)) == ["healthy", *lines]


def test_the_plan_of_a_routine_operation_is_said_once():
    found = {"restart": {"value": {"steps": [{"step": "redis"}]}}}
    seen = {"verdict": "refused", "reason": "needs --allow data", "plan": PLAN[1:2]}
    told = said({**seen, "operation": "restart", "findings": found}, "h", plan=True)
    assert list(told) == ["refused: needs --allow data", PLANNED[1]]
