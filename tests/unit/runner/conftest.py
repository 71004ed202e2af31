"""A throw-away collection oncall.runbook whose probes and acts answer what a test wants."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from recorded import FakeEngine

from oncall_runbook.cards import catalog
from oncall_runbook.run import engine

CHECKOUT = Path(__file__).parents[3]
CARD = """
title: Database connection failures
severity: SEV1
symptoms: [Cannot connect to database]
explains: [high_error_rate]
inputs:
  limit_percent:
    type: int
    default: 80
    description: Sessions in use, in percent, from which on it is an incident.
  wait_seconds: {type: int, default: 60, description: Seconds to wait after a restart.}
probes:
  - containers
  - id: database_accepts
    title: The database accepts connections
    run: !unsafe "pg_isready {{ braces }}"
    healthy: rc == 0
confirmed: not database_accepts.healthy
ladder:
  - rung: restart_database
    title: Restart the database
    risk: restart
    when: not database_accepts.healthy
checklist: [Tell the team]
limits: Does not restore a backup.
"""
STACK = """
stack_kinds: {postgresql: postgres}
stack_tools: adminer
stack_clients: psql
stack_probes: {containers: {title: Containers of the project, healthy: rc == 0}}
"""
ERRORS = "{title: High error rate, severity: SEV2}\n"
ANSWERS = "diagnosis: {}\nact: {}\nverification: {}\n"  # what a test wants to be answered

PLAY = """
- name: {name}
  hosts: all
  gather_facts: false
  tasks:
    - name: diagnose | Ask everything
      oncall.runbook.judge:
        result: "{{{{ diagnosis | default({{}}) }}}}"
      tags: [always]
    - name: remediate | Restart the database
      oncall.runbook.act:
        result: "{{{{ act | default({{}}) }}}}"
      tags: [never, remediate]
    - name: verify | Ask again
      oncall.runbook.judge:
        result: "{{{{ verification | default({{}}) }}}}"
      tags: [never, remediate]
"""
ACTION = """
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        result = dict(self._task.args["result"])
        told = self._low_level_execute_command("sleep %s" % result.pop("sleep", 0))
        if told["rc"]:
            return {"failed": True, "msg": "rc %s" % told["rc"]}
        return {"changed": False, **result}
"""


@pytest.fixture
def collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Build the collection, put it on sys.path, and keep runs in a directory of the test."""
    root = tmp_path / "site" / "ansible_collections/oncall/runbook"
    role = root / "roles/database_connection_failures"
    files = {
        root / "galaxy.yml": "{namespace: oncall, name: runbook, version: 0.0.1}\n",
        root / "inventory/local.yml": "all: {hosts: {localhost: {ansible_connection: local}}}\n",
        root / "plugins/action/judge.py": ACTION,
        root / "plugins/action/act.py": ACTION,
        root / "playbooks/triage_fleet.yml": PLAY.format(name="Triage"),
        root / "roles/stack/vars/main.yml": STACK,
        role / "card.yml": CARD,
        root / "roles/answers/defaults/main.yml": ANSWERS,
        root / "roles/high_error_rate/card.yml": ERRORS,
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{CHECKOUT / 'runner'}")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in [n for n in os.environ if n.startswith(("RUNBOOK_", "ANSIBLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    catalog.collection.cache_clear()
    yield root
    catalog.collection.cache_clear()  # else whoever comes next finds this one


@pytest.fixture
def runbook(collection: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the real command, with canned answers as extra variables."""

    def run(*args: str, **answers: Any) -> subprocess.CompletedProcess[str]:
        extra = ["-e", json.dumps(answers)] if answers else []
        command = [sys.executable, "-m", "oncall_runbook", *args, *extra]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    return run


@pytest.fixture
def fake(collection: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()
    monkeypatch.setattr(engine, "run", fake.run)
    return fake
