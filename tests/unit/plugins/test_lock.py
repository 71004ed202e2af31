"""One change at a time on a host: the lease, with real shells and real processes."""

import os
import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import lock


@pytest.fixture
def name():
    name = f"/test/{uuid.uuid4()}"
    yield name
    held(name, 'rm -f "$lock_file" "${lock_file%.lock}.change"')


def held(name, command="take_lock", owner="me", seconds=60, broken=""):
    text = lock.shell(name, "run-1", seconds, broken).replace(lock.owner(), owner)
    return subprocess.run(
        ["sh", "-c", f"{text}\n{command}"], capture_output=True, text=True, check=False
    )


def test_a_free_host_is_taken_and_renewed(name):
    assert held(name).returncode == 0
    assert held(name).returncode == 0


def test_another_is_told_who_holds_it(name):
    held(name)
    second = held(name, owner="you")
    assert second.returncode == lock.HELD
    assert "run-1" in str(lock.Lease.read(second.stderr))


def test_a_released_host_is_free(name):
    held(name)
    held(name, "release_lock")
    assert held(name, owner="you").returncode == 0


def test_only_the_holder_releases(name):
    held(name)
    held(name, "release_lock", owner="you")
    assert held(name, owner="you").returncode == lock.HELD


def test_a_lease_ends_by_itself(name):
    held(name, seconds=0)
    assert held(name, owner="you").returncode == 0


def test_a_dead_holder_is_passed_over(name):
    held(name, owner="dead")
    assert held(name, owner="you", broken="dead").returncode == 0


def test_of_many_at_once_one_gets_it(name):
    text = [lock.shell(name, "", 60).replace(lock.owner(), f"owner{n}") for n in range(12)]
    shells = [
        subprocess.Popen(["sh", "-c", f"{each}\ntake_lock"], stderr=subprocess.DEVNULL)
        for each in text
    ]
    assert sorted(shell.wait() for shell in shells) == [0] + [lock.HELD] * 11


def test_dead_and_living_owners_are_told_apart():
    gone = subprocess.Popen(["true"])
    gone.wait()
    space = lock.owner().rpartition(":")[0]
    assert lock.is_dead(f"{space}:{gone.pid}")
    assert not lock.is_dead(f"{space}:{os.getpid()}")
    assert not lock.is_dead(f"another-machine:{gone.pid}")
    assert not lock.is_dead("")


def test_the_lease_is_in_memory(name):
    held(name)
    assert list(Path("/dev/shm").glob("runbook-*.lock"))


def test_a_change_leaves_its_mark_and_a_mere_lease_does_not(name):
    look = 'take_lock; release_lock; [ -e "${lock_file%.lock}.change" ]'
    assert held(name, look).returncode == 1
    assert held(name, f"note_change; {look}").returncode == 0


def test_a_lease_is_renewed_while_its_step_goes_on_and_no_longer(name):
    look = 'cut -d " " -f 2 "$lock_file"'
    step = f"take_lock; keeper=$(keep_lock); {look}; sleep 4.5; {look}"
    first, second = map(int, held(name, step, seconds=5).stdout.split())
    assert second >= first + 3
    time.sleep(3)
    assert int(held(name, look).stdout) == second


def test_who_renews_a_lease_ends_when_told_with_what_it_started(name):
    step = 'take_lock; keeper=$(keep_lock); sleep 0.2; kill "$keeper"; echo "$keeper"; sleep 0.2'
    keeper = held(name, step, seconds=3155).stdout.strip()
    with suppress(OSError):  # a zombie, where nobody waits for orphans, has no command line
        assert Path(f"/proc/{keeper}/cmdline").read_text() == ""
    assert subprocess.run(["pgrep", "-fx", "sleep 631"], check=False).returncode == 1
