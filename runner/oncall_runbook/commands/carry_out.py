"""One run from its options to its exit code: what the commands that touch hosts have in common."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import click

from oncall_runbook.cards import catalog
from oncall_runbook.commands.shared_options import Options
from oncall_runbook.errors import BadInputError, NothingMatchedError, RunbookError
from oncall_runbook.record.run_recorder import Attendance
from oncall_runbook.run import engine, inventory, run_files, variables
from oncall_runbook.run.conclusion import Job, actionable, conclude, document, opening, refuse
from oncall_runbook.run.engine import Outcome, Request
from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import HostState, advance
from oncall_runbook.run.order import Order, inventory_of, known_to
from oncall_runbook.text import progress
from oncall_runbook.text.narration import entry, worth_keeping
from oncall_runbook.text.output import say, tell_json

NOT_CONFIRMED = "not confirmed; add --yes to remediate without a question"
DECLINED = "declined: the question was not answered with yes"


@dataclass
class Session:
    """A run at work: its facts, its directory, and what its hosts have told so far."""

    order: Order
    job: Job
    request: Request
    record: run_files.Record | None
    attendance: Attendance | None = None
    states: dict[str, HostState] = field(default_factory=dict)
    on_event: Callable[[Event], None] = lambda _: None

    def play(self, *, remediate: bool) -> Outcome:
        """Run the playbook once, from the beginning, and conclude every host's verdict."""
        self.states = {}
        request = replace(self.request, tags="remediate" if remediate else None)
        options = self.order.options
        shown = progress.choose(acting=remediate, verbose=bool(options.verbose))
        try:
            outcome = engine.run(request, lambda event: self._take(event, shown), shown.output)
        finally:
            shown.close()
        self.states = conclude(self.job, self.states, outcome)
        return outcome

    def _take(self, event: Event, shown: progress.Progress) -> None:
        state = advance(self.states.get(event.host, HostState()), event)
        self.states[event.host] = state
        self.on_event(event)
        shown.tell(event, state)
        self._attend(event.host, state)
        if self.record and worth_keeping(event):
            try:
                self.record.event(entry(event))
            except OSError as error:
                self.record = None
                _warn(f"the run is no longer recorded: {error.strerror}")

    def _attend(self, host: str, state: HostState) -> None:
        """Let the incident record know of a judgement; whatever fails there, the run goes on."""
        if self.attendance is None or not state.root_causes:
            return
        try:
            if number := self.attendance.judged(host, state):
                say(f"runbook: opened incident {number}", err=True)
        except (RunbookError, OSError) as error:
            _warn(f"{error}; the run goes on, and is recorded later")

    def document(self, outcome: Outcome) -> dict[str, Any]:
        """Return the run's document as it stands."""
        return document(self.job, self.states, outcome, time.time())


def carry_out(
    order: Order,
    show: Callable[[Mapping[str, Any]], None] | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
) -> int:
    """Do what was ordered, tell it on stdout, and return the exit code.

    `show` prints a document for people in its own way; `on_event` gets every event as it comes.
    """
    session = _open(order)
    session.on_event = on_event
    if order.options.format == "text" or sys.stderr.isatty():
        threading.Thread(target=_preload, daemon=True).start()
    if order.acts and order.asks and not order.yes:
        outcome = _ask_then_act(session)
    else:
        outcome = session.play(remediate=order.acts)
    final = session.document(outcome)
    _save(session, final)
    _attach(session)
    _print(final, order.options.format, show)
    return int(final["exit_code"])


def _ask_then_act(session: Session) -> Outcome:
    """Show the plan first; act only after a yes."""
    outcome = session.play(remediate=False)
    if outcome.status != "finished" or not any(map(session.job.waits, session.states.values())):
        return outcome
    if not at_terminal():
        return _refused(session, outcome, NOT_CONFIRMED)
    if not actionable(session.job, session.states):
        return _refused(session, outcome, "")
    from oncall_runbook.text import report

    report.show(session.document(outcome), sys.stderr, final=False)
    try:
        what = "Do this now?" if session.order.operation else "Climb these rungs now?"
        agreed = click.confirm(what, default=False, err=True)
    except click.Abort:
        return _refused(session, replace(outcome, status="cancelled"), DECLINED)
    return session.play(remediate=True) if agreed else _refused(session, outcome, DECLINED)


def at_terminal() -> bool:
    """Tell whether somebody is there to answer."""
    return sys.stdin.isatty()


def _refused(session: Session, outcome: Outcome, missing: str) -> Outcome:
    session.states = refuse(session.job, session.states, missing)
    return outcome


