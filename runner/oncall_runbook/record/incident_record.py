"""All that can be done to incidents: what a command asks for, in one or several transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from oncall_runbook import clock
from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.record import (
    attach,
    escalation,
    incident_document,
    messages,
    outbox,
    records,
    reviews,
    updates,
)
from oncall_runbook.record.policy import Policy
from oncall_runbook.record.policy_reader import Policies
from oncall_runbook.record.store import Store
from oncall_runbook.run import run_files
from oncall_runbook.run.options import Options
from oncall_runbook.run.sources import default_catalog

if TYPE_CHECKING:
    from oncall_runbook.documents import (
        IncidentDocument,
        IncidentSummary,
        PreviewedMessage,
        StatusUpdate,
    )

_WATCH_SECONDS = 15


@dataclass(frozen=True)
class NewIncident:
    """What a person says of an incident that is to be opened."""

    title: str | None
    severity: str | None
    card: str | None
    hosts: tuple[str, ...]
    run: str | None
    facts: Mapping[str, str | None]


class IncidentRecord:
    """One command's view of the record: opens the store, and attaches runs that still wait."""

    def __init__(self, options: Options, warn: Callable[[str], None] = lambda _: None) -> None:
        """Open the store; raises StoreError. `warn` gets what went wrong and ends nothing."""
        self._warn = warn
        self.options = options
        self.author = run_files.author()
        self._store = Store(options.store)
        self._policies = Policies(options)
        attach.catch_up(self._store)

    def find(self, name: str) -> int:
        """Return the incident that a person means by a number or `last`."""
        with self._store.read() as conn:
            return records.find(conn, name)

    def document(self, number: int) -> IncidentDocument:
        """Return all that is known of an incident."""
        with self._store.read() as conn:
            return incident_document.document(conn, number)

    def summaries(self, *, everything: bool) -> list[IncidentSummary]:
        """Return the incidents in short, newest first."""
        with self._store.read() as conn:
            return incident_document.summaries(conn, newest=None if everything else 50)

    def runs_in_use(self) -> set[str]:
        """Return the runs that stand in an incident that is not resolved."""
        with self._store.read() as conn:
            return records.runs_of_open(conn)

    def open(self, new: NewIncident) -> IncidentDocument:
        """Open an incident, set its ladder up, and tell the first of it."""
        number = self._open_from_run(new) if new.run else self._open_as_given(new)
        wrong: RunbookError | None = None
        try:
            try:
                self.due()
            finally:
                for line in self.deliver().not_told:
                    self._warn(line)
        except RunbookError as error:  # of another incident, perhaps
            wrong = error
        found = self.document(number)
        if wrong and not found["messages"]:
            raise type(wrong)(f"incident {number} is open, but nobody was told: {wrong}")
        if found["escalation"]["state"] == "not armed":
            hosts = ", ".join(found["hosts"])
            lacks = f"nobody was told of incident {number}: not in this inventory: {hosts}"
            self._warn(f"warning: {lacks}; next: escalate --due -i …")
        return found

    def _open_as_given(self, new: NewIncident) -> int:
        known = default_catalog()
        name = known.resolve(new.card) if new.card else None
        card = known.card(name) if name else {}
        title = new.title or card.get("title")
        severity = new.severity or card.get("severity")
        if not title or not title.strip():
            raise BadInputError("an incident needs a title, a --card or a --run")
        if not severity:
            raise BadInputError("an incident needs a --severity; in doubt the graver one")
        now = clock.now()
        with self._store.write() as conn:
            return records.open_incident(
                conn,
                title=title.strip(),
                severity=severity,
                reason=f"{self.author} says so" if new.severity else f"the card of {name} says so",
                author=self.author,
                at=now,
                card=name,
                of_hosts=new.hosts,
                by_person=bool(new.severity),
                **_values(new.facts, now),
            )

    def _open_from_run(self, new: NewIncident) -> int:
        document = run_files.find(str(new.run))
        events = run_files.events(run_files.runs_directory() / document["run"])
        if document["state"] == "running":
            raise BadInputError(f"run {document['run']} is still at work; --incident new opens one")
        found = attach.attach(self._store, document, events, "new")
        if not found:
            raise BadInputError(f"run {document['run']} found no incident; give a title")
        facts = {**new.facts, "title": new.title, "severity": new.severity}
        self.update(found[0], None, f"{self.author} says so", facts)
        return found[0]

    def update(
        self, number: int, note: str | None, reason: str | None, facts: Mapping[str, str | None]
    ) -> None:
        """Keep what a person says of an open incident."""
        now = clock.now()
        with self._store.write() as conn:
            records.get_open(conn, number)
            fields = _values(facts, now)
            records.change(conn, number, self.author, now, reason=reason or "", **fields)
            if note:
                records.write(conn, number, now, "note", self.author, note)

    def missing(self, number: int) -> list[str]:
        """Name what only a person can say of an incident and nobody has."""
        return messages.missing(self.document(number))

    def status_update(self, number: int, form: str, *, send: bool) -> StatusUpdate:
        """Return the status update and whom it goes to; queue it when it is to be sent."""
        known = self.document(number)
        policy = self._policies.of(known["hosts"])
        with self._store.write() if send else self._store.undone() as conn:
            escalation.arm(conn, records.get(conn, number), policy)
            to = updates.queue(conn, number, policy, self.author)
        text = messages.update(known, form, policy.templates)
        return {"incident": number, "text": text, "to": to}

    def acknowledge(self, number: int) -> IncidentDocument:
        """Stop an incident's escalation."""
        with self._store.write() as conn:
            records.acknowledge(conn, number, self.author, clock.now())
        return self.document(number)

    def resolve(self, number: int, resolution: str, at: str | None) -> None:
        """End an incident."""
        now = clock.now()
        moment = clock.parse(at, now) if at else now
        with self._store.write() as conn:
            row = records.get_open(conn, number)
            if not row.opened <= moment <= now + clock.MINUTE:
                opened = clock.text(row.opened)
                raise BadInputError(f"--at is not between {opened}, when it was opened, and now")
        if not row.armed:  # how long its review may take stands in the inventory
            self._arm(number)
        with self._store.write() as conn:
            records.resolve(conn, number, self.author, moment, resolution)

    def _arm(self, number: int) -> None:
        try:
            policy = self._policy(number)
        except RunbookError as error:
            self._warn(f"warning: {error}; its review is due as by default")
            return
        with self._store.write() as conn:
            escalation.arm(conn, records.get(conn, number), policy)

    def escalate(self, number: int, role: str | None) -> None:
        """Queue a page for the next of the ladder, or for a role, because a person asks."""
        policy = self._policy(number)
        with self._store.write() as conn:
            self._ask_for(conn, number, policy, role)

    def _ask_for(self, conn: Connection, number: int, policy: Policy, role: str | None) -> None:
        if role:
            escalation.tell(conn, number, policy, role, self.author)
        else:
            escalation.next_step(conn, number, policy, self.author)

    def _policy(self, number: int) -> Policy:
        with self._store.read() as conn:
            hosts = records.hosts_of(conn, number)
        return self._policies.of(hosts)

    def due(self) -> None:
        """Queue everything that is due, of runs that still wait to be recorded as well."""
        attach.catch_up(self._store)
        escalation.due(self._store, self._policies)

    def preview(self, number: int | None, role: str | None) -> list[PreviewedMessage]:
        """Return the messages that would be queued: all that are due, or those asked for."""
        if number is None:
            rows = escalation.preview(self._store, self._policies)
        else:
            policy = self._policy(number)
            with self._store.undone() as conn:
                before = len(escalation.queued(conn, number))
                self._ask_for(conn, number, policy, role)
                rows = escalation.queued(conn, number)[before:]
        return [
            {
                "incident": row.incident,
                "kind": row.kind,
                "role": row.role,
                "channel": row.channel,
                "subject": row.subject,
                "body": row.body,
            }
            for row in rows
        ]

    def deliver(self) -> outbox.Report:
        """Send what is queued."""
        return outbox.deliver(self._store, self._policies)

    def wait(self) -> None:
        """Sleep until the next look; what was read from the inventory is read anew then."""
        time.sleep(_WATCH_SECONDS)
        self._policies = Policies(self.options)

    def review(
        self,
        number: int,
        texts: Mapping[str, str | None],
        add: str | None,
        item: int | None,
        facts: Mapping[str, str | None],
        done: bool,
        state: str | None,
    ) -> None:
        """Keep what people say in a review, and move it on."""
        with self._store.write() as conn:
            reviews.write(conn, number, self.author, **texts)
            if add:
                reviews.add_item(conn, number, self.author, add, facts["owner"], facts["deadline"])
            if item is not None:
                reviews.change_item(conn, number, self.author, item, done=done, **facts)
            if state:
                reviews.move(conn, number, self.author, state)


def _values(facts: Mapping[str, str | None], now: int) -> dict[str, Any]:
    """Return what was said, times read; what was not said is left out."""
    return {
        name: clock.parse(text, now) if name in ("eta", "began") else text
        for name, text in facts.items()
        if text is not None
    }
