"""Runs in the record: each is written into the open incidents of its hosts, or opens one.

It is written from the run's own files, so that this can be done at any time later, and by anybody;
to do it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, select

from oncall_runbook import clock
from oncall_runbook.errors import NothingMatchedError
from oncall_runbook.record import pending, records
from oncall_runbook.record.policy import SEVERITIES
from oncall_runbook.record.store import Store
from oncall_runbook.record.tables import hosts, incidents, runs
from oncall_runbook.record.timeline import entries_of, milliseconds
from oncall_runbook.run import run_files

if TYPE_CHECKING:
    from oncall_runbook.documents import JournalEntry, JudgedCard, RunDocument

_GOOD = ("fixed", "healthy")
_BAD = ("incident", "not_fixed", "refused")
_JUDGES_ALL = ("triage", "plan", "remediate")


@dataclass(frozen=True)
class Run:
    """A run as its files tell of it."""

    document: RunDocument
    events: Sequence[JournalEntry]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.document["run"])

    @property
    def author(self) -> str:
        """Who ran it."""
        return str(self.document.get("author") or "unknown")

    @property
    def verdicts(self) -> dict[str, str]:
        """What it said of each host in the end; nothing where it was killed."""
        return {host: state["verdict"] for host, state in self.document["hosts"].items()}

    @property
    def hosts(self) -> list[str]:
        """Its hosts; of one that was killed those that its journal knows."""
        return list(self.verdicts) or sorted({str(event["host"]) for event in self.events})

    @property
    def began(self) -> int:
        """When it began, in milliseconds since the epoch."""
        return milliseconds(self.document["started"])

    @property
    def ended(self) -> int:
        """When it ended, or was last heard of."""
        last = [event["time"] for event in self.events[-1:]] or [self.document["started"]]
        return max(self.began, milliseconds(self.document.get("finished") or last[0]))


def catch_up(store: Store) -> list[int]:
    """Attach every noted run that has ended; return the incidents that it touched."""
    touched: list[int] = []
    for path, wanted in pending.notes():
        directory = run_files.runs_directory() / path.name
        document = run_files.load(directory)
        if document["state"] == "running":
            continue
        try:
            if document["state"] == "broken":
                raise ValueError(directory)
            touched += _attach_somewhere(store, document, run_files.events(directory), wanted)
        except (KeyError, TypeError, ValueError):
            # Files that somebody has written to are kept, and keep no other run from the record.
            pending.set_aside(path)
            continue
        path.unlink(missing_ok=True)
    return touched


def _attach_somewhere(
    store: Store,
    document: RunDocument,
    events: Sequence[JournalEntry],
    wanted: str | None,
) -> list[int]:
    """Attach a run; where the incident it names is in another store, to those of its hosts."""
    try:
        return attach(store, document, events, wanted)
    except NothingMatchedError:
        return attach(store, document, events, None)


def open_incident_for(
    store: Store, run: str, host: str, causes: Sequence[str], known: Mapping[str, JudgedCard]
) -> int | None:
    """Open an incident for what a run has just found on a host, unless one is open there."""
    with store.write() as conn:
        if records.open_on(conn, [host]):
            return None
        return _open(conn, run, host, causes, known, run_files.author(), clock.now())


def attach(
    store: Store,
    document: RunDocument,
    events: Sequence[JournalEntry],
    wanted: str | None,
) -> list[int]:
    """Write a run into the incidents that it belongs to; return their ids."""
    run = Run(document, events)
    with store.write() as conn:
        found = _incidents(conn, run, wanted)
        for incident in found:
            row = records.get(conn, incident)
            mine = _hosts_of(row, run, records.hosts_of(conn, incident), named=_names_one(wanted))
            records.add_hosts(conn, incident, mine)
            _attach(conn, incident, run, mine)
        return found


def _names_one(wanted: str | None) -> bool:
    return wanted not in (None, "new")


def _incidents(conn: Connection, run: Run, wanted: str | None) -> list[int]:
    if _names_one(wanted):
        return [records.find(conn, str(wanted))]
    found = records.open_on(conn, run.hosts, (run.began, run.ended))
    mine = select(incidents.c.id).where(incidents.c.opened_by_run == run.id)
    found += [number for number in conn.scalars(mine) if number not in found]
    first = next((event for event in run.events if event.get("root_causes")), None)
    if found or wanted is None or first is None:
        return found
    causes = [str(name) for name in first["root_causes"]]
    known, at = first.get("incidents") or {}, milliseconds(first["time"])
    return [_open(conn, run.id, str(first["host"]), causes, known, run.author, at)]


def _open(
    conn: Connection,
    run: str,
    host: str,
    causes: Sequence[str],
    known: Mapping[str, JudgedCard],
    by: str,
    at: int,
) -> int:
    gravest = min(causes, key=lambda name: _severity(known, name))
    severity = _severity(known, gravest)
    return records.open_incident(
        conn,
        title=", ".join(str(known.get(name, {}).get("title") or name) for name in causes),
        severity=severity,
        reason=f"the card of {gravest} says so",
        author=by,
        at=at,
        card=gravest,
        of_hosts=[host],
        run=run,
    )


def _severity(known: Mapping[str, JudgedCard], name: str) -> str:
    """Return the severity of a card; in doubt the gravest."""
    found = str(known.get(name, {}).get("severity") or "")
    return found if found in SEVERITIES else SEVERITIES[0]


def _attach(conn: Connection, incident: int, run: Run, mine: list[str]) -> None:
    row = records.get(conn, incident)
    if run.id not in records.runs_of(conn, incident):
        conn.execute(runs.insert().values(incident=incident, run=run.id))
    for entry in entries_of(run.document, run.events):
        if entry.host is None or entry.host in mine:
            records.write(
                conn,
                incident,
                entry.at,
                entry.kind,
                run.author,
                entry.text,
                run=run.id,
                host=entry.host,
                key=f"run:{run.id}:{entry.key}",
                data=entry.data,
            )
    if row.resolved is None:
        _raise_severity(conn, incident, run)
        _progress(conn, incident, run, mine)
        _judge(conn, incident, run)


def _hosts_of(row: Row[Any], run: Run, already: list[str], *, named: bool) -> list[str]:
    """Return the hosts of a run that belong to an incident.

    All of them when the run has named it; else its own, and of the run that opened it those in
    trouble as well.
    """
    opened_here = row.opened_by_run == run.id
    return [
        host
        for host in run.hosts
        if named
        or host in already
        or (opened_here and run.verdicts.get(host, "healthy") != "healthy")
    ]


def _raise_severity(conn: Connection, incident: int, run: Run) -> None:
    """Take the graver severity that a root cause's card has, unless a person has set one."""
    row = records.get(conn, incident)
    causes = [
        (_severity(event.get("incidents") or {}, str(name)), str(name))
        for event in run.events
        for name in event.get("root_causes") or []
    ]
    if row.severity_by_person or not causes or min(causes)[0] >= row.severity:
        return
    severity, name = min(causes)
    reason = f"the card of {name} says so"
    values = {"severity": severity, "severity_reason": reason, "card": name}
    conn.execute(incidents.update().where(incidents.c.id == incident).values(values))
    records.rearm(conn, incident)
    data = {"field": "severity", "from": row.severity, "to": severity, "reason": reason}
    text = f"severity: {severity} (was {row.severity}); {reason}"
    records.write(conn, incident, run.ended, "changed", run.author, text, data=data)


