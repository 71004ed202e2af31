"""The verdict on a host, and the exit code each one means."""

from __future__ import annotations

from enum import Enum

BROKEN, NOTHING_MATCHED, TIMEOUT, CANCELLED = 1, 8, 124, 130
GRAVEST_FIRST = (1, 130, 124, 4, 7, 5, 6, 3, 0)


class Verdict(Enum):
    """What a run says of a host."""

    HEALTHY = "healthy"
    INCIDENT = "incident"
    FIXED = "fixed"
    NOT_FIXED = "not_fixed"
    REFUSED = "refused"
    LOCKED = "locked"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
    ERROR = "error"

    @property
    def exit_code(self) -> int:
        """The exit code of a run in which this is the gravest verdict."""
        return _CODES[self]


_CODES = {
    Verdict.HEALTHY: 0,
    Verdict.FIXED: 0,
    Verdict.ERROR: 1,
    Verdict.INCIDENT: 3,
    Verdict.UNREACHABLE: 4,
    Verdict.UNKNOWN: 4,
    Verdict.NOT_FIXED: 5,
    Verdict.REFUSED: 6,
    Verdict.LOCKED: 7,
}


def rank(verdict: str) -> int:
    """Return the place of a verdict among others, by its word: the gravest first.

    One that only another version knows may be as grave as any.
    """
    known = {each.value: each.exit_code for each in Verdict}
    return GRAVEST_FIRST.index(known.get(verdict, BROKEN))
