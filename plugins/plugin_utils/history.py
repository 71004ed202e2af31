# GNU General Public License v3.0 or later (see LICENSE)
"""What runs did on a host lately, and which rungs that leaves no sense in climbing now."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

# A clock may be off by that many seconds; a time further ahead is from before it was set back.
_AHEAD_SECONDS = 60
_is_time = re.compile(r"[0-9]{1,10}").fullmatch


@dataclass(frozen=True)
class Climbed:
    """A rung that a run climbed, at a time in seconds since the epoch; whether it held."""

    time: int
    run: str
    incident: str
    rung: str
    held: bool = False

    def __str__(self) -> str:
        at = datetime.fromtimestamp(self.time, UTC).strftime("%H:%M:%SZ")
        return f"{self.rung} at {at} (run {self.run}){'' if self.held else ', which did not hold'}"


def read(text: str) -> tuple[int, list[Climbed]]:
    """Read a host's time and, behind a semicolon each, EPOCH|RUN|INCIDENT|RUNG|[held].

    Returns the time and the rungs, the oldest first; what is none of these is passed over.
    """
    first, *lines = text.split(";")
    now = int(first) if _is_time(first) else 0
    found: dict[tuple[str, str, str], Climbed] = {}
    for line in sorted(lines):
        time, run, incident, rung, held = [*line.split("|"), *[""] * 5][:5]
        if _is_time(time) and rung and int(time) <= now + _AHEAD_SECONDS:
            key = run, incident, rung
            begun = found[key].time if key in found else int(time)
            found[key] = Climbed(begun, run, incident, rung, held == "held")
    return now, sorted(found.values(), key=lambda climbed: climbed.time)


def spent(
    text: str, own: Iterable[str], window: float, attempts: int
) -> Mapping[tuple[str, str], str]:
    """Return why rungs are not to be climbed, by incident and rung; of a whole ladder by ``""``.

    Runs that are not ``own`` count within ``window`` seconds: a rung that did not hold is not
    climbed again, and after ``attempts`` of them an incident is left to people.
    """
    now, climbed = read(text)
    mine = set(own)
    lately = [c for c in climbed if c.run not in mine and c.time > now - window]
    reasons = {
        (c.incident, c.rung): f"{c} within {window / 60:.0f} min" for c in lately if not c.held
    }
    for incident in {c.incident for c in lately}:
        past = [c for c in lately if c.incident == incident]
        if len({c.run for c in past}) >= attempts:
            told = "; ".join(map(str, past[-attempts:]))
            reasons[incident, ""] = (
                f"{incident} was remediated {attempts} times within {window / 60:.0f} min, and is"
                f" back: {told}"
            )
    return reasons
