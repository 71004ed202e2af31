"""The review after an incident: what people found, what shall be done, and by whom until when."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from oncall_runbook import clock
from oncall_runbook.errors import NothingMatchedError, RefusedError
from oncall_runbook.record import records
from oncall_runbook.record.tables import incidents, items

STATES = ("draft", "in_review", "reviewed", "closed")


def write(conn: Connection, incident: int, author: str, **texts: str | None) -> None:
    """Keep what people say: root_cause, resolution, prevention; impact may be said late, too."""
    row = _reviewable(conn, incident)
    new = {n: text for n, text in texts.items() if text is not None and text != getattr(row, n)}
    if not new:
        return
    if row.review_state == "none":
        new["review_state"] = "draft"
    conn.execute(incidents.update().where(incidents.c.id == incident).values(new))
    for name, text in new.items():
        if name != "review_state":
            told = f"{name.replace('_', ' ')}: {text}"
            records.write(conn, incident, clock.now(), "review", author, told)


def add_item(
    conn: Connection, incident: int, author: str, text: str, owner: str | None, deadline: str | None
) -> int:
    """Add an action item; the deadline is a date. Return its number."""
    _reviewable(conn, incident)
    values = {"incident": incident, "text": text, "owner": owner, "deadline": deadline}
    number = conn.execute(items.insert().values(values)).inserted_primary_key
    told = f"action item: {text}{_whose(owner, deadline)}"
    records.write(conn, incident, clock.now(), "item", author, told)
    return int(number[0]) if number else 0


def change_item(
    conn: Connection, incident: int, author: str, number: int, *, done: bool = False, **facts: Any
) -> None:
    """Give an action item an owner or a deadline, or mark it as done."""
    _reviewable(conn, incident)
    same = (items.c.incident == incident) & (items.c.id == number)
    row = conn.execute(select(items).where(same)).one_or_none()
    if row is None:
        raise NothingMatchedError(f"incident {incident} has no action item {number}")
    new = {name: value for name, value in facts.items() if value is not None}
    if done and row.done is None:
        new["done"] = clock.now()
    if new:
        conn.execute(items.update().where(same).values(new))
        whose = _whose(new.get("owner"), new.get("deadline"))
        told = f"action item {number}{whose}{', done' if 'done' in new else ''}: {row.text}"
        records.write(conn, incident, clock.now(), "item", author, told)


def _whose(owner: str | None, deadline: str | None) -> str:
    return (f", owner {owner}" if owner else "") + (f", until {deadline}" if deadline else "")


def move(conn: Connection, incident: int, author: str, state: str) -> None:
    """Move a review one state on, or back to draft; RefusedError says what is missing."""
    row = _reviewable(conn, incident)
    before = "draft" if row.review_state == "none" else row.review_state
    if state == before == row.review_state:
        return
    if state != "draft" and STATES.index(state) > STATES.index(before) + 1:
        following = STATES[STATES.index(before) + 1]
        raise RefusedError(f"the review of {incident} is {before}; the next state is {following}")
    if before == "closed" or (state != "draft" and STATES.index(state) < STATES.index(before)):
        raise RefusedError(f"the review of {incident} is {before}; it does not go back to {state}")
    if state != "draft" and row.resolved is None:
        raise RefusedError(
            f"incident {incident} is not resolved; runbook incident resolve {incident}"
        )
    if lacks := _lacks(conn, row, state):
        raise RefusedError(f"the review of {incident} cannot be {state}: {'; '.join(lacks)}")
    values = {"review_state": state}
    if state in ("reviewed", "closed"):
        values["status"] = "reviewed"
    conn.execute(incidents.update().where(incidents.c.id == incident).values(values))
    text = f"review {state.replace('_', ' ')}"
    records.write(conn, incident, clock.now(), "review", author, text)


def _lacks(conn: Connection, row: Row[Any], state: str) -> list[str]:
    """Say what a review must have before it may be in a state."""
    lacks = []
    if state in ("reviewed", "closed"):
        names = ("root_cause", "impact", "resolution", "prevention")
        lacks += [f"no {name.replace('_', ' ')}" for name in names if not getattr(row, name)]
    if state == "closed":
        for item in conn.execute(select(items).where(items.c.incident == row.id)).all():
            missing = [name for name in ("owner", "deadline") if not getattr(item, name)]
            if missing:
                lacks.append(f"action item {item.id} has no {' and no '.join(missing)}")
    return lacks


def _reviewable(conn: Connection, incident: int) -> Row[Any]:
    row = records.get(conn, incident)
    if row.review_state == "closed":
        raise RefusedError(f"the review of incident {incident} is closed")
    return row
