# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.prove``: whether a routine operation is done."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, verdict
from ansible_collections.oncall.runbook.plugins.plugin_utils.asker import Asker
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "operation": {"type": "str", "required": True},
    "did": {"type": "dict", "required": True},
    "pause_seconds": {"type": "float", "default": 1},
}


class ActionModule(Asker):
    """Asks a host for the proof of an operation, for as long as it may take to show."""

    def answer(self, variables: Mapping[str, Any]) -> Result:
        """Return the verdict: fixed, not_fixed or refused, and why."""
        arguments = self.arguments(_ARGUMENTS)
        self._shell_of_operation = self.use_operations(variables)
        proven = self._prove(arguments)
        return {"phase": "settle"} | proven | self.statistics("operation_run", proven)

    def _prove(self, arguments: dict[str, Any]) -> Result:
        """Ask whether an operation is done, for as long as it may take to show."""
        name = arguments["operation"]
        operation = cards.operation(name)
        did = arguments["did"] or {}
        done = did.get("rc") == 0
        patience = float(operation.get("settle_seconds", 0)) if done else 0
        start = time.monotonic()
        probe = {
            "id": f"{name}_done",
            "title": "It is done",
            "run": operation["proof"],
            "timeout": self._rendered(operation["timeout"]),
        }
        while True:
            found = self.ask_all([{"probes": [probe]}], self._shell_of_operation)
            proven = found[probe["id"]]["status"] == "healthy"
            if proven or time.monotonic() >= start + patience:
                break
            time.sleep(arguments["pause_seconds"])
        word, reason = verdict.done(did, found[probe["id"]])
        held = word == "fixed"
        told = {"operation": name, "rung": name, "held": held}
        return {"findings": found, **told, "verdict": word, "reason": reason}