def _progress(conn: Connection, incident: int, run: Run, mine: list[str]) -> None:
    """Move the status on as far as the run shows; never back."""
    row = records.get(conn, incident)
    seen = [event for event in run.events if event["host"] in mine]
    status = row.status
    if status == "investigating" and any(event.get("root_causes") for event in seen):
        status = "identified"
    if status != "resolving" and any(event.get("rung") and event.get("incident") for event in seen):
        status = "resolving"
    if status != row.status:
        conn.execute(incidents.update().where(incidents.c.id == incident).values(status=status))


def _judge(conn: Connection, incident: int, run: Run) -> None:
    """Keep the last verdict of each host; when all are well the incident is mitigated."""
    row = records.get(conn, incident)
    only = run.document["incident"]
    judges = run.document["command"] in (*_JUDGES_ALL, "diagnose")
    if not run.document.get("finished") or not judges or (only and only != row.card):
        return
    for host, verdict in run.verdicts.items():
        if verdict in _GOOD + _BAD:
            newer = (hosts.c.judged.is_(None)) | (hosts.c.judged < run.ended)
            same = (hosts.c.incident == incident) & (hosts.c.host == host) & newer
            conn.execute(hosts.update().where(same).values(verdict=verdict, judged=run.ended))
    judged = conn.execute(select(hosts).where(hosts.c.incident == incident)).all()
    relapse = _relapse(row, run, [each.host for each in judged])
    if row.mitigated is not None and relapse is not None:
        _mitigated(conn, incident, None, relapse, run)
    well = bool(judged) and all(each.verdict in _GOOD for each in judged)
    if well and (row.mitigated is None or relapse is not None):
        latest = max(each.judged for each in judged)
        _mitigated(conn, incident, latest, latest, run)


def _relapse(row: Row[Any], run: Run, names: Sequence[str]) -> int | None:
    """Return when a run found trouble on a host after the incident had been mitigated."""
    found = (
        milliseconds(event["time"])
        for event in run.events
        if event.get("root_causes") and event["host"] in names
    )
    return next((moment for moment in found if moment > (row.mitigated or 0)), None)


def _mitigated(conn: Connection, incident: int, value: int | None, at: int, run: Run) -> None:
    conn.execute(incidents.update().where(incidents.c.id == incident).values(mitigated=value))
    text = "mitigated: probes find all its hosts well" if value else "the trouble is back"
    records.write(conn, incident, at, "mitigated", run.author, text, run=run.id)
