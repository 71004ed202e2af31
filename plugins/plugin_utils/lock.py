# GNU General Public License v3.0 or later (see LICENSE)
"""Who holds a host: the owner's mark in the lease that lock.sh keeps there."""

from __future__ import annotations

import getpass
import os
import platform
import re
import shlex
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from . import cards

_SHELL = (cards.ROLES / "stack/files/marks.sh", Path(__file__).with_name("lock.sh"))
# Exit statuses of take_lock, of sysexits.h: another holds the host (EX_TEMPFAIL), or none can be
# taken (EX_CANTCREAT), for the reason on the last line of standard error, after these words.
HELD = 75
NONE = 73
NO_LEASE = "no lease: "
# Of a line that a host tells: digits as int() reads them, and not too many.
_is_number = re.compile(r"[0-9]{1,12}").fullmatch


def owner() -> str:
    """Return the mark of this run: machine and process space, and the process that leads it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:  # no Linux: the network card tells machines apart
        space = str(uuid.getnode())
    return f"{space}:{os.getppid()}"


def is_dead(mark: str) -> bool:
    """Tell whether ``mark`` is of this machine and its process is gone; when unsure, it lives."""
    space, _colon, pid = mark.rpartition(":")
    if space != owner().rpartition(":")[0] or not _is_number(pid):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@dataclass(frozen=True)
class Lease:
    """The holder's line, as take_lock prints it."""

    owner: str
    expires: int
    note: str

    @classmethod
    def read(cls, line: str) -> Lease:
        """Read ``OWNER EXPIRY NOTE``; what is missing is empty."""
        mark, expiry, note = [*line.strip().split(" ", 2), "", "", ""][:3]
        return cls(mark, int(expiry) if _is_number(expiry) else 0, note)

    def __str__(self) -> str:
        until = datetime.fromtimestamp(self.expires, UTC).strftime("%H:%M:%SZ")
        return f"held by {self.note or self.owner}; free at {until} unless that goes on"


def shell(name: str, run: str, seconds: float, broken: str = "") -> str:
    """Return the shell text that defines the lease ``name`` for the run called ``run``."""
    note = f"{getpass.getuser()}@{platform.node()} {run}".strip()
    values = {
        "lock_name": name,
        "lock_owner": owner(),
        "lock_run": run or owner(),
        "lock_note": note,
        "lock_seconds": str(int(seconds)),
        "lock_broken": broken or "-",
    }
    assignments = [f"{key}={shlex.quote(value)}" for key, value in values.items()]
    return "\n".join([*assignments, *(path.read_text(encoding="utf-8") for path in _SHELL)])
