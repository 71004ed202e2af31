"""Fixtures for routine operations on practice hosts."""

import os
import subprocess
import sys
import textwrap

import pytest
from practice import HOST, INVENTORY, ROOT

WRAPPER = "/usr/local/bin/docker"


@pytest.fixture
def start(tmp_path):
    """Start the command in the background; whatever still runs at the end is killed."""
    started = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-m", "oncall_runbook", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONUNBUFFERED": "1",
                "XDG_STATE_HOME": str(tmp_path / "background"),
                "RUNBOOK_INVENTORY": str(INVENTORY),
                "RUNBOOK_LIMIT": os.environ.get("RUNBOOK_LIMIT", HOST),
            },
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def wrap(practice):
    """Let a piece of shell run before every `docker` of a step that changes the host."""

    def put(shell):
        script = textwrap.dedent(f"""\
            #!/bin/sh
            if [ -n "$(cat /dev/shm/runbook.*/*.lock 2>/dev/null)" ]; then
            {shell}
            fi
            exec /usr/bin/docker "$@"
            """)
        practice.run(
            f"sudo tee {WRAPPER} >/dev/null <<'END'\n{script}END\nsudo chmod 755 {WRAPPER}"
        )

    yield put
    practice.run(f"sudo rm -rf {WRAPPER} /tmp/wrapped")
