"""When a rung is over: what it was climbed for is gone, and what it brought about as well."""

from types import SimpleNamespace

import pytest
from ansible_collections.oncall.runbook.plugins.action.judge import ActionModule
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards

CLIMBED = "database_connection_failures"
EXPLAINED = "application_not_responding"
OTHER = "blockchain_service_unavailable"  # the database explains nothing of it


def incidents(**confirmed):
    return {
        name: {
            "confirmed": confirmed.get(name, False),
            "explained_by": [],
            "because": [],
            "why": "",
            "reason": "",
        }
        for name in cards.library().cards
    }


def well(before, now):
    arguments = {"climbed": CLIMBED, "incident": None, "before": {"incidents": before}}
    action = ActionModule.__new__(ActionModule)
    action.library = cards.library()
    return action._is_well({"incidents": now, "findings": {}}, arguments)


def test_it_is_over_when_what_it_was_for_is_gone():
    assert well(incidents(**{CLIMBED: True}), incidents())


@pytest.mark.parametrize("still", [True, None])
def test_it_is_not_while_that_is_there_or_unknown(still):
    assert not well(incidents(**{CLIMBED: True}), incidents(**{CLIMBED: still}))


def test_nor_while_something_is_there_that_it_may_have_brought_about():
    """An API ends when a restart of the database takes its sessions, and is started again."""
    assert not well(incidents(**{CLIMBED: True}), incidents(**{EXPLAINED: True}))


@pytest.mark.parametrize(
    ("before", "now"),
    [
        # It was there all the time, and has a ladder of its own.
        ({CLIMBED: True, EXPLAINED: True}, {EXPLAINED: True}),
        # No card says that the one comes of the other.
        ({CLIMBED: True}, {OTHER: True}),
        ({CLIMBED: True}, {EXPLAINED: None}),
    ],
)
def test_other_troubles_are_not_waited_for(before, now):
    assert well(incidents(**before), incidents(**now))


def test_who_waits_long_looks_less_often(monkeypatch):
    clock, looks = [100.0], []
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    monkeypatch.setattr("time.sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    class Judge(ActionModule):
        def _judge(self, arguments, known=None):
            looks.append(clock[0] - 100)
            ill = looks[-1] < recovered
            now = incidents(**({CLIMBED: True} if ill else {}))
            return {"incidents": now, "findings": {}, "unfinished": []}

    action = Judge.__new__(Judge)
    action.library = cards.library()
    before = {"incidents": incidents(**{CLIMBED: True}), "findings": {}}
    given = {"climbed": CLIMBED, "rung": "", "incident": None, "before": before, "last": None}
    given |= {"settle_seconds": 30, "recover_seconds": 0, "pause_seconds": 1, "known": None}
    recovered = 1000
    assert not action._settle({**given, "samples": 1})["held"]
    assert looks[:3] == [0, 1, pytest.approx(2.2)]
    assert (looks[-1], len(looks) <= 12) == (30, True), "and once more at the very end"
    looks.clear()
    clock[0], recovered = 100.0, 20
    assert action._settle({**given, "samples": 3})["held"]
    assert looks[-2:] == [pytest.approx(looks[-3] + 1), pytest.approx(looks[-3] + 2)]


def test_a_look_just_before_is_the_first_sample(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    asked = []

    class Judge(ActionModule):
        def _judge(self, arguments, known=None):
            asked.append(known)
            return {"incidents": incidents(), "findings": known or {"later": {}}}

    action = Judge.__new__(Judge)
    action.library = cards.library()
    arguments = dict.fromkeys(("climbed", "incident", "before", "last"))
    patience = {"settle_seconds": 0, "recover_seconds": 0, "pause_seconds": 0}
    action._settle({**arguments, **patience, "samples": 3, "known": {"before": {}}})
    assert asked == [{"before": {}}, None, None]


def test_what_is_still_waited_for_is_said_whenever_it_has_changed(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    sessions = iter(["97 %", "97 %", "41\x1b[2J\n%", "unknown", ""])
    said = []

    class Judge(ActionModule):
        _display = SimpleNamespace(display=said.append)

        def variable(self, name):
            return {"inventory_hostname": "web1"}[name]

        def _judge(self, arguments, known=None):
            now, figure = incidents(), next(sessions)
            if figure == "unknown":
                now[CLIMBED] |= {"confirmed": None, "reason": "the database is starting"}
            elif figure:
                now[CLIMBED] |= {"confirmed": True, "why": f"Sessions: {figure}"}
            return {"incidents": now, "findings": {}, "unfinished": []}

    action = Judge.__new__(Judge)
    action.library = cards.library()
    given = {"climbed": CLIMBED, "rung": "", "incident": None, "last": None, "known": None}
    given |= {"before": {"incidents": incidents(**{CLIMBED: True}), "findings": {}}}
    given |= {"settle_seconds": 30, "recover_seconds": 0, "pause_seconds": 0, "samples": 1}
    assert action._settle(given)["held"]
    assert said == [
        "web1: not over yet: Sessions: 97 %",
        "web1: not over yet: Sessions: 41 [2J %",
        "web1: not over yet: the database is starting",
    ]
