"""Escalation: sets up an incident's ladder, and tells whom it is time to tell, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Row, Select, func, select

from oncall_runbook import clock
from oncall_runbook.errors import BadInputError, RefusedError
from oncall_runbook.record import messages, outbox, records
from oncall_runbook.record.incident_document import document
from oncall_runbook.record.policy import Policy
from oncall_runbook.record.policy_reader import Policies
from oncall_runbook.record.store import Store
from oncall_runbook.record.tables import entries, incidents, steps
from oncall_runbook.record.tables import messages as queue

_REVIEW_REMINDERS = 7  # one a day, then people have decided


Work = Callable[[Connection, Row[Any], Policy, int], None]


def due(store: Store, policies: Policies) -> None:
    """Queue all that is due and was not queued before; outbox.deliver sends it.

    What is wrong with one incident's severity or template is raised when all others are queued.
    """
    now = clock.now()
    wrong: list[BadInputError] = []
    for wanted, work in _all_work(now):
        for incident, policy in _each(store, policies, wanted):
            try:
                with store.write() as conn:
                    work(conn, records.get(conn, incident), policy, now)
            except BadInputError as error:
                wrong.append(error)
    if wrong:
        raise wrong[0]


def preview(store: Store, policies: Policies) -> list[Row[Any]]:
    """Return the messages that `due` would queue now, and queue none."""
    now = clock.now()
    found: list[Row[Any]] = []
    for wanted, _ in _all_work(now):
        _each(store, policies, wanted)  # reads the inventory before the transaction begins
    with store.undone() as conn:
        for wanted, work in _all_work(now):
            for incident in conn.scalars(wanted).all():
                policy = policies.find(records.hosts_of(conn, incident))
                if policy is not None:
                    work(conn, records.get(conn, incident), policy, now)
        new = select(queue).where(queue.c.created == now, queue.c.state == "queued")
        found = list(conn.execute(new.order_by(queue.c.id)).all())
    return found


def queued(conn: Connection, incident: int) -> list[Row[Any]]:
    """Return every message of an incident, oldest first."""
    mine = select(queue).where(queue.c.incident == incident).order_by(queue.c.id)
    return list(conn.execute(mine).all())


def _all_work(now: int) -> tuple[tuple[Select[int], Work], ...]:
    return (
        (_not_armed(), arm),
        (_with_steps_due(now), _climb),
        (_with_update_due(now), _remind_of_update),
        (_with_review_due(now), _remind_of_review),
    )


def _each(store: Store, policies: Policies, wanted: Select[int]) -> list[tuple[int, Policy]]:
    """Return the incidents of a question with their policies; without any no inventory is read.

    Those whose hosts are in another inventory are left to whoever has it.
    """
    with store.read() as conn:
        hosts = {number: records.hosts_of(conn, number) for number in conn.scalars(wanted)}
    if hosts:
        policies.prepare(name for names in hosts.values() for name in names)
    found = ((number, policies.find(names)) for number, names in hosts.items())
    return [(number, policy) for number, policy in found if policy is not None]


def _open() -> Select[int]:
    return select(incidents.c.id).where(incidents.c.resolved.is_(None)).order_by(incidents.c.id)


def _not_armed() -> Select[int]:
    return _open().where(incidents.c.armed.is_(False))


def _with_steps_due(now: int) -> Select[int]:
    waiting = select(steps.c.incident).where(steps.c.state == "waiting", steps.c.due <= now)
    return _open().where(
        incidents.c.acknowledged.is_(None),
        incidents.c.mitigated.is_(None),
        incidents.c.id.in_(waiting),
    )


def _with_update_due(now: int) -> Select[int]:
    return _open().where(incidents.c.update_due <= now, incidents.c.acknowledged.is_not(None))


def _with_review_due(now: int) -> Select[int]:
    return (
        select(incidents.c.id)
        .where(incidents.c.review_due <= now, incidents.c.review_state.in_(("draft", "in_review")))
        .where(incidents.c.review_due > now - (_REVIEW_REMINDERS + 1) * clock.DAY)
        .order_by(incidents.c.id)
    )


def arm(conn: Connection, row: Row[Any], policy: Policy, _now: int = 0) -> None:
    """Set up what an incident's severity asks for: response, updates, review, and its ladder."""
    if row.armed or row.resolved is not None:
        return
    level = policy.severity(row.severity)
    reviewed = row.severity in policy.review_severities
    values = {
        "armed": True,
        "response_due": row.opened + level.response_minutes * clock.MINUTE,
        "update_minutes": level.update_minutes,
        "update_due": row.opened + level.update_minutes * clock.MINUTE,
        "review_hours": policy.review_hours if reviewed else None,
    }
    conn.execute(incidents.update().where(incidents.c.id == row.id).values(values))
    told = _told(conn, row.id)
    state = "waiting" if row.acknowledged is None else "stopped"
    for position, step in enumerate(policy.escalation.get(row.severity, ())):
        if set(step.to) <= told:
            continue  # by the ladder of the severity it had before
        conn.execute(
            steps.insert().values(
                incident=row.id,
                position=position,
                after_minutes=step.after_minutes,
                due=row.opened + step.after_minutes * clock.MINUTE,
                roles=list(step.to),
                note=step.note,
                state=state,
            )
        )


def _told(conn: Connection, incident: int) -> set[str]:
    """Return the roles that steps of an incident have told."""
    sent = select(steps.c.roles).where(steps.c.incident == incident, steps.c.state == "sent")
    return {role for roles in conn.scalars(sent) for role in roles}


