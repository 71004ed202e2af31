"""Fixtures for everything that looks at a practice host (`make lab-up HOSTS=2`)."""

import os
import subprocess
import sys

import pytest
from practice import INVENTORY, ROOT, Practice, Ran


@pytest.fixture(scope="session")
def practice_hosts():
    """The practice hosts that are up, at least two."""
    hosts = [Practice(1), Practice(2)]
    for host in hosts:
        up = subprocess.run(["docker", "inspect", host.name], capture_output=True, check=False)
        if up.returncode != 0:
            pytest.fail(f"{host.name} is not up: make lab-up HOSTS=2")
    yield hosts
    for host in hosts:
        host.reset()


@pytest.fixture
def practice(practice_hosts):
    """The first practice host, in good order whatever the test before did to it."""
    practice_hosts[0].reset()
    return practice_hosts[0]


@pytest.fixture
def runbook(tmp_path):
    """Run the command against the practice hosts; its runs are kept in tmp_path/state."""

    def run(*arguments, env=None, check=(0, 1, 2, 3, 4, 5, 6, 7, 8, 124, 130)):
        done = subprocess.run(
            [sys.executable, "-m", "runner", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            check=False,
            env={
                **os.environ,
                "XDG_STATE_HOME": str(tmp_path / "state"),
                "RUNBOOK_INVENTORY": str(INVENTORY),
                "RUNBOOK_LIMIT": "runbook-lab-1",
                **(env or {}),
            },
        )
        assert done.returncode in check, done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
