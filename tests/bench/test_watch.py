"""What a watch costs a host: its processors' time while watched, less that while it is not."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from practice import HOST, INVENTORY, ROOT

SECONDS = 60
# Of one processor, at one look in five seconds.
MARK = 0.02


def used():
    """Seconds of processor time of a practice host so far, all that is inside included."""
    # Its engine's containers have a group of their own beside that of the host's container.
    id = subprocess.run(
        ["docker", "inspect", "--format", "{{.Id}}", HOST], check=True, stdout=-1, text=True
    ).stdout.strip()
    v1, v2 = Path("/sys/fs/cgroup/cpuacct"), Path("/sys/fs/cgroup")
    if v1.is_dir():
        groups = (v1 / "docker" / id, v1 / HOST)
        return sum(int((group / "cpuacct.usage").read_text()) for group in groups) / 1e9
    (group,) = v2.glob(f"**/*{id}*/cpu.stat")
    return int(group.read_text().split()[1]) / 1e6


def test_a_watch_costs_a_host_next_to_nothing(first_host):
    first_host.reset()
    time.sleep(30)  # what a reset leaves to do
    before = used()
    time.sleep(SECONDS)
    idle = used() - before
    watch = subprocess.Popen(
        [sys.executable, "-m", "oncall_runbook", "watch", "-i", INVENTORY, "-l", HOST],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )
    time.sleep(10)
    before = used()
    time.sleep(SECONDS)
    watched = used() - before
    watch.send_signal(signal.SIGINT)
    watch.wait(60)
    share = (watched - idle) / SECONDS
    print(f"\nwatch: {share:.2%} of a processor (idle {idle / SECONDS:.2%})")
    assert share <= MARK
