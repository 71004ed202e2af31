# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.act``: the only thing that changes a host."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, verdict
from ansible_collections.oncall.runbook.plugins.plugin_utils.changer import (
    Changer,
    failure,
    refusal,
)
from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import Answer
from ansible_collections.oncall.runbook.plugins.plugin_utils.findings import UNAVAILABLE
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result
from ansible_collections.oncall.runbook.plugins.plugin_utils.reasons import last, reason
from ansible_collections.oncall.runbook.plugins.plugin_utils.redact import clean

_ARGUMENTS = {
    "title": {"type": "str"},
    "risk": {"type": "str", "choices": list(verdict.RISKS)},
    "run": {"type": "str"},
    "timeout": {"type": "float", "default": 60},
    "changes": {"type": "str", "default": "true"},
    "allow": {"type": "str", "choices": list(verdict.RISKS), "default": "restart"},
    "lease": {"type": "bool", "default": False},
    "operation": {"type": "str", "default": ""},
    "mark": {"type": "bool", "default": True},
    "whole": {"type": "bool", "default": True},
    "incident": {"type": "str"},
    "rung": {"type": "str", "default": ""},
    "costs": {"type": "str", "default": ""},
    "findings": {"type": "dict"},
    "run_id": {"type": "str", "default": ""},
}
# A step is a rung of a card, or it is told in full.
_RULES = {
    "required_one_of": [["incident", "run"]],
    "mutually_exclusive": [["incident", "run"]],
    "required_together": [["incident", "findings"], ["title", "risk", "run"]],
}
# What the card says of its rung.
_OF_CARD = ("title", "risk", "costs", "run", "timeout", "changes")


class ActionModule(Changer):
    """Runs one titled step of shell on the host, if its risk is allowed and the host is free."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Return changed, rc, seconds and output; a failing step fails no task, probes judge."""
        result: Result = super().run(tmp, task_vars)
        arguments = self._with_card(self.arguments(_ARGUMENTS, **_RULES), task_vars or {})
        told = {key: arguments[key] or "" for key in ("title", "risk", "incident", "rung", "costs")}
        result |= {"changed": False, **told}
        if not verdict.allows(arguments["allow"], arguments["risk"]):
            reason = f"{arguments['title']}: needs --allow {arguments['risk']}"
            return result | failure("refused", reason)
        done = _would(arguments) if self._task.check_mode else self._act(arguments)
        return result | clean(done, self.known_secrets(task_vars or {}))

    def _with_card(self, arguments: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a step; of a rung those of its card, over what was found."""
        if arguments["operation"]:
            self._shell_of_step = self.use_operations(variables)
            return arguments
        self.use_collection({**variables, **(arguments["findings"] or {})})
        self._shell_of_step = cards.own()["stack_shell"] if arguments["incident"] else {}
        if not arguments["incident"]:
            return arguments
        try:
            rung = self.library.rung_of(arguments["incident"], arguments["rung"])
        except cards.CardError as error:
            raise AnsibleActionFail(str(error)) from error
        step = {key: self._rendered(rung[key]) for key in _OF_CARD if key in rung}
        if rung.get("shows"):
            step["shown"] = arguments["findings"].get(rung["shows"], {}).get("value")
        return {**arguments, **step, "timeout": float(step.get("timeout", arguments["timeout"]))}

    def _act(self, arguments: Mapping[str, Any]) -> Result:
        answer = self._run(arguments)
        return refusal(answer) or self._outcome(answer, arguments)

    def _run(self, arguments: Mapping[str, Any]) -> Answer:
        command = f"RUNBOOK_ALLOW={arguments['allow']}\n{arguments['run']}"
        keys = {"timeout": arguments["timeout"], "shell": arguments["incident"]}
        keys["whole"] = arguments["whole"]
        if not arguments["lease"]:
            return self.step(command, self._shell_of_step, **keys)
        command = f"(\n{command}\n)\nstatus=$?"
        if arguments["rung"]:
            title, *names = (
                shlex.quote(str(arguments[key])) for key in ("title", "incident", "rung")
            )
            acts = arguments["incident"] and arguments["changes"] != "false"
            kept = f"note_rung {' '.join(names)}\n" if acts else ""
            change = "note_change\n" if arguments["mark"] else ""
            command = f'{change}{kept}note_step {title}\n{command}\nnote_step_end "$status"'
        return self.leased(command, arguments["run_id"], self._shell_of_step, **keys)

    def _outcome(self, answer: Answer, arguments: Mapping[str, Any]) -> Result:
        names = {"rc": answer.rc, "output": answer.output, "stderr": answer.stderr}
        # Of a step that failed, only what it said it did is a change.
        failed = answer.rc != 0
        changes = str(arguments["changes"])
        changed = bool(self.evaluate("false" if failed and changes == "true" else changes, names))
        told = {
            **names,
            "failed": False,  # else Ansible makes rc decide
            "seconds": round(answer.ms / 1000, 2),
            "command": arguments["run"],
            "changed": changed,
        }
        if arguments["rung"]:  # what has failed needs no time to settle
            told["ansible_facts"] = {"incident_step_failed": failed}
        if answer.timed_out:
            told["reason"] = f"ended at its deadline of {arguments['timeout']:g} s"
        elif failed:
            why = last if answer.rc == UNAVAILABLE else reason
            told["reason"] = why(answer.stderr, answer.output) or f"exit status {answer.rc}"
        if "reason" in told:
            self._display.warning(f"{arguments['title']}: {told['reason']}")
        return told


def _would(arguments: Mapping[str, Any]) -> Result:
    """Return what a step would do; whether that would change anything is a guess."""
    run = str(arguments["run"])
    shown = str(arguments.get("shown") or "")
    return {
        "changed": str(arguments["changes"]) != "false",
        "msg": f"would run: {run}",
        "diff": {"prepared": f"{shown}\n{run}\n".lstrip()},
    }
