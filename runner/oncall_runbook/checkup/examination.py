"""Looks at this machine, and asks every host, before an incident needs them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from oncall_runbook.checkup import hosts, people, this_machine
from oncall_runbook.checkup.check import Check
from oncall_runbook.checkup.hosts import Asked
from oncall_runbook.discovery.one_stack import described
from oncall_runbook.run import run_files
from oncall_runbook.run.conclusion import Job
from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.options import Options
from oncall_runbook.run.order import Order
from oncall_runbook.run.request import prepare
from oncall_runbook.run.session import Progress, Session

if TYPE_CHECKING:
    from oncall_runbook.documents import RunDocument

ShowsProgress = Callable[[bool], Progress]


def examine(
    options: Options, progress: ShowsProgress, tell: Callable[[str], None]
) -> tuple[list[Check], int]:
    """Return all checks, and the exit code of the run that asked the hosts.

    `tell` gets what is taken for what, where no inventory says it.
    """
    of_store = this_machine.check_store(options.store)
    options = described(options, progress, tell)
    document, times = _ask(options, progress)
    checks = [
        this_machine.inventory(document),
        *this_machine.software(),
        this_machine.ssh_client(document),
        this_machine.run_directory(),
        *of_store,
    ]
    if document["hosts"] and document["exit_code"] not in (124, 130):
        checks += people.contacts(options)
    return [*checks, *hosts.checks(document, times)], int(document["exit_code"] or 0)


def _ask(options: Options, progress: ShowsProgress) -> tuple[RunDocument, Mapping[str, Asked]]:
    """Ask all hosts at once; return the run's document, and when each host was asked."""
    began = time.time()
    times: dict[str, Asked] = {}

    def note(event: Event, _state: HostState) -> None:
        known = times.get(event.host, Asked(event.time, event.time))
        if event.kind == "start" or event.action == "probe":
            times[event.host] = Asked(known.began, event.time)

    order = Order("ops doctor", None, options, operation="doctor")
    run = run_files.new_id(began)
    where, request = prepare(options, run, order.playbook, {"operation_run": run})
    job = Job(run, order.command, None, began, str(where), options.limit)
    session = Session(job, request, progress, [note])
    outcome = session.play(remediate=False)
    return session.document(outcome), times
