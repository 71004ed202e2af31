"""The command `runbook worker`: the far end of `--through`."""

from __future__ import annotations

import click

from oncall_runbook.commands.shared_options import example, yes_is_taken


@click.command(epilog=example("runbook worker <stream"))
@yes_is_taken
def worker() -> int:
    """Play a run that another machine hands over: what --through starts here.

    Not for people: the run comes on standard input and its events go to standard output, as the
    streams of ansible-runner.
    """
    from oncall_runbook.run.guard import guarded

    return guarded()
