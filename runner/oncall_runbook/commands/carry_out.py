"""Carries an order out, from the question at the terminal to the exit code."""

from __future__ import annotations

import functools
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oncall_runbook.cards import catalog
from oncall_runbook.commands import report_files, run_keeper
from oncall_runbook.commands.run_keeper import RunKeeper
from oncall_runbook.discovery.one_stack import described
from oncall_runbook.reports import writing
from oncall_runbook.run import plan_file, run_files
from oncall_runbook.run.batches import act
from oncall_runbook.run.conclusion import Job, actionable, refuse
from oncall_runbook.run.engine import Outcome
from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.journal import entry, worth_keeping
from oncall_runbook.run.options import Options
from oncall_runbook.run.order import Order
from oncall_runbook.run.request import prepare
from oncall_runbook.run.session import Progress, Session
from oncall_runbook.run.sources import catalog_for
from oncall_runbook.run.verdict import BROKEN
from oncall_runbook.text.output import say_aside, tell_json, tell_json_line
from oncall_runbook.text.progress import progress_for

if TYPE_CHECKING:
    from oncall_runbook.documents import RunDocument

NOT_CONFIRMED = "not confirmed; add --yes to remediate without a question"
DECLINED = "declined: the question was not answered with yes"


def carry_out(
    order: Order,
    show: Callable[[RunDocument], None] | None = None,
    on_event: Callable[[Event], None] = lambda _: None,
    progress: Callable[[bool], Progress] | None = None,
) -> int:
    """Do what was ordered, tell it on stdout, and return the exit code.

    `show` prints a document for people in its own way; `on_event` gets every event as it comes.
    `progress` makes what shows a play in place of the ordinary one.
    """
    report_files.check(order.options.reports, order.out)
    known = functools.cache(run_files.usual_seconds)
    shows = progress_for(
        verbose=bool(order.options.verbose),
        usual=lambda host, title: known().get((host, title)),
    )
    order = replace(order, options=described(order.options, shows, say_aside))
    session, keeper = _open(order, progress or shows)
    session.listeners = [lambda event, _: on_event(event), keeper.note]
    if order.options.format == "jsonl":
        session.listeners.append(_stream)
    if order.options.format in ("text", "short") or sys.stderr.isatty():
        threading.Thread(target=_preload, daemon=True).start()
    if order.acts and order.asks and not order.yes:
        outcome = _ask_then_act(session, order, keeper)
    else:
        outcome = _act(session, keeper) if order.acts else session.play(remediate=False)
    final = session.document(outcome)
    keeper.finish(final)
    try:
        _print(final, order.options, show)
    finally:  # also where nobody reads what is printed any more
        written = report_files.write(order.options.reports, final)
        written &= order.out is None or _write_plan(order, session, outcome)
    return int(final["exit_code"] or 0) or (0 if written else BROKEN)


def _stream(event: Event, _state: HostState) -> None:
    """Print an event that the journal keeps, as it keeps it."""
    if worth_keeping(event):
        tell_json_line(entry(event))


def _write_plan(order: Order, session: Session, outcome: Outcome) -> bool:
    """Write the plan to its file, if there is one; tell whether that could be."""
    out = Path(order.out or "")
    if outcome.status != "finished" or not session.states:
        say_aside(f"no plan was made: {out} is not written")
        return True
    catalog = catalog_for(order.options)
    plan = plan_file.made(session.job, session.states, order.allow, catalog, time.time())
    return report_files.write_plan(out, plan)


def _act(session: Session, keeper: RunKeeper) -> Outcome:
    return act(session, say_aside, lambda outcome: keeper.so_far(session.document(outcome)))


def _ask_then_act(session: Session, order: Order, keeper: RunKeeper) -> Outcome:
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
        what = "Do this now?" if order.operation else "Climb these rungs now?"
        agreed = click.confirm(what, default=False, err=True)
    except click.Abort:
        return _refused(session, replace(outcome, status="cancelled"), DECLINED)
    return _act(session, keeper) if agreed else _refused(session, outcome, DECLINED)


def at_terminal() -> bool:
    """Tell whether somebody is there to answer."""
    return sys.stdin.isatty()


def _refused(session: Session, outcome: Outcome, missing: str) -> Outcome:
    session.states = refuse(session.job, session.states, missing)
    return outcome


def _open(order: Order, shows: Callable[[bool], Progress]) -> tuple[Session, RunKeeper]:
    run_keeper.check_incident(order)
    began = time.time()
    run = run_files.new_id(began)
    options = order.options
    if order.plan:  # its hosts are named, whatever the limit was that left them
        plan_file.allowance(order.plan.document, order.allow)
        options = replace(options, limit=None)
    where, request = prepare(options, run, order.playbook, _run_vars(order, run))
    if order.plan:
        request = replace(request, hosts=order.plan.hosts)
    job = Job(
        run,
        order.command,
        order.card,
        began,
        str(where),
        order.options.limit,
        run_files.author(),
        order.kept(where),
        order.resumes,
    )
    return Session(job, request, shows), RunKeeper(order, job)


def _run_vars(order: Order, run: str) -> dict[str, Any]:
    if order.operation:
        given = {"operation_run": run, "operation_allow": order.allow}
        return {**given, **order.rollout, **order.inputs}
    if order.command == "watch":
        return {"incident_run": run, "watch_incident": order.card or "", **order.inputs}
    return {
        "incident_run": run,
        "incident_allow": order.allow,
        "incident_evidence_dir": str(run_files.runs_directory() / run / "evidence"),
        **order.rollout,
        **({"incident_plan": str(run_files.plan_path(run))} if order.plan else {}),
        **({"incident_hands_seconds": 0} if order.take_over else {}),
        **({"incident_name": order.card} if order.card else {}),
        **({"incident_cards": _places(order.options)} if order.options.cards else {}),
    }


def _places(options: Options) -> list[str]:
    return [str(place) for place in catalog.directories((), options.cards)]


def _preload() -> None:
    """Import what will be shown with, while ansible starts."""
    if sys.stderr.isatty():
        import_module("rich.live")
    import_module("oncall_runbook.text.report")


def _print(
    final: RunDocument, options: Options, show: Callable[[RunDocument], None] | None
) -> None:
    if options.format == "json":
        tell_json(final)
        return
    if options.format == "jsonl":
        tell_json_line(final)
        return
    if options.format in writing.FORMS:
        writing.tell(options.format, final)
        return
    if final["error"] and not final["hosts"]:
        say_aside(str(final["error"]))
        return
    from oncall_runbook.text import report

    if options.format == "short":
        report.show_short(final)
    elif show:
        show(final)
    else:
        report.show(final, full=bool(options.verbose))
