"""The command `runbook init`: writes an inventory for the compose stacks that hosts have."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from oncall_runbook.cards import catalog
from oncall_runbook.commands.shared_options import example, option, shared_options
from oncall_runbook.errors import BadInputError, NothingMatchedError
from oncall_runbook.run.options import Options
from oncall_runbook.run.run_files import write_text_atomically
from oncall_runbook.run.verdict import GRAVEST_FIRST
from oncall_runbook.text.output import say, say_aside

if TYPE_CHECKING:
    from oncall_runbook.discovery.asking import Found

DIFFERS = 3


@click.command(
    epilog=example(
        "runbook init",
        "runbook init ops@web1.example.com --output web.yml",
        "runbook init --check -i web.yml",
    )
)
@click.argument("hosts", nargs=-1, metavar="[[USER@]HOST[:PORT]]...")
@option(
    "--output",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("inventory.yml"),
    show_default=True,
    help="The inventory to write.",
)
@option("--force", is_flag=True, help="Write over an inventory that is there.")
@option(
    "--check",
    is_flag=True,
    help="Write nothing: say where an inventory and its hosts differ; exit code 3 if they do.",
)
@shared_options(
    "inventory", "limit", "extra_vars", "forks", "timeout", "vault_password_file", "verbose"
)
def init(hosts: tuple[str, ...], output: Path, force: bool, check: bool, options: Options) -> int:
    """Look at the compose stacks of hosts, or of this machine, and write an inventory for them.

    Asks each host once and changes nothing there. The inventory says which service plays which
    part and why, and what could not be told. Then: runbook triage -i inventory.yml
    """
    if check:
        return _compare(hosts, output, options)
    _need_no_inventory()
    if output.exists() and not force:
        raise BadInputError(f"{output} is there: --force writes over it, --output names another")
    from oncall_runbook.discovery.places import HERE, ways

    reached = ways(hosts)
    found = _asked(reached, options)
    for host, why in found.failed.items():
        say_aside(f"{host}: {why}")
    from oncall_runbook.discovery.inventory_text import names_for, written

    named = {
        name: (_way(name, reached.get(host, HERE)), stack)
        for host, told in found.hosts.items()
        for name, stack in zip(names_for(host, told.stacks), told.stacks, strict=True)
    }
    if not named:
        if found.failed:
            return found.exit_code or 4
        where = ", ".join(reached) or "this machine"
        raise NothingMatchedError(f"no compose stack on {where}: start one with docker compose up")
    _write(output, written(named))
    say(str(output))
    say(f"next: look it over, then: runbook triage -i {output}", err=True)
    return found.exit_code


def _need_no_inventory() -> None:
    """Refuse an inventory and a limit where none is read, and its hosts are not looked at."""
    for name, typed in (("inventory", "-i"), ("limit", "-l")):
        source = click.get_current_context().get_parameter_source(name)
        if source is ParameterSource.COMMANDLINE:
            raise BadInputError(f"{typed} is for init --check; else name hosts: runbook init HOST")


def _write(output: Path, text: str) -> None:
    """Write the inventory whole or not at all: one that was there is kept until then."""
    try:
        write_text_atomically(output, [text])
    except OSError as error:
        raise BadInputError(f"{output} cannot be written: {error.strerror}") from error


def _way(name: str, way: Mapping[str, object]) -> Mapping[str, object]:
    """Return with which variables a host is reached; its own name needs none."""
    return {key: value for key, value in way.items() if (key, value) != ("ansible_host", name)}


def _asked(found: Mapping[str, Mapping[str, object]], options: Options) -> Found:
    """Ask hosts by an inventory of their names alone; without any, this machine."""
    if not found:
        local = str(catalog.collection() / "inventory/local.yml")
        return _ask(replace(options, inventory=local, inventory_from="this machine", limit=None))
    from oncall_runbook.discovery.places import as_inventory

    with tempfile.TemporaryDirectory(prefix="runbook-init-") as directory:
        path = str(as_inventory(found, Path(directory)))
        where = replace(options, inventory=path, inventory_from="the command line", limit=None)
        return _ask(where)


def _ask(options: Options) -> Found:
    from oncall_runbook.discovery.asking import ask
    from oncall_runbook.text.progress import progress_for

    return ask(options, progress_for(verbose=bool(options.verbose)))


def _compare(hosts: tuple[str, ...], output: Path, options: Options) -> int:
    """Say where the inventory of -i, else the one that init wrote, differs from its hosts."""
    if hosts:
        raise BadInputError("--check compares an inventory: name it with -i, and its hosts with -l")
    if options.inventory is None and output.exists():
        options = replace(options, inventory=str(output), inventory_from="--output")
    found = _ask(options)
    for host, why in found.failed.items():
        say_aside(f"{host}: {why}")
    codes = {found.exit_code}
    for host, told in found.hosts.items():
        texts = [*told.differences()]
        for text in texts or ["the inventory says what is there"]:
            say(f"{host}: {text}")
        codes |= {DIFFERS} if texts else set()
    if found.error:
        say_aside(found.error)
    return next((code for code in GRAVEST_FIRST if code in codes), found.exit_code)
