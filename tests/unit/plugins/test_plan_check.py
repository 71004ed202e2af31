"""What has changed on a host since a plan was made, and which rungs that plan allows."""

import copy
import json

import pytest
from ansible_collections.oncall.runbook.plugins.action.judge import ActionModule
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, plan_check
from hypothesis import given
from hypothesis import strategies as st

STEP = {"incident": "disk", "rung": "clean", "title": "Clean", "risk": "restart", "allowed": True}
DATA = {**STEP, "rung": "drop", "risk": "data", "allowed": False}
SAME = {"address": "a", "inputs": "b"}


def judged(**other):
    """What the action found when the plan was made."""
    findings = {
        "usage": {"title": "Disk in use", "status": "unhealthy", "value": 97.2},
        "state": {"title": "State", "status": "unhealthy", "value": "3 of 5 full, worker1 waits"},
        "cache": {"title": "Cache", "status": "healthy", "value": "up"},
    }
    incidents = {"disk": {"because": ["usage", "state"]}, "cache": {"because": ["cache"]}}
    found = {"findings": findings, "incidents": incidents, "root_causes": ["disk"]}
    return copy.deepcopy({**found, "plan": [STEP, DATA], "resolved": SAME, **other})


def planned(**other):
    """The same as a plan keeps it."""
    found = judged()
    return {**found, "findings": plan_check.decided(found), "incidents": {}, **other}


def test_nothing_has_changed_on_a_host_that_is_as_it_was():
    assert plan_check.changes(planned(), judged()) == []
    assert plan_check.bounded([STEP, DATA], planned(), []) == [STEP, DATA]


def test_what_has_not_decided_may_change():
    now = judged()
    now["findings"]["cache"] |= {"status": "unhealthy", "value": "down"}
    assert plan_check.changes(planned(), now) == []


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ("4 of 5 full, worker1 waits", True),
        ("3 of 12% full, worker1 waits", True),
        ("3 of 5 full, worker2 waits", False),
        ("3 of 5 full", False),
        (None, False),
    ],
)
def test_figures_may_move_and_words_may_not(value, same):
    now = judged()
    now["findings"]["usage"]["value"] = 99
    now["findings"]["state"]["value"] = value
    assert (plan_check.changes(planned(), now) == []) is same


def with_finding(**fields):
    now = judged()
    now["findings"]["state"] |= fields
    return now


def deciding(*ids):
    now = judged()
    now["incidents"]["disk"]["because"] = [*ids]
    return now


@pytest.mark.parametrize(
    ("now", "line"),
    [
        (with_finding(status="healthy"), "State: healthy, was unhealthy"),
        (with_finding(value="a\x1b[2J\nb"), "State: a [2J b, was 3 of 5 full, worker1 waits"),
        (deciding("usage", "state", "cache"), "Cache: healthy, and decides now"),
        (judged(root_causes=["disk", "cache"]), "cache is a root cause now"),
        (judged(root_causes=[]), "disk is no root cause any more"),
        (judged(plan=[STEP]), "rung drop does not fit any more"),
        (judged(plan=[STEP, DATA, {**STEP, "rung": "new"}]), "rung new fits now, and did not"),
        (judged(plan=[{**STEP, "risk": "outage"}, DATA]), "rung clean: risk is another one now"),
        (judged(plan=[{**STEP, "shows": "+a"}, DATA]), "rung clean: shows is another one now"),
        (judged(resolved={**SAME, "address": "c"}), "the inventory leads elsewhere now"),
        (judged(resolved={**SAME, "inputs": "c"}), "an input of the inventory, or of -e, has"),
    ],
)
def test_each_difference_is_a_line_and_no_rung_is_allowed(now, line):
    told = plan_check.changes(planned(), now)
    assert [each for each in told if each.startswith(line)]
    assert all("\n" not in each and "\x1b" not in each for each in told)
    steps = plan_check.bounded(now["plan"], planned(), told)
    assert not [step for step in steps if step["allowed"]]
    assert plan_check.reason(told).startswith("changed since the plan: ")


def test_a_host_that_is_in_no_plan_is_left_alone():
    told = plan_check.changes(None, judged())
    assert told == ["the host is not in the plan"]
    assert not [step for step in plan_check.bounded([STEP], None, told) if step["allowed"]]


def test_only_rungs_that_the_plan_allows_are_climbed_also_after_others():
    steps = [STEP, {**DATA, "allowed": True}, {**STEP, "rung": "new"}]
    told = plan_check.bounded(steps, planned(), [])
    assert [step["allowed"] for step in told] == [True, False, False]
    assert [step["spent"] for step in told[1:]] == [
        "drop is not in the plan",
        "new is not in the plan",
    ]


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=9))
def test_any_value_is_the_same_as_itself(value):
    found = judged()
    found["findings"]["state"]["value"] = value
    then = {**found, "findings": json.loads(json.dumps(plan_check.decided(found)))}
    assert plan_check.changes(then, found) == []


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"hosts": 1}', '{"hosts": {"a": 1}}', "[" * 9999]
)
def test_a_file_that_holds_no_plan_is_said(tmp_path, text):
    (tmp_path / "plan").write_text(text)
    with pytest.raises(ValueError, match="holds no plan"):
        plan_check.hosts_of(str(tmp_path / "plan"))


@pytest.mark.parametrize(
    ("word", "resolved", "became"),
    [
        ("refused", SAME, "refused"),
        ("not_fixed", SAME, "refused"),  # no rung fits any more
        ("unknown", SAME, "unknown"),
        ("healthy", SAME, "healthy"),  # it has become well by itself
        ("healthy", {**SAME, "address": "c"}, "refused"),  # another host is well
    ],
)
def test_the_verdict_of_a_host_that_has_changed(word, resolved, became):
    action = ActionModule.__new__(ActionModule)
    action._planned, action._resolved = planned, resolved
    assert action._refused(word, "", ["State: up"])[0] == became


def resolved(**variables):
    """The checksums of what an inventory comes to."""

    class Action(ActionModule):
        def variable(self, name):
            return variables[name]

    action = Action.__new__(Action)
    action.library, action.known = cards.library(), {"hunter2"}
    return action.resolved(variables)


@pytest.mark.parametrize(
    ("other", "differs"),
    [
        ({"ansible_connection": "ssh"}, []),  # what ansible says itself, of some tasks
        ({"ansible_host": "192.0.2.2"}, ["address"]),
        ({"ansible_port": 23}, ["address"]),
        ({"ansible_connection": "local"}, ["address"]),
        ({"stack_dir": "/srv/other"}, ["address"]),
        ({"stack_backend_url": "http://localhost:1"}, ["inputs"]),
        ({"disk_space_full_limit_percent": 70}, ["inputs"]),
        ({"disk_space_full_limit_percent": "hunter2"}, []),  # of a secret nothing is kept
        ({"own_variable": 1, "incident_plan": "x", "run_plan_hours": 1}, []),
    ],
)
def test_what_the_inventory_leads_to_is_known_by_checksums(other, differs):
    one = {"ansible_host": "192.0.2.1", "ansible_port": 22, "stack_dir": "/srv/school_mgmt"}
    then, now = resolved(**one), resolved(**{**one, **other})
    assert [key for key in then if then[key] != now[key]] == differs
