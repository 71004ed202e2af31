"""The commands `runbook ops …`: routine operations, each over the playbook of its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from oncall_runbook.commands.shared_options import (
    Command,
    allow_option,
    example,
    option,
    rollout_options,
    run_options,
    yes_is_taken,
    yes_option,
)
from oncall_runbook.errors import BadInputError
from oncall_runbook.run.options import Options

if TYPE_CHECKING:
    from oncall_runbook.documents import RunDocument

# What docker takes: a span, a time with or without zone, or seconds since the epoch.
_SINCE = re.compile(
    r"(\d+(\.\d+)?(ms|s|m|h))+|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?|\d{9,}"
)
_FOLLOWING = 100_000  # looks, about two seconds each


check_option = option("--check", is_flag=True, help="Show what it would do, and do nothing.")


def acting(command: Command) -> Command:
    """Give a command what decides whether it acts: `check`, `yes` and `allow`."""
    return check_option(yes_option(allow_option("steps it may do")(command)))


@click.group(epilog=example("runbook ops status -i inventory.ini", "runbook ops backup"))
def ops() -> None:
    """Look after the stack: status, logs, restarts, backups."""


@ops.command(epilog=example("runbook ops status -i inventory.ini"))
@click.argument("services", nargs=-1)
@run_options
def status(services: tuple[str, ...], options: Options) -> int:
    """Show every service: state, health, uptime, restarts, image, ports."""
    return _look("status", options, "status", operation_services=" ".join(services))


@ops.command(epilog=example("runbook ops logs backend --since 10m --grep TypeError"))
@click.argument("services", nargs=-1)
@option("--tail", type=click.IntRange(min=1), default=100, show_default=True, help="Lines.")
@option("--since", default="", metavar="10m|TIME", help="Since when.")
@option("--grep", default="", metavar="TEXT", help="Only lines with this text.")
@option("--follow", is_flag=True, help="Go on until Ctrl-C.")
@run_options
def logs(
    services: tuple[str, ...], tail: int, since: str, grep: str, follow: bool, options: Options
) -> int:
    """Show what the services log, both streams, by time."""
    _only_text(options, follow, "--follow")
    if since and not _SINCE.fullmatch(since):
        raise BadInputError(f"--since {since!r} is neither a span as 10m or 2h30m, nor a time")
    inputs = {
        "operation_services": " ".join(services),
        "operation_tail": tail,
        "operation_since": since,
        "operation_grep": grep,
        "operation_repeat": _FOLLOWING if follow else 1,
    }
    return _look("logs", options, "logs", live="log_lines" if follow else None, **inputs)


@ops.command(epilog=example("runbook ops stats --watch"))
@click.argument("services", nargs=-1)
@option("--watch", is_flag=True, help="Go on until Ctrl-C.")
@run_options
def stats(services: tuple[str, ...], watch: bool, options: Options) -> int:
    """Show what the services use: processor, memory (working set), limits, IO; and disks."""
    _only_text(options, watch, "--watch")
    inputs = {
        "operation_services": " ".join(services),
        "operation_repeat": _FOLLOWING if watch else 1,
    }
    return _look("stats", options, "stats", live="stats_now" if watch else None, **inputs)


@ops.command(epilog=example("runbook ops restart backend frontend"))
@click.argument("services", nargs=-1)
@acting
@rollout_options
@run_options
def restart(services: tuple[str, ...], options: Options, **how: Any) -> int:
    """Restart services in order, each waited for; all of them when none is named.

    A database that is recovering is left alone. A blockchain that keeps its chain in memory forgets
    it by a restart, with every certificate: it is restarted only when named.
    """
    return _act("restart", options, **how, operation_services=" ".join(services))


@ops.command(epilog=example("runbook ops reboot --allow outage"))
@acting
@rollout_options
@run_options
def reboot(options: Options, **how: Any) -> int:
    """Take the whole stack down and up; volumes stay."""
    return _act("reboot", options, **how)


@ops.command(epilog=example("runbook ops backup --fetch ~/backups"))
@check_option
@option(
    "--fetch",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also copy it to this directory here, below the host's name.",
)
@yes_is_taken
@run_options
def backup(check: bool, fetch: Path | None, options: Options) -> int:
    """Back the database up, and prove the backup whole."""
    inputs: dict[str, Any] = {
        "operation_fetch_to": str(fetch.expanduser().absolute()) if fetch else ""
    }
    return _act("backup", options, check=check, asks=False, **inputs)


@ops.group(epilog=example("runbook ops backups list", "runbook ops backups verify --deep"))
def backups() -> None:
    """List, verify and prune backups."""


@backups.command("list", epilog=example("runbook ops backups list"))
@run_options
def backups_list(options: Options) -> int:
    """List the backups, newest first, and whether each is proven whole."""
    return _look("backups_list", options, "backups")


@backups.command("verify", epilog=example("runbook ops backups verify --deep"))
@click.argument("backup", required=False, default="")
@option("--deep", is_flag=True, help="Restore it into a database of its own, and count rows.")
@yes_is_taken
@run_options
def backups_verify(backup: str, deep: bool, options: Options) -> int:
    """Prove a backup whole, or all of them."""
    inputs: dict[str, Any] = {"operation_backup": backup, "operation_deep": deep}
    return _act("backups_verify", options, check=False, asks=False, **inputs)


@backups.command("prune", epilog=example("runbook ops backups prune --allow data"))
@acting
@run_options
def backups_prune(options: Options, **how: Any) -> int:
    """Remove old proven backups, never the last good one, and databases that restores replaced."""
    return _act("backups_prune", options, **how)


@ops.command(epilog=example("runbook ops restore newest --allow data"))
@click.argument("backup")
@acting
@run_options
def restore(backup: str, options: Options, **how: Any) -> int:
    """Restore BACKUP: a file's name or path, or `newest` for the newest that is proven whole.

    What is there now is backed up first, and kept beside the restored database.
    """
    if not backup.strip():
        raise BadInputError("the backup is empty; name one, or say newest")
    return _act("restore", options, **how, operation_backup=backup)


@ops.command(epilog=example("runbook ops clean --check"))
@acting
@run_options
def clean(options: Options, **how: Any) -> int:
    """Free disk space of what nobody needs; volumes are never touched."""
    return _act("clean", options, **how)


@click.command(
    epilog=example(
        'runbook hold web1 --until 6h --reason "vendor migrates the database"',
        "runbook hold web1 --lift",
    )
)
@click.argument("host")
@option("--until", default="", metavar="TIME", help="Until when: 6h, 18:30, 2026-11-24T03:05Z.")
@option("--reason", default="", metavar="TEXT", help="Why; every look shows it.")
@option("--lift", is_flag=True, help="Let changes in again.")
@yes_is_taken
@run_options
def hold(host: str, until: str, reason: str, lift: bool, options: Options) -> int:
    """Keep every change away from HOST, whoever would make it, until a time.

    It is kept on the host; HOST may be a pattern, as for --limit.
    """
    from oncall_runbook import clock
    from oncall_runbook.run import run_files

    here = replace(options, limit=host)
    if lift:
        if until or reason:
            raise BadInputError("--lift goes with neither --until nor --reason")
        return _act("hold_lift", here, check=False, asks=False, command="hold")
    if not until or not reason.strip():
        raise BadInputError("a hold needs --until TIME and --reason TEXT; --lift ends one")
    inputs: dict[str, Any] = {
        "operation_until": clock.ahead(until, clock.now()) // 1000,
        "operation_author": run_files.author(),
        "operation_reason": reason.strip(),
    }
    return _act("hold", here, check=False, asks=False, command="hold", **inputs)


def _only_text(options: Options, endless: bool, option: str) -> None:
    if endless and options.format not in ("text", "short"):
        raise BadInputError(f"{option} has no end, so it has no document; leave one out")


def _look(
    operation: str, options: Options, table: str, *, live: str | None = None, **inputs: Any
) -> int:
    """Carry out an operation that only looks; `table` and `live` name functions of `tables`."""
    from oncall_runbook.commands.carry_out import carry_out
    from oncall_runbook.run.order import Order
    from oncall_runbook.text import operation_tables

    command = f"ops {operation.replace('_', ' ')}"
    order = Order(command, None, options, operation=operation, inputs=inputs)
    if live is None:
        return carry_out(order, getattr(operation_tables, table))
    code = carry_out(order, _nothing, getattr(operation_tables, live)())
    return 0 if code == 130 else code  # Ctrl-C is how it ends


def _nothing(_document: RunDocument) -> None:
    """Show nothing: what there was to see has been shown."""


def _act(
    operation: str,
    options: Options,
    *,
    check: bool,
    yes: bool = False,
    allow: str = "restart",
    asks: bool = True,
    command: str = "",
    rollout: Mapping[str, Any] | None = None,
    **inputs: Any,
) -> int:
    """Carry out an operation that changes its hosts, unless it is only to `check`.

    It is recorded as `command`, else as that of `ops` with its name.
    """
    from oncall_runbook.commands.carry_out import carry_out
    from oncall_runbook.run.order import Order

    command = command or f"ops {operation.replace('_', ' ')}"
    order = Order(command, None, options, allow, yes, operation, inputs, not check, asks=asks)
    return carry_out(replace(order, rollout=rollout or {}))
