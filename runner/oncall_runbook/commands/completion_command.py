"""The command `runbook completion`."""

from __future__ import annotations

import click

from oncall_runbook.commands.shared_options import example
from oncall_runbook.text.output import say


@click.command(epilog=example("runbook completion bash >> ~/.bashrc"))
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print what lets a shell complete commands, options, and names of cards, hosts and runs."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is not None:
        root = click.get_current_context().find_root().command
        say(kind(root, {}, "runbook", "_RUNBOOK_COMPLETE").source())
    return 0
