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
