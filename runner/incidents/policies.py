"""The policies that a command needs, read from the inventory when the first one is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from runner.incidents import policy
from runner.incidents.policy import Policy
from runner.options import Options


class Policies:
    """The policy of an incident is that of its first host here, else of the inventory's first."""

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

    def of(self, hosts: Iterable[str]) -> Policy:
        """Return the policy for an incident on these hosts."""
        names = list(hosts)
        self.prepare(names)
        return next((self._known[n] for n in names if n in self._known), self._any())

    def _any(self) -> Policy:
        return next(iter(self._known.values()))
