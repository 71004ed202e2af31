"""The command `runbook watch`: figures of hosts as they move, until they are well or Ctrl-C."""

from __future__ import annotations

from dataclasses import replace

import click

from oncall_runbook.commands import completing
from oncall_runbook.commands.shared_options import example, live_options, option
from oncall_runbook.run.options import Options

# One look after another for as long as a run may last, and hosts side by side, not in turn.
_LOOKS = 1_000_000
_HOSTS_AT_ONCE = 100
_WELL_SECONDS = 30


@click.command(
    epilog=example("runbook watch -l web1", "runbook watch high_error_rate --until healthy")
)
@click.argument("incident", required=False, shell_complete=completing.cards)
@option(
    "--every",
    type=click.FloatRange(min=1),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="Seconds between two looks.",
)
@option(
    "--until",
    type=click.Choice(["healthy"]),
    help=f"End when every host has been healthy for {_WELL_SECONDS} seconds.",
)
@live_options
def watch(incident: str | None, every: float, until: str | None, options: Options) -> int:
    """Watch figures of hosts as they move; rings when a verdict changes, and changes nothing."""
    from oncall_runbook.commands.carry_out import carry_out
    from oncall_runbook.run.order import Order
    from oncall_runbook.run.sources import catalog_for
    from oncall_runbook.text.watching import watching

    name = catalog_for(options).resolve(incident) if incident is not None else None
    inputs = {
        "watch_pause_seconds": every,
        "watch_well_seconds": _WELL_SECONDS if until else 0,
        "watch_looks": _LOOKS,
    }
    options = replace(options, forks=options.forks or _HOSTS_AT_ONCE)
    return carry_out(Order("watch", name, options, inputs=inputs), progress=watching)
