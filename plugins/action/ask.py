# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.ask``: asks a host probes, all at once, in one round trip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.oncall.runbook.plugins.plugin_utils.asker import Asker
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "probes": {"type": "list", "elements": "raw", "required": True},
    "shell": {"type": "dict", "default": {}},
}


class ActionModule(Asker):
    """Asks ``probes`` and says of each answer whether it is healthy; judges no incident."""

    def answer(self, variables: Mapping[str, Any]) -> Result:
        """Return ``findings`` by their ids."""
        arguments = self.arguments(_ARGUMENTS)
        return {"findings": self.ask_all([arguments], arguments["shell"])}
