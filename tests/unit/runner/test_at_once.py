"""How many hosts are looked at, or changed, at a time."""

import json
import os
from pathlib import Path

import pytest

from oncall_runbook.run import engine
from oncall_runbook.run.engine import Request


@pytest.fixture(autouse=True)
def without_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the settings of who runs this out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANSIBLE_CONFIG", str(tmp_path / "ansible.cfg"))
    monkeypatch.delenv("ANSIBLE_FORKS", raising=False)


def told(private: Path, forks: int | None = None) -> tuple[int, int]:
    """How many one process asks, as the play is told, and how many forks ansible gets."""
    request = Request("run", "oncall.runbook.triage_fleet", ("web,",), {}, forks=forks)
    private.mkdir()
    engine._arguments(request, private)
    given = json.loads((private / "env/extravars").read_text())
    return given["fleet_at_once"], engine._at_once(request, 50)


def test_whoever_says_how_many_is_heard_in_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ansible.cfg").write_text("[defaults]\nforks = 7\n")
    assert told(tmp_path / "one") == (7, 7)
    monkeypatch.setenv("ANSIBLE_FORKS", "4")
    assert told(tmp_path / "two") == (4, 4)
    assert told(tmp_path / "three", forks=3) == (3, 3)


def test_else_the_processors_and_the_open_files_say_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(engine.resource, "getrlimit", lambda _: (4096, 4096))
    assert told(tmp_path / "four") == (100, 50)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert told(tmp_path / "many") == (200, 50)
    monkeypatch.setattr(engine.resource, "getrlimit", lambda _: (100, 100))
    assert told(tmp_path / "few files") == (10, 10)
