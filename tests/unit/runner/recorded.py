"""Recorded events in place of ansible, and the command run on them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
from click.testing import CliRunner, Result

from oncall_runbook.commands.cli import cli
from oncall_runbook.run import engine
from oncall_runbook.run.engine import Outcome, Request
from oncall_runbook.run.events import Event

SCHEMA = json.loads((Path(engine.__file__).parents[1] / "schema/run.schema.json").read_text())


class FakeEngine:
    """Plays recorded events, by host; remembers the requests."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.stacks: list[str] | None = None
        """What this machine's Docker has, as `runbook init` is told; nothing without Docker."""
        self.diagnosis: list[tuple[str, Any, Any, dict[str, Any]]] = []
        self.cure: list[tuple[str, Any, Any, dict[str, Any]]] = []
        self.outcome = Outcome()

    def run(self, request: Request, on_event: Callable[[Event], None], _output: object) -> Outcome:
        if request.playbook.endswith("ops_discover"):
            if self.stacks is not None:
                on_event(Event("ok", 0.0, "localhost", "look", "probe", discovered(self.stacks)))
            return Outcome()
        self.requests.append(request)
        for host, action, kind, result in self.cure if request.tags else self.diagnosis:
            on_event(Event(kind, 0.0, host, "stem | Do it", action, result))
        return self.outcome


def discovered(stacks: list[str]) -> dict[str, Any]:
    """What a host answers that is asked for its stacks."""
    parts = dict.fromkeys(["backend", "frontend", "database", "blockchain", "cache"], "")
    settings = {"directories": ["/srv/school_mgmt", ""], "services": parts}
    settings |= {"addresses": {}, "urls": {}}
    known = {"status": "healthy", "reason": ""}
    findings = {"discover": {**known, "value": stacks}, "settings": {**known, "value": settings}}
    return {"phase": "diagnose", "verdict": "healthy", "findings": findings, "incidents": {}}


def run(*args: str, **how: Any) -> Result:
    result = CliRunner().invoke(cli, list(args), **how)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def document(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.stdout)
    jsonschema.validate(found, SCHEMA)
    assert found["exit_code"] == result.exit_code
    return found


def steady(text: str) -> str:
    """Take out what differs from run to run."""
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", text)
    return re.sub(r"inventory \S+/", "inventory …/", re.sub(r"[\d.]+ s\b", "N s", text))
