"""Status updates: sent to those an incident concerns, and only when there is something new."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy import Connection, Row, select

from oncall_runbook import clock
from oncall_runbook.record import messages, outbox, records
from oncall_runbook.record.incident_document import document
from oncall_runbook.record.policy import Policy
from oncall_runbook.record.tables import incidents
from oncall_runbook.record.tables import messages as sent_messages


def queue(conn: Connection, incident: int, policy: Policy, author: str) -> list[str]:
    """Queue the status update for all whom it concerns; nobody when nothing in it is new."""
    row = records.get(conn, incident)
    known = document(conn, incident)
    text = messages.update(known, "text", policy.templates)
    digest = hashlib.sha256(text.encode()).hexdigest()
    roles = _concerned(conn, row, policy)
    if digest == row.update_sent or not roles:
        return []
    now = clock.now()
    outbox.queue(
        conn,
        policy,
        incident,
        roles,
        kind="update",
        key=f"status:{incident}:{now}",
        subject=messages.subject(known, str(known["status"])),
        body=text,
        chat=messages.update(known, "chat", policy.templates),
        at=now,
    )
    values: dict[str, Any] = {"update_sent": digest}
    if row.resolved is None and row.update_minutes:
        values["update_due"] = now + row.update_minutes * clock.MINUTE
    conn.execute(incidents.update().where(incidents.c.id == incident).values(values))
    told = f"status update to {', '.join(roles)}"
    records.write(conn, incident, now, "message", author, told, data={"state": "queued"})
    return roles


def _concerned(conn: Connection, row: Row[Any], policy: Policy) -> list[str]:
    """Return the roles its severity goes to, and those who were told of it before."""
    before = select(sent_messages.c.role).distinct()
    before = before.where(sent_messages.c.incident == row.id).order_by(sent_messages.c.role)
    return list(dict.fromkeys([*policy.severity(row.severity).goes_to, *conn.scalars(before)]))
