# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.lease``: takes a host for a run, and leaves it to others."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.oncall.runbook.plugins.plugin_utils.changer import Changer, refusal
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result
from ansible_collections.oncall.runbook.plugins.plugin_utils.redact import clean

# Each state with the word of lock.sh that gives the host back, if any does.
_WORDS = {"taken": "", "left": "release_lock", "abandoned": "abandon_lock"}
_ARGUMENTS = {
    "state": {"type": "str", "choices": list(_WORDS), "required": True},
    "run_id": {"type": "str", "default": ""},
    "held": {"type": "dict"},
}


class ActionModule(Changer):
    """Takes or gives back the lease on a host's stack: one run at a time changes it."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Return whether the host is this run's; fails with the verdict locked, if another's."""
        result: Result = super().run(tmp, task_vars)
        arguments = self.arguments(_ARGUMENTS)
        result |= {"changed": False, "state": arguments["state"]}
        if self._task.check_mode:
            return result
        self.use_collection(task_vars or {})
        note = ":"
        if held := arguments["held"]:  # the rung that cured, for those who come after
            note = f"note_rung {shlex.quote(held['incident'])} {shlex.quote(held['rung'])} held"
        release = _WORDS[arguments["state"]]
        answer = self.leased(f"{note}\nstatus=$?", arguments["run_id"], {}, release=release)
        return result | clean(refusal(answer), self.known_secrets(task_vars or {}))
