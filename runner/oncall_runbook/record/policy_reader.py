"""The policies that a command needs, read from the inventory when the first one is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from oncall_runbook.commands.shared_options import Options
from oncall_runbook.record import policy
from oncall_runbook.record.policy import Policy, PolicyError


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
            self._known |= policy.load(self._options, sorted(new))

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
