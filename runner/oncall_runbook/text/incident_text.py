"""Incidents as text for people: one line each, or one in full; and who is who."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from oncall_runbook import clock
from oncall_runbook.record import policy_check
from oncall_runbook.record.policy import Policy
from oncall_runbook.text import operation_tables
from oncall_runbook.text.report import console
from oncall_runbook.text.words import clean, word

if TYPE_CHECKING:
    from oncall_runbook.documents import (
        ContactsDocument,
        EscalationStep,
        IncidentDocument,
        IncidentSummary,
        Message,
    )

_ZONE = "UTC"
_HEADS = ("id", "severity", "status", "opened", "owner", "hosts", "title", "")


def show_incidents(found: list[IncidentSummary]) -> None:
    """Print one line for each incident."""
    screen = console()
    if not found:
        screen.print("no incidents; next: runbook incident open --help")
        return
    rows = [_HEADS, *map(_row, found)]
    widths = [max(cell_len(str(cell)) for cell in column) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    lines[0].stylize("bold")
    # All at once, and no table: one takes longer to lay out hundreds of lines than to read them.
    screen.print(Text("\n").join(lines), soft_wrap=True)


def _line(row: tuple[Text | str, ...], widths: list[int]) -> Text:
    line = Text()
    for cell, width in zip(row, widths, strict=True):
        line.append(cell).append(" " * (width + 1 - cell_len(str(cell))))
    line.rstrip()
    return line


def _row(each: IncidentSummary) -> tuple[Text | str, ...]:
    return (
        str(each["id"]),
        word(each["severity"]),
        word(each["status"]),
        _time(each["opened"]),
        clean(each["owner"]),
        clean(", ".join(each["hosts"])),
        clean(each["title"]),
        Text(", ".join(_overdue(each)), "bold red"),
    )


def _overdue(each: IncidentSummary) -> Iterator[str]:
    if each["response"] == "overdue":
        yield f"response overdue since {_time(each['response_due'])}"
    if each["update_overdue"]:
        yield f"status update overdue since {_time(each['update_due'])}"
    if each["review"]["overdue"]:
        yield f"review overdue since {_time(each['review']['due'])}"
    if count := each["review"]["items_overdue"]:
        yield f"{count} action item{'s' if count > 1 else ''} overdue"


def show_incident(known: IncidentDocument) -> None:
    """Print all of an incident."""
    screen = console()
    for text in _lines(known):
        screen.print(text)


def _lines(known: IncidentDocument) -> Iterator[Text]:
    title = (f"#{known['id']} {clean(known['title'])}", "bold")
    yield Text.assemble(word(known["severity"]), " ", title, ", ", word(known["status"]))
    for name, value in _facts(known):
        yield Text.assemble((f"  {name:<13}", "dim"), value)
    for line in _overdue(known):
        yield Text(f"  {line}", "bold red")
    yield Text(f"\nEscalation: {known['escalation']['state']}", "bold")
    for step in known["escalation"]["steps"]:
        when = f"{became(step, known['messages'])} {_time(step['sent'] or step['due'])}"
        note = f" — {clean(step['note'])}" if step["note"] else ""
        yield Text(f"  after {step['after_minutes']} min  {', '.join(step['to'])}: {when}{note}")
    for message in known["messages"]:
        yield _message(message)
    yield Text(f"\nTimeline ({_ZONE})", "bold")
    for entry in known["timeline"]:
        first, *more = str(entry["text"]).splitlines() or [""]
        where = f" {entry['host']}:" if entry["host"] else ""
        yield Text.assemble(
            (f"  {entry['at'][:19].replace('T', ' ')}  ", "dim"),
            f"{clean(entry['author'])}:{where} {clean(first)}",
        )
        for line in more:
            yield Text(f"  {'':19}    {clean(line)}", "dim")


def became(step: EscalationStep, messages: Sequence[Message]) -> str:
    """Say what became of a step of the ladder: it is sent when a message of it was delivered."""
    if step["state"] != "sent":
        return str(step["state"])
    pages = [m for m in messages if m["kind"] in ("page", "asked") and m["role"] in step["to"]]
    states = {message["state"] for message in pages}
    if "sent" in states:
        return "sent"
    return "being sent" if states & {"queued", "sending"} else "not delivered"


def _facts(known: IncidentDocument) -> Iterator[tuple[str, str]]:
    yield "impact", clean(known["impact"]) or "not said"
    yield "owner", clean(known["owner"]) or "nobody"
    yield "hosts", clean(", ".join(known["hosts"])) or "none"
    if not known["resolved"]:
        yield "eta", _time(known["eta"]) or "not said"
    for name in ("began", "opened", "acknowledged", "mitigated", "resolved"):
        if known[name]:
            by = known["acknowledged_by"] if name == "acknowledged" else ""
            yield name, " by ".join(filter(None, (_time(known[name]), by)))
    yield "response", f"{known['response']}, due {_time(known['response_due']) or 'not known'}"
    measures = cast("Mapping[str, float | None]", known["measures"])
    spans = [f"{clock.span(1000 * s)} to {name}" for name, s in measures.items() if s is not None]
    if spans:
        yield "took", ", ".join(spans)
    state = known["review"]["state"].replace("_", " ")
    due = f", due {_time(known['review']['due'])}" if known["review"]["due"] else ""
    yield "review", state + due
    if known["runs"]:
        yield "runs", ", ".join(known["runs"])


def _message(message: Message) -> Text:
    error = f" ({clean(message['error'])})" if message["error"] else ""
    told = f"  {message['kind']} to {message['role']} by {message['channel']}: {message['state']}"
    style = {"failed": "bold red", "unknown": "bold magenta"}.get(message["state"], "")
    return Text(told + error, style)


def _time(moment: str | None) -> str:
    """Return a time to the minute, in UTC."""
    return f"{moment[:16].replace('T', ' ')} {_ZONE}" if moment else ""


def show_contacts(known: list[tuple[list[str], Policy]]) -> None:
    """Print who is who, for each group of hosts that have the same people; and what is wrong."""
    screen = console()
    for hosts, found in known:
        if len(known) > 1:
            screen.print(Text(f"For {', '.join(hosts)}", "bold"))
        facts = policy_check.as_facts(hosts, found)
        screen.print(_people(facts))
        screen.print()
        screen.print(_severities(facts))
        for line in policy_check.problems(found):
            screen.print(Text(f"! {line}", "yellow"))


def _people(facts: ContactsDocument) -> Table:
    lines = operation_tables.empty_table("role", "who", "phone", "email", "told by")
    for each in facts["contacts"]:
        by = ", ".join(each["channels"]) or "nothing"
        who = f"{each['title']} {each['name']}".strip()
        lines.add_row(each["role"], clean(who), clean(each["phone"]), clean(each["email"]), by)
    return lines


def _severities(facts: ContactsDocument) -> Table:
    lines = operation_tables.empty_table(
        "severity", "meaning", "respond within", "goes to", "escalation, in minutes"
    )
    for level in facts["severities"]:
        steps = [f"{s['after_minutes']} {'+'.join(s['to'])}" for s in level["escalation"]]
        lines.add_row(
            word(level["severity"]),
            clean(level["title"]),
            clock.span(level["response_minutes"] * clock.MINUTE),
            ", ".join(level["goes_to"]),
            ", ".join(steps),
        )
    return lines
