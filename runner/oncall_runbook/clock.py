"""Time around an incident: one clock, in milliseconds since the epoch; people read and write it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from oncall_runbook.errors import BadInputError

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_UNITS = {"s": 1000, "m": MINUTE, "h": HOUR, "d": DAY}
_SPAN = re.compile(r"([+-]?)((?:\d+[smhd])+)")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d\d(:\d\d)?")


def now() -> int:
    """Return the time, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def timestamp(seconds: float) -> str:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def text(moment: int | None) -> str | None:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return None if moment is None else timestamp(moment / 1000)


def parse(given: str, at: int) -> int:
    """Read a time that a person wrote, as seen at the time `at`.

    `30m`, `1h30m` (from now), `-10m` (ago), `03:05` (the nearest one), a date, or a date with a
    time. Without a zone it is this machine's. Raises BadInputError.
    """
    try:
        found = _parse(given.strip(), at)
        text(found)  # no time that could not be written again
        return found
    except (ValueError, OverflowError, OSError) as error:
        raise BadInputError(
            f"{given!r} is no time; write 30m, -10m, 03:05, 2026-11-24T03:05 or 2026-11-24T03:05Z"
        ) from error


def ahead(given: str, at: int) -> int:
    """Read a time that is still to come, as `parse` does; `03:05` is the next one.

    Raises BadInputError, also for one that is over.
    """
    moment = parse(given, at)
    if moment <= at and _TIME_OF_DAY.fullmatch(given.strip()):
        moment = parse((datetime.fromtimestamp(moment / 1000) + timedelta(days=1)).isoformat(), at)
    if moment <= at:
        raise BadInputError(f"{given!r} is {text(moment)}, which is over")
    return moment


def _parse(words: str, at: int) -> int:
    if span := _SPAN.fullmatch(words):
        parts = re.findall(r"(\d+)([smhd])", span[2])
        length = sum(int(number) * _UNITS[unit] for number, unit in parts)
        return at - length if span[1] == "-" else at + length
    if _TIME_OF_DAY.fullmatch(words):
        return _nearest(words, at)
    return _milliseconds(datetime.fromisoformat(words))


def _milliseconds(moment: datetime) -> int:
    return round((moment if moment.tzinfo else moment.astimezone()).timestamp() * 1000)


def _nearest(words: str, at: int) -> int:
    """Return the time of day that is nearest to `at`: yesterday's, today's or tomorrow's."""
    hour, *rest = (int(part) for part in words.split(":"))
    here = datetime.fromtimestamp(at / 1000).astimezone()
    today = here.replace(hour=hour, minute=rest[0], second=(*rest, 0)[1], microsecond=0)
    days = (today + timedelta(days=n) for n in (-1, 0, 1))
    return min((_milliseconds(day) for day in days), key=lambda moment: abs(moment - at))


def span(milliseconds: float) -> str:
    """Return a length of time in its two greatest units: 12 s, 5 m 3 s, 2 h, 3 d 4 h."""
    seconds = int(abs(milliseconds)) // 1000
    counts = (seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60)
    first = next((n for n, count in enumerate(counts) if count), 3)
    told = [f"{count} {unit}" for count, unit in zip(counts, "dhms", strict=True)][
        first : first + 2
    ]
    return " ".join([told[0], *(part for part in told[1:] if part[0] != "0")])
