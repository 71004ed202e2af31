# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.keep``: keeps what a change would destroy, on the control host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, evidence
from ansible_collections.oncall.runbook.plugins.plugin_utils.asker import Asker
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "incidents": {"type": "list", "elements": "str", "required": True},
    "to": {"type": "path", "required": True},
}


class ActionModule(Asker):
    """Asks for the evidence of the stack and of cards, and keeps it below a directory."""

    def answer(self, variables: Mapping[str, Any]) -> Result:
        """Return where the ``evidence`` is, and how many bytes in how many files."""
        arguments = self.arguments(_ARGUMENTS)
        self.use_collection(variables)
        found = self.ask_all(self._evidence(arguments["incidents"]), self.looking())
        kept = {id: of for id, of in found.items() if of["status"] != "not_applicable"}
        host = variables["inventory_hostname"]
        return {"phase": "evidence", "evidence": evidence.keep(arguments["to"], host, kept)}

    def _evidence(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return who asks for evidence: the stack, and the card of each incident for its own."""
        of = self.library
        own = [{"probes": of.card(n).get("evidence", []), "shell": of.shell_of(n)} for n in names]
        return [{"probes": cards.own()["stack_evidence"]}, *own]
