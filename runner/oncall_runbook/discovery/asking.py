"""Asks hosts which compose stacks are on them, in one round trip each."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from oncall_runbook.discovery.comparison import NotTold, Told, told_in
from oncall_runbook.run import run_files
from oncall_runbook.run.conclusion import Job
from oncall_runbook.run.options import Options
from oncall_runbook.run.order import Order
from oncall_runbook.run.request import prepare
from oncall_runbook.run.session import Progress, Session


@dataclass(frozen=True)
class Found:
    """What each host told, or why it did not; and how the run that asked ended."""

    hosts: dict[str, Told]
    failed: dict[str, str]
    exit_code: int
    error: str


def ask(options: Options, progress: Callable[[bool], Progress]) -> Found:
    """Ask every host of the options' inventory which stacks it has; changes nothing."""
    began = time.time()
    order = Order("ops discover", None, options, operation="discover")
    run = run_files.new_id(began)
    where, request = prepare(options, run, order.playbook, {"operation_run": run})
    job = Job(run, order.command, None, began, str(where), options.limit)
    session = Session(job, request, progress)
    document = session.document(session.play(remediate=False))
    found = Found({}, {}, int(document["exit_code"] or 0), document["error"] or "")
    for host, state in document["hosts"].items():
        try:
            found.hosts[host] = told_in(state.get("findings") or {})
        except NotTold as error:
            found.failed[host] = str(error) or str(state.get("reason") or "no answer")
    return found
