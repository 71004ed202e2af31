"""The command `runbook`: its commands, and the one place that maps errors to exit codes."""

from __future__ import annotations

import atexit
import gc
import sys
from pathlib import Path
from typing import Any

import click

from oncall_runbook import __version__
from oncall_runbook.commands import completing
from oncall_runbook.commands.card_commands import lint, list_, new, show, test
from oncall_runbook.commands.completion_command import completion
from oncall_runbook.commands.doctor_command import doctor
from oncall_runbook.commands.help_command import help_
from oncall_runbook.commands.incident_commands import contacts, incident
from oncall_runbook.commands.init_command import init
from oncall_runbook.commands.operation_commands import hold, ops
from oncall_runbook.commands.run_commands import runs
from oncall_runbook.commands.shared_options import (
    allow_option,
    example,
    given,
    out_option,
    plan_options,
    record_option,
    rollout_options,
    run_options,
    take_over_option,
    yes_option,
)
from oncall_runbook.commands.watch_command import watch
from oncall_runbook.commands.worker_command import worker
from oncall_runbook.errors import BadInputError, NothingMatchedError, RefusedError, RunbookError
from oncall_runbook.run.options import Options
from oncall_runbook.run.verdict import CANCELLED
from oncall_runbook.text.output import say, say_aside

_ALLOCATIONS = 100_000  # between two collections; the default is 700


class Runbook(click.Group):
    """The group that turns what the layers below raise into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; its return value is the exit code."""
        try:
            ctx.exit(super().invoke(ctx) or 0)
        except (click.Abort, KeyboardInterrupt):
            say("runbook: cancelled", err=True)
            ctx.exit(CANCELLED)
        except BrokenPipeError:
            ctx.exit(1)
        except (RunbookError, OSError) as error:
            say_aside(str(error))
            ctx.exit(_exit_code(error))


def _exit_code(error: Exception) -> int:
    codes = {BadInputError: 2, NothingMatchedError: 8, RefusedError: 6}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), 1)


@click.group(
    cls=Runbook,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example(
        "runbook triage -i inventory.ini",
        "runbook remediate database_connection_failures -i inventory.ini",
    ),
)
@click.version_option(__version__, prog_name="runbook")
def cli() -> None:
    """Diagnose incidents on your hosts, and cure them rung by rung.

    Exit codes: 0 healthy or fixed, 1 the tool broke, 2 wrong usage, 3 an incident is present,
    4 a host could not be reached or judged, 5 still not fixed, 6 refused, 7 another run holds
    the host, 8 nothing matched, 124 timed out, 130 cancelled.
    """


@cli.command(
    epilog=example("runbook triage -i inventory.ini", "runbook triage -i web1, --format json")
)
@record_option
@run_options
def triage(record: str | None, options: Options) -> int:
    """Find what is wrong, and what causes what; changes nothing."""
    return _carry_out("triage", None, options, record=record)


@cli.command(epilog=example("runbook diagnose database_connection_failures -i inventory.ini"))
@click.argument("incident", shell_complete=completing.cards)
@record_option
@run_options
def diagnose(incident: str, record: str | None, options: Options) -> int:
    """Find whether one incident is present; changes nothing."""
    return _carry_out("diagnose", incident, options, record=record)


@cli.command(
    epilog=example("runbook plan -i inventory.ini", "runbook plan -i inventory.ini --out plan.json")
)
@click.argument("incident", required=False, shell_complete=completing.cards)
@out_option
@allow_option("rungs it calls allowed")
@record_option
@run_options
def plan(incident: str | None, options: Options, **how: Any) -> int:
    """Tell what remediate would do now, rung by rung, with risk; changes nothing."""
    return _carry_out("plan", incident, options, **how)


@cli.command(
    epilog=example(
        "runbook remediate -i inventory.ini",
        "runbook remediate database_connection_failures --yes --allow outage",
        "runbook remediate -i inventory.ini --plan plan.json",
    )
)
@click.argument("incident", required=False, shell_complete=completing.cards)
@plan_options
@yes_option
@allow_option("rungs it may climb")
@take_over_option
@record_option
@rollout_options
@run_options
def remediate(incident: str | None, options: Options, **how: Any) -> int:
    """Cure what is wrong: show the plan, ask once, climb the ladder, verify.

    Several hosts are changed in batches: one, then a tenth of them, then the rest. Where none of a
    batch is well after it, or too many hosts fail, nothing more is begun.

    With --plan that plan is carried out and nothing else: its hosts, its rungs. A host that has
    changed since is refused. --limit and --allow may only narrow it.
    """
    return _carry_out("remediate", incident, options, **how)


for command in (
    *(watch, init, list_, show, lint, new, test),
    *(ops, hold, runs, incident, contacts, doctor, worker, completion, help_),
):
    cli.add_command(command)


def _carry_out(
    command: str,
    incident: str | None,
    options: Options,
    *,
    plan: Path | None = None,
    plan_age: int | None = None,
    **how: Any,
) -> int:
    from oncall_runbook.commands.carry_out import carry_out
    from oncall_runbook.run.order import Order, under_plan
    from oncall_runbook.run.sources import catalog_for

    name = catalog_for(options).resolve(incident) if incident is not None else None
    order = Order(command, name, options, acts=command == "remediate", **how)
    if plan:
        order = under_plan(order, plan, plan_age, given("allow"))
    elif plan_age is not None:
        raise BadInputError("--plan-age goes with --plan FILE")
    return carry_out(order)


def main() -> None:
    """Run the command `runbook`, with a garbage collector that suits a process of some seconds.

    Python's own settings look through all that is imported again and again, and at its end.
    """
    gc.set_threshold(_ALLOCATIONS)
    atexit.register(gc.freeze)
    try:
        cli(prog_name="runbook")
    except KeyboardInterrupt:
        sys.exit(CANCELLED)
