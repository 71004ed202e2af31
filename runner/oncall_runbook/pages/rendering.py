"""Pages of one file: an incident's review, a run, and all incidents together.

Pure functions from documents to text. A page asks for nothing outside of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean, median
from typing import TYPE_CHECKING, Any

from oncall_runbook.documents import whole_run, whole_summary
from oncall_runbook.pages import charts, fleet_page, review_page, run_page, wording
from oncall_runbook.templates.environment import template_environment
from oncall_runbook.text import brief
from oncall_runbook.text.output import harmless_document

if TYPE_CHECKING:
    from jinja2 import Environment

    from oncall_runbook.documents import Facts, IncidentSummary

_ENDED = ("resolved", "reviewed")
_FILTERS = (
    wording.answer,
    wording.block,
    wording.clock,
    wording.day,
    wording.details,
    wording.duration,
    wording.month,
    wording.pretty,
    wording.said,
    wording.stamp,
    wording.words,
)


def review_html(document: Facts) -> str:
    """Return an incident's review as a page."""
    return _render("review.html.j2", **review_page.context(document))


def review_markdown(document: Facts) -> str:
    """Return an incident's review as Markdown."""
    return _render("review.md.j2", **review_page.context(document))


def run_html(run_document: Facts) -> str:
    """Return a run's report as a page."""
    run = whole_run(harmless_document(run_document))
    if len(run["hosts"]) > brief.EACH:
        return _render("fleet.html.j2", **fleet_page.context(run))
    return _render("run.html.j2", **run_page.context(run))


def overview_html(summaries: Iterable[Facts], now: datetime) -> str:
    """Return the page on all incidents: what is open and overdue, and how long they took."""
    known = [whole_summary(harmless_document(summary)) for summary in summaries]
    known.sort(key=lambda summary: str(summary["opened"]), reverse=True)
    going = [summary for summary in known if summary["status"] not in _ENDED]
    return _render(
        "overview.html.j2",
        now=f"{now:%Y-%m-%dT%H:%M:%SZ}",
        incidents=known,
        going=sorted(going, key=lambda summary: (not _late(summary), summary["severity"])),
        late=[summary for summary in going if _late(summary)],
        unreviewed=[summary for summary in known if summary["review"]["overdue"]],
        total=mttr(known, lambda summary: "all"),
        times={
            "kind": _drawn("kind", mttr(known, _kind), str),
            "month": _drawn("month", mttr(known, _month), wording.month),
        },
    )


@dataclass(frozen=True)
class Times:
    """How long it took to resolve incidents that have something in common, in seconds."""

    label: str
    count: int
    mean: float
    median: float
    longest: float


def mttr(
    summaries: Iterable[IncidentSummary], key: Callable[[IncidentSummary], str]
) -> list[Times]:
    """Return the times to resolve, grouped by `key`; what is not resolved does not count."""
    groups: dict[str, list[float]] = {}
    for summary in summaries:
        seconds = summary["measures"]["resolve"]
        if seconds is not None:
            groups.setdefault(key(summary), []).append(seconds)
    return [
        Times(label, len(times), mean(times), median(times), max(times))
        for label, times in sorted(groups.items())
    ]


def _kind(summary: IncidentSummary) -> str:
    return wording.words(summary["incident"] or "of no kind")


def _month(summary: IncidentSummary) -> str:
    """Return the month in which it was resolved."""
    return str(summary["resolved"] or summary["opened"])[:7]


def _late(summary: IncidentSummary) -> bool:
    return summary["response"] == "overdue" or bool(summary["update_overdue"])


def _drawn(
    key: str, rows: Sequence[Times], name: Callable[[str], str]
) -> tuple[list[tuple[str, Times]], str]:
    named = [(name(row.label), row) for row in rows]
    sizes = [(label, row.mean, wording.duration(row.mean)) for label, row in named]
    return named, charts.bars(f"bars-{key}", f"Mean time to resolve by {key}", sizes)


def _render(template: str, **context: Any) -> str:
    return _environment(html=template.endswith(".html.j2")).get_template(template).render(context)


def _environment(*, html: bool) -> Environment:
    """Return the templates; whatever they print is escaped, in HTML and in Markdown."""
    found = template_environment(autoescape=html, finalize=None if html else wording.cell)
    found.filters.update({used.__name__: used for used in _FILTERS})
    found.filters["number"] = charts.number
    return found
