"""A run that changes several hosts, batch by batch, on recorded answers."""

import time

import pytest

from oncall_runbook.run import batches, engine
from oncall_runbook.run.conclusion import Job, exit_code, finished_hosts
from oncall_runbook.run.engine import Outcome, Request
from oncall_runbook.run.events import Event
from oncall_runbook.run.session import Session
from oncall_runbook.run.verdict import Verdict
from oncall_runbook.text.progress import Silence

RULES = {"batches": ["1", "2", "100%"], "soak_seconds": 7, "max_fail": "50%", "hosts": 100}
STEP = {"rung": "start_it", "incident": "high_error_rate", "risk": "restart", "allowed": True}


class Fleet:
    """Hosts that answer as in plays of ansible; `ill` ones are cured unless `stubborn`."""

    def __init__(self, ill, *, well=(), stubborn=(), relapse=(), unreachable=(), rules=None):
        self.ill, self.stubborn, self.relapse = set(ill), set(stubborn), set(relapse)
        self.unreachable = set(unreachable)
        self.hosts = sorted({*ill, *well, *unreachable})
        self.rules = rules or {}
        self.plays, self.pauses, self.said = [], [], []
        self.status = "finished"

    def run(self, request, on_event, _output):
        turn = request.run_vars.get("run_turn", True)
        hosts = request.hosts or self.hosts
        self.plays.append((request.tags, turn, list(hosts)))
        for host in hosts:
            self.answer(host, on_event, acts=bool(request.tags) and (turn or len(hosts) == 1))
        return Outcome(self.status, 2 if self.ill else 0)

    def pause(self, _request, seconds):
        self.pauses.append(seconds)
        self.ill |= self.relapse
        return self.status

    def answer(self, host, on_event, *, acts):
        if host in self.unreachable:
            on_event(Event("unreachable", 0, host, "look", "probe", {"msg": "timed out"}))
            return
        if host not in self.ill:
            on_event(self.judged(host, "healthy"))
            return
        on_event(self.judged(host, "incident"))
        if acts:
            on_event(Event("ok", 0, host, "rung", "act", {**STEP, "changed": True}))
            cured = host not in self.stubborn
            self.ill -= {host} if cured else set()
            on_event(self.judged(host, "fixed" if cured else "not_fixed"))

    def judged(self, host, verdict):
        causes = ["high_error_rate"] if verdict in ("incident", "not_fixed") else []
        rollout = {**RULES, **self.rules.get("*", {}), **self.rules.get(host, {})}
        result = {"verdict": verdict, "root_causes": causes, "incidents": {}, "findings": {}}
        plan = [STEP] if verdict == "incident" else []
        return Event("ok", 0, host, "look", "probe", {**result, "plan": plan, "rollout": rollout})

    @property
    def turns(self):
        """The hosts of each batch."""
        return [hosts for tags, turn, hosts in self.plays if tags and turn]


@pytest.fixture
def act(monkeypatch):
    def go(fleet):
        monkeypatch.setattr(engine, "run", fleet.run)
        monkeypatch.setattr(engine, "pause", fleet.pause)
        ordered = {"acts": True, "operation": None, "inputs": {}}
        job = Job("20260101T000000Z-0000", "remediate", None, time.time(), "here", order=ordered)
        request = Request("r", "oncall.runbook.triage", ("x",), {})
        session = Session(job, request, lambda _acts: Silence())
        kept = fleet.kept = []
        outcome = batches.act(
            session, fleet.said.append, lambda now: kept.append(session.document(now))
        )
        return session.states, exit_code(session.states.values(), outcome)

    return go


def names(number):
    return [f"web{n}" for n in range(number)]


def test_one_host_is_cured_in_one_play(act):
    fleet = Fleet(["web1"])
    states, code = act(fleet)
    assert (states["web1"].verdict, code, fleet.plays) == (
        Verdict.FIXED,
        0,
        [("remediate", False, ["web1"])],
    )


