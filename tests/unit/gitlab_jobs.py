"""Runs jobs of the template for GitLab as its runner does: one script of bash, from standard input.

GitLab's own issues of a project are a small server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from github_jobs import load

TEMPLATE = Path(__file__).parents[2] / "ci/gitlab/runbook.yml"


class Issues(HTTPServer):
    """GitLab's issues of one project, and whether who asks may."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.known: list[dict[str, Any]] = []
        self.asked: list[str] = []


class Asked(BaseHTTPRequestHandler):
    server: Issues

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        fields = json.loads(self.rfile.read(length) or b"{}")
        path = self.path.partition("?")[0].removeprefix("/api/v4/projects/7/issues")
        self.server.asked.append(f"{self.command} {path}")
        assert self.headers["PRIVATE-TOKEN"] == "canary-token"
        number = int(path.split("/")[1]) if path else 0
        if self.command == "POST" and not path:
            fields |= {"iid": len(self.server.known) + 1, "state": "opened"}
            self.server.known.append(fields)
        elif self.command == "PUT":
            closed = {"state": "closed"} if fields.pop("state_event", "") == "close" else {}
            self.server.known[number - 1] |= {**fields, **closed}
        found = [each for each in self.server.known if each["state"] == "opened"]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found if self.command == "GET" else {}).encode())

    do_GET = do_POST = do_PUT = do


@contextmanager
def served() -> Iterator[Issues]:
    """A project's issues, while a test needs them."""
    with Issues() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@dataclass
class Project:
    """A project with an inventory and variables, whose jobs are run one by one."""

    checkout: Path
    temp: Path
    variables: dict[str, str] = field(default_factory=dict)
    log: str = ""
    number: int = 0

    def begin(self, job: str) -> subprocess.Popen[str]:
        self.number += 1
        whole = load(TEMPLATE)
        defaults = {name: each["value"] for name, each in whole["variables"].items()}
        own = {
            "CI_JOB_ID": str(self.number),
            "CI_PROJECT_ID": "7",
            "CI_PROJECT_DIR": str(self.checkout),
            "CI_JOB_URL": "https://gitlab.example/-/jobs/7",
            "GITLAB_USER_LOGIN": "mona",
            "TMPDIR": str(self.temp),
        }
        self.env = {**os.environ, **defaults, **own, **self.variables}
        lines = [*whole[".runbook"]["before_script"], *whole[job]["script"]]
        # As the runner does: one script on standard input of a shell.
        process = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.checkout,
            env=self.env,
        )
        assert process.stdin
        process.stdin.write("\n".join(["set -eo pipefail; set +o noclobber", *lines, ""]))
        process.stdin.close()
        process.stdin = None
        return process

    def end(self, process: subprocess.Popen[str]) -> int:
        try:
            self.log, _ = process.communicate(timeout=100)
        finally:
            process.kill()
        for line in load(TEMPLATE)[".runbook"]["after_script"]:
            subprocess.run(["bash", "-c", line], check=True, env=self.env)
        return process.returncode

    def run(self, job: str) -> int:
        return self.end(self.begin(job))


def made(folder: Path, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a checkout and variables; programs of a test are in `programs`."""
    checkout, temp, programs = (folder / name for name in ("checkout", "temp", "programs"))
    for path in (checkout / "inventory", temp, programs):
        path.mkdir(parents=True)
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    return Project(checkout, temp, variables)
