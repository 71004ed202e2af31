"""Runs that are ended before their time: what is said of their hosts, and which they held."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from oncall_runbook.run import engine, processes
from oncall_runbook.run.conclusion import Job, conclude
from oncall_runbook.run.engine import Outcome, Request, Status, Stop
from oncall_runbook.run.events import Event, translate
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.verdict import Verdict

JOB = Job("run-1", "remediate", None, 0, "hosts.yml")


def said(name: str, host: str, action: str, **result: Any) -> Event:
    data = {"host": host, "resolved_action": f"oncall.runbook.{action}", "res": result}
    (event,) = translate({"event": f"runner_on_{name}", "event_data": data})
    return event


def test_a_run_knows_which_hosts_it_may_hold() -> None:
    stop = Stop("run-1", None)
    stop.hear(said("start", "a", "judge"))
    assert stop.held == set()
    stop.hear(said("start", "a", "lease"))
    stop.hear(said("ok", "a", "lease", state="taken"))
    stop.hear(said("start", "b", "act"))  # of an operation, which takes the host itself
    assert stop.held == {"a", "b"}
    stop.hear(said("ok", "a", "act", rung="restart"))
    stop.hear(said("start", "b", "lease"))
    stop.hear(said("ok", "b", "lease", state="left"))
    assert stop.held == {"a"}


@pytest.mark.parametrize(
    ("status", "phase", "verdict"),
    [
        ("cancelled", "settle", Verdict.UNKNOWN),
        ("timeout", "settle", Verdict.UNKNOWN),
        ("cancelled", "verify", Verdict.FIXED),
        ("cancelled", "", Verdict.FIXED),  # an operation is proven at once
        ("finished", "settle", Verdict.FIXED),
    ],
)
def test_a_cure_that_nobody_verified_is_none(status: Status, phase: str, verdict: Verdict) -> None:
    states = {"a": HostState(Verdict.FIXED, phase=phase)}
    assert conclude(JOB, states, Outcome(status))["a"].verdict is verdict


def test_a_process_that_has_ended_and_was_not_waited_for_is_not_alive() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        start = processes.started(child.pid)
        assert start
        assert processes.alive(child.pid, start)
        child.kill()
        while ") Z " not in Path(f"/proc/{child.pid}/stat").read_text():
            time.sleep(0.01)
        assert not processes.alive(child.pid, start)


@pytest.mark.parametrize("writable", [True, False])
def test_ssh_has_a_place_for_its_sockets_also_where_the_home_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    home = tmp_path / "home"
    home.mkdir() if writable else home.write_text("a file")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ANSIBLE_HOME", str(tmp_path / "ansible"))
    monkeypatch.delenv("ANSIBLE_SSH_CONTROL_PATH_DIR", raising=False)
    settings = engine._environment(Request("run-1", "p", (), {}), tmp_path)
    assert ("ANSIBLE_SSH_CONTROL_PATH_DIR" in settings) is not writable
    assert "ANSIBLE_LOCAL_TEMP" not in settings
