"""The commands `runbook runs …`: past runs, and those at work."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oncall_runbook.commands import completing
from oncall_runbook.commands.shared_options import (
    allow_option,
    document_format_option,
    example,
    format_option,
    html_option,
    option,
    record_option,
    rollout_options,
    run_format_option,
    shared_options,
    take_over_option,
    yes_is_taken,
    yes_option,
)
from oncall_runbook.errors import RunbookError
from oncall_runbook.reports import writing
from oncall_runbook.run import processes
from oncall_runbook.run.options import Options
from oncall_runbook.run.verdict import CANCELLED
from oncall_runbook.text.output import say, tell, tell_json

if TYPE_CHECKING:
    from oncall_runbook.documents import RunDocument

_PATIENCE_SECONDS = 20.0  # for a run to end itself: what it had under way, its document, the record


@click.group(epilog=example("runbook runs list", "runbook runs show last"))
def runs() -> None:
    """Look at runs, past ones and those at work; cancel one, or resume it."""


@runs.command("list", epilog=example("runbook runs list"))
@format_option
def list_(format: str) -> int:
    """List the runs, newest first."""
    from oncall_runbook.run import run_files

    return tell(run_files.all_runs(), format, "report", "show_runs")


@runs.command(
    "show",
    epilog=example("runbook runs show last", "runbook runs show 20261123T0415 --format markdown"),
)
@click.argument("run", shell_complete=completing.runs)
@html_option
@document_format_option
def show(run: str, html: Path | None, format: str) -> int:
    """Show a run by its id, the beginning of its id, or `last`."""
    from oncall_runbook.run import run_files

    found = run_files.find(run)
    if html is None and format in writing.FORMS:
        writing.tell(format, found)
        return 0
    if html is None:
        return tell(found, format, "report", "show_all")
    from oncall_runbook.pages import rendering

    html.write_text(rendering.run_html(found), encoding="utf-8")
    say(str(html))
    return 0


@runs.command(epilog=example("runbook runs cancel last"))
@click.argument("run", shell_complete=completing.runs)
@yes_is_taken
@format_option
def cancel(run: str, format: str) -> int:
    """Cancel a run that is at work on this machine, as Ctrl-C in its terminal does.

    Of a run that was killed, whatever it left running here is ended. One that has ended is left
    as it is.
    """
    from oncall_runbook.run import run_files

    found = run_files.find(run)
    before, left = found["state"], 0
    if before == "running":
        found = _interrupt(found)
    elif before != "finished":
        left = len(processes.marked(found["run"]))
        processes.end(found["run"])
    if format == "json":
        tell_json(found)
    else:
        say(f"run {found['run']} {_became(before, found, left)}")
    return 0


@runs.command(
    epilog=example("runbook runs resume last", "runbook runs resume last --yes --allow outage")
)
@click.argument("run", shell_complete=completing.runs)
@yes_option
@allow_option("rungs or steps it may do")
@take_over_option
@record_option
@rollout_options
@shared_options(
    *("extra_vars", "cards", "forks", "timeout", "through", "format", "reports"),
    *("vault_password_file", "verbose", "store"),
    shown_by=run_format_option,
)
def resume(run: str, options: Options, **how: Any) -> int:
    """Do again what a run was to do, on the hosts that it did not finish.

    Command, inventory, limit and inputs are the run's. What it was allowed, and its variables, are
    not kept: give them again. Of a run that was killed the hosts of its last batch are not known to
    be finished.
    """
    from oncall_runbook.commands.carry_out import carry_out
    from oncall_runbook.run import run_files
    from oncall_runbook.run.order import rebuild_order

    order = rebuild_order(run_files.find(run), options)
    return carry_out(replace(order, **how))


@runs.command(epilog=example("runbook runs prune", "runbook runs prune --older-than 30 --yes"))
@option(
    "--older-than",
    "days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    default=90,
    show_default=True,
    help="Those that began before that.",
)
@option(
    "--keep",
    type=click.IntRange(min=0),
    metavar="NUMBER",
    default=100,
    show_default=True,
    help="The newest of all stay, however old they are.",
)
@option("--yes", is_flag=True, help="Remove them; without it they are only listed.")
@shared_options("format", "store")
def prune(days: int, keep: int, yes: bool, options: Options) -> int:
    """Remove old runs, with their events and evidence.

    What stays, however old: a run at work, one that is not in the record of incidents yet, and
    one of an incident that is not resolved.
    """
    from oncall_runbook.record import pending
    from oncall_runbook.run import run_files

    in_use = {path.name for path, _ in pending.notes()}
    if run_files.incidents_kept(options.store):
        from oncall_runbook.record import incident_record

        in_use |= incident_record.IncidentRecord(options).runs_in_use()
    found = run_files.old_runs(days, keep, in_use)
    for path in found if yes else []:
        shutil.rmtree(path)
    if options.format == "json":
        tell_json({"schema": 1, "runs": [path.name for path in found], "removed": yes})
    else:
        say(_pruned([path.name for path in found], days, yes=yes))
    return 0


def _pruned(names: list[str], days: int, *, yes: bool) -> str:
    if not names:
        return f"no run that may go is older than {days} days"
    which = f"{len(names)} run{'s' * (len(names) > 1)}, from {names[0]} to {names[-1]}"
    return f"removed {which}" if yes else f"would remove {which}; to do it: --yes"


def _interrupt(run: RunDocument) -> RunDocument:
    """Ask a run to end, and return its document when it has; RunbookError when it does not."""
    from oncall_runbook.run import run_files

    directory = run_files.runs_directory() / run["run"]
    processes.interrupt(run["pid"])
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (found := run_files.load(directory))["state"] == "running":
        if time.monotonic() > deadline:
            at_work = f"is still at work: process {run['pid']}"
            raise RunbookError(f"run {run['run']} has been asked to end, and {at_work}")
        time.sleep(0.1)
    return found


def _became(before: str, run: RunDocument, left: int) -> str:
    """Say what became of a run that was to be cancelled, and that was `before`."""
    if before == "running":
        cancelled = run["state"] != "finished" or run["exit_code"] == CANCELLED
        return "was cancelled" if cancelled else f"ended by itself: exit code {run['exit_code']}"
    if before == "finished":
        return f"had ended before: exit code {run['exit_code']}"
    return f"was {before} before; of it {f'{left} processes were' if left else 'nothing was'} left"
