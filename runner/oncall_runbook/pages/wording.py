"""How pages write what documents hold: times, durations, names."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oncall_runbook.pages.charts import number
from oncall_runbook.text.words import clean

if TYPE_CHECKING:
    from oncall_runbook.documents import Finding, TimelineEntry

_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
_BLOCK = re.compile(r"#{1,6}(\s|$)|\+\s|[-=]{2,}\s*$|-\s*$|(-\s*){3,}$")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_UNITS = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def when(text: str | None) -> datetime | None:
    """Return a time of a document."""
    return datetime.fromisoformat(text) if text else None


def stamp(text: str) -> str:
    """Return day and time: 2026-11-24 03:12:04."""
    return f"{text[:10]} {text[11:19]}"


def clock(text: str) -> str:
    """Return the time of the day: 03:12:04."""
    return text[11:19]


def day(text: str) -> str:
    """Return the day: Tuesday 24 November 2026."""
    return f"{datetime.fromisoformat(text):%A %-d %B %Y}"


def month(text: str) -> str:
    """Return the month: November 2026."""
    return f"{datetime.fromisoformat(text + '-01'):%B %Y}"


def duration(seconds: float | None) -> str:
    """Return a duration by its two greatest units: 1 h 12 min."""
    if seconds is None:
        return "not known"
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 59.5:
        return f"{number(round(seconds, 1 if seconds < 10 else 0))} s"
    for size, unit, lesser, lesser_unit in _UNITS:
        count, rest = divmod(round(seconds / lesser), size // lesser)
        if count:
            return f"{count} {unit} {rest} {lesser_unit}" if rest else f"{count} {unit}"
    raise AssertionError(seconds)


def words(name: object) -> str:
    """Return a name as people write it: Not fixed."""
    text = str(name).replace("_", " ")
    return text[:1].upper() + text[1:]


def said(value: object) -> str:
    """Return one value of a document in short."""
    if value is None or value in ("", [], {}):
        return "—"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(said(item) for item in value)
    return number(value) if isinstance(value, int | float) else str(value)


def details(entry: TimelineEntry) -> list[str]:
    """Return what is known of an entry of the timeline besides its text."""
    known = {key: value for key, value in entry["data"].items() if value not in (None, "", [])}
    known.pop("values", None)  # the charts and their table have them
    about = {"host": entry["host"], "run": entry["run"]}
    told = {**known, **{key: value for key, value in about.items() if value}}
    return [f"{words(key).lower()}: {said(value)}" for key, value in told.items()]


def answer(finding: Finding) -> str:
    """Return a probe's answer in short; nothing where it is a whole structure."""
    value = finding["value"]
    if isinstance(value, dict | list):
        return ""
    if value in (None, ""):
        return clean(finding["output"])
    return f"{said(value)} {finding['unit'] or ''}".strip()


def pretty(value: object) -> str:
    """Return a structure as JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def cell(value: object) -> Any:
    """Return text that Markdown shows as it is, on one line; markup stays as it is."""
    if hasattr(value, "__html__"):
        return value
    return "<br>".join(_escaped(line.strip()) for line in str(value).strip().splitlines())


def block(value: object) -> Any:
    """Return paragraphs and lists for Markdown; all other markup is shown as it was written."""
    from markupsafe import Markup

    lines = (line.strip() for line in str(value).strip().splitlines())
    return Markup("\n".join("\\" * bool(_BLOCK.match(line)) + _escaped(line) for line in lines))


def _escaped(line: str) -> str:
    plain = _MARKUP.sub(lambda found: "\\" + found[0], line)
    return re.sub("[&<>]", lambda found: _ENTITIES[found[0]], plain)
