"""A job that is cancelled in the middle of a cure: nothing of it stays on the host."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from drill import the_stack_works
from practice import HOST, INVENTORY, ROOT
from test_runs import STOP_DATABASE, here, kept, there, until

# By hand: RUNBOOK_CANCELS=20, and another RUNBOOK_CANCELS_SEED for other moments.
CANCELS = int(os.environ.get("RUNBOOK_CANCELS", "4"))
SEED = os.environ.get("RUNBOOK_CANCELS_SEED", "1")
# What runners give a job to end by itself, before they kill it.
PATIENCE = 10
RUNG_SECONDS = 4
RUNBOOK = f"{sys.executable} -m oncall_runbook"


# How a job is cancelled, what must have happened, and seconds after it at most. While evidence
# is kept a host is held, and no step goes on there; what is killed without a word is at work there.
AT_WORK = "the rung is at work"
CASES = [
    ("interrupt", "climb | Keep", 0.4),
    ("terminate", AT_WORK, RUNG_SECONDS - 1),
    ("kill", AT_WORK, RUNG_SECONDS - 1),
    ("interrupt", "incident: ", RUNG_SECONDS + 3),
    ("interrupt", AT_WORK, RUNG_SECONDS - 1),
    ("terminate", "incident: ", RUNG_SECONDS + 3),
]


@dataclass(frozen=True)
class Cancel:
    """How and when a job is cancelled: that many seconds after something has happened."""

    way: str
    after: str
    seconds: float

    def __str__(self):
        return f"{self.way} {self.seconds:.1f} s after {self.after.strip(' :|')}"

    def wait(self, job, practice):
        """Wait until it is time."""
        if self.after == AT_WORK:
            practice.run("timeout 60 sh -c 'until [ -e /tmp/wrapped ]; do sleep 0.1; done'")
        else:
            until(lambda: self.after in job.log.read_text(), 60)
        time.sleep(self.seconds)


def cancels():
    """Each case in turn, at moments of chance."""
    chance = random.Random(SEED)
    for number in range(CANCELS):
        way, after, most = CASES[number % len(CASES)]
        yield Cancel(way, after, chance.uniform(0, most))


class Job:
    """A shell step that cures a host, as runners start one: by bash, in a group of its own."""

    def __init__(self, folder, way):
        # What gets its signals itself needs no shell in between.
        first = "exec " if way == "interrupt" else ""
        script, self.log = folder / "step.sh", folder / "log"
        script.write_text(f"{first}{RUNBOOK} remediate --yes\n")
        state = {"XDG_STATE_HOME": str(folder / "state"), "PYTHONUNBUFFERED": "1"}
        where = {"RUNBOOK_INVENTORY": str(INVENTORY), "RUNBOOK_LIMIT": HOST, "RUNBOOK_SOAK": "1"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                ["bash", "-e", script],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **where, **state},
                start_new_session=True,
            )

    def cancel(self, way):
        """Cancel it as runners do; return whether it had to be killed."""
        if way == "interrupt":
            self.process.send_signal(signal.SIGINT)
        elif way == "terminate":
            os.killpg(self.process.pid, signal.SIGTERM)
        else:
            return self.kill()
        with contextlib.suppress(AssertionError):
            until(lambda: self.process.poll() is not None and not self.processes(), PATIENCE)
        return self.kill()

    def processes(self):
        """The processes of the job: those of its session, and what descends from them."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                _state, parent, _group, session = path.read_text().rpartition(")")[2].split()[:4]
                parents[int(path.parent.name)] = int(parent), int(session)
        found = {pid for pid, (_, session) in parents.items() if session == self.process.pid}
        while more := {pid for pid, (parent, _) in parents.items() if parent in found} - found:
            found |= more
        return found - {self.process.pid if self.process.poll() is not None else 0}

    def kill(self):
        """Kill what is left of it; return whether anything was."""
        left = self.processes()
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        return bool(left)


def lease(practice):
    return practice.run("sudo sh -c 'cat /dev/shm/runbook.*/*.lock'").strip()


@pytest.mark.parametrize("cancel", [*cancels()], ids=str)
def test_a_cancelled_job_leaves_no_process_and_no_lease(practice, runbook, wrap, tmp_path, cancel):
    wrap(f'case "$1" in start) touch /tmp/wrapped; sleep {RUNG_SECONDS} ;; esac')
    data = practice.data()
    practice.run(STOP_DATABASE)
    job = Job(tmp_path, cancel.way)
    try:
        cancel.wait(job, practice)
        killed = job.cancel(cancel.way)
    finally:
        job.kill()
    assert killed == (cancel.way == "kill"), job.log.read_text()
    assert "Traceback" not in job.log.read_text()
    # What has begun goes on to its end.
    until(lambda: not there(practice), 30)
    assert lease(practice) == ""
    until(lambda: not here(tmp_path))
    document = json.loads((kept(tmp_path) / "run.json").read_text())
    assert document["exit_code"] == (None if cancel.way == "kill" else 130)
    resumed = runbook("runs", "resume", "last", "--yes", "--format", "json")
    assert resumed.code == 0, resumed.host()["reason"]
    assert resumed.host()["verdict"] in ("fixed", "healthy")
    the_stack_works(practice)
    assert practice.data() == data
