"""What a run shows while it is at work."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from oncall_runbook.run.events import Event, Translator, waits
from oncall_runbook.run.host_state import Action, HostState, advance
from oncall_runbook.run.journal import worth_keeping
from oncall_runbook.run.session import Session
from oncall_runbook.text import progress

LINE = {"event": "verbose", "stdout": "web1: not over yet: Sessions: 41 % of 90\r\n"}
WAIT = Event("wait", 0.0, "web1", "", result={"msg": "Sessions: 41 % of 90"})


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setattr(progress.LiveProgress, "_started", lambda self: None)
    return progress.LiveProgress(lambda host, title: 4.2 if title == "Start it" else None)


def seen(live):
    out = io.StringIO()
    Console(file=out, width=100).print(live.table())
    return out.getvalue()


def test_a_step_is_shown_with_how_long_it_usually_takes(live):
    for host, task in (("web1", "rung | Start it"), ("web2", "verify | Ask")):
        live.tell(Event("start", 0.0, host, task), HostState())
    assert seen(live).count("of usually 4 s") == 1


def test_a_look_after_a_step_shows_what_was_found_before_it_and_what_is_now(live):
    full = {"why": "97 of 100 sessions are taken"}
    before = HostState(root_causes=("database",), incidents={"database": full})
    after = replace(before, actions=(Action("end_sessions"),))
    for name, state in (("web2", before), ("web1", after)):
        live.tell(Event("start", 0.0, name, "rung | Ask again", "probe"), state)
    assert seen(live).count("was: 97 of 100 sessions are taken") == 1
    assert "now:" not in seen(live)
    live.tell(WAIT, after)
    text = seen(live)
    assert text.index("was: 97 of 100") < text.index("now: Sessions: 41 % of 90")
    assert "rung | Ask again" in text


def test_a_line_between_events_says_what_is_waited_for():
    (event,) = waits(LINE)
    assert (event.kind, event.host, event.result) == ("wait", "web1", WAIT.result)
    assert waits({**LINE, "event": "runner_on_ok"}) == []
    assert waits({**LINE, "stdout": "[WARNING]: not over yet"}) == []


def test_what_was_ordered_as_a_secret_is_not_in_it():
    events = []
    Translator(events.append, lambda text: None, frozenset({"41 % of"})).handle(LINE)
    assert "41" not in events[0].result["msg"]


def test_it_is_no_step_and_changes_no_state():
    state = HostState(reason="as it was")
    assert advance(state, WAIT) == state
    assert not worth_keeping(WAIT)


def test_of_a_host_that_is_not_in_the_run_nothing_is_told():
    session = Session(job=None, request=None, progress=None, states={"web2": HostState()})
    told = []
    session.listeners = [lambda event, state: told.append(event.host)]
    for host in ("web1", "web2"):
        session._take(replace(WAIT, host=host), progress.Silence())
    assert told == ["web2"]
    assert list(session.states) == ["web2"]


def test_without_a_terminal_it_is_a_line(capsys):
    progress.Lines(verbose=False).tell(WAIT, HostState())
    assert capsys.readouterr().err.endswith("web1: not over yet: Sessions: 41 % of 90\n")


def test_of_many_hosts_each_task_is_a_line(live):
    for number in range(1000):
        task = "rung | Start it" if number % 4 else "verify | Ask"
        live.tell(Event("start", 0.0, f"web{number}", task), HostState())
    text = seen(live)
    assert len(text.splitlines()) == 3
    assert "750 hosts" in text
    assert "250 hosts" in text
    assert "web1" not in text
