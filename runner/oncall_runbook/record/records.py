"""Incidents in the store: opening, changing, acknowledging, resolving them; their timeline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select
from sqlalchemy.exc import IntegrityError

from oncall_runbook import clock
from oncall_runbook.errors import NothingMatchedError, RefusedError
from oncall_runbook.record.tables import entries, hosts, incidents, messages, runs, steps

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts

_REVIEW_HOURS = 48  # where the inventory could not be asked; the source runbook's
_OPENING = 0x72756E6F  # any number that nobody else locks


def open_incident(
    conn: Connection,
    *,
    title: str,
    severity: str,
    reason: str,
    author: str,
    at: int,
    card: str | None = None,
    of_hosts: Iterable[str] = (),
    run: str | None = None,
    by_person: bool = False,
    **facts: Any,
) -> int:
    """Write a new incident and return its id; for a run that has opened one, that one's.

    `facts` are the optional columns impact, owner, eta, began, detected.
    """
    values = {
        "title": title,
        "card": card,
        "severity": severity,
        "severity_reason": reason,
        "severity_by_person": by_person,
        "status": "investigating",
        "detected": at,
        "opened": at,
        "armed": False,
        "review_state": "none",
        "opened_by_run": run,
        **{name: value for name, value in facts.items() if value is not None},
    }
    try:
        with conn.begin_nested():
            new = conn.execute(incidents.insert().values(values)).inserted_primary_key
    except IntegrityError:
        if run is None:
            raise
        mine = select(incidents.c.id).where(incidents.c.opened_by_run == run)
        return int(conn.execute(mine).scalar_one())
    number = int(new[0]) if new else 0
    write(conn, number, at, "opened", author, f"{severity}: {title} ({reason})", run=run)
    add_hosts(conn, number, of_hosts)
    return number


def write(
    conn: Connection,
    incident: int,
    at: int,
    kind: str,
    author: str,
    text: str,
    *,
    run: str | None = None,
    host: str | None = None,
    key: str | None = None,
    data: Facts | None = None,
) -> None:
    """Write an entry of the timeline; one with the `key` of another is that one, written again."""
    values = {
        "incident": incident,
        "at": at,
        "kind": kind,
        "author": author,
        "text": text,
        "run": run,
        "host": host,
        "key": key,
        "data": dict(data or {}),
    }
    if key is not None:
        same = (entries.c.incident == incident) & (entries.c.key == key)
        if conn.execute(entries.update().where(same).values(values)).rowcount:
            return
    conn.execute(entries.insert().values(values))


def add_hosts(conn: Connection, incident: int, names: Iterable[str]) -> None:
    """Let hosts belong to an incident, as far as they do not yet."""
    known = set(conn.scalars(select(hosts.c.host).where(hosts.c.incident == incident)))
    new = [name for name in dict.fromkeys(names) if name not in known]
    if new:
        rows = [{"incident": incident, "host": name} for name in new]
        conn.execute(hosts.insert(), rows)


def get(conn: Connection, incident: int, *, hold: bool = True) -> Row[Any]:
    """Return an incident's row; unless it is only looked at, held until the transaction ends."""
    found = select(incidents).where(incidents.c.id == incident)
    row = conn.execute(found.with_for_update() if hold else found).one_or_none()
    if row is None:
        raise NothingMatchedError(f"there is no incident {incident}; see: runbook incident list")
    return row


def get_open(conn: Connection, incident: int) -> Row[Any]:
    """Return an incident's row; raise RefusedError when it is resolved."""
    row = get(conn, incident)
    if row.resolved is not None:
        when = clock.text(row.resolved)
        raise RefusedError(f"incident {incident} was resolved at {when}; open a new one")
    return row


def find(conn: Connection, name: str) -> int:
    """Return the id that a person means: a number, `#7`, or `last`."""
    if name == "last":
        newest = conn.execute(select(func.max(incidents.c.id))).scalar()
        if newest is None:
            raise NothingMatchedError("there is no incident; see: runbook incident open --help")
        return int(newest)
    digits = name.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
        raise NothingMatchedError(f"there is no incident {name!r}; give its number, or last")
    return int(get(conn, int(digits), hold=False).id)


