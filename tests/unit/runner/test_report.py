"""What people read of a step: what became of it, why it failed, what it cost."""

import pytest

from oncall_runbook.text import report

STEP = {"rung": "restart", "title": "Restart the API", "risk": "restart", "seconds": 2}
COSTS = "requests, until the API listens again"


def told(action, plan=()):
    host = {"verdict": "fixed", "actions": [action], "plan": list(plan)}
    return "\n".join(line.plain for line in report.lines({"hosts": {"here": host}}))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"changed": True, "held": True}, "changed, 2 s, held"),
        ({"changed": False}, "nothing to change, 2 s"),
        ({"changed": False, "reason": "port is taken"}, "failed, 2 s — port is taken"),
        ({"changed": True, "reason": "no room"}, "failed halfway, 2 s — no room"),
        ({"changed": True, "costs": COSTS}, f"changed, 2 s, at the cost of {COSTS}"),
        ({"changed": False, "costs": COSTS}, "nothing to change, 2 s"),
    ],
)
def test_a_step_says_what_became_of_it(action, expected):
    assert told({**STEP, **action}).splitlines()[1] == f"  did  Restart the API: {expected}"


def test_a_plan_says_what_a_step_would_cost():
    step = {**STEP, "allowed": True, "costs": COSTS, "why": "it hangs"}
    assert f"[restart] allowed, costs {COSTS} — it hangs" in told(STEP, [step])


def test_an_answer_that_is_no_text_is_not_shown_raw():
    finding = {"title": "Answers", "status": "unhealthy", "value": {"requests": 20}}
    host = {"verdict": "incident", "findings": {"answers": finding}}
    shown = "\n".join(line.plain for line in report.lines({"hosts": {"here": host}}))
    assert "Answers" in shown
    assert "requests" not in shown


def test_what_was_not_told_is_no_line_where_another_says_why(capsys):
    findings = {
        "activity": {"status": "unhealthy", "title": "Sessions", "reason": "timeout expired"},
        "lock_wait": {
            "of": "activity",
            "status": "unknown",
            "title": "Waits",
            "reason": "the answer does not say blocked_seconds",
        },
        "inodes": {
            "of": "activity",
            "status": "unknown",
            "title": "Inodes",
            "reason": "not a number",
        },
    }
    incidents = {
        "database": {"confirmed": True, "severity": "SEV1", "title": "Database"},
        "slow": {"confirmed": None, "title": "Slow", "may_come_of": ["database"]},
        "disk": {"confirmed": None, "title": "Disk", "may_come_of": []},
    }
    host = {"verdict": "incident", "root_causes": ["database"], "incidents": incidents}
    report.show({"hosts": {"web1": {**host, "findings": findings}}, "run": "r", "exit_code": 3})
    said = capsys.readouterr().out
    assert "Sessions" in said
    assert "Waits" not in said
    assert "Inodes" in said
    assert "whether Slow" not in said
    assert "whether Disk" in said
