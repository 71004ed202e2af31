"""A plan is carried out, or a host refused: the real collection, with a card of a site's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Runbook = Callable[..., subprocess.CompletedProcess[str]]
CARD = """
title: The spool is full
severity: SEV2
symptoms: [mails wait]
explains: []
inputs: {{}}
probes:
  - {{id: spool, title: The spool has room, run: cat {spool}, healthy: value == 'free'}}
  - id: waiting
    title: Few mails wait
    run: cat {waiting}
    parse: int
    unit: mails
    healthy: value < 10
confirmed: not (spool.healthy and waiting.healthy)
ladder:
  - rung: empty
    title: Empty it
    risk: restart
    when: not spool.healthy
    run: "echo no > {spool}"
checklist: []
limits: none
"""


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """What the one host of an inventory is judged by, and how many mails wait, beside it."""
    path = tmp_path / "spool"
    path.write_text("full")
    (tmp_path / "waiting").write_text("50")
    (tmp_path / "docker-compose.yml").write_text("services: {}\n")
    (tmp_path / "incidents").mkdir()
    card = CARD.format(spool=path, waiting=tmp_path / "waiting")
    (tmp_path / "incidents/spool_full.yml").write_text(card)
    hosts = {"here": {"ansible_connection": "local"}}
    told = {"all": {"hosts": hosts, "vars": {"stack_dir": str(tmp_path)}}}
    (tmp_path / "hosts.yml").write_text(json.dumps(told))
    return path


@pytest.fixture
def runbook(spool: Path, tmp_path: Path) -> Runbook:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "oncall_runbook", *words, "-i", "hosts.yml"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )

    done = run("plan", "spool_full", "--out", "plan.json")
    assert done.returncode == 3, done.stderr
    return run


def carried_out(runbook: Runbook, *more: str) -> tuple[int, list[str]]:
    done = runbook("remediate", "--plan", "plan.json", "--yes", *more)
    lines = done.stdout.splitlines()
    return done.returncode, [line for line in lines if line.startswith(("here:", "  changed"))]


def test_a_host_that_changed_is_refused_and_left_as_it_is(runbook: Runbook, spool: Path) -> None:
    spool.write_text("broken")
    told = ["here: refused — changed since the plan:"]
    told += ["  changed  The spool has room: broken, was full"]
    assert carried_out(runbook) == (6, told)
    spool.write_text("free")  # and no rung fits any more
    spool.with_name("waiting").write_text("60")
    told[1:] = ["  changed  The spool has room: healthy, was unhealthy"]
    told += ["  changed  rung empty does not fit any more"]
    assert carried_out(runbook) == (6, told)
    assert spool.read_text() == "free"


def test_a_host_that_is_well_by_now_is_well(runbook: Runbook, spool: Path) -> None:
    spool.write_text("free")
    spool.with_name("waiting").write_text("1")
    assert carried_out(runbook) == (0, ["here: healthy"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ansible_user": "other"}, "the inventory leads elsewhere now"),
        ({"stack_backend_url": "http://localhost:1"}, "an input of the inventory"),
    ],
)
def test_a_host_that_the_inventory_tells_otherwise_is_refused(
    runbook: Runbook, spool: Path, change: dict[str, str], said: str
) -> None:
    path = spool.with_name("hosts.yml")
    told = json.loads(path.read_text())
    told["all"]["hosts"]["here"] |= change
    path.write_text(json.dumps(told))
    code, lines = carried_out(runbook)
    assert (code, len(lines)) == (6, 2)
    assert lines[1].startswith(f"  changed  {said}")
    assert spool.read_text() == "full"


def test_figures_that_moved_are_no_difference(runbook: Runbook, spool: Path) -> None:
    """It waits for a yes, as it would not if it were refused before."""
    spool.with_name("waiting").write_text("60")
    done = runbook("remediate", "--plan", "plan.json")
    assert "here: refused — not confirmed" in done.stdout
    assert "Empty it [restart] allowed" in done.stdout
