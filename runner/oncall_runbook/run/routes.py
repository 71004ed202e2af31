"""Which machine asks which host, where the inventory says so (`run_through`)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from oncall_runbook.errors import RunbookError
from oncall_runbook.run import engine
from oncall_runbook.run.engine import Request
from oncall_runbook.run.events import Event
from oncall_runbook.run.through import machine

INPUT = "run_through"
_PLAYBOOK = "oncall.runbook.through"
_VARIABLES = ("group_vars", "host_vars")


def routes(request: Request) -> Mapping[str, tuple[str, ...]]:
    """Return the machines that ask the hosts of a request, each with its hosts.

    This machine's name is empty; where it asks all of them, there are none. Ansible itself is asked
    (two thirds of a second), if a file of the inventory has the input at all.
    """
    if not _is_named(request.inventory):
        return {}
    found: dict[str, list[str]] = {}

    def take(event: Event) -> None:
        told = event.result.get("msg")
        for host, name in told.items() if event.kind == "ok" and isinstance(told, dict) else ():
            found.setdefault(machine(str(name)) if name else "", []).append(str(host))

    asked = replace(request, playbook=_PLAYBOOK, run_vars={}, tags=None, verbose=0)
    outcome = engine.run(asked, take, lambda _: None)
    if outcome.status == "cancelled":
        raise KeyboardInterrupt
    if outcome.status != "finished" or (not found and outcome.rc not in (0, 1)):
        raise RunbookError(
            f"{INPUT} of the inventory cannot be read: {outcome.error or outcome.status}"
        )
    return {} if set(found) <= {""} else {name: tuple(hosts) for name, hosts in found.items()}


def _is_named(sources: Sequence[str]) -> bool:
    """Tell whether a file of the inventory has the input."""
    for path in (path for source in sources if "," not in source for path in _files(Path(source))):
        with contextlib.suppress(OSError):
            if INPUT.encode() in path.read_bytes():
                return True
    return False


def _files(source: Path) -> Iterator[Path]:
    if source.is_file():
        yield source
    places = [source] if source.is_dir() else [source.parent / name for name in _VARIABLES]
    for place in places:
        yield from (path for path in place.rglob("*") if path.is_file())
