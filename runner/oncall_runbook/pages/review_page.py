"""What the page on an incident's review shows, from the incident's document alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Literal

from oncall_runbook.documents import whole_incident
from oncall_runbook.pages import charts, wording
from oncall_runbook.pages.charts import Axis, Mark, Reading
from oncall_runbook.pages.wording import when
from oncall_runbook.run.host_state import as_mapping
from oncall_runbook.text.output import harmless_document

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts, IncidentDocument, TimelineEntry

Milestone = Literal["began", "detected", "opened", "acknowledged", "mitigated", "resolved"]
MILESTONES: tuple[Milestone, ...] = (
    "began",
    "detected",
    "opened",
    "acknowledged",
    "mitigated",
    "resolved",
)
_LANES = {
    "Runs and findings": ("run", "finding", "evidence", "verdict"),
    "Rungs": ("rung",),
    "Escalation and messages": ("escalation", "message"),
    "People": (),  # all the others
}


def context(document: Facts) -> dict[str, object]:
    """Return all that the templates of a review ask for."""
    incident = whole_incident(harmless_document(document))
    entries = incident["timeline"]
    axis = _axis(incident)
    return {
        "incident": incident,
        "review": incident["review"],
        "points": points(incident),
        "milestones": _milestones(incident),
        "chart": _chart(incident, axis) if axis else "",
        "beyond": sum(1 for entry in entries if axis and not axis.holds(_at(entry))),
        "measured": list(_measured(entries, axis)) if axis else [],
        "causes": _causes(entries),
        "rungs": [entry for entry in entries if entry["kind"] == "rung"],
        "verdicts": [entry for entry in entries if entry["kind"] == "verdict"],
        "kept": [entry for entry in entries if entry["kind"] == "evidence"],
    }


def points(incident: IncidentDocument) -> dict[str, bool]:
    """Return the six points of a review, and whether something is written on each."""
    review = incident["review"]
    return {
        "Timeline": bool(incident["timeline"]),
        "Root cause": bool(review["root_cause"]),
        "Impact": bool(incident["impact"]),
        "Resolution": bool(review["resolution"]),
        "Prevention": bool(review["prevention"]),
        "Follow-up": bool(review["items"]),
    }


def _milestones(incident: IncidentDocument) -> list[tuple[str, str | None, float]]:
    """Return each milestone, when it was, and how long after the first one."""
    first = min((str(incident[name]) for name in MILESTONES if incident[name]), default=None)
    return [(name, incident[name], _between(first, incident[name])) for name in MILESTONES]


def _between(start: str | None, end: str | None) -> float:
    begun, ended = when(start), when(end)
    return (ended - begun).total_seconds() if begun and ended else 0.0


def _at(entry: TimelineEntry) -> datetime:
    return datetime.fromisoformat(entry["at"])


def _causes(entries: Sequence[TimelineEntry]) -> list[tuple[str, str, str]]:
    """Return each root cause that runs named, with the host and when it was seen first."""
    seen: dict[tuple[str, str], str] = {}
    for entry in entries:
        for cause in entry["data"].get("root_causes") or []:
            seen.setdefault((str(cause), entry["host"] or ""), entry["at"])
    return [(cause, host, at) for (cause, host), at in seen.items()]


def _axis(incident: IncidentDocument) -> Axis | None:
    """Return the time of the incident itself: what is written after it is not drawn."""
    milestones = [moment for name in MILESTONES if (moment := when(incident[name]))]
    end = when(incident["resolved"])
    entries = [_at(entry) for entry in incident["timeline"]]
    moments = milestones + [moment for moment in entries if not end or moment <= end]
    return Axis.over(moments) if moments else None


def _chart(incident: IncidentDocument, axis: Axis) -> str:
    lane_of = {kind: lane for lane, kinds in _LANES.items() for kind in kinds}
    lanes: dict[str, list[Mark]] = {lane: [] for lane in _LANES}
    for entry in incident["timeline"]:
        if axis.holds(_at(entry)):
            text = " ".join((entry["text"] or wording.words(entry["kind"])).split())
            mark = Mark(_at(entry), text[:160], _trouble(entry))
            lanes[lane_of.get(entry["kind"], "People")].append(mark)
    milestones = [(when(incident[name]), name.capitalize()) for name in MILESTONES]
    named = [(at, f"{name} {at:%H:%M}") for at, name in milestones if at]
    return charts.timeline(axis, named, list(lanes.items()))


def _trouble(entry: TimelineEntry) -> bool:
    """Tell whether an entry says that something was or went wrong."""
    data = entry["data"]
    return bool(
        data.get("unhealthy")
        or data.get("held") is False
        or data.get("state") in ("failed", "unknown")
        or data.get("verdict", "fixed") not in ("fixed", "healthy")
    )


@dataclass(frozen=True)
class Measured:
    """What one probe measured on one host, over time, and the chart of it."""

    title: str
    unit: str
    host: str
    readings: list[Reading]
    change: float = 0.0
    chart: str = ""

    @property
    def values(self) -> list[float]:
        """The bare numbers."""
        return [reading.value for reading in self.readings]


def _measured(entries: Sequence[TimelineEntry], axis: Axis) -> Iterator[Measured]:
    """Yield what was measured at least twice, the most changing first."""
    several = _repeated(entries)
    acted = [_at(entry) for entry in entries if entry["kind"] == "rung"]
    read = [reading.at for measured in several for reading in measured.readings]
    span = Axis.over([axis.start, axis.end, *read])
    for number, m in enumerate(sorted(several, key=lambda measured: -measured.change), 1):
        drawn = charts.series(f"probe-{number}", m.title, span, m.readings, acted)
        yield replace(m, chart=drawn)


def _repeated(entries: Sequence[TimelineEntry]) -> list[Measured]:
    """Return what was measured at least twice.

    How much it changed is told as a part of the greatest value on any host.
    """
    found: dict[tuple[str, str], Measured] = {}
    greatest: dict[str, float] = {}
    for host, probe, value, at in _values(entries):
        read, title, unit = value["value"], value.get("title") or probe, value.get("unit") or ""
        known = found.setdefault((probe, host), Measured(title, unit, host, []))
        known.readings.append(Reading(at, read))
        greatest[probe] = max(greatest.get(probe, 0), abs(read))
    return [
        replace(m, change=(max(m.values) - min(m.values)) / (greatest[probe] or 1))
        for (probe, _), m in found.items()
        if len(m.readings) > 1
    ]


def _values(
    entries: Sequence[TimelineEntry],
) -> Iterator[tuple[str, str, Facts, datetime]]:
    """Yield every number that a probe gave: host, probe, value, time."""
    for entry in entries:
        for probe, value in as_mapping(entry["data"].get("values")).items():
            read = as_mapping(value).get("value")
            if isinstance(read, int | float) and not isinstance(read, bool) and isfinite(read):
                yield entry["host"] or "", probe, value, _at(entry)
