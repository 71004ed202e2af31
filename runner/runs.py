"""The commands `runbook runs …`: past runs, and those at work."""

from __future__ import annotations

from pathlib import Path

import click

from runner.options import example, format_option, html_option
from runner.output import tell


@click.group(epilog=example("runbook runs list", "runbook runs show last"))
def runs() -> None:
    """Look at past runs."""


@runs.command("list", epilog=example("runbook runs list"))
@format_option
def list_(format: str) -> int:
    """List the runs, newest first."""
    from runner import store

    return tell(store.all_runs(), format, "report", "runs")


@runs.command(
    "show",
    epilog=example("runbook runs show last", "runbook runs show 20261123T0415 --format json"),
)
@click.argument("run")
@html_option
@format_option
def show(run: str, html: Path | None, format: str) -> int:
    """Show a run by its id, the beginning of its id, or `last`."""
    from runner import store

    found = store.find(run)
    if html is None:
        return tell(found, format, "report", "show")
    from runner import pages

    html.write_text(pages.run_html(found), encoding="utf-8")
    click.echo(str(html))
    return 0
