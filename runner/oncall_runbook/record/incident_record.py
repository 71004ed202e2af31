"""Where the commands about incidents are carried out: the store, the inventory, and who asks."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from oncall_runbook import clock
from oncall_runbook.commands.shared_options import Options
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
from oncall_runbook.run.order import known_here
from oncall_runbook.text.output import say

_WATCH_SECONDS = 15


@dataclass(frozen=True)
class Told:
    """What a person says of an incident that is to be opened."""

    title: str | None
    severity: str | None
    card: str | None
    hosts: tuple[str, ...]
    run: str | None
    facts: Mapping[str, str | None]


class Desk:
    """One command's view of the record: opens the store, and attaches runs that still wait."""

    def __init__(self, options: Options) -> None:
        """Open the store; raises StoreError."""
        self.options = options
        self.author = run_files.me()
        self._store = Store(options.store)
        self._policies = Policies(options)
        attach.catch_up(self._store)

    def find(self, name: str) -> int:
        """Return the incident that a person means by a number or `last`."""
        with self._store.read() as conn:
            return records.find(conn, name)

    def document(self, number: int) -> dict[str, Any]:
        """Return all that is known of an incident."""
        with self._store.read() as conn:
            return incident_document.document(conn, number)

    def summaries(self, *, everything: bool) -> list[dict[str, Any]]:
        """Return the incidents in short, newest first."""
        with self._store.read() as conn:
            return incident_document.summaries(conn, newest=None if everything else 50)

    def runs_in_use(self) -> set[str]:
        """Return the runs that stand in an incident that is not resolved."""
        with self._store.read() as conn:
            return records.runs_of_open(conn)

    def open(self, told: Told) -> dict[str, Any]:
        """Open an incident, set its ladder up, and tell the first of it."""
        number = self._open_from_run(told) if told.run else self._open_as_told(told)
        wrong: RunbookError | None = None
        try:
            try:
                self.due()
            finally:
                for line in self.deliver().not_told:
                    say(f"runbook: {line}", err=True)
        except RunbookError as error:  # of another incident, perhaps
            wrong = error
        found = self.document(number)
        if wrong and not found["messages"]:
            raise type(wrong)(f"incident {number} is open, but nobody was told: {wrong}")
        if found["escalation"]["state"] == "not armed":
            hosts = ", ".join(found["hosts"])
            lacks = f"nobody was told of incident {number}: not in this inventory: {hosts}"
            say(f"runbook: warning: {lacks}; next: escalate --due -i …", err=True)
        return found

    def _open_as_told(self, told: Told) -> int:
        known = known_here()
        name = known.resolve(told.card) if told.card else None
        card = known.card(name) if name else {}
        title = told.title or card.get("title")
        severity = told.severity or card.get("severity")
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
                reason=f"{self.author} says so" if told.severity else f"the card of {name} says so",
                author=self.author,
                at=now,
                card=name,
                of_hosts=told.hosts,
                by_person=bool(told.severity),
                **_values(told.facts, now),
            )

    def _open_from_run(self, told: Told) -> int:
        document = run_files.find(str(told.run))
        events = run_files.events(run_files.runs_directory() / document["run"])
        if document["state"] == "running":
            raise BadInputError(f"run {document['run']} is still at work; --incident new opens one")
        found = attach.attach(self._store, document, events, "new")
        if not found:
            raise BadInputError(f"run {document['run']} found no incident; give a title")
        facts = {**told.facts, "title": told.title, "severity": told.severity}
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

    def ask(self, number: int, facts: Mapping[str, str | None]) -> dict[str, str]:
        """Ask at a terminal for what only a person can say; an empty answer leaves it missing."""
        if not sys.stdin.isatty() or self.options.format == "json":
            return {}
        lacks = [n for n in messages.missing(self.document(number)) if not facts.get(n)]
        answers = {n: click.prompt(n, default="", show_default=False, err=True) for n in lacks}
        return {name: text for name, text in answers.items() if text}

    def status_update(self, number: int, form: str, *, send: bool) -> dict[str, Any]:
        """Return the status update and whom it goes to; queue it when it is to be sent."""
        known = self.document(number)
        policy = self._policies.of(known["hosts"])
        with self._store.write() if send else self._store.undone() as conn:
            escalation.arm(conn, records.get(conn, number), policy)
            to = updates.queue(conn, number, policy, self.author)
        text = messages.update(known, form, policy.templates)
        return {"incident": number, "text": text, "to": to}

    def acknowledge(self, number: int) -> dict[str, Any]:
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
            say(f"runbook: warning: {error}; its review is due as by default", err=True)
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

    def preview(self, number: int | None, role: str | None) -> list[dict[str, Any]]:
        """Return the messages that would be queued: all that are due, or those asked for."""
        if number is None:
            rows = escalation.preview(self._store, self._policies)
        else:
            policy = self._policy(number)
            with self._store.undone() as conn:
                before = len(escalation.queued(conn, number))
                self._ask_for(conn, number, policy, role)
                rows = escalation.queued(conn, number)[before:]
        shown = ("incident", "kind", "role", "channel", "subject", "body")
        return [{name: getattr(row, name) for name in shown} for row in rows]

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

    def write_review(self, number: int, output: Path | None) -> list[Path]:
        """Write the review as Markdown and as a page; return the paths."""
        from oncall_runbook.pages import rendering

        known = self.document(number)
        directory = output or run_files.state_directory() / "reviews" / str(number)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        texts = {
            "review.md": rendering.review_markdown(known),
            "review.html": rendering.review_html(known),
        }
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8")
        return [directory / name for name in texts]

    def write_overview(self, found: list[dict[str, Any]], path: Path) -> int:
        """Write the overview of incidents as a page."""
        from oncall_runbook.pages import rendering

        path.write_text(rendering.overview_html(found, datetime.now(UTC)), encoding="utf-8")
        say(str(path))
        return 0


def _values(facts: Mapping[str, str | None], now: int) -> dict[str, Any]:
    """Return what was said, times read; what was not said is left out."""
    return {
        name: clock.parse(text, now) if name in ("eta", "began") else text
        for name, text in facts.items()
        if text is not None
    }
