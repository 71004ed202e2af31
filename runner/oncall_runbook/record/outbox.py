"""The outbox: every message stands in the store before it is sent, and is claimed before it goes.

A message is `queued`, then `sending` for the one process that has claimed it, then `sent`, `failed`
for good, or `queued` again for later. One whose process ended while it was sending is `unknown`:
it may have been sent, and is never sent again by itself.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Row, exists, select

from oncall_runbook import clock
from oncall_runbook.record import records
from oncall_runbook.record.addresses import channel, fingerprint, is_chat, without_secrets
from oncall_runbook.record.policy import Policy
from oncall_runbook.record.policy_reader import Policies
from oncall_runbook.record.store import Store
from oncall_runbook.record.tables import incidents, messages
from oncall_runbook.run import processes

ATTEMPTS = 6  # after a minute, then two, four, eight, sixteen
_OTHERS_HAVE = 5 * clock.MINUTE  # to send what only their inventory has the address of
_NO_ADDRESS = "-"
_CLAIM_LASTS = 10 * clock.MINUTE  # of a process on another machine, of which nothing is known


@dataclass
class Report:
    """What became of messages: their ids, and who could not be told, with the reason."""

    sent: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    not_told: list[str] = field(default_factory=list)


def queue(
    conn: Connection,
    policy: Policy,
    incident: int,
    roles: Iterable[str],
    *,
    kind: str,
    key: str,
    subject: str,
    body: str,
    at: int,
    chat: str | None = None,
) -> None:
    """Write a message for every address of every role, once for a `key`; it is sent later.

    `chat` is the same in the form that chats show best, for addresses that are one.
    """
    for role in roles:
        addresses = policy.addresses(role)
        base = {
            "incident": incident,
            "kind": kind,
            "role": role,
            "subject": subject,
            "attempts": 0,
            "next_at": at,
            "created": at,
        }
        for address in addresses:
            here = fingerprint(address)
            form = chat if chat is not None and is_chat(address) else body
            facts = {**base, "body": form}
            _insert(conn, facts, f"{key}:{role}:{here}", channel(address), here)
        if not addresses:
            _insert(conn, {**base, "body": body}, f"{key}:{role}:-", "none", _NO_ADDRESS)


def _insert(conn: Connection, facts: dict[str, Any], key: str, where: str, address: str) -> None:
    if conn.execute(select(messages.c.id).where(messages.c.key == key)).first():
        return
    more = {"key": key, "channel": where, "fingerprint": address, "state": "queued", "error": ""}
    conn.execute(messages.insert().values(**facts, **more))


def deliver(store: Store, policies: Policies) -> Report:
    """Send what is due; every message is sent at most once, whoever else delivers meanwhile."""
    report = Report()
    _give_up_on_the_dead(store, report)
    due = _due(store)
    # Before any is claimed: an inventory that cannot be read leaves them all queued.
    hosts = {number: _hosts(store, number) for number in {message.incident for message in due}}
    if due:
        policies.prepare(name for names in hosts.values() for name in names)
    for queued in due:
        policy = policies.find(hosts[queued.incident])
        if policy is None or _is_for_another(queued, policy):
            continue
        message = _claim(store, queued.id)
        if message is not None:
            _send(store, policy, message, report)
    return report


def _due(store: Store) -> list[Row[Any]]:
    with store.read() as conn:
        waiting = select(messages).where(messages.c.state == "queued")
        waiting = waiting.where(messages.c.next_at <= clock.now()).order_by(messages.c.id)
        return list(conn.execute(waiting).all())


def _is_for_another(message: Row[Any], policy: Policy) -> bool:
    """Tell whether to leave a message to a machine that knows its address, for a while."""
    known = {_NO_ADDRESS, *map(fingerprint, policy.addresses(message.role))}
    return message.fingerprint not in known and clock.now() - message.created < _OTHERS_HAVE


def _hosts(store: Store, incident: int) -> list[str]:
    with store.read() as conn:
        return records.hosts_of(conn, incident)


def _claim(store: Store, number: int) -> Row[Any] | None:
    """Take a message for this process; None when it is another's, or not wanted any more."""
    still_open = exists().where(
        incidents.c.id == messages.c.incident,
        incidents.c.acknowledged.is_(None),
        incidents.c.resolved.is_(None),
    )
    now = clock.now()
    wanted = (messages.c.id == number) & (messages.c.state == "queued")
    wanted &= messages.c.next_at <= now  # another may have tried meanwhile
    wanted &= (messages.c.kind != "page") | still_open
    taken = {"state": "sending", "claimed_by": _myself(), "claimed": now}
    with store.write() as conn:
        if not conn.execute(messages.update().where(wanted).values(taken)).rowcount:
            return None
        return conn.execute(select(messages).where(messages.c.id == number)).one()


