# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.tell``: says in words what was found of a host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "state": {"type": "dict", "required": True},
    "acted": {"type": "list", "elements": "str", "default": []},
    "fails": {"type": "bool", "default": True},
}
_WELL = ("healthy", "fixed")


class ActionModule(ActionBase):
    """Tells the verdict of a judgement, its root causes, and what comes next."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Return ``msg``, a line each; fails with it, if it is to, unless all is well."""
        result: Result = super().run(tmp, task_vars)
        _result, arguments = self.validate_argument_spec(_ARGUMENTS)
        state, host = arguments["state"], str((task_vars or {}).get("inventory_hostname"))
        failed = arguments["fails"] and state["verdict"] not in _WELL
        lines = list(said({**state, "acted": arguments["acted"]}, host))
        told = {"failed": True, "msg": "; ".join(lines)} if failed else {"msg": lines}
        shown = {"_ansible_verbose_always": True, "changed": False}
        return result | shown | told | {"verdict": state["verdict"]}


def said(state: Mapping[str, Any], host: str) -> Iterator[str]:
    """Say what was found of ``host``: the verdict, each root cause, and what comes next."""
    word, reason = str(state["verdict"]), str(state.get("reason") or "")
    yield f"{word}: {reason}" if reason else word
    incidents = state["incidents"]
    acted = state.get("acted", [])
    if acted:
        yield f"done: {', '.join(acted)}"
    for name in state["root_causes"]:
        yield f"{incidents[name]['severity']} {name}: {incidents[name]['evidence']}"
    for name, incident in incidents.items():
        if incident["confirmed"] and incident["explained_by"]:
            yield f"{name} is explained by {', '.join(incident['explained_by'])}"
    if word == "incident" and state["root_causes"]:
        playbook = f"oncall.runbook.{state['root_causes'][0]}"
        yield f"next: ansible-playbook {playbook} --tags remediate -l {host}"
