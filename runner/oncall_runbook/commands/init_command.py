"""The command `runbook init`: writes an inventory for the compose stacks that hosts have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from oncall_runbook.commands.shared_options import example, option, shared_options
from oncall_runbook.errors import BadInputError, NothingMatchedError
from oncall_runbook.run.options import Options
from oncall_runbook.text.output import say

if TYPE_CHECKING:
    from oncall_runbook.discovery.asking import Found


@click.command(epilog=example("runbook init", "runbook init web1.example.com --output web.yml"))
@click.argument("hosts", nargs=-1, metavar="[HOST]...")
@option(
    "--output",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("inventory.yml"),
    show_default=True,
    help="The inventory to write.",
)
@option("--force", is_flag=True, help="Write over an inventory that is there.")
@shared_options("extra_vars", "forks", "timeout", "vault_password_file", "verbose")
def init(hosts: tuple[str, ...], output: Path, force: bool, options: Options) -> int:
    """Look at the compose stacks of hosts, or of this machine, and write an inventory for them.

    Asks each host once and changes nothing there. The inventory says which service plays which
    part and why, and what could not be told. Then: runbook triage -i inventory.yml
    """
    if output.exists() and not force:
        raise BadInputError(f"{output} is there: --force writes over it, --output names another")
    _check(hosts)
    found = _asked(hosts, options)
    for host, why in found.failed.items():
        say(f"runbook: {host}: {why}", err=True)
    from oncall_runbook.discovery.inventory_text import names_for, written

    named = {
        name: (host if hosts else None, stack)
        for host, stacks in found.stacks.items()
        for name, stack in zip(names_for(host, stacks), stacks, strict=True)
    }
    if not named:
        if found.failed:
            return found.exit_code or 4
        raise NothingMatchedError("no compose stack there: start one with docker compose up")
    try:
        output.write_text(written(named))
    except OSError as error:
        raise BadInputError(f"{output} cannot be written: {error.strerror}") from error
    say(str(output))
    say(f"next: look it over, then: runbook triage -i {output}", err=True)
    return found.exit_code


def _check(hosts: tuple[str, ...]) -> None:
    for host in hosts:
        if not host or host.startswith("-") or not host.isprintable() or set(host) & set(" ,'\"{}"):
            raise BadInputError(f"{host!r} is no name of a host")


def _asked(hosts: tuple[str, ...], options: Options) -> Found:
    from oncall_runbook.discovery.asking import ask
    from oncall_runbook.text.progress import progress_for

    where = f"{','.join(hosts)}," if hosts else None
    chosen = replace(options, inventory=where, inventory_from="the command line")
    return ask(chosen, progress_for(verbose=bool(options.verbose)))
