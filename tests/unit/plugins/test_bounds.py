"""Whatever a host does, its answer ends: real processes that answer too long, or too much."""

import subprocess
import time

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import bounds

MEBIBYTE = 2**20


def test_what_ends_in_time_is_left_alone():
    with bounds.bounded(20, 64 * MEBIBYTE) as why:
        done = subprocess.run(["sh", "-c", "echo here"], capture_output=True, check=True)
    assert (done.stdout, why) == (b"here\n", [])


@pytest.mark.parametrize("command", ["sleep 62.1", "sh -c 'sleep 62.1; true'; true"])
def test_what_does_not_end_is_ended_with_all_that_it_started(command):
    with bounds.bounded(1, 64 * MEBIBYTE) as why:
        done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    assert done.returncode != 0
    assert why == ["the host did not come to an end within 1 s"]
    assert subprocess.run(["pgrep", "-fx", "sleep 62.1"], check=False).returncode == 1


def test_an_answer_without_end_is_read_up_to_a_bound():
    with bounds.bounded(60, 32 * MEBIBYTE) as why:
        done = subprocess.run(["yes", "and on"], capture_output=True, check=False)
    assert why == ["the host answered without end: over 32 MiB"]
    assert len(done.stdout) < 1024 * MEBIBYTE


def test_who_was_there_before_and_elsewhere_stays():
    other = subprocess.Popen(["setsid", "-f", "sleep", "62.2"])
    other.wait()
    with bounds.bounded(0.5, 64 * MEBIBYTE) as why:
        subprocess.run(["sleep", "62.3"], check=False)
    assert why
    time.sleep(0.2)
    assert subprocess.run(["pkill", "-fx", "sleep 62.2"], check=False).returncode == 0