def _climb(conn: Connection, row: Row[Any], policy: Policy, now: int) -> None:
    if row.acknowledged is not None or row.mitigated is not None or row.resolved is not None:
        return  # since it was asked for
    waiting = select(steps).where(
        steps.c.incident == row.id, steps.c.state == "waiting", steps.c.due <= now
    )
    for step in conn.execute(waiting.order_by(steps.c.due)).all():
        if step.due < now - policy.stale_hours * clock.HOUR:
            _end(conn, step, "expired", now)
            text = f"{', '.join(step.roles)} not told: the step was due {clock.text(step.due)}"
            records.write(conn, row.id, now, "escalation", "runbook", text)
        else:
            _page(conn, row, policy, step, now)


def _end(conn: Connection, step: Row[Any], state: str, now: int) -> None:
    sent = now if state == "sent" else None
    conn.execute(steps.update().where(steps.c.id == step.id).values(state=state, sent=sent))


def _page(
    conn: Connection,
    row: Row[Any],
    policy: Policy,
    step: Row[Any],
    now: int,
    *,
    author: str = "runbook",
    kind: str = "page",
) -> None:
    _end(conn, step, "sent", now)
    _queue_page(conn, row, policy, step.roles, step.note, f"step:{step.id}", now, kind)
    due = f"due {step.after_minutes} minutes after it was opened"
    text = f"to {', '.join(step.roles)}: {due if kind == 'page' else f'{author} asks for them'}"
    data = {"position": step.position, "to": step.roles}
    records.write(conn, row.id, now, "escalation", author, text, data=data)


def _queue_page(
    conn: Connection,
    row: Row[Any],
    policy: Policy,
    roles: list[str],
    note: str,
    key: str,
    now: int,
    kind: str,
) -> None:
    known = document(conn, row.id)
    age = now - row.opened
    who = f"nobody acknowledged it for {clock.span(age)}" if kind == "page" else "you are asked for"
    outbox.queue(
        conn,
        policy,
        row.id,
        roles,
        kind=kind,
        key=key,
        subject=messages.subject(known, who),
        body=messages.render("page.txt.j2", policy.templates, incident=known, note=note, age=age),
        at=now,
    )


def next_step(conn: Connection, incident: int, policy: Policy, author: str) -> list[str]:
    """Queue a page for the next step's roles now, as a person asks for; return the roles."""
    row = _armed(conn, incident, policy)
    left = steps.c.state.in_(("waiting", "stopped"))
    wanted = select(steps).where(steps.c.incident == incident, left)
    step = conn.execute(wanted.order_by(steps.c.due, steps.c.position)).first()
    if step is None:
        raise RefusedError(f"all steps of incident {incident} are done; name somebody with --to")
    _page(conn, row, policy, step, clock.now(), author=author, kind="asked")
    return list(step.roles)


def tell(conn: Connection, incident: int, policy: Policy, role: str, author: str) -> None:
    """Queue a page for one role now, as a person asks for, whatever the ladder says."""
    row = _armed(conn, incident, policy)
    if role not in policy.contacts:
        known = ", ".join(policy.contacts)
        raise BadInputError(f"there is no contact {role!r}; response_contacts has {known}")
    now = clock.now()
    _queue_page(conn, row, policy, [role], "", f"asked:{incident}:{role}:{now}", now, "asked")
    text = f"to {role}: {author} asks for them"
    records.write(conn, incident, now, "escalation", author, text, data={"to": [role]})


def _armed(conn: Connection, incident: int, policy: Policy) -> Row[Any]:
    arm(conn, records.get_open(conn, incident), policy)
    return records.get_open(conn, incident)


def _remind_of_update(conn: Connection, row: Row[Any], policy: Policy, now: int) -> None:
    if row.resolved is not None or row.update_due is None or row.update_due > now:
        return
    if now - _last_word(conn, row) > policy.stale_hours * clock.HOUR:
        return  # nobody has touched it for so long that it wakes nobody any more
    late = clock.span(now - row.update_due)
    what = f"Its status update is {late} overdue; the last thing known: {row.status}."
    how = f"Say what is new: runbook incident update {row.id} --note … --send"
    _remind(conn, row, policy, f"update:{row.id}:{row.update_due}", "status update due", what, how)
    # The next one an interval from now: many that were missed are one.
    later = now + row.update_minutes * clock.MINUTE
    conn.execute(incidents.update().where(incidents.c.id == row.id).values(update_due=later))


def _last_word(conn: Connection, row: Row[Any]) -> int:
    """Return when a person last wrote something about an incident."""
    mine = (entries.c.incident == row.id) & (entries.c.author != "runbook")
    return conn.execute(select(func.max(entries.c.at)).where(mine)).scalar() or int(row.opened)


def _remind_of_review(conn: Connection, row: Row[Any], policy: Policy, now: int) -> None:
    days = (now - row.review_due) // clock.DAY
    what = f"Its review was due {clock.text(row.review_due)}, and is {row.review_state}."
    how = f"Write it: runbook incident review {row.id}"
    _remind(conn, row, policy, f"review:{row.id}:{days}", "review overdue", what, how)


def _remind(
    conn: Connection, row: Row[Any], policy: Policy, key: str, subject: str, what: str, how: str
) -> None:
    known = document(conn, row.id)
    first = next(iter(policy.escalation.get(row.severity, ())), None)
    outbox.queue(
        conn,
        policy,
        row.id,
        first.to if first else (),
        kind="reminder",
        key=key,
        subject=messages.subject(known, subject),
        body=messages.render(
            "reminder.txt.j2", policy.templates, incident=known, what=what, next=how
        ),
        at=clock.now(),
    )
