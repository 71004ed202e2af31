"""What a backup of 1 GB costs, against a bare pg_dump to a file, alternating in one run.

The time as a ratio; and the memory of all that runs on the control host, above what an idle command
there has. Run it when nothing else runs: make bench
"""

import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from practice import INVENTORY, ROOT

ROUNDS = 3
MEGABYTE = 1 << 20
BARE = (
    "docker exec school_mgmt_db pg_dump -Fc -U postgres school_mgmt >/tmp/bare.dump"
    " && sync /tmp/bare.dump"
)


@pytest.fixture
def gigabyte(practice):
    """A database of a gigabyte: half of it text that can be packed, half of it noise."""
    practice.query(
        "DROP TABLE IF EXISTS ballast;"
        " CREATE TABLE ballast AS SELECT n, now() AS at, repeat(md5(n::text), 8) AS text,"
        " string_agg(md5((n * 16 + m)::text), '') AS noise"
        " FROM generate_series(1, 1700000) AS n, generate_series(1, 8) AS m GROUP BY n"
    )
    size = int(practice.query("SELECT pg_database_size('school_mgmt')"))
    yield size
    practice.query("DROP TABLE ballast")
    practice.run("rm -f /tmp/bare.dump /srv/school_mgmt/backups/*")


def resident(marker):
    """Bytes in memory of every process of a run, shared pages by their share."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes():
                for line in (entry / "smaps_rollup").read_text().splitlines():
                    if line.startswith("Pss:"):
                        total += int(line.split()[1]) * 1024
        except OSError:
            continue
    return total


def run(tmp_path, *arguments):
    """Run the command; return its seconds, and the most its processes had in memory."""
    marker = f"RUNBOOK_BENCH={os.getpid()}-{time.monotonic_ns()}"
    environment = {
        **os.environ,
        **dict([marker.split("=")]),
        "XDG_STATE_HOME": str(tmp_path),
        "RUNBOOK_INVENTORY": str(INVENTORY),
        "RUNBOOK_LIMIT": "runbook-lab-1",
    }
    peak, over = [0], threading.Event()

    def watch():
        while not over.wait(0.25):
            peak[0] = max(peak[0], resident(marker.encode()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    command = [sys.executable, "-m", "oncall_runbook", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    took = time.monotonic() - start
    over.set()
    watcher.join()
    assert done.returncode == 0, done.stdout + done.stderr
    return took, peak[0]


def test_a_backup_costs_little_more_than_a_bare_dump(practice, tmp_path, gigabyte):
    assert gigabyte > 0.95e9
    _, idle = run(tmp_path, "ops", "stats")
    bare, whole, peaks = [], [], []
    for _ in range(ROUNDS):
        practice.run("rm -f /tmp/bare.dump /srv/school_mgmt/backups/*")
        start = time.monotonic()
        practice.run(BARE)
        bare.append(time.monotonic() - start)
        took, peak = run(tmp_path, "ops", "backup")
        whole.append(took)
        peaks.append(peak)
    ratio = statistics.median(w / b for w, b in zip(whole, bare, strict=True))
    more = (max(peaks) - idle) / MEGABYTE
    print(
        f"\n{gigabyte / 1e9:.2f} GB: bare pg_dump {statistics.median(bare):.1f} s,"
        f" runbook ops backup {statistics.median(whole):.1f} s: {ratio:.3f} of it;"
        f" memory on the control host {more:.0f} MiB above idle"
    )
    assert ratio <= 1.15
    assert more < 100
