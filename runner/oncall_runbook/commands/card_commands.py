"""The commands about cards: `list`, `show`, `lint`, `new` and `test`."""

from __future__ import annotations

from pathlib import Path

import click

from oncall_runbook.commands import completing
from oncall_runbook.commands.shared_options import (
    card_format_option,
    example,
    option,
    shared_options,
)
from oncall_runbook.run.options import Options
from oncall_runbook.text.output import say, say_aside, tell, tell_json

_WRONG = 2  # of a card, or of what it promises


@click.command("list", epilog=example("runbook list", "runbook list --format json"))
@shared_options("inventory", "cards", "format")
def list_(options: Options) -> int:
    """List the incidents."""
    from oncall_runbook.run.sources import catalog_for

    facts = ("title", "severity")
    known = catalog_for(options)
    cards = [(name, known.card(name)) for name in known.files]
    found = [{"incident": name, **{k: card.get(k) for k in facts}} for name, card in cards]
    return tell(found, options.format, "card_text", "show_list")


@click.command(
    epilog=example("runbook show disk-space-full", "runbook show memory-leak --format markdown")
)
@click.argument("incident", shell_complete=completing.cards)
@shared_options("inventory", "cards")
@card_format_option
def show(incident: str, format: str, options: Options) -> int:
    """Show an incident's card: symptoms, probes, when it is confirmed, its ladder, its inputs."""
    from oncall_runbook.run.sources import catalog_for

    known = catalog_for(options)
    name = known.resolve(incident)
    if format == "survey":
        from oncall_runbook.cards.survey import survey

        tell_json(survey(known, name))
        return 0
    card = known.full_card(name)
    return tell(card, format, "card_text", "show_page" if format == "markdown" else "show_card")


@click.command(epilog=example("runbook lint", "runbook lint incidents/clock_off.yml"))
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=click.Path(path_type=Path))
@shared_options("inventory", "cards", "format")
def lint(paths: tuple[Path, ...], options: Options) -> int:
    """Say what is wrong with cards, with file, line and what to write instead.

    Without PATH, with all that are known: those beside the inventory, and the shipped ones.
    """
    from oncall_runbook.cards.linting import complaints
    from oncall_runbook.run.sources import catalog_for

    known = catalog_for(options).directories
    said = complaints([path.absolute() for path in paths] or known, known)
    if options.format == "json":
        tell_json(said)
    else:
        for line in said:
            say(line)
        say_aside(f"{len(said)} to mend" if said else "cards are in order")
    return _WRONG if said else 0


@click.command(epilog=example("runbook new disk-slow", "runbook new disk-slow --in incidents"))
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
    from oncall_runbook.run.sources import catalog_for

    files = write(name, folder, catalog_for(options))
    for path in files:
        say(str(path))
    say(f"next: edit them, then: runbook lint {files[0]}", err=True)


@click.command(
    epilog=example("runbook test disk-slow", "runbook test disk-slow --practice web-test")
)
@click.argument("card")
@option(
    "--practice",
    metavar="HOST",
    help="A practice host, which its fault breaks and its ladder cures.",
)
@shared_options("inventory", "cards", "format")
def test(card: str, practice: str | None, options: Options) -> int:
    """Try what a card promises: its text, its conditions, and on a practice host its cure."""
    from oncall_runbook.cards import trial
    from oncall_runbook.run.sources import catalog_for, inventory_of

    known, host = catalog_for(options), None
    if practice is not None:
        source = str(inventory_of(options).sources[0])
        host = trial.PracticeHost(practice, source, options.cards)
    tried = []
    for check in trial.checks(known.resolve(card), known, host):
        tried.append(check)
        if options.format == "text":
            say(f"{'wrong' if check.wrong else 'right'}  {check.what}")
            for line in check.wrong.splitlines():
                say(f"       {line}")
    if options.format == "json":
        tell_json([vars(check) for check in tried])
    return _WRONG if any(check.wrong for check in tried) else 0
