"""What a run tells of itself, as entries of a timeline: pure functions over its two files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from oncall_runbook.run.conclusion import is_operation
from oncall_runbook.run.host_state import as_list, as_mapping
from oncall_runbook.run.journal import result_of_step

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts, JournalEntry, JudgedCard, RunDocument


@dataclass(frozen=True)
class Entry:
    """Something that happened in a run, at a time in milliseconds; `key` is its own within it."""

    at: int
    kind: str
    text: str
    key: str
    host: str | None = None
    data: Facts = field(default_factory=dict)


def milliseconds(moment: str) -> int:
    """Return a time of a run's files in milliseconds since the epoch."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def entries_of(document: RunDocument, events: Sequence[JournalEntry]) -> Iterator[Entry]:
    """Yield what a run's document and its journal say, in the order in which it happened."""
    what = " ".join(filter(None, (document["command"], document["incident"])))
    began = milliseconds(document["started"])
    yield Entry(began, "run", f"runbook {what} began", "began", data={"command": what})
    looks = is_operation(document["command"])  # what it looked at is no diagnosis
    for number, event in enumerate(events):
        if not (looks and event.get("findings")):
            yield from _of_event(str(number), event, events[number + 1 :])
    if finished := document.get("finished"):
        ended = milliseconds(finished)
        for host, state in document["hosts"].items():
            yield _verdict(ended, host, state["verdict"], state.get("reason") or "")
    elif document.get("state") == "interrupted":
        last = milliseconds(events[-1]["time"]) if events else began
        yield Entry(last, "verdict", f"runbook {what} was interrupted", "interrupted")


def _of_event(key: str, event: JournalEntry, later: Sequence[JournalEntry]) -> Iterator[Entry]:
    at, host = milliseconds(event["time"]), str(event["host"])
    if event.get("phase") == "evidence":
        kept = as_mapping(event.get("evidence"))
        if kept:
            text = f"evidence kept: {kept.get('files', 0)} files"
            yield Entry(at, "evidence", text, key, host, {**kept, **_digest(kept)})
    elif event.get("findings"):
        yield Entry(at, "finding", _found(event), key, host, _measured(event))
    elif event.get("rung") and not event.get("verdict"):
        yield _rung(at, host, key, event, later)
    elif event["event"] in ("failed", "unreachable") and event.get("message"):
        said = str(event["message"]).splitlines()[0]
        yield Entry(at, "finding", f"{event['event']}: {said}", key, host)


def _digest(kept: Facts) -> dict[str, str]:
    """Return the sha256 of the evidence's manifest, by which all of it can be proven."""
    try:
        manifest = (Path(str(kept.get("path"))) / "manifest.json").read_bytes()
    except OSError:
        return {}
    return {"manifest_sha256": hashlib.sha256(manifest).hexdigest()}


def _found(event: JournalEntry) -> str:
    causes = [_cause(name, as_mapping(event.get("incidents"))) for name in _causes(event)]
    told = "root cause " + "; ".join(causes) if causes else str(event.get("verdict") or "probed")
    if event.get("phase") in ("settle", "verify"):
        after = f" after {event['rung']}" if event.get("rung") else ""
        return f"probed again{after}: {told}"
    return told


def _causes(event: JournalEntry) -> list[str]:
    return [str(name) for name in as_list(event.get("root_causes"))]


def _cause(name: str, incidents: Mapping[str, JudgedCard]) -> str:
    found = as_mapping(incidents.get(name))
    explained = [
        n for n, i in incidents.items() if name in as_list(as_mapping(i).get("explained_by"))
    ]
    told = f"{found.get('title') or name} ({name})"
    told += f": {found['evidence']}" if found.get("evidence") else ""
    return told + (f"; explains {', '.join(explained)}" if explained else "")


def _measured(event: JournalEntry) -> Facts:
    statuses = as_mapping(event.get("findings"))
    return {
        "root_causes": _causes(event),
        "unhealthy": [name for name, status in statuses.items() if status == "unhealthy"],
        "values": as_mapping(event.get("values")),
    }


def _rung(
    at: int, host: str, key: str, event: JournalEntry, later: Sequence[JournalEntry]
) -> Entry:
    same = ("host", "rung", "incident")
    held = next(
        (
            after["held"]
            for after in later
            if isinstance(after.get("held"), bool)
            and all(after.get(n) == event.get(n) for n in same)
        ),
        None,
    )
    outcome = "" if held is None else "held" if held else "did not hold"
    told = ", ".join(
        filter(None, (result_of_step(event), f"{event.get('seconds') or 0:g} s", outcome))
    )
    text = f"{event.get('title') or event['rung']}: {told}"
    text = f"{text}: {event['reason']}" if event.get("reason") else text
    facts = {name: event.get(name) for name in ("rung", "risk", "changed", "seconds", "incident")}
    return Entry(at, "rung", text, key, host, {**facts, "held": held})


def _verdict(at: int, host: str, verdict: str, reason: str) -> Entry:
    text = ": ".join(filter(None, (verdict.replace("_", " "), reason)))
    return Entry(at, "verdict", text, f"verdict:{host}", host, {"verdict": verdict})
