# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.look``: what a routine operation sees of a host, and would do."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, verdict
from ansible_collections.oncall.runbook.plugins.plugin_utils.asker import Asker
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "operation": {"type": "str", "required": True},
    "allow": {"type": "str", "choices": list(verdict.RISKS), "default": "restart"},
    "pause_seconds": {"type": "float", "default": 0},
}
# How a log says from when on it is to be read further.
_NEXT = "#next "
# What an operation sees may be a list of hundreds: of backups, or of what may go.
_LOOK_BYTES = 2**21


class ActionModule(Asker):
    """Looks at a host for one of the collection's routine operations."""

    def answer(self, variables: Mapping[str, Any]) -> Result:
        """Return what it sees, its plan, and what doing it takes."""
        arguments = self.arguments(_ARGUMENTS)
        self._shell_of_operation = self.use_operations(variables)
        self.check_inputs()
        time.sleep(arguments["pause_seconds"])
        seen = self._look(arguments, variables)
        told: Result = {"phase": "diagnose", **self.of_run(variables)}
        kept = {**seen, "findings": {}} if self._is_text(arguments["operation"]) else seen
        return seen | told | self.statistics("operation_run", kept)

    @staticmethod
    def _is_text(name: str) -> bool:
        """Return whether an operation's answer is text as programs print it, such as their logs."""
        return bool(cards.operation(name)["look"].get("parse") == "text")

    def _look(self, arguments: Mapping[str, Any], variables: Mapping[str, Any]) -> Result:
        """Return what an operation sees of the host, what it would do, and what it needs for it."""
        name = arguments["operation"]
        operation = cards.operation(name)
        look = {"limit": _LOOK_BYTES, **operation["look"]}
        probe = {"id": name, "title": operation["title"], **look}
        found = self.ask_all(
            [{"probes": [probe, *operation.get("also", []), *cards.own()["stack_always"]]}],
            {**self._shell_of_operation, **cards.own()["stack_look"]},
        )
        first, _end, rest = str(found[name]["value"] or "").partition("\n")
        if first.startswith(_NEXT):
            found[name] |= {"value": rest, "output": ""}
            later = first.removeprefix(_NEXT)
        else:  # what could not be read now is read the next time
            later = self._templar.template(variables.get("operation_next", ""))
        steps, refused = _planned(found[name]["value"])
        plan = [
            {
                "rung": step["step"],
                "title": step["title"],
                "risk": step["risk"],
                "allowed": verdict.allows(arguments["allow"], step["risk"]),
            }
            for step in steps
        ]
        risks = [step["risk"] for step in plan if step["allowed"]]
        acts = {
            key: self._rendered(operation[key]) for key in ("do", "timeout") if key in operation
        }
        return {
            "operation": name,
            "title": operation["title"],
            "next": later,
            "touches_services": operation.get("touches_services", True),
            "lease": operation.get("lease", True),
            "interruptible": operation.get("interruptible", False),
            "findings": found,
            "plan": plan,
            "risk": max([operation.get("risk", "restart"), *risks], key=verdict.RISKS.index),
            **acts,
            **verdict.looked(found[name], plan, refused),
        }


def _planned(value: Any) -> tuple[list[dict[str, Any]], str]:
    """Return the steps of a plan, and why none of them may be taken; nothing for other values."""
    if not isinstance(value, dict):
        return [], ""
    return value.get("steps", []), value.get("refused", "")