def _myself() -> str:
    return f"{socket.gethostname()} {os.getpid()} {processes.started(os.getpid())}"


def _send(store: Store, policy: Policy, message: Row[Any], report: Report) -> None:
    addresses = {fingerprint(address): address for address in policy.addresses(message.role)}
    address = addresses.get(message.fingerprint)
    if address is None:
        missing = "no address" if message.fingerprint == _NO_ADDRESS else "this address no more"
        error, attempts = f"{message.role} has {missing} in response_contacts", ATTEMPTS
    else:
        error, attempts = send(address, message.subject, message.body), message.attempts + 1
    now = clock.now()
    over = bool(error) and attempts >= ATTEMPTS
    state = "failed" if over else "queued" if error else "sent"
    values = {
        "state": state,
        "attempts": attempts,
        "error": error,
        "sent": now if state == "sent" else None,
        "next_at": now + clock.MINUTE * 2 ** (attempts - 1),
    }
    with store.write() as conn:
        conn.execute(messages.update().where(messages.c.id == message.id).values(values))
        if state != "queued":
            how = f"told by {message.channel}" if state == "sent" else f"not told: {error}"
            text = f"{message.role} {how}: {message.subject}"
            _tell(conn, message.incident, now, text, message.key, message.role, state)
    {"sent": report.sent, "queued": report.waiting, "failed": report.failed}[state].append(
        message.id
    )
    if error:
        report.not_told.append(_call(policy, message.role, error))


def _give_up_on_the_dead(store: Store, report: Report) -> None:
    """Mark messages whose process ended while it was sending."""
    with store.read() as conn:
        sending = conn.execute(select(messages).where(messages.c.state == "sending")).all()
    for message in sending:
        if not _is_dead(message):
            continue
        error = "sent or not: the process that was sending it has ended"
        same = (messages.c.id == message.id) & (messages.c.state == "sending")
        with store.write() as conn:
            unknown = messages.update().where(same).values(state="unknown", error=error)
            if not conn.execute(unknown).rowcount:
                continue
            text = f"{message.role}: {error}: {message.subject}"
            args = (message.key, message.role, "unknown")
            _tell(conn, message.incident, clock.now(), text, *args)
        report.failed.append(message.id)
        report.not_told.append(
            f"{message.role} may not have been told ({error}): {message.subject}"
        )


def _is_dead(message: Row[Any]) -> bool:
    machine, pid, started = (message.claimed_by or "- 0 None").rsplit(" ", 2)
    if machine != socket.gethostname():
        return bool(clock.now() - message.claimed > _CLAIM_LASTS)
    return not processes.alive(int(pid), int(started) if started.isdigit() else None)


def _tell(
    conn: Connection,
    incident: int,
    at: int,
    text: str,
    key: str,
    role: str = "",
    state: str = "failed",
) -> None:
    data = {"role": role, "state": state}
    records.write(
        conn, incident, at, "message", "runbook", text, key=f"message:{key}:{state}", data=data
    )


def _call(policy: Policy, role: str, error: str) -> str:
    contact = policy.contacts.get(role)
    phone = contact.phone if contact else ""
    return f"{contact or role} was not told ({error}); call {phone or 'them: no phone number'}"


def send(address: str, subject: str, body: str) -> str:
    """Send one message now; return why that failed, without the address, or nothing."""
    apprise: Any = import_module("apprise")  # late, and only partly typed
    sender = apprise.Apprise()
    if not sender.add(address):
        return f"apprise cannot read this {channel(address)} address"
    with apprise.LogCapture(level=apprise.logging.WARNING) as said:
        try:
            told = sender.notify(title=subject, body=body, body_format="text")
        except Exception as error:  # of any of its hundred services: the next message must still go
            return without_secrets(f"{type(error).__name__}: {error}", address)
        lines = said.getvalue().strip().splitlines()
    if told:
        return ""
    return without_secrets(lines[-1] if lines else f"{channel(address)} did not take it", address)
