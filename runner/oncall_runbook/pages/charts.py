"""Charts as inline SVG: pure functions that return text.

Positions along the time are percentages, so a chart fits any width and its writing keeps its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from itertools import pairwise

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200)
_DAY = 86400
_TICKS = 6
_CLOSE = 2.4  # percent of the width: what is closer is one mark with a number
_ROW, _LANE, _TOP, _FOOT = 20, 40, 8, 26
_TOLD = 3  # entries that a mark of several quotes


@dataclass(frozen=True)
class Axis:
    """A span of time, from the left edge to the right one."""

    start: datetime
    end: datetime

    @classmethod
    def over(cls, moments: Iterable[datetime]) -> Axis:
        """Return the axis that holds these moments, and a margin behind the last one."""
        held = sorted(moments)
        margin = max((held[-1] - held[0]) * 0.02, timedelta(seconds=1))
        return cls(held[0], held[-1] + margin)

    def at(self, moment: datetime) -> float:
        """Return where a moment is, in percent of the width."""
        return round((moment - self.start) / (self.end - self.start) * 100, 2)

    def holds(self, moment: datetime) -> bool:
        """Tell whether a moment is on the axis."""
        return self.start <= moment <= self.end

    def ticks(self) -> Iterator[tuple[datetime, str]]:
        """Yield round moments, each with its writing."""
        step = self._step()
        first = -(-self.start.timestamp() // step) * step
        form = "%d %b" if step >= _DAY else "%H:%M" if step >= 60 else "%H:%M:%S"
        for number in range(_TICKS + 1):
            moment = datetime.fromtimestamp(first + number * step, UTC)
            if moment <= self.end:
                midnight = step < _DAY and not moment.hour and not moment.minute
                yield moment, moment.strftime("%d %b" if midnight else form)

    def _step(self) -> int:
        needed = (self.end - self.start).total_seconds() / _TICKS
        days = max(1, -(-int(needed) // _DAY))
        return next((step for step in _STEPS if step >= needed), days * _DAY)


@dataclass(frozen=True)
class Mark:
    """One thing that happened; `trouble` gives it another shape."""

    at: datetime
    text: str
    trouble: bool = False


@dataclass(frozen=True)
class Reading:
    """What a probe measured at one time."""

    at: datetime
    value: float


def timeline(
    axis: Axis, milestones: Sequence[tuple[datetime, str]], lanes: Sequence[tuple[str, list[Mark]]]
) -> str:
    """Return the milestones, one below the other, and under them the lanes with their marks."""
    top = _TOP + len(milestones) * _ROW
    floor = top + len(lanes) * _LANE
    told = "; ".join(f"{title}: {len(marks)}" for title, marks in lanes)
    inside = [
        *_ticks(axis, floor),
        *_milestones(axis, milestones, floor),
        *(part for row, lane in enumerate(lanes) for part in _lane(axis, top + row * _LANE, *lane)),
    ]
    named = ", ".join(label for _, label in milestones)
    return _svg("timeline", "The incident over time", f"{named}. {told}.", floor + _FOOT, inside)


def _ticks(axis: Axis, floor: int) -> Iterator[str]:
    for number, (moment, label) in enumerate(axis.ticks()):
        x = axis.at(moment)
        yield _line(x, 0, x, floor, f"grid{' odd' if number % 2 else ''}")
        yield _text(x, floor + 18, label, f"tick{' odd' if number % 2 else ''}", _edge(x))


def _milestones(
    axis: Axis, milestones: Sequence[tuple[datetime, str]], floor: int
) -> Iterator[str]:
    for row, (moment, label) in enumerate(milestones):
        x, y = axis.at(moment), _TOP + row * _ROW + 6
        yield _line(x, y, x, floor, "milestone")
        yield f'<circle class="milestone" cx="{x}%" cy="{y}" r="3.5"/>'
        side = ("end", -9) if x > 50 else ("start", 9)
        yield _text(x, y + 4, label, "label", side[0], side[1])


def _lane(axis: Axis, y: int, title: str, marks: list[Mark]) -> Iterator[str]:
    yield _line(0, y + 28, 100, y + 28, "lane")
    yield _text(0, y + 12, title, "lane")
    for group in _groups(axis, marks):
        yield _mark(axis.at(group[0].at), y + 28, group)


def _groups(axis: Axis, marks: list[Mark]) -> Iterator[list[Mark]]:
    """Yield the marks, those together that would hide each other."""
    group: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: mark.at):
        if group and axis.at(mark.at) - axis.at(group[0].at) > _CLOSE:
            yield group
            group = []
        group.append(mark)
    if group:
        yield group


def _mark(x: float, y: int, group: list[Mark]) -> str:
    told = [f"{mark.at:%H:%M:%S} {mark.text}" for mark in group[:_TOLD]]
    more = [f"and {len(group) - _TOLD} more"] if len(group) > _TOLD else []
    several = len(group) > 1
    shape = _diamond if any(mark.trouble for mark in group) else _dot
    number = f'<text class="count" y="4">{len(group)}</text>' if several else ""
    inside = f"<title>{escape(chr(10).join(told + more))}</title>{shape(several)}{number}"
    return f'<svg class="mark" x="{x}%" y="{y}">{inside}</svg>'


def _dot(several: bool) -> str:
    return f'<circle class="ordinary" r="{9 if several else 5.5}"/>'


def _diamond(several: bool) -> str:
    size = 12 if several else 7.5
    return f'<path class="trouble" d="M0 -{size}L{size} 0L0 {size}L-{size} 0Z"/>'


def series(
    key: str, title: str, axis: Axis, readings: Sequence[Reading], acted: Iterable[datetime]
) -> str:
    """Return what one probe measured over time; `acted`: when something was done about it."""
    high = max(reading.value for reading in readings)
    low = min(reading.value for reading in readings)
    points = [(axis.at(r.at), _height(r.value, low, high)) for r in readings]
    ends = f"{axis.start:%H:%M} to {axis.end:%H:%M}"
    said = ", ".join(f"{r.at:%H:%M:%S} {number(r.value)}" for r in readings[:12])
    inside = [
        *(_line(x, 18, x, 66, "acted") for x in map(axis.at, filter(axis.holds, acted))),
        _line(0, 66, 100, 66, "lane"),
        *(_line(*a, *b, "curve") for a, b in pairwise(points)),
        *(f'<circle class="ordinary" cx="{x}%" cy="{y}" r="3"/>' for x, y in points),
        _text(0, 11, number(high), "tick"),
        _text(0, 82, number(low), "tick"),
        _text(100, 82, ends, "tick", "end"),
    ]
    return _svg(key, title, f"{len(readings)} readings: {said}", 86, inside)


def _height(value: float, low: float, high: float) -> float:
    return 42.0 if high == low else round(66 - (value - low) / (high - low) * 48, 1)


def bars(key: str, title: str, rows: Sequence[tuple[str, float, str]]) -> str:
    """Return one bar for each row of label, size and the size in words."""
    longest = max((size for _, size, _ in rows), default=0) or 1
    inside = []
    for row, (label, size, told) in enumerate(rows):
        y, width = row * 38, round(size / longest * 100, 2)
        inside += [
            _text(0, y + 13, label, "label"),
            _text(100, y + 13, told, "label", "end"),
            f'<rect class="back" x="0" y="{y + 19}" width="100%" height="8"/>',
            f'<rect class="bar" x="0" y="{y + 19}" width="{width}%" height="8"/>',
        ]
    said = "; ".join(f"{label}: {told}" for label, _, told in rows)
    return _svg(key, title, said, len(rows) * 38, inside)


def number(value: float) -> str:
    """Return a number as people read it: 1,234.5."""
    if value and abs(value) < 0.01:
        return f"{value:.2g}"
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def _svg(key: str, title: str, described: str, height: int, inside: Iterable[str]) -> str:
    named = f'aria-labelledby="{key}-title {key}-desc"'
    head = (
        f'<title id="{key}-title">{escape(title)}</title>'
        f'<desc id="{key}-desc">{escape(described)}</desc>'
    )
    body = "".join(inside)
    return (
        f'<svg class="chart" role="img" {named} width="100%" height="{height}">{head}{body}</svg>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1}%" y1="{y1}" x2="{x2}%" y2="{y2}"/>'


def _text(x: float, y: int, text: str, kind: str, anchor: str = "start", shift: int = 0) -> str:
    moved = f' dx="{shift}"' if shift else ""
    place = f'x="{x}%" y="{y}" text-anchor="{anchor}"{moved}'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def _edge(x: float) -> str:
    return "start" if x < 4 else "end" if x > 94 else "middle"
