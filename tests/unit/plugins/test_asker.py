"""Which part of a stack a finding is about: whether it is asked, and why it has no answer."""

from types import SimpleNamespace

import pytest
from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, expressions
from ansible_collections.oncall.runbook.plugins.plugin_utils.asker import Asker
from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import Answer
from ansible_collections.oncall.runbook.plugins.plugin_utils.findings import question
from jinja2 import Environment

PROBES = [
    {"id": "containers", "run": "a", "parse": "json"},
    {"id": "ports", "run": "b", "parse": "json"},
    {"id": "port_free", "of": "ports", "part": "api", "value": "value.free", "healthy": "value",
     "reason": "value.why"},
    {"id": "view", "part": "api", "run": "c", "parse": "json"},
    {"id": "pool", "of": "view", "part": "data", "value": "value.pool", "healthy": "value < 2"},
    {"id": "page", "part": "web", "run": "d"},
    {"id": "code", "of": "page", "value": "rc", "unanswered": "rc", "healthy": "value == 0"},
]  # fmt: skip
DOWN = '{"api": {"down": "api was stopped"}, "data": {"down": ""}, "web": {"down": ""}}'
ANSWERS = {
    "containers": Answer(0, 1, DOWN),
    "ports": Answer(0, 1, '{"free": false, "why": "classroom holds it"}'),
    "view": Answer(69, 1, "", "no such process"),
    "page": Answer(7, 1, "", "refused"),
}


def in_jinja(expression, names):
    return Environment().compile_expression(expression)(**names)


def findings(absent=(), probes=PROBES, by=in_jinja, ask=question, **answers):
    asker = SimpleNamespace(
        absent_parts=lambda: frozenset(absent),
        question=ask,
        ask=lambda asked, _shell: {q.id: {**ANSWERS, **answers}[q.id] for q in asked},
        evaluate=by,
        known=set(),
    )
    return Asker.ask_probes(asker, probes, {})


def test_what_a_stopped_part_leads_to_is_told_by_that():
    found = findings()
    assert found["view"]["reason"] == "api was stopped"
    assert found["pool"]["reason"] == "api was stopped", "it is the API that would tell"


def test_what_is_known_without_asking_the_part_keeps_its_own_reason():
    assert findings()["port_free"]["reason"] == "classroom holds it"
    assert findings()["page"]["reason"] == "refused"
    assert findings()["code"]["reason"] == "refused"


def test_an_answer_that_is_late_is_told_with_the_deadline_that_it_had():
    """A card may compute it: memory is looked at for longer where it alone is in question."""

    def rendered(probe):
        return question({**probe, "timeout": 8})

    late = [{"id": "memory", "run": "m", "timeout": "{{ 8 + window }}"}]
    found = findings(probes=late, ask=rendered, memory=Answer(None, 8000, "", timed_out=True))
    assert found["memory"]["status"] == "unknown"
    found = findings(probes=late, ask=rendered, memory=Answer(124, 8000, "", timed_out=True))
    assert found["memory"]["reason"] == "no answer within 8 s"


@pytest.mark.parametrize("states", ["[1]", "null", "3", "{}", "no json"])
def test_a_list_of_containers_that_is_none_explains_nothing(states):
    found = findings(containers=Answer(0, 1, states))
    assert found["view"]["reason"] == "no such process"


def test_what_is_read_of_a_part_that_is_not_there_is_not_asked():
    found = findings(absent=["api"])
    told = {id: one["status"] for id, one in found.items()}
    assert told["port_free"] == told["view"] == told["pool"] == "not_applicable"
    assert told["page"] == told["code"] == "unhealthy"


@pytest.mark.parametrize(
    ("there", "offset", "said"),
    [
        (970, -30, ""),
        (969, -31, "31 s behind this control host"),
        (1000, 0, ""),
        (1004, 0, ""),
        (1034, 30, ""),
        (1035, 31, "31 s ahead of this control host"),
    ],
)
def test_a_clock_is_skewed_by_what_lies_outside_of_when_it_was_asked(
    monkeypatch, there, offset, said
):
    moments = iter([1000.9, 1003.1])
    monkeypatch.setattr("time.time", lambda: next(moments))
    card = cards.library().card("clock_skewed")
    limit = {"clock_skewed_limit_seconds": 30}

    def evaluate(expression, names):
        return expressions.evaluate(expression, names, limit.__getitem__)

    found = findings(probes=card["probes"], clock=Answer(0, 1, f"{there}\n"), by=evaluate)
    assert (found["clock_offset"]["value"], found["clock_offset"]["reason"]) == (offset, said)
    assert found["clock_offset"]["healthy"] is (said == "")


def of_run(**given):
    values = {
        "deadline_seconds": 60, "batches": ["1", "100%"], "soak_seconds": 5, "max_fail": "50%",
        "common_cause_percent": 30, "quorum_group": "", "after": [], "plan_hours": 24, **given,
    }  # fmt: skip
    asker = SimpleNamespace(variable=lambda name: values[name.removeprefix("run_")])
    return Asker.of_run(asker, {"groups": {"all": ["a", "b", "c"], "dbs": ["a", "b"]}})["rollout"]


def test_what_the_inventory_says_of_a_change_to_many_hosts():
    told = of_run(quorum_group="dbs", after=["a", "b"])
    assert (told["after"], told["batches"]) == (["a", "b"], ["1", "100%"])
    assert (told["quorum_members"], told["hosts"]) == (["a", "b"], 3)


class Looking(Asker):
    """A reading action that finds nothing."""

    def answer(self, variables):
        return {}


@pytest.mark.parametrize("use", ["use_collection", "use_operations"])
def test_an_input_that_is_written_as_text_is_read_as_what_it_is(use):
    looking = Looking.__new__(Looking)
    looking.library, looking._templar = cards.library(), Templar(loader=DataLoader())
    getattr(looking, use)({"stack_health_statuses": "200, 401", "run_batches": "1,10%"})
    assert looking.variable("run_batches") == ["1", "10%"]
    shell = looking._shell({"environment": {"S": "stack_health_statuses | join(' ')"}})
    assert shell.environment == {"S": "200 401"}


def test_and_refused_where_it_cannot_be():
    looking = Looking.__new__(Looking)
    looking.library, looking._templar = cards.library(), Templar(loader=DataLoader())
    looking.use_collection({"stack_health_statuses": "200,teapot"})
    with pytest.raises(AnsibleActionFail, match="stack_health_statuses"):
        looking.check_inputs()


@pytest.mark.parametrize("second", ["Connection refused", ""])
def test_a_host_whose_ssh_ended_before_it_was_asked_says_why(second):
    """Ansible says of it that a pipe was broken, and no more."""
    looking = Looking.__new__(Looking)
    looking._connection = SimpleNamespace(_play_context=SimpleNamespace(no_log=False))
    said = []

    def execute(command, in_data=None, executable=None):
        said.append(command)
        if in_data:
            raise AnsibleConnectionFailure("Data could not be sent") from BrokenPipeError()
        if second:
            raise AnsibleConnectionFailure(second)
        return {"rc": 0}

    looking._low_level_execute_command = execute
    with pytest.raises(AnsibleConnectionFailure, match=second or "Data could not be sent"):
        looking.sent("sh", b"words", 10, 2**20)
    assert said == ["sh", ":"]


def test_a_quorum_group_that_is_none_of_the_inventory_is_refused():
    with pytest.raises(AnsibleActionFail, match="no group is called db"):
        of_run(quorum_group="db")
