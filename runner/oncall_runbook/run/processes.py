"""Processes of a run: who is still alive, and ending all of them."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARKER = "RUNBOOK_RUN_ID"
_PROC = Path("/proc")


def started(pid: int) -> int | None:
    """Return the start time of a process in clock ticks; None when it is gone or cannot be read.

    One that has ended, and that its parent has not heard of, is gone.
    """
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] == "Z" else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def alive(pid: int, start: int | None) -> bool:
    """Tell whether that very process still runs (a pid may have been given anew)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return start is None or started(pid) == start


def marked(run: str) -> list[int]:
    """List the processes that carry the run's id in their environment, but not ourselves."""
    wanted = f"{MARKER}={run}".encode()
    found = []
    for entry in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


def interrupt(pid: int) -> None:
    """Ask a process to end as Ctrl-C does; one that is gone has."""
    _signal([pid], signal.SIGINT)


def end(run: str, *, grace: float = 1.0) -> None:
    """End every process of the run: politely, then, after `grace` seconds, for good.

    Ansible's workers and their ssh clients lead sessions of their own, so that killing the
    process group of ansible-playbook, as ansible-runner does, misses them.
    """
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 2.0)):
        deadline = time.monotonic() + patience
        _signal(marked(run), number)
        while (left := marked(run)) and time.monotonic() < deadline:
            if number is signal.SIGKILL:
                _signal(left, number)
            time.sleep(0.02)


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)