def test_several_are_cured_batch_by_batch_each_looked_at_once_more(act):
    fleet = Fleet(names(7), well=["db"])
    states, code = act(fleet)
    assert fleet.turns == [["web0"], ["web1", "web2"], ["web3", "web4", "web5", "web6"]]
    assert fleet.pauses == [7, 7]  # none is waited for after the last
    assert [h for tags, _, h in fleet.plays if tags is None] == [["web0"], ["web1", "web2"]]
    assert [states[f"web{n}"].batch for n in range(7)] == [1, 2, 2, 3, 3, 3, 3]
    assert states["db"].batch is None
    assert code == 0
    assert fleet.said[0] == "batch 1: 1 of 7 hosts, 6 wait"
    assert fleet.said[-1] == "batch 3: 4 of 7 hosts"


def test_the_one_of_several_that_is_ill_is_no_rollout(act):
    fleet = Fleet(["web0"], well=["web1"], unreachable=["web2", "web3", "web4"])
    states, code = act(fleet)
    assert states["web0"].verdict is Verdict.FIXED
    assert (fleet.turns, fleet.pauses, fleet.said, code) == ([["web0"]], [], [], 4)


def test_a_canary_that_is_not_cured_is_the_last(act):
    fleet = Fleet(names(4), stubborn=["web0"])
    states, code = act(fleet)
    assert fleet.turns == [["web0"]]
    assert states["web3"].verdict is Verdict.REFUSED
    assert states["web3"].reason == "not begun: none of the batch before is well: web0"
    assert code == 5


def test_a_canary_that_falls_ill_again_is_the_last(act):
    fleet = Fleet(names(4), relapse=["web0"])
    states, _ = act(fleet)
    assert fleet.turns == [["web0"]]
    assert states["web0"].verdict is Verdict.NOT_FIXED
    assert "no longer well 7 s after its batch: high_error_rate" in states["web0"].reason
    assert states["web0"].actions


def test_too_many_that_cannot_be_reached_keep_everything_from_being_begun(act):
    fleet = Fleet(names(3), unreachable=["db0", "db1", "db2"])
    states, _ = act(fleet)
    assert fleet.turns == []
    assert "3 of 6 hosts failed, are unknown or could not be reached" in states["web0"].reason


def test_what_a_share_of_the_fleet_has_is_left_to_people(act):
    fleet = Fleet(names(4), rules={"*": {"hosts": 10, "common_cause_percent": 30}})
    states, code = act(fleet)
    assert (fleet.turns, code) == ([], 6)
    told = "high_error_rate is on 4 of 10 hosts: look for a common cause first"
    assert states["web0"].reason.startswith(told)


def test_who_waits_for_one_that_was_not_cured_is_told_so(act):
    rules = {"app": {"after": ["db"]}, "*": {"max_fail": "100%"}}
    fleet = Fleet(["app", "db"], stubborn=["db"], rules=rules)
    states, _ = act(fleet)
    assert fleet.turns == [["db"]]
    assert states["app"].verdict is Verdict.REFUSED
    fleet = Fleet(["app", "db"], well=["web"], stubborn=["db"], rules=rules)
    fleet.ill.add("web")
    fleet.rules["*"]["batches"] = ["100%"]
    states, _ = act(fleet)
    assert fleet.turns == [["db", "web"]]
    assert states["app"].reason == "waits: db, which comes before it, is not fixed"


def test_a_run_that_is_cancelled_begins_nothing_more(act):
    fleet = Fleet(names(3))
    pause = fleet.pause

    def cancelled(request, seconds):
        fleet.status = "cancelled"
        return pause(request, seconds)

    fleet.pause = cancelled
    states, code = act(fleet)
    assert (fleet.turns, code) == ([["web0"]], 130)
    assert states["web0"].verdict is Verdict.FIXED
    assert states["web2"].reason == "not begun: the run was ended (cancelled)"


def test_what_is_done_is_known_after_each_batch(act):
    fleet = Fleet(names(4))
    act(fleet)
    assert [finished_hosts(document) for document in fleet.kept] == [
        ["web0"],
        ["web0", "web1", "web2"],
    ]
