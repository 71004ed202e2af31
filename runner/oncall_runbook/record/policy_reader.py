"""The policies that a command needs, read from the inventory when the first one is asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from oncall_runbook.errors import NothingMatchedError, RunbookError
from oncall_runbook.record import policy
from oncall_runbook.record.policy import Policy, PolicyError
from oncall_runbook.run import run_files
from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import unreachable
from oncall_runbook.run.options import Options

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts


class Policies:
    """The policy of an incident is that of its first host here; without any, the inventory's."""

    def __init__(self, options: Options) -> None:
        """Remember where to look; nothing is read yet."""
        self._options = options
        self._known: dict[str, Policy] = {}
        self._asked: set[str] = set()

    def prepare(self, hosts: Iterable[str]) -> None:
        """Read the policies of several incidents' hosts at once."""
        new = set(hosts) - self._asked
        if new or not self._known:
            self._asked |= new
            self._known |= load(self._options, sorted(new))

    def find(self, hosts: Sequence[str]) -> Policy | None:
        """Return the policy for an incident on these hosts; None when all are somebody else's."""
        self.prepare(hosts)
        if not hosts:
            return next(iter(self._known.values()))
        return next((self._known[name] for name in hosts if name in self._known), None)

    def of(self, hosts: Sequence[str]) -> Policy:
        """Return the policy for an incident on these hosts; raise PolicyError without one."""
        found = self.find(hosts)
        if found is None:
            raise PolicyError(
                f"none of its hosts is in this inventory: {', '.join(hosts)}; give -i"
            )
        return found


def load(options: Options, hosts: Iterable[str] = ()) -> dict[str, Policy]:
    """Read the policy of every host that `options` name, or of `hosts` and the first one of all.

    Returns it by host; raises PolicyError, NothingMatchedError, RunbookError.
    """
    # Late: most that is asked of the record needs no inventory.
    from oncall_runbook.run import engine
    from oncall_runbook.run.request import prepare

    wanted = [host for host in hosts if not set(host) & set(",:!&*[]~")]
    limit = ",".join((*wanted, "all[0]")) if wanted or hosts != () else options.limit
    run = run_files.new_id(time.time())
    where, request = prepare(
        replace(options, limit=limit, verbose=0), run, "oncall.runbook.response", {}
    )
    told: dict[str, Facts] = {}
    wrong: list[str] = []

    def take(event: Event) -> None:
        if event.kind == "ok" and isinstance(event.result.get("msg"), dict):
            told[event.host] = event.result["msg"]
        elif event.kind in ("failed", "unreachable"):
            wrong.append(f"{event.host}: {unreachable(str(event.result.get('msg', '')))[1]}")

    outcome = engine.run(request, take, lambda _: None)
    if outcome.status != "finished":
        raise RunbookError(f"reading the inventory: {outcome.status}")
    if wrong:
        raise PolicyError(f"response_* of {wrong[0]}")
    if not told and outcome.rc not in (0, 1):
        raise RunbookError(f"the inventory {where} cannot be read: {outcome.error}")
    if not told:
        why = f": {outcome.error}" if outcome.error else ""
        raise NothingMatchedError(f"no host matched in inventory {where}{why}")
    return {host: policy.parse(told[host]) for host in sorted(told)}  # they answer in any order
