"""What completes names in a shell: of cards, runs, incidents and hosts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

from oncall_runbook.run.options import Options

Names = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def completing(find: Callable[[click.Context], Iterable[tuple[str, str]]]) -> Names:
    """Return what completes from names, each with a word about it; an error completes nothing."""

    def complete(ctx: click.Context, _: click.Parameter, begun: str) -> list[CompletionItem]:
        with contextlib.suppress(Exception):  # nobody asked for it, and nobody can read it there
            return [
                CompletionItem(name, help=about)
                for name, about in find(ctx)
                if name.startswith(begun)
            ]
        return []

    return complete


def _cards(_: click.Context) -> Iterable[tuple[str, str]]:
    from oncall_runbook.run.sources import default_catalog

    known = default_catalog()
    return [(name, str(known.card(name).get("title") or "")) for name in known.files]


def _runs(_: click.Context) -> Iterable[tuple[str, str]]:
    from oncall_runbook.run import run_files

    found = sorted((path.name for path in run_files.runs_directory().iterdir()), reverse=True)
    return [("last", "the newest"), *((name, "") for name in found)]


def _records(ctx: click.Context) -> Iterable[tuple[str, str]]:
    from oncall_runbook.record.incident_record import IncidentRecord

    record = IncidentRecord(Options(store=ctx.params.get("store")), lambda _text: None)
    found = record.summaries(everything=False)
    return [("last", "the newest"), *((str(each["id"]), each["title"]) for each in found)]


def _hosts(ctx: click.Context) -> Iterable[tuple[str, str]]:
    from oncall_runbook.run import inventory
    from oncall_runbook.run.sources import inventory_of

    known = inventory.manager(inventory_of(Options(inventory=ctx.params.get("inventory"))).sources)
    hosts = [(host.name, "") for host in known.get_hosts("all")]
    groups = [(name, "group") for name in known.groups if name not in ("all", "ungrouped")]
    return [*hosts, *groups]


cards, runs, records, hosts = map(completing, (_cards, _runs, _records, _hosts))
