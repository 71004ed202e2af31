"""The command `runbook`: its commands, and the one place that maps errors to exit codes."""

from __future__ import annotations

import atexit
import gc
import sys
from pathlib import Path
from typing import Any

import click

from oncall_runbook import __version__
from oncall_runbook.commands.doctor_command import doctor
from oncall_runbook.commands.incident_commands import contacts, incident
from oncall_runbook.commands.operation_commands import hold, ops
from oncall_runbook.commands.run_commands import runs
from oncall_runbook.commands.shared_options import (
    Options,
    allow_option,
    card_format_option,
    example,
    option,
    record_option,
    run_options,
    shared_options,
    take_over_option,
    yes_option,
)
from oncall_runbook.errors import BadInputError, NothingMatchedError, RefusedError, RunbookError
from oncall_runbook.run.verdict import CANCELLED
from oncall_runbook.text.output import say, tell

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
            say(f"runbook: {error}", err=True)
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


@cli.command("list", epilog=example("runbook list", "runbook list --format json"))
@shared_options("inventory", "cards", "format")
def list_(options: Options) -> int:
    """List the incidents."""
    from oncall_runbook.run.order import known_to

    facts = ("title", "severity")
    known = known_to(options)
    cards = [(name, known.card(name)) for name in known.files]
    found = [{"incident": name, **{k: card.get(k) for k in facts}} for name, card in cards]
    return tell(found, options.format, "card_text", "show_list")


@cli.command(
    epilog=example("runbook show disk-space-full", "runbook show memory-leak --format markdown")
)
@click.argument("incident")
@shared_options("inventory", "cards")
@card_format_option
def show(incident: str, format: str, options: Options) -> int:
    """Show an incident's card: symptoms, probes, when it is confirmed, its ladder, its inputs."""
    from oncall_runbook.run.order import known_to

    known = known_to(options)
    card = known.full_card(known.resolve(incident))
    return tell(card, format, "card_text", "show_page" if format == "markdown" else "show_card")


@cli.command(epilog=example("runbook lint", "runbook lint incidents/clock_off.yml"))
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@shared_options("inventory", "cards", "format")
def lint(paths: tuple[Path, ...], options: Options) -> int:
    """Say what is wrong with cards, with file, line and what to write instead.

    Without PATH, with all that are known: those beside the inventory, and the shipped ones.
    """
    from oncall_runbook.cards.linting import check

    return check(paths, options)


@cli.command(epilog=example("runbook new disk-slow", "runbook new disk-slow --in incidents"))
@click.argument("name")
@option(
    "--in",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("incidents"),
    show_default=True,
    help="The directory of cards to write it to.",
)
@shared_options("inventory", "cards")
def new(name: str, folder: Path, options: Options) -> None:
    """Write the card of an incident of your own, with a fault and a near miss to try it with."""
    from oncall_runbook.cards.scaffold import write

    files = write(name, folder, options)
    for path in files:
        say(str(path))
    say(f"next: edit them, then: runbook lint {files[0]}", err=True)


@cli.command(epilog=example("runbook test disk-slow", "runbook test disk-slow --practice web-test"))
@click.argument("card")
@option(
    "--practice",
    metavar="HOST",
    help="A practice host, which its fault breaks and its ladder cures.",
)
@shared_options("inventory", "cards", "format")
def test(card: str, practice: str | None, options: Options) -> int:
    """Try what a card promises: its text, its conditions, and on a practice host its cure."""
    from oncall_runbook.cards.trial import try_card

    return try_card(card, practice, options)


@cli.command(
    epilog=example("runbook triage -i inventory.ini", "runbook triage -i web1, --format json")
)
@record_option
@run_options
def triage(record: str | None, options: Options) -> int:
    """Find what is wrong, and what causes what; changes nothing."""
    return _carry_out("triage", None, options, record=record)


@cli.command(epilog=example("runbook diagnose database_connection_failures -i inventory.ini"))
@click.argument("incident")
@record_option
@run_options
def diagnose(incident: str, record: str | None, options: Options) -> int:
    """Find whether one incident is present; changes nothing."""
    return _carry_out("diagnose", incident, options, record=record)


@cli.command(
    epilog=example(
        "runbook plan -i inventory.ini", "runbook plan database_connection_failures -l db1"
    )
)
@click.argument("incident", required=False)
@record_option
@run_options
def plan(incident: str | None, record: str | None, options: Options) -> int:
    """Tell what remediate would do now, rung by rung, with risk; changes nothing."""
    return _carry_out("plan", incident, options, record=record)


@cli.command(
    epilog=example(
        "runbook remediate -i inventory.ini",
        "runbook remediate database_connection_failures --yes --allow outage",
    )
)
@click.argument("incident", required=False)
@yes_option
@allow_option("rungs it may climb")
@take_over_option
@record_option
@run_options
def remediate(
    incident: str | None,
    record: str | None,
    yes: bool,
    allow: str,
    take_over: bool,
    options: Options,
) -> int:
    """Cure what is wrong: show the plan, ask once, climb the ladder, verify."""
    chosen = {"record": record, "yes": yes, "allow": allow, "take_over": take_over}
    return _carry_out("remediate", incident, options, **chosen)


for group in (ops, hold, runs, incident, contacts, doctor):
    cli.add_command(group)


def _carry_out(command: str, incident: str | None, options: Options, **how: Any) -> int:
    from oncall_runbook.commands.carry_out import carry_out
    from oncall_runbook.run.order import Order, known_to

    name = known_to(options).resolve(incident) if incident is not None else None
    return carry_out(Order(command, name, options, acts=command == "remediate", **how))


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
