"""The commands `runbook incident …` and `runbook contacts`: they parse, delegate, and tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from oncall_runbook.commands.shared_options import (
    Command,
    Options,
    example,
    html_option,
    option,
    shared_options,
)
from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.text.output import say, tell, tell_json

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
    from oncall_runbook.record import incident_record

    told = incident_record.Told(title, severity, card, host, run, facts)
    return _show(incident_record.Desk(options).open(told), options)


@incident.command(epilog=example("runbook incident update 7 --impact 'all users' --send"))
@click.argument("incident")
@option("--title", help="What it is, in a few words.")
@option("--status", type=click.Choice(["investigating", "identified", "resolving"]), help="New.")
@option("--severity", type=_SEVERITY, help="New severity; needs --reason.")
@option("--reason", help="Why the severity changes.")
@option("--note", help="What was done or found; stands in the timeline and in the update.")
@option("--send", is_flag=True, help="Send the status update, if something in it is new.")
@option("--dry-run", is_flag=True, help="Show text and recipients, and send nothing.")
@option("--form", type=click.Choice(_FORMS), default="text", help="How it is printed.")
@fact_options
@people_options
def update(
    incident: str,
    note: str | None,
    reason: str | None,
    send: bool,
    dry_run: bool,
    form: str,
    options: Options,
    **facts: str | None,
) -> int:
    """Say what is new; print the status update, or send it to all whom it concerns."""
    from oncall_runbook.record import incident_record

    if facts["severity"] and not reason:
        raise BadInputError("a new severity needs its --reason")
    at = incident_record.Desk(options)
    number = at.find(incident)
    if send and not dry_run:
        facts = {**facts, **at.ask(number, facts)}
    at.update(number, note, reason, facts)
    return _tell_update(at, number, form, send=send, dry_run=dry_run)


def _tell_update(at: Any, number: int, form: str, *, send: bool, dry_run: bool) -> int:
    sends = send and not dry_run
    told = at.status_update(number, form, send=sends)
    if at.options.format == "text":
        say(told["text"])
        _say_recipients(told["to"], sends=sends, dry_run=dry_run)
    if sends:
        return _deliver(at, told)
    if at.options.format == "json":
        tell_json(told)
    return 0


def _say_recipients(to: list[str], *, sends: bool, dry_run: bool) -> None:
    if sends and not to:
        say("runbook: nothing is new; not sent (say what is with --note)", err=True)
    elif sends or dry_run:
        would = "would go to" if dry_run else "goes to"
        say(f"{would}: {', '.join(to) or 'nobody'}", err=True)


@incident.command(epilog=example("runbook incident ack 7"))
@click.argument("incident")
@record_options
def ack(incident: str, options: Options) -> int:
    """Acknowledge an incident: somebody is at it, and the escalation stops."""
    from oncall_runbook.record import incident_record

    at = incident_record.Desk(options)
    return _show(at.acknowledge(at.find(incident)), options)


@incident.command(epilog=example("runbook incident escalate 7", "runbook incident escalate --due"))
@click.argument("incident", required=False)
@option("--to", metavar="ROLE", help="Tell this role now, whatever the ladder says.")
@option("--due", is_flag=True, help="Tell whom it is time to tell; safe to run every minute.")
@option("--watch", is_flag=True, help="The same again and again, until Ctrl-C.")
@option("--dry-run", is_flag=True, help="Show text and recipients, and send nothing.")
@people_options
def escalate(
    incident: str | None, to: str | None, due: bool, watch: bool, dry_run: bool, options: Options
) -> int:
    """Tell the next one of an incident's ladder now; or all who are due, each once.

    Exit code 4: somebody could not be told; the phone numbers are printed.
    """
    from oncall_runbook.record import incident_record

    if (incident is None) != (due or watch) or (to and incident is None):
        raise BadInputError("name an incident (and --to), or give --due or --watch")
    at = incident_record.Desk(options)
    number = None if incident is None else at.find(incident)
    if dry_run:
        return _show_messages(at.preview(number, to), options)
    if number is not None:
        at.escalate(number, to)
        return _deliver(at)
    return _watch(at) if watch else _tell_all_due(at)


def _tell_all_due(at: Any) -> int:
    """Queue what is due and send it; what cannot be queued keeps nothing else from going out."""
    try:
        at.due()
    except BadInputError:
        _deliver(at)
        raise
    return _deliver(at)


def _watch(at: Any) -> int:
    """Tell whom it is time to tell, again and again; what fails now may work at the next look."""
    try:
        while True:
            try:
                _tell_all_due(at)
            except RunbookError as error:
                say(f"runbook: {error}", err=True)
            at.wait()
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how it ends


def _show_messages(found: list[dict[str, Any]], options: Options) -> int:
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


def _deliver(at: Any, facts: Mapping[str, Any] | None = None) -> int:
    """Send what is queued; say who could not be told, and what to call instead.

    `facts` stand in the JSON document as well.
    """
    report = at.deliver()
    for line in dict.fromkeys(report.not_told):
        say(f"runbook: {line}", err=True)
    if at.options.format == "json":
        sent = {"sent": report.sent, "waiting": report.waiting, "failed": report.failed}
        document = {**(facts or {}), **sent, "not_told": report.not_told}
        tell_json(document)
    return 4 if report.not_told else 0


@incident.command(epilog=example("runbook incident resolve 7 --resolution 'database started'"))
@click.argument("incident")
@option("--resolution", default="", help="What fixed it.")
@option("--at", metavar="-10m|TIME", help="When; else now.")
@option("--send", is_flag=True, help="Send a last status update to all who were told.")
@people_options
def resolve(incident: str, resolution: str, at: str | None, send: bool, options: Options) -> int:
    """End an incident; of a SEV1 or SEV2 the review is due from then on."""
    from oncall_runbook.record import incident_record

    here = incident_record.Desk(options)
    number = here.find(incident)
    here.resolve(number, resolution, at)
    if send:
        return _tell_update(here, number, "text", send=True, dry_run=False)
    return _show(here.document(number), options)


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
@click.argument("incident")
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
    from oncall_runbook.record import incident_record

    if (add is None and item is None) and (owner or deadline or done):
        raise BadInputError("--owner, --deadline and --done belong to --add or --item")
    at = incident_record.Desk(options)
    number = at.find(incident)
    at.review(number, texts, add, item, {"owner": owner, "deadline": deadline}, done, state)
    written = [str(path) for path in at.write_review(number, output)]
    if options.format == "json":
        tell_json({"files": written, "review": at.document(number)["review"]})
    else:
        say("\n".join(written))
    return 0


@incident.command("list", epilog=example("runbook incident list", "runbook incident list --all"))
@option("--all", is_flag=True, help="Not only those that are open, and the last 50.")
@html_option
@record_options
def list_(all: bool, html: Path | None, options: Options) -> int:
    """List incidents, newest first, with what is overdue."""
    from oncall_runbook.record import incident_record

    at = incident_record.Desk(options)
    found = at.summaries(everything=all or html is not None)
    if html is not None:
        return at.write_overview(found, html)
    return tell(found, options.format, "incident_text", "summaries")


@incident.command(epilog=example("runbook incident show last", "runbook incident show 7"))
@click.argument("incident")
@record_options
def show(incident: str, options: Options) -> int:
    """Show an incident: facts, escalation, messages, timeline."""
    from oncall_runbook.record import incident_record

    at = incident_record.Desk(options)
    return _show(at.document(at.find(incident)), options)


def _show(document: dict[str, Any], options: Options) -> int:
    return tell(document, options.format, "incident_text", "document")


@click.command(epilog=example("runbook contacts -i inventory.yml"))
@shared_options(
    "inventory", "limit", "extra_vars", "forks", "vault_password_file", "timeout", "format"
)
def contacts(options: Options) -> int:
    """Show who is who: names, phone numbers, addresses; and what is missing."""
    from oncall_runbook.record import policy

    known = policy.by_hosts(policy.load(options))
    if options.format == "json":
        tell_json([policy.as_facts(*each) for each in known])
        return 0
    from oncall_runbook.text import incident_text

    incident_text.contacts(known)
    return 0
