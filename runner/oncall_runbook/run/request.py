"""What the engine needs to play a playbook, made from the options and what the command sets."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from oncall_runbook.cards import catalog
from oncall_runbook.errors import BadInputError
from oncall_runbook.run import inventory, variables
from oncall_runbook.run.engine import Request
from oncall_runbook.run.inventory import Inventory
from oncall_runbook.run.options import Options
from oncall_runbook.run.routes import INPUT, routes
from oncall_runbook.run.selection import chosen
from oncall_runbook.run.sources import catalog_for, inventory_of
from oncall_runbook.run.through import machine


def prepare(
    options: Options, run: str, playbook: str, run_vars: Mapping[str, Any]
) -> tuple[Inventory, Request]:
    """Return the inventory in use, and what the engine needs to play `playbook` there."""
    where = inventory_of(options)
    request = _request(options, run, playbook, run_vars, where)
    if options.through is not None and where.origin == inventory.THIS_MACHINE:
        raise BadInputError("--through needs an inventory of the hosts there: -i")
    through = {machine(options.through): ()} if options.through is not None else routes(request)
    if through and run_vars.get("operation_fetch_to"):
        raise BadInputError(
            "--fetch copies to the machine that asks: fetch from there, or without --through"
        )
    return where, replace(request, through=through)


def _request(
    options: Options, run: str, playbook: str, run_vars: Mapping[str, Any], where: Inventory
) -> Request:
    limit, hosts = chosen(options.limit)
    return Request(
        run=run,
        playbook=playbook,
        inventory=where.sources,
        inventory_plugins=inventory.plugins(where.sources, os.environ),
        ssh_extra_args=inventory.ssh_extra_args(os.environ),
        run_vars=run_vars,
        extra_vars=(*_found(options), *_extra_vars(options, run_vars)),
        limit=limit,
        hosts=hosts,
        forks=options.forks,
        timeout=options.timeout,
        vault_password_file=options.vault_password_file,
        vault_password=_by_descriptor(options.vault_password_file),
        verbose=options.verbose,
        collections=catalog.unlinked_checkout(),
    )


@functools.cache
def _by_descriptor(path: Path | None) -> str | None:
    """Return the vault password that a file descriptor of this process gives, as ``/dev/fd/3``.

    It can be read once, and ansible's processes do not have it. None for a file that they can read.
    """
    if path is None or (path.is_file() and not str(path).startswith(("/dev/", "/proc/"))):
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BadInputError(f"--vault-password-file {path} cannot be read") from error


def _found(options: Options) -> tuple[variables.ExtraVars, ...]:
    """Return what stands for an inventory, as variables that the user's outweigh."""
    if not options.found:
        return ()
    return (variables.ExtraVars(None, variables.as_data(options.found), frozenset()),)


def _extra_vars(options: Options, run_vars: Mapping[str, Any]) -> tuple[variables.ExtraVars, ...]:
    """Read the user's variables, which may be none of those that a command sets for a run."""
    if not options.extra_vars:
        return ()
    taken = {*run_vars, "incident_name", "incident_plan", "operation_name", INPUT}
    inputs = catalog_for(options).inputs()
    return variables.parse(options.extra_vars, variables.Names(inputs, taken))
