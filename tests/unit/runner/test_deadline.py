"""The deadline of a run as a variable of an inventory: the real collection, without a stack."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# A host that has no stack, whose look ends at once, and asks nothing of an engine.
HERE = {"ansible_connection": "local"}


@pytest.fixture
def silent() -> Iterator[dict[str, Any]]:
    """A host that takes a connection and never says a word on it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {"ansible_host": "127.0.0.1", "ansible_port": server.getsockname()[1]}


def look(tmp_path: Path, hosts: dict[str, Any], deadline: object) -> tuple[int, dict[str, Any]]:
    inventory = tmp_path / "hosts.yml"
    group = {"hosts": hosts, "vars": {"stack_dir": "/nowhere", "run_deadline_seconds": deadline}}
    inventory.write_text(json.dumps({"all": {"children": {"school": group}}}))
    words = ("ops", "status", "-i", str(inventory), "--format", "json")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "oncall_runbook", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    return done.returncode, json.loads(done.stdout)["hosts"]


def test_a_group_sets_the_deadline_of_its_runs(tmp_path: Path, silent: dict[str, Any]) -> None:
    code, hosts = look(tmp_path, {"here": HERE, "silent": silent}, 4)
    assert code == 124
    assert hosts["silent"]["reason"] == "timed out after 4 s"
    assert hosts["here"]["reason"] == "no directory /nowhere on this host: set stack_dir"


@pytest.mark.parametrize("deadline", [0, "soon", "{{ -1 }}"])
def test_one_that_is_no_positive_number_is_a_wrong_input(tmp_path: Path, deadline: object) -> None:
    code, hosts = look(tmp_path, {"here": HERE}, deadline)
    assert (code, hosts["here"]["verdict"]) == (1, "error")
    assert "wrong input: " in hosts["here"]["reason"]
    assert "run_deadline_seconds" in hosts["here"]["reason"]
