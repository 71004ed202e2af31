"""What a watch shows: looks in a row, verdicts that change, figures as bars."""

import io

import pytest

from oncall_runbook.run.events import Event, translate
from oncall_runbook.run.host_state import HostState, advance
from oncall_runbook.run.journal import worth_keeping
from oncall_runbook.run.verdict import Verdict
from oncall_runbook.text import watching

FIGURE = {"title": "Sessions", "unit": "percent", "value": 12.5, "status": "healthy"}
WELL = HostState(verdict=Verdict.HEALTHY)
ILL = HostState(verdict=Verdict.INCIDENT, root_causes=("memory_leak",), reason="it grows")


def look(time=1.0, **result):
    return Event("look", time, "web1", "watch | Look", "probe", {"phase": "watch", **result})


def test_a_retry_of_ansible_is_a_look():
    raw = {
        "event": "runner_retry",
        "event_data": {
            "host": "web1",
            "task": "watch | Look",
            "resolved_action": "oncall.runbook.watch",
            "res": {"phase": "watch", "figures": {}},
        },
    }
    (event,) = translate(raw)
    assert (event.kind, event.action, event.host) == ("look", "probe", "web1")


def test_a_look_that_judged_is_the_state_and_a_glance_leaves_it():
    judged = look(verdict="incident", root_causes=["memory_leak"], findings={}, incidents={})
    state = advance(HostState(), judged)
    assert (state.verdict, state.root_causes) == (Verdict.INCIDENT, ("memory_leak",))
    assert advance(state, look(figures={"a": FIGURE})) == state
    assert worth_keeping(judged)
    assert not worth_keeping(look(figures={"a": FIGURE}))


def test_a_host_that_is_lost_is_unreachable_until_it_is_judged_again():
    lost = advance(WELL, look(lost="ssh: connect to host web1 port 22: Connection refused"))
    assert (lost.verdict, lost.cause) == (Verdict.UNREACHABLE, "refused")
    back = advance(lost, look(verdict="healthy", findings={}, incidents={}))
    assert (back.verdict, back.cause) == (Verdict.HEALTHY, "")


def test_what_changed_is_told_once():
    host = watching.Watched()
    assert not host.take(look(figures={"a": FIGURE}), WELL)  # the first verdict is no change
    assert not host.take(look(figures={"a": FIGURE}), WELL)
    assert host.take(look(time=9.0), ILL)
    assert (host.verdict, host.why, host.since) == ("incident", "memory_leak", 9.0)
    assert not host.take(look(), ILL)
    assert list(host.past["a"]) == [12.5, 12.5]


def test_without_a_terminal_each_look_is_a_line(capsys):
    shown = watching.Looks()
    shown.tell(look(figures={"a": FIGURE, "b": {**FIGURE, "value": None}}), ILL)
    shown.tell(Event("start", 2.0, "web1", "watch | Look"), ILL)
    (line,) = capsys.readouterr().err.splitlines()
    assert "web1: incident — memory_leak · Sessions: 12.5 percent · Sessions: unknown" in line


def test_on_a_terminal_it_rings_where_a_verdict_changes(monkeypatch):
    from rich.console import Console

    out = io.StringIO()
    moving = watching.Moving()
    console = Console(file=out, force_terminal=True, width=100)

    class Still:
        def __init__(self):
            self.console = console

        def stop(self):
            console.print(moving.table())

    moving._live = Still()
    for state in (WELL, WELL, ILL, ILL):
        moving.tell(look(figures={"a": FIGURE}), state)
    moving.close()
    text = out.getvalue()
    assert text.count("\a") == 1
    assert "healthy →" in text
    assert "12.5 percent" in text
    assert "Sessions" in text


def test_of_many_hosts_those_that_are_well_are_counted():
    from rich.console import Console

    moving = watching.Moving()
    for number in range(5):
        moving._hosts[f"web{number}"] = host = watching.Watched()
        host.take(look(figures={"a": FIGURE}), ILL if number == 3 else WELL)
    out = io.StringIO()
    Console(file=out, width=100).print(moving.table())
    text = out.getvalue()
    assert "4 hosts: healthy" in text
    assert "web3: incident" in text
    assert "web1" not in text
    assert text.count("12.5 percent") == 1


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([], ""),
        ([0, 0], "▁▁"),
        ([0, 50, 100], "▁▅█"),
        ([None, 3.0], " █"),
        ([-1.0, 4.0], "▁█"),
    ],
)
def test_figures_are_bars(values, shown):
    assert watching.bars(values) == shown