def _open(order: Order) -> Session:
    _check_record(order)
    began = time.time()
    run = run_files.new_id(began)
    where, request = prepare(order.options, run, order.playbook, _run_vars(order, run))
    job = Job(
        run,
        order.command,
        order.incident,
        began,
        str(where),
        order.options.limit,
        run_files.me(),
        order.kept(where),
        order.resumes,
    )
    record = _record(order, job)
    return Session(order, job, request, record, _attendance(order, run) if record else None)


def _check_record(order: Order) -> None:
    """Refuse a run for an incident that is not there; one that cannot be looked for may go on."""
    if order.record is None:
        return
    try:
        Attendance.check(order.record, order.options)
    except (BadInputError, NothingMatchedError):
        raise
    except RunbookError as error:
        _warn(f"{error}; the run goes on, and is recorded later")


def _attendance(order: Order, run: str) -> Attendance | None:
    """Let the run stand in the incident record, if there is one or one is wanted."""
    if not order.record and not run_files.incidents_kept(order.options.store):
        return None
    return Attendance(run, order.record, order.options)


def _attach(session: Session) -> None:
    if session.attendance is None:
        return
    try:
        numbers, complaints = session.attendance.finished()
    except (RunbookError, OSError) as error:
        _warn(f"{error}; the run is recorded later")
        return
    for line in complaints.splitlines():
        _warn(line.removeprefix("runbook: "))
    for number in numbers:
        say(f"runbook: in incident {number}; see: runbook incident show {number}", err=True)


def prepare(
    options: Options, run: str, playbook: str, run_vars: Mapping[str, Any]
) -> tuple[inventory.Inventory, Request]:
    """Return the inventory in use, and what the engine needs to play `playbook` there."""
    if options.limit is not None and not options.limit.strip():
        raise BadInputError("--limit is empty; leave it out, or name hosts")
    where = inventory_of(options)
    return where, Request(
        run=run,
        playbook=playbook,
        inventory=where.sources,
        inventory_plugins=inventory.plugins(where.sources, os.environ),
        ssh_extra_args=os.environ.get("ANSIBLE_SSH_EXTRA_ARGS")
        or inventory.setting(os.environ, "ssh_connection", "ssh_extra_args"),
        run_vars=run_vars,
        extra_vars=_extra_vars(options, run_vars),
        limit=options.limit,
        forks=options.forks,
        timeout=options.timeout,
        vault_password_file=options.vault_password_file,
        verbose=options.verbose,
        collections=catalog.unlinked(),
    )


def _extra_vars(options: Options, run_vars: Mapping[str, Any]) -> tuple[variables.ExtraVars, ...]:
    """Read the user's variables, which may be none of those that a command sets for a run."""
    if not options.extra_vars:
        return ()
    taken = {*run_vars, "incident_name", "operation_name"}
    inputs = known_to(options).inputs()
    return variables.parse(options.extra_vars, variables.Names(inputs, taken))


def _run_vars(order: Order, run: str) -> dict[str, Any]:
    if order.operation:
        return {"operation_run": run, "operation_allow": order.allow, **order.inputs}
    return {
        "incident_run": run,
        "incident_allow": order.allow,
        "incident_evidence_dir": str(run_files.runs_directory() / run / "evidence"),
        **({"incident_hands_seconds": 0} if order.take_over else {}),
        **({"incident_name": order.incident} if order.own_card else {}),
        **({"incident_cards": _places(order.options)} if order.options.cards else {}),
    }


def _places(options: Options) -> list[str]:
    return [str(place) for place in catalog.directories((), options.cards)]


def _record(order: Order, job: Job) -> run_files.Record | None:
    """Open the run's directory; a diagnosis can do without it, a remediation cannot."""
    try:
        record = run_files.Record(job.run)
        record.save(opening(job))
    except OSError as error:
        where = f"{run_files.runs_directory()} cannot be written: {error.strerror}"
        if order.acts:
            raise RunbookError(f"{where}; nothing was done, evidence needs it") from error
        _warn(f"{where}; this run is not recorded")
        return None
    return record


def _save(session: Session, final: Mapping[str, Any]) -> None:
    if session.record is None:
        return
    try:
        session.record.save(final)
    except OSError as error:
        _warn(f"the run could not be recorded: {error.strerror}")
    session.record.close()


def _preload() -> None:
    """Import what will be shown with, while ansible starts."""
    if sys.stderr.isatty():
        import_module("rich.live")
    import_module("oncall_runbook.text.report")


def _print(
    final: Mapping[str, Any], form: str, show: Callable[[Mapping[str, Any]], None] | None
) -> None:
    if form == "json":
        tell_json(final)
        return
    if final["error"] and not final["hosts"]:
        say(f"runbook: {final['error']}", err=True)
        return
    from oncall_runbook.text import report

    (show or report.show)(final)


def _warn(text: str) -> None:
    say(f"runbook: warning: {text}", err=True)
