"""The commands `runbook incident …` and `runbook contacts`: they parse, delegate, and tell."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oncall_runbook.commands import completing
from oncall_runbook.commands.shared_options import (
    Command,
    example,
    html_option,
    option,
    shared_options,
    yes_is_taken,
)
from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.run.options import Options
from oncall_runbook.text.output import say, say_aside, tell, tell_json

if TYPE_CHECKING:
    from oncall_runbook.documents import (
        IncidentDocument,
        IncidentSummary,
        PreviewedMessage,
        StatusUpdate,
    )
    from oncall_runbook.record.incident_record import IncidentRecord

_SEVERITY = click.Choice(["SEV1", "SEV2", "SEV3", "SEV4"], case_sensitive=False)
_STATES = ["draft", "in_review", "reviewed", "closed"]
_FORMS = ["text", "markdown", "chat"]

# What only the record needs; and what needs to know whom it goes to, from the inventory.
record_options = shared_options("format", "store")
people_options = shared_options(
    "inventory", "extra_vars", "vault_password_file", "timeout", "format", "store"
)


def fact_options(command: Command) -> Command:
    """Give a command the facts of an incident that people may say."""
    told = (
        option("--impact", help="Who is affected, how many, how much."),
        option("--owner", help="Who is responsible."),
        option("--eta", metavar="30m|TIME", help="When it will be resolved."),
        option("--began", metavar="-10m|TIME", help="When the trouble began, if that is known."),
    )
    for add in reversed(told):
        command = add(command)
    return command


@click.group(epilog=example("runbook incident list", "runbook incident ack 7"))
def incident() -> None:
    """Keep the record of an incident: whom it goes to, what was done, its review."""


@incident.command("open", epilog=example("runbook incident open 'Logins fail' --severity SEV2"))
@click.argument("title", required=False)
@option("--severity", type=_SEVERITY, help="In doubt the graver one. [default: the card's]")
@option("--card", metavar="INCIDENT", help="The incident it is, as in runbook list.")
@option("--host", multiple=True, help="A host it concerns; repeatable.")
@option("--run", metavar="RUN", help="A run that found it: title, severity and hosts are its.")
@fact_options
@yes_is_taken
@people_options
def open_(
    title: str | None,
    severity: str | None,
    card: str | None,
    host: tuple[str, ...],
    run: str | None,
    options: Options,
    **facts: str | None,
) -> int:
    """Open an incident, and tell whom its severity says."""
    from oncall_runbook.record.incident_record import NewIncident

    new = NewIncident(title, severity, card, host, run, facts)
    return _show(_record(options).open(new), options)


@incident.command(
    epilog=example(
        "runbook incident update 7 'database restarted'",
        "runbook incident update 7 --impact 'all users' --send",
    )
)
@click.argument("incident", shell_complete=completing.records)
@click.argument("text", required=False)
@option("--title", help="What it is, in a few words.")
@option("--status", type=click.Choice(["investigating", "identified", "resolving"]), help="New.")
@option("--severity", type=_SEVERITY, help="New severity; needs --reason.")
@option("--reason", help="Why the severity changes.")
@option("--note", help="What was done or found; stands in the timeline and in the update.")
@option("--send", is_flag=True, help="Send the status update, if something in it is new.")
@option("--dry-run", is_flag=True, help="Show text and recipients, and send nothing.")
@option("--form", type=click.Choice(_FORMS), default="text", help="How it is printed.")
@fact_options
@yes_is_taken
@people_options
def update(
    incident: str,
    text: str | None,
    note: str | None,
    reason: str | None,
    send: bool,
    dry_run: bool,
    form: str,
    options: Options,
    **facts: str | None,
) -> int:
    """Say what is new; print the status update, or send it to all whom it concerns.

    TEXT is a note, as with --note.
    """
    if text and note:
        raise BadInputError("the note is given twice: as TEXT and with --note")
    note = note or text
    if facts["severity"] and not reason:
        raise BadInputError("a new severity needs its --reason")
    record = _record(options)
    number = record.find(incident)
    if send and not dry_run:
        facts = {**facts, **_ask(record, number, facts)}
    record.update(number, note, reason, facts)
    return _tell_update(record, number, form, send=send, dry_run=dry_run)


def _record(options: Options) -> IncidentRecord:
    """Open the record of incidents, which says on stderr what went wrong."""
    from oncall_runbook.record.incident_record import IncidentRecord

    return IncidentRecord(options, say_aside)


def _ask(record: IncidentRecord, number: int, facts: Mapping[str, str | None]) -> dict[str, str]:
    """Ask at a terminal for what only a person can say; an empty answer leaves it missing."""
    if not sys.stdin.isatty() or record.options.format == "json":
        return {}
    lacks = [name for name in record.missing(number) if not facts.get(name)]
    answers = {n: click.prompt(n, default="", show_default=False, err=True) for n in lacks}
    return {name: text for name, text in answers.items() if text}


def _tell_update(
    record: IncidentRecord, number: int, form: str, *, send: bool, dry_run: bool
) -> int:
    sends = send and not dry_run
    told = record.status_update(number, form, send=sends)
    if record.options.format == "text":
        say(told["text"])
        _say_recipients(told["to"], sends=sends, dry_run=dry_run)
    if sends:
        return _deliver(record, told)
    if record.options.format == "json":
        tell_json(told)
    return 0


def _say_recipients(to: list[str], *, sends: bool, dry_run: bool) -> None:
    if sends and not to:
        say("runbook: nothing is new; not sent (say what is with --note)", err=True)
    elif sends or dry_run:
        would = "would go to" if dry_run else "goes to"
        say(f"{would}: {', '.join(to) or 'nobody'}", err=True)


@incident.command(epilog=example("runbook incident ack 7"))
@click.argument("incident", shell_complete=completing.records)
@yes_is_taken
@record_options
def ack(incident: str, options: Options) -> int:
    """Acknowledge an incident: somebody is at it, and the escalation stops."""
    record = _record(options)
    return _show(record.acknowledge(record.find(incident)), options)


@incident.command(epilog=example("runbook incident escalate 7", "runbook incident escalate --due"))
@click.argument("incident", required=False, shell_complete=completing.records)
@option("--to", metavar="ROLE", help="Tell this role now, whatever the ladder says.")
@option("--due", is_flag=True, help="Tell whom it is time to tell; safe to run every minute.")
@option("--watch", is_flag=True, help="The same again and again, until Ctrl-C.")
@option("--dry-run", is_flag=True, help="Show text and recipients, and send nothing.")
@yes_is_taken
@people_options
def escalate(
    incident: str | None, to: str | None, due: bool, watch: bool, dry_run: bool, options: Options
) -> int:
    """Tell the next one of an incident's ladder now; or all who are due, each once.

    Exit code 4: somebody could not be told; the phone numbers are printed.
    """
    if (incident is None) != (due or watch) or (to and incident is None):
        raise BadInputError("name an incident (and --to), or give --due or --watch")
    record = _record(options)
    number = None if incident is None else record.find(incident)
    if dry_run:
        return _show_messages(record.preview(number, to), options)
    if number is not None:
        record.escalate(number, to)
        return _deliver(record)
    return _watch(record) if watch else _tell_all_due(record)


def _tell_all_due(record: IncidentRecord) -> int:
    """Queue what is due and send it; what cannot be queued keeps nothing else from going out."""
    try:
        record.due()
    except BadInputError:
        _deliver(record)
        raise
    return _deliver(record)


def _watch(record: IncidentRecord) -> int:
    """Tell whom it is time to tell, again and again; what fails now may work at the next look."""
    try:
        while True:
            try:
                _tell_all_due(record)
            except RunbookError as error:
                say_aside(str(error))
            record.wait()
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how it ends


def _show_messages(found: list[PreviewedMessage], options: Options) -> int:
    if options.format == "json":
        tell_json(found)
        return 0
    for message in found:
        say(f"to {message['role']} by {message['channel']}: {message['subject']}")
        say(_indented(message["body"]))
    if not found:
        say("nothing is due")
    return 0


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())


def _deliver(record: IncidentRecord, facts: StatusUpdate | None = None) -> int:
    """Send what is queued; say who could not be told, and what to call instead.

    `facts` stand in the JSON document as well.
    """
    report = record.deliver()
    for line in dict.fromkeys(report.not_told):
        say_aside(line)
    if record.options.format == "json":
        sent = {"sent": report.sent, "waiting": report.waiting, "failed": report.failed}
        document = {**(facts or {}), **sent, "not_told": report.not_told}
        tell_json(document)
    return 4 if report.not_told else 0


@incident.command(epilog=example("runbook incident resolve 7 --resolution 'database started'"))
@click.argument("incident", shell_complete=completing.records)
@option("--resolution", default="", help="What fixed it.")
@option("--at", metavar="-10m|TIME", help="When; else now.")
@option("--send", is_flag=True, help="Send a last status update to all who were told.")
@yes_is_taken
@people_options
def resolve(incident: str, resolution: str, at: str | None, send: bool, options: Options) -> int:
    """End an incident; of a SEV1 or SEV2 the review is due from then on."""
    record = _record(options)
    number = record.find(incident)
    record.resolve(number, resolution, at)
    if send:
        return _tell_update(record, number, "text", send=True, dry_run=False)
    return _show(record.document(number), options)


def _date(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    try:
        return given and datetime.strptime(given, "%Y-%m-%d").date().isoformat()
    except ValueError as error:
        raise BadInputError(f"--deadline {given!r} is no date, as 2026-12-01") from error


@incident.command(
    epilog=example(
        "runbook incident review 7",
        "runbook incident review 7 --add 'Alert on full disks' --owner ann --deadline 2026-12-01",
    )
)
@click.argument("incident", shell_complete=completing.records)
@option("--root-cause", help="The underlying cause, or causes.")
@option("--impact", help="The impact on users and business, in figures.")
@option("--resolution", help="What fixed it.")
@option("--prevention", help="What keeps it from coming back.")
@option("--add", metavar="TEXT", help="Add an action item.")
@option("--item", type=int, metavar="N", help="Change this action item.")
@option("--owner", help="Of the action item.")
@option("--deadline", metavar="DATE", callback=_date, help="Of the action item, as 2026-12-01.")
@option("--done", is_flag=True, help="The action item is done.")
@option("--state", type=click.Choice(_STATES), help="Move the review on.")
@option("--output", type=click.Path(file_okay=False, path_type=Path), help="Where to write it.")
@yes_is_taken
@record_options
def review(
    incident: str,
    add: str | None,
    item: int | None,
    owner: str | None,
    deadline: str | None,
    done: bool,
    state: str | None,
    output: Path | None,
    options: Options,
    **texts: str | None,
) -> int:
    """Write the review: Markdown, and a page that can be mailed; or say what stands in it."""
    if (add is None and item is None) and (owner or deadline or done):
        raise BadInputError("--owner, --deadline and --done belong to --add or --item")
    record = _record(options)
    number = record.find(incident)
    record.review(number, texts, add, item, {"owner": owner, "deadline": deadline}, done, state)
    written = [str(path) for path in _write_review(record.document(number), output)]
    if options.format == "json":
        tell_json({"files": written, "review": record.document(number)["review"]})
    else:
        say("\n".join(written))
    return 0


def _write_review(document: IncidentDocument, output: Path | None) -> list[Path]:
    """Write the review of an incident as Markdown and as a page; return the paths."""
    from oncall_runbook.pages import rendering
    from oncall_runbook.run import run_files

    directory = output or run_files.state_directory() / "reviews" / str(document["id"])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    texts = {
        "review.md": rendering.review_markdown(document),
        "review.html": rendering.review_html(document),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [directory / name for name in texts]


@incident.command("list", epilog=example("runbook incident list", "runbook incident list --all"))
@option("--all", is_flag=True, help="Not only those that are open, and the last 50.")
@html_option
@record_options
def list_(all: bool, html: Path | None, options: Options) -> int:
    """List incidents, newest first, with what is overdue."""
    record = _record(options)
    found = record.summaries(everything=all or html is not None)
    if html is not None:
        return _write_overview(found, html)
    return tell(found, options.format, "incident_text", "show_incidents")


def _write_overview(found: list[IncidentSummary], path: Path) -> int:
    """Write the overview of incidents as a page."""
    from oncall_runbook.pages import rendering

    path.write_text(rendering.overview_html(found, datetime.now(UTC)), encoding="utf-8")
    say(str(path))
    return 0


@incident.command(epilog=example("runbook incident show last", "runbook incident show 7"))
@click.argument("incident", shell_complete=completing.records)
@record_options
def show(incident: str, options: Options) -> int:
    """Show an incident: facts, escalation, messages, timeline."""
    record = _record(options)
    return _show(record.document(record.find(incident)), options)


def _show(document: IncidentDocument, options: Options) -> int:
    return tell(document, options.format, "incident_text", "show_incident")


@click.command(epilog=example("runbook contacts -i inventory.yml"))
@shared_options(
    "inventory", "limit", "extra_vars", "forks", "vault_password_file", "timeout", "format"
)
def contacts(options: Options) -> int:
    """Show who is who: names, phone numbers, addresses; and what is missing."""
    from oncall_runbook.record import policy_check, policy_reader

    known = policy_check.by_hosts(policy_reader.load(options))
    if options.format == "json":
        tell_json([policy_check.as_facts(*each) for each in known])
        return 0
    from oncall_runbook.text import incident_text

    incident_text.show_contacts(known)
    return 0
