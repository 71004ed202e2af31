"""What routine operations saw, as tables and lines for people: all hosts in one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import as_list, as_mapping
from oncall_runbook.text import report
from oncall_runbook.text.output import say
from oncall_runbook.text.words import clean

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts, RunDocument

# On a terminal colours stay, and nothing else that a log could do to it.
_NO_COLOUR = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
_STATES = {"running": "green", "healthy": "green", "whole": "green"}


def _show(document: RunDocument, content: Table | None, nothing: str = "") -> None:
    """Print what was seen, and after it the hosts that could not be asked, and what is not well.

    `nothing` is said where there is nothing to see.
    """
    screen = report.console()
    silent = {
        host: state for host, state in document["hosts"].items() if state["verdict"] != "healthy"
    }
    if content is not None and content.row_count:
        screen.print(content)
    elif nothing and len(silent) < len(document["hosts"]):
        screen.print(nothing)
    for text in report.lines({**document, "hosts": silent}):
        screen.print(text)
    for host, state in document["hosts"].items():
        if host not in silent:
            for text in report.unhealthy_findings(host, state):
                screen.print(text)


def empty_table(*columns: str) -> Table:
    """Return an empty table: no lines, and wrapped on a terminal only."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=not sys.stdout.isatty(), overflow="fold")
    return table


def _seen(document: RunDocument, operation: str) -> Iterator[tuple[str, Any]]:
    for host, state in document["hosts"].items():
        yield host, _found(state, operation).get("value")


def _found(told: Facts, operation: str) -> Facts:
    """Return what an operation found of a host; a look asks more beside it."""
    return as_mapping(as_mapping(told.get("findings")).get(operation))


def status(document: RunDocument) -> None:
    """Print the services of all hosts."""
    table = empty_table("host", "service", "state", "health", "since", "restarts", "image", "ports")
    for host, services in _seen(document, "status"):
        for service in as_list(services):
            table.add_row(
                host,
                _cell(service["service"]),
                _state(service["state"]),
                _state(service["health"]),
                _age(service["started"]) if service["state"] == "running" else "",
                _cell(service["restarts"]),
                _cell(service["image"]),
                _cell(service["ports"]),
            )
    _show(document, table, "no services; next: docker compose up -d, on the host")


def stats(document: RunDocument) -> None:
    """Print what the services of all hosts use, and their disks."""
    _show(document, _use(dict(_seen(document, "stats"))))


def _use(seen: Facts) -> Table:
    table = empty_table("host", "service", "cpu", "memory", "limit", "of it", "network", "block IO")
    for host, value in seen.items():
        used = as_mapping(value)
        for each in as_list(used.get("services")):
            keys = ("service", "cpu", "memory", "limit", "memory_percent", "network", "block")
            table.add_row(host, *(_cell(each[key]) for key in keys))
        for disk in as_list(used.get("disks")):
            full = f"{disk['bytes_percent']} % of bytes, {disk['inodes_percent']} % of inodes"
            table.add_row(host, f"disk {_cell(disk['path'])}", full)
    return table


def backups(document: RunDocument) -> None:
    """Print the backups of all hosts."""
    table = empty_table("host", "backup", "made", "MiB", "state", "rows", "newest row", "why")
    for host, found in _seen(document, "backups_list"):
        for backup in as_list(found):
            table.add_row(
                host,
                _cell(backup["file"]),
                _cell(backup["time"]),
                f"{backup['bytes'] / 1048576:.1f}",
                _state("whole" if backup["whole"] else "not proven"),
                _cell(backup["rows"]),
                _cell(backup["newest_row"]),
                _cell(backup["reason"]),
            )
    _show(document, table, "no backups; next: runbook ops backup")


def logs(document: RunDocument) -> None:
    """Print the log lines of all hosts, each with its host and service in front."""
    for host, text in _seen(document, "logs"):
        _lines(host, text)
    _show(document, None)


def log_lines() -> Callable[[Event], None]:
    """Return what prints log lines as they come."""

    def take(event: Event) -> None:
        if event.kind == "item" or (event.kind == "ok" and "results" not in event.result):
            _lines(event.host, _found(event.result, "logs").get("value"))
            sys.stdout.flush()

    return take


def _lines(host: str, text: object) -> None:
    for line in str(text or "").splitlines():
        service, _, said = line.partition("\t")
        if sys.stdout.isatty():
            print(f"{host} {service} | {_NO_COLOUR.sub('', said)}")
        else:
            say(f"{host} {service} | {said}")


def stats_now() -> Callable[[Event], None]:
    """Return what prints the use of all hosts again whenever one tells it."""
    seen: dict[str, Any] = {}

    def take(event: Event) -> None:
        found = _found(event.result, "stats")
        if event.kind in ("item", "ok") and found:
            seen[event.host] = found.get("value")
            screen = report.console()
            screen.clear()
            screen.print(_use(dict(sorted(seen.items()))))

    return take


def _cell(value: object) -> str:
    return clean(value)


def _state(value: object) -> Text:
    word = clean(value)
    return Text(word, _STATES.get(word, "red" if word else ""))


def _age(started: object) -> str:
    """Return how long ago a time of Docker's was: 3 d 4 h, 2 h 10 m, 5 m, 12 s."""
    try:
        moment = datetime.fromisoformat(str(started)[:19]).replace(tzinfo=UTC)
    except ValueError:
        return ""
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} m"
    return f"{minutes} m" if minutes else f"{seconds} s"
