"""The command `runbook doctor`: whether all is there that an incident will need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from oncall_runbook.commands.shared_options import Options, example, run_options
from oncall_runbook.text.output import tell_json

if TYPE_CHECKING:
    from oncall_runbook.checkup.check import Check
    from oncall_runbook.checkup.hosts import Asked


@click.command(
    epilog=example("runbook doctor -i inventory.ini", "runbook doctor -l db1 --format json")
)
@run_options
def doctor(options: Options) -> int:
    """Tell before an incident whether all is there that one will need, and what to do where not.

    Looks at this machine (inventory, software, run directory, store of incidents, contacts) and,
    in one round trip, at every host (Docker, compose, the stack, clock, disks, the newest backup,
    sudo, tools); changes nothing.

    Exit codes: 0 all is well, or there are only warnings; 1 something is bad, here or on a host;
    2 wrong usage; 4 a host could not be reached or judged; 8 no host matched; 124 timed out;
    130 cancelled. The gravest wins: 1, 130, 124, 4, 0.
    """
    from oncall_runbook.checkup.check import exit_code

    checks, run = _examine(options)
    code = exit_code(checks, run)
    if options.format == "json":
        found = {"schema": 1, "checks": [asdict(check) for check in checks], "exit_code": code}
        tell_json(found)
    else:
        from oncall_runbook.text.check_text import show

        show(checks, code)
    return code


def _examine(options: Options) -> tuple[list[Check], int]:
    """Return all checks, and the exit code of the run that asked the hosts."""
    from oncall_runbook.checkup import hosts, people, this_machine

    of_store = this_machine.check_store(options.store)
    document, times = _ask(options)
    checks = [
        this_machine.inventory(document),
        *this_machine.software(),
        this_machine.ssh_client(document),
        this_machine.run_directory(),
        *of_store,
    ]
    if document["hosts"] and document["exit_code"] not in (124, 130):
        checks += people.contacts(options)
    return [*checks, *hosts.checks(document, times)], int(document["exit_code"])


def _ask(options: Options) -> tuple[dict[str, Any], Mapping[str, Asked]]:
    """Ask all hosts at once; return the run's document, and when each host was asked."""
    from oncall_runbook.checkup.hosts import Asked
    from oncall_runbook.commands.carry_out import Session, prepare
    from oncall_runbook.run import run_files
    from oncall_runbook.run.conclusion import Job
    from oncall_runbook.run.events import Event
    from oncall_runbook.run.order import Order

    began = time.time()
    times: dict[str, Asked] = {}

    def note(event: Event) -> None:
        known = times.get(event.host, Asked(event.time, event.time))
        if event.kind == "start" or event.action == "probe":
            times[event.host] = Asked(known.began, event.time)

    order = Order("ops doctor", None, options, operation="doctor")
    run = run_files.new_id(began)
    where, request = prepare(options, run, order.playbook, {"operation_run": run})
    job = Job(run, order.command, None, began, str(where), options.limit)
    session = Session(order, job, request, record=None)
    session.on_event = note
    outcome = session.play(remediate=False)
    return session.document(outcome), times
