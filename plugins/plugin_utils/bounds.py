# GNU General Public License v3.0 or later (see LICENSE)
"""Ends a connection whose host answers for too long, or without end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_LOOK_SECONDS = 0.2


@contextmanager
def bounded(seconds: float, size: int) -> Iterator[list[str]]:
    """Give what this process starts ``seconds``, and its answers ``size`` bytes of memory.

    Past either, all that descends from this process is killed: whatever connects to the host. The
    list that is yielded then holds why. Memory is only known where there is a /proc.
    """
    why: list[str] = []
    over = threading.Event()

    def watch() -> None:
        end, before = time.monotonic() + seconds, _memory()
        while not over.wait(_LOOK_SECONDS):
            if time.monotonic() >= end:
                why.append(f"the host did not come to an end within {seconds:.0f} s")
            elif _memory() - before > size:
                why.append(f"the host answered without end: over {size / 2**20:.0f} MiB")
            else:
                continue
            _kill_descendants()
            return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield why
    finally:
        over.set()
        watcher.join()


def _memory() -> int:
    """Return the bytes of memory that this process has; 0 where that is not told."""
    try:
        return int((_PROC / "self/statm").read_text().split()[1]) * _PAGE
    except OSError:
        return 0


def _kill_descendants() -> None:
    parents: dict[int, int] = {}
    for stat in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            text = stat.read_text(encoding="utf-8", errors="replace")
            parents[int(stat.parent.name)] = int(text.rpartition(")")[2].split()[1])
    family = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    # What is stopped does not go on when what it waited for is gone.
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in family - {os.getpid()}:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)
