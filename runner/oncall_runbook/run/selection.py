"""Hosts chosen by what an earlier run said of them: ``@unhealthy:RUN`` and its kin as a limit."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

from oncall_runbook.errors import BadInputError, NothingMatchedError
from oncall_runbook.run import inventory, run_files
from oncall_runbook.run.inventory import Inventory
from oncall_runbook.run.verdict import Verdict

if TYPE_CHECKING:
    from oncall_runbook.documents import HostDocument

# As `@unhealthy:last`. A file of names, which ansible takes, rarely looks like that.
_CHOICE = re.compile(r"@(?P<word>[a-z_]+):(?P<run>\w[\w-]*)")
_VERDICTS = {
    "unhealthy": ("incident", "not_fixed", "refused"),
    "unknown": ("unknown", "unreachable", "locked", "error"),
    "healthy": ("healthy", "fixed"),
}


def chosen(limit: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Return the patterns of a limit, and the hosts that its choices of earlier runs mean.

    Raises BadInputError for a choice beside patterns or of a word that no run says, and
    NothingMatchedError where no host is chosen.
    """
    if limit is not None and not limit.strip():
        raise BadInputError("--limit is empty; leave it out, or name hosts")
    parts = [part.strip() for part in (limit or "").split(",")]
    choices = [found for part in parts if (found := _CHOICE.fullmatch(part))]
    if not choices:
        return limit, ()
    without = {part[1:] for part in parts if part.startswith("!")}
    if len(choices) + len(without) < len(parts):
        raise BadInputError(
            f"--limit {limit}: of hosts of earlier runs others are left out by !HOST"
        )
    hosts = {host for choice in choices for host in _hosts(choice["word"], choice["run"])}
    if left := sorted(hosts - without):
        return None, tuple(left)
    raise NothingMatchedError(f"--limit {limit} leaves no host")


def of_plan(planned: Collection[str], where: Inventory, limit: str | None) -> tuple[str, ...]:
    """Return the hosts of a plan that a limit leaves, by their names in an inventory.

    Raises BadInputError where that does not have them all, or the limit means others as well, and
    NothingMatchedError where no host is left.
    """
    patterns, hosts = chosen(limit)
    known = inventory.manager(where.sources)
    names = {host.name for host in known.get_hosts("all")}
    if names and (lacking := sorted(set(planned) - names)):
        raise BadInputError(f"the plan is of another inventory: {where} has no host {lacking[0]}")
    if patterns:
        hosts = tuple(host.name for host in known.get_hosts(patterns))
    wanted = hosts if limit else tuple(planned)
    if strangers := [host for host in wanted if host not in planned]:
        raise BadInputError(f"--limit {limit}: {strangers[0]} is not in the plan")
    if not wanted:
        raise NothingMatchedError("no host is left of the plan's; nothing was done")
    return wanted


def lasting(limit: str | None) -> str | None:
    """Return a limit that means the same later: `last`, in it, as the id of that run."""
    named = (_CHOICE.fullmatch(part.strip()) for part in (limit or "").split(","))
    if not any(named):
        return limit
    return _CHOICE.sub(lambda c: f"@{c['word']}:{run_files.find(c['run'])['run']}", limit or "")


def _hosts(word: str, run: str) -> list[str]:
    found = run_files.find(run)
    hosts = found.get("hosts", {})
    known = {name for state in hosts.values() for name in state.get("incidents") or {}}
    if word not in (*_VERDICTS, *(verdict.value for verdict in Verdict), *known):
        raise BadInputError(
            f"@{word}:{run}: no verdict and no incident of run {found['run']} is called {word}; "
            f"try @unhealthy:{run} or @unknown:{run}"
        )
    if chosen := [host for host, state in hosts.items() if _is(word, state)]:
        return chosen
    raise NothingMatchedError(f"run {found['run']} found no host {word.replace('_', ' ')}")


def _is(word: str, state: HostDocument) -> bool:
    """Tell whether a host has that verdict, is of that kind, or has that root cause."""
    verdict = state.get("verdict")
    return verdict in _VERDICTS.get(word, (word,)) or word in (state.get("root_causes") or [])
