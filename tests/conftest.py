"""Fixtures for everything that looks at practice hosts (`make lab-up HOSTS=2`)."""

import contextlib
import fcntl
import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import settings
from light import raised
from practice import FIRST, HOST, INVENTORY, KEYS, ROOT, SECOND, Practice, Ran
from servers import Mailbox, Receiver

# A machine that is at work may be slow at any time: nothing here measures it.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

WRAPPER = "/usr/local/bin/docker"


def pytest_addoption(parser):
    parser.addoption("--matrix", metavar="FILE", help="write what the drills showed to FILE")
    parser.addoption(
        "--record", action="store_true", help="keep what the documents of these drills say"
    )


def host(number):
    """A practice host that is up."""
    found = Practice(number)
    up = subprocess.run(["docker", "inspect", found.name], capture_output=True, check=False)
    if up.returncode != 0:
        pytest.fail(f"{found.name} is not up: make lab-up HOSTS={max(2, number)}")
    return found


@pytest.fixture(scope="session")
def first_host():
    """The practice host that most tests break; in good order when they have ended."""
    found = host(FIRST)
    yield found
    found.reset()


@contextlib.contextmanager
def alone_with_second_host():
    """Keep the second host for one worker of pytest-xdist at a time; the others wait."""
    with (KEYS / "second-host.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def second_host():
    """The host beside those of the workers, which they share; in good order at the end."""
    found = host(SECOND)
    yield found
    with alone_with_second_host():
        found.reset()


@pytest.fixture(scope="session")
def lights():
    """Some hundred light hosts."""
    with raised() as hosts:
        yield hosts


@pytest.fixture
def light(lights):
    """Some hundred light hosts, all well whatever the test before did to them."""
    lights.reset()
    return lights


@pytest.fixture
def practice_hosts(first_host, second_host):
    """Two practice hosts."""
    with alone_with_second_host():
        yield [first_host, second_host]


@pytest.fixture
def practice(first_host):
    """The first practice host, in good order whatever the test before did to it."""
    first_host.reset()
    return first_host


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


@pytest.fixture
def runbook(tmp_path):
    """Run the command against the practice hosts; its runs are kept in tmp_path/state."""

    def run(*arguments, env=None, check=(0, 1, 2, 3, 4, 5, 6, 7, 8, 124, 130)):
        done = subprocess.run(
            [sys.executable, "-m", "oncall_runbook", *map(str, arguments)],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            check=False,
            env={
                **os.environ,
                "XDG_STATE_HOME": str(tmp_path / "state"),
                "RUNBOOK_INVENTORY": str(INVENTORY),
                "RUNBOOK_LIMIT": HOST,
                "RUNBOOK_SOAK": "1",
                **(env or {}),
            },
        )
        assert done.returncode in check, done.stdout + done.stderr
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


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
def receiver():
    """A real HTTP server that people are told by; `got` holds (name, what was posted)."""
    running = Receiver()
    yield running
    running.close()


@pytest.fixture
def smtp():
    """A real SMTP server at `url`; `got` holds (recipients, mail)."""
    running = Mailbox()
    running.serve()
    yield running
    running.close()
