"""What is known of incidents, as documents for JSON, people and pages; times as ISO 8601 in UTC."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select

from oncall_runbook import clock
from oncall_runbook.errors import RunbookError
from oncall_runbook.record import records
from oncall_runbook.record.tables import entries, hosts, incidents, items, messages, steps
from oncall_runbook.run.sources import default_catalog

if TYPE_CHECKING:
    from oncall_runbook.documents import (
        ActionItem,
        EscalationStep,
        IncidentDocument,
        IncidentSummary,
        Message,
        TimelineEntry,
    )


def summaries(conn: Connection, *, newest: int | None = 50) -> list[IncidentSummary]:
    """Return all open incidents and the newest of the others, newest first; None: all of them."""
    now = clock.now()
    still = incidents.c.resolved.is_(None)
    order = incidents.c.id.desc()
    open_ones = conn.execute(select(incidents).where(still).order_by(order)).all()
    ended = conn.execute(select(incidents).where(~still).order_by(order).limit(newest)).all()
    rows = sorted([*open_ones, *ended], key=lambda row: -int(row.id))
    names = _hosts(conn, [row.id for row in rows])
    late = _items_overdue(conn, now)
    return [_summary(row, names[row.id], late.get(row.id, 0), now) for row in rows]


def _hosts(conn: Connection, ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    named = select(hosts.c.incident, hosts.c.host).order_by(hosts.c.host)
    # Few are asked for by their ids; of thousands the ids would be longer than the table.
    named = named.where(hosts.c.incident.in_(ids)) if len(ids) <= 500 else named
    for incident, host in conn.execute(named):
        found[incident].append(host)
    return found


def _items_overdue(conn: Connection, now: int) -> dict[int, int]:
    """Return how many action items of each incident should have been done by now."""
    late = items.c.done.is_(None) & (items.c.deadline < _today(now))
    counted = select(items.c.incident, func.count()).where(late).group_by(items.c.incident)
    return {row[0]: row[1] for row in conn.execute(counted)}


def _today(now: int) -> str:
    """Return the date in UTC; a deadline lasts until its day ends there."""
    return str(clock.text(now))[:10]


def _summary(row: Row[Any], names: list[str], late: int, now: int) -> IncidentSummary:
    return {
        "id": row.id,
        "title": row.title,
        "incident": row.card,
        "severity": row.severity,
        "status": row.status,
        "owner": row.owner,
        "hosts": names,
        "began": clock.text(row.began),
        "detected": clock.text(row.detected),
        "opened": clock.text(row.opened),
        "acknowledged": clock.text(row.acknowledged),
        "mitigated": clock.text(row.mitigated),
        "resolved": clock.text(row.resolved),
        "response_due": clock.text(row.response_due),
        "response": response(row, now),
        "update_due": clock.text(row.update_due),
        "update_overdue": row.update_due is not None and now > row.update_due,
        "review": {
            "state": row.review_state,
            "due": clock.text(row.review_due),
            "overdue": review_overdue(row, now),
            "items_overdue": late,
        },
        "measures": {
            "detect": _seconds(row.began, row.detected),
            "acknowledge": _seconds(row.opened, row.acknowledged),
            "mitigate": _seconds(row.detected, row.mitigated),
            "resolve": _seconds(row.detected, row.resolved),
        },
    }


def response(row: Row[Any], now: int) -> str:
    """Tell whether somebody has responded in time: waiting, overdue, met, late; or not due."""
    responded = row.acknowledged or row.resolved
    if row.response_due is None:
        return "met" if responded else "waiting"
    if responded is None:
        return "waiting" if now <= row.response_due else "overdue"
    return "met" if responded <= row.response_due else "late"


def review_overdue(row: Row[Any], now: int) -> bool:
    """Tell whether an incident should have been reviewed by now."""
    open_review = row.review_state in ("draft", "in_review")
    return open_review and row.review_due is not None and now > row.review_due


def _seconds(begin: int | None, end: int | None) -> float | None:
    return None if begin is None or end is None else round((end - begin) / 1000, 3)


def document(conn: Connection, incident: int) -> IncidentDocument:
    """Return everything that is known of an incident; NothingMatchedError when there is none."""
    row = records.get(conn, incident, hold=False)
    now = clock.now()
    action_items = _items(conn, incident, now)
    late = sum(item["overdue"] for item in action_items)
    summary = _summary(row, records.hosts_of(conn, incident), late, now)
    return {
        "schema": 1,
        **summary,
        "severity_reason": row.severity_reason,
        "impact": row.impact,
        "eta": clock.text(row.eta),
        "runs": records.runs_of(conn, incident),
        "acknowledged_by": row.acknowledged_by,
        "escalation": {"state": _escalation(conn, row), "steps": _steps(conn, incident)},
        "messages": _messages(conn, incident),
        "timeline": _timeline(conn, incident),
        "review": {
            **summary["review"],
            "root_cause": row.root_cause,
            "resolution": row.resolution,
            "prevention": row.prevention,
            "checklist": checklist(row.card),
            "items": action_items,
        },
    }


def _of(conn: Connection, table: Any, incident: int, *order: Any) -> list[Row[Any]]:
    wanted = select(table).where(table.c.incident == incident).order_by(*order)
    return list(conn.execute(wanted).all())


def _escalation(conn: Connection, row: Row[Any]) -> str:
    if row.resolved is not None:
        return "ended"
    if row.acknowledged is not None:
        return "acknowledged"
    if not row.armed:
        return "not armed"
    if row.mitigated is not None:
        return "fixed"
    waiting = any(step.state == "waiting" for step in _of(conn, steps, row.id, steps.c.position))
    return "running" if waiting else "done"


def _steps(conn: Connection, incident: int) -> list[EscalationStep]:
    return [
        {
            "position": step.position,
            "after_minutes": step.after_minutes,
            "due": clock.text(step.due),
            "to": step.roles,
            "note": step.note,
            "state": step.state,
            "sent": clock.text(step.sent),
        }
        for step in _of(conn, steps, incident, steps.c.position, steps.c.id)
    ]


def _messages(conn: Connection, incident: int) -> list[Message]:
    return [
        {
            "id": message.id,
            "kind": message.kind,
            "role": message.role,
            "channel": message.channel,
            "subject": message.subject,
            "state": message.state,
            "attempts": message.attempts,
            "error": message.error,
            "created": clock.text(message.created),
            "sent": clock.text(message.sent),
        }
        for message in _of(conn, messages, incident, messages.c.id)
    ]


def _timeline(conn: Connection, incident: int) -> list[TimelineEntry]:
    return [
        {
            "at": str(clock.text(entry.at)),
            "kind": entry.kind,
            "author": entry.author,
            "text": entry.text,
            "run": entry.run,
            "host": entry.host,
            "data": entry.data,
        }
        for entry in _of(conn, entries, incident, entries.c.at, entries.c.id)
    ]


def _items(conn: Connection, incident: int, now: int) -> list[ActionItem]:
    return [
        {
            "id": item.id,
            "text": item.text,
            "owner": item.owner,
            "deadline": item.deadline,
            "done": clock.text(item.done),
            "overdue": not item.done and bool(item.deadline) and item.deadline < _today(now),
        }
        for item in _of(conn, items, incident, items.c.id)
    ]


def checklist(card: str | None) -> list[str]:
    """Return what a card asks people to look into afterwards; nothing when it is not known here."""
    try:
        found: Iterable[Any] = default_catalog().card(card).get("checklist", []) if card else []
    except (RunbookError, OSError):
        found = []
    return [str(line) for line in found]