def open_on(
    conn: Connection, of_hosts: Iterable[str], between: tuple[int, int] | None = None
) -> list[int]:
    """Return the incidents of some of the hosts that are open, or were between two times.

    Whoever asks may open one where there is none; until the transaction ends nobody else does. One
    that is open is so whenever it was opened: others may have written while this one waited, or
    have a clock that is ahead.
    """
    if conn.dialect.name == "postgresql":  # SQLite has one writer at a time anyhow
        conn.execute(select(func.pg_advisory_xact_lock(_OPENING)))
    wanted = (
        select(incidents.c.id)
        .distinct()
        .join(hosts, hosts.c.incident == incidents.c.id)
        .where(hosts.c.host.in_(list(of_hosts)))
        .order_by(incidents.c.id)
    )
    still = incidents.c.resolved.is_(None)
    if between is None:
        return list(conn.scalars(wanted.where(still)))
    since, until = between
    then = (incidents.c.opened <= until) & (still | (incidents.c.resolved >= since))
    return list(conn.scalars(wanted.where(then)))


def change(
    conn: Connection, incident: int, author: str, at: int, *, reason: str = "", **fields: Any
) -> list[str]:
    """Change facts of an open incident; return the names of those that are new.

    Fields: title, impact, owner, eta, began, status, severity (which needs the reason).
    """
    row = get_open(conn, incident)
    new = {name: value for name, value in fields.items() if getattr(row, name) != value}
    if not new:
        return []
    extra: dict[str, Any] = {}
    if "severity" in new:
        extra = {"severity_reason": reason, "severity_by_person": True}
        rearm(conn, incident)
    conn.execute(incidents.update().where(incidents.c.id == incident).values(**new, **extra))
    for name, value in new.items():
        before = _as_text(name, getattr(row, name))
        told = f"{name}: {_as_text(name, value)}" + (f" (was {before})" if before else "")
        told += f"; {reason}" if name == "severity" and reason else ""
        data = {"field": name, "from": before, "to": _as_text(name, value), "reason": reason}
        write(conn, incident, at, "changed", author, told, data=data)
    return list(new)


def rearm(conn: Connection, incident: int) -> None:
    """Take back the steps that wait: the ladder of another severity is set up anew."""
    waiting = (steps.c.incident == incident) & (steps.c.state == "waiting")
    conn.execute(steps.delete().where(waiting))
    conn.execute(incidents.update().where(incidents.c.id == incident).values(armed=False))


def acknowledge(conn: Connection, incident: int, author: str, at: int) -> bool:
    """Stop the escalation, also what is queued of it; False when somebody has done so before."""
    row = get_open(conn, incident)
    if row.acknowledged is not None:
        return False
    values = {"acknowledged": at, "acknowledged_by": author}
    conn.execute(incidents.update().where(incidents.c.id == incident).values(values))
    _stop(conn, incident)
    write(conn, incident, at, "acknowledged", author, "acknowledged; the escalation stops")
    return True


def resolve(conn: Connection, incident: int, author: str, at: int, resolution: str = "") -> None:
    """End an incident; from then on nobody is told of it but by its review."""
    row = get_open(conn, incident)
    hours = row.review_hours if row.armed else _REVIEW_HOURS
    values = {
        "resolved": at,
        "status": "resolved",
        "mitigated": row.mitigated or at,
        "resolution": resolution or row.resolution,
        "update_due": None,
        "review_due": None if hours is None else at + hours * clock.HOUR,
        "review_state": "draft" if hours is not None else row.review_state,
    }
    conn.execute(incidents.update().where(incidents.c.id == incident).values(values))
    _stop(conn, incident)
    told = f"resolved: {resolution}" if resolution else "resolved"
    write(conn, incident, at, "resolved", author, told)


def _stop(conn: Connection, incident: int) -> None:
    waiting = (steps.c.incident == incident) & (steps.c.state == "waiting")
    conn.execute(steps.update().where(waiting).values(state="stopped"))
    queued = (messages.c.incident == incident) & (messages.c.state == "queued")
    pages = queued & messages.c.kind.in_(("page", "reminder"))
    conn.execute(messages.update().where(pages).values(state="cancelled"))


def hosts_of(conn: Connection, incident: int) -> list[str]:
    """Return the hosts of an incident."""
    named = select(hosts.c.host).where(hosts.c.incident == incident).order_by(hosts.c.host)
    return list(conn.scalars(named))


def runs_of(conn: Connection, incident: int) -> list[str]:
    """Return the runs of an incident, oldest first."""
    named = select(runs.c.run).where(runs.c.incident == incident).order_by(runs.c.run)
    return list(conn.scalars(named))


def runs_of_open(conn: Connection) -> set[str]:
    """Return the runs of all incidents that are not resolved."""
    still = select(incidents.c.id).where(incidents.c.resolved.is_(None))
    return {*conn.scalars(select(runs.c.run).where(runs.c.incident.in_(still)))}


def _as_text(name: str, value: Any) -> Any:
    return clock.text(value) if name in ("eta", "began") else value
