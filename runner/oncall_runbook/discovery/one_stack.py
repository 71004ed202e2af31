"""The one stack of this machine, where no inventory says what to look after."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oncall_runbook.errors import BadInputError
from oncall_runbook.run.inventory import THIS_MACHINE
from oncall_runbook.run.options import Options
from oncall_runbook.run.sources import inventory_of

if TYPE_CHECKING:
    from oncall_runbook.run.session import Progress


def described(
    options: Options, progress: Callable[[bool], Progress], tell: Callable[[str], None]
) -> Options:
    """Return the options with what this machine's one stack is, if no inventory is given.

    `tell` gets the line that says what is taken for what. A stack that is where the settings say
    by default needs nothing; nor does a machine that has none, or whose user names its directory.
    Raises BadInputError where several stacks could be meant.
    """
    if inventory_of(options).origin != THIS_MACHINE or _is_named(options.extra_vars):
        return options
    from oncall_runbook.discovery.asking import ask
    from oncall_runbook.discovery.inventory_text import settings_of

    hosts = ask(options, progress).hosts.values()
    told = next(iter(hosts), None)
    if told is None or told.meant or not told.stacks:
        return options
    if len(told.stacks) > 1:
        places = ", ".join(f"{stack.project} in {stack.directory}" for stack in told.stacks)
        raise BadInputError(
            f"several compose projects on this machine: {places}; "
            "runbook init writes an inventory of them: choose with -i and -l"
        )
    found = settings_of(told.stacks[0])
    tell(f"no inventory: {_taken(told.stacks[0].project, found)}; runbook init writes it down")
    return replace(options, found=found)


def _is_named(values: tuple[str, ...]) -> bool:
    return any("stack_dir" in _text_of(value) for value in values)


def _text_of(value: str) -> str:
    with contextlib.suppress(OSError, UnicodeError):  # said where it is used
        return Path(value[1:]).expanduser().read_text("utf-8") if value[:1] == "@" else value
    return ""


def _taken(project: str, found: Mapping[str, Any]) -> str:
    parts = [
        f"{part} {service}" if service else f"no {part}"
        for part, service in found["stack_services"].items()
    ]
    return f"this machine's project {project} in {found['stack_dir']}, {', '.join(parts)}"
