"""What `runbook doctor` looks at: functions, one a check, from what is there to a `Check`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from oncall_runbook.run.verdict import BROKEN, GRAVEST_FIRST, NOTHING_MATCHED

Status = Literal["ok", "warning", "bad", "unknown"]

_CODES: dict[Status, int] = {"ok": 0, "warning": 0, "bad": BROKEN, "unknown": 4}


@dataclass(frozen=True)
class Check:
    """One line: what was looked at and where (this machine without a host), and what to do next."""

    host: str | None
    check: str
    status: Status
    text: str
    next: str = ""


def exit_code(checks: Iterable[Check], run: int) -> int:
    """Return the gravest code of the checks and of the run that asked the hosts.

    Of the run counts only what no check tells: that it broke, or was ended, or had no host.
    """
    if run == NOTHING_MATCHED:
        return run
    codes = {0, *(_CODES[check.status] for check in checks), *({run} & {1, 124, 130})}
    return next(code for code in GRAVEST_FIRST if code in codes)
