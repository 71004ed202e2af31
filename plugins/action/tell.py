# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.tell``: says in words what was found of a host."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "state": {"type": "dict", "required": True},
    "acted": {"type": "list", "elements": "str", "default": []},
    "plan": {"type": "bool", "default": False},
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
        lines = list(said({**state, "acted": arguments["acted"]}, host, plan=arguments["plan"]))
        told = {"failed": True, "msg": "; ".join(lines)} if failed else {"msg": lines}
        shown = {"_ansible_verbose_always": True, "changed": False}
        return result | shown | told | {"verdict": state["verdict"]}


def said(state: Mapping[str, Any], host: str, *, plan: bool = False) -> Iterator[str]:
    """Say what was found of ``host``: the verdict, each root cause, and what comes next.

    With ``plan`` the steps that would be taken as well.
    """
    word, reason = str(state["verdict"]), str(state.get("reason") or "")
    yield f"{word}: {reason}" if reason else word
    if acted := state.get("acted", []):
        yield f"done: {', '.join(acted)}"
    yield from _incidents(state.get("incidents", {}), state.get("root_causes", []))
    yield from _seen(state)
    for step in state.get("plan", []) if plan else []:
        barred = step.get("spent") or f"needs --allow {step['risk']}"
        yield f"plan: {step['title']} [{step['risk']}]{'' if step['allowed'] else f': {barred}'}"
    if word == "incident" and state.get("root_causes"):
        playbook = f"oncall.runbook.{state['root_causes'][0]}"
        yield f"next: ansible-playbook {playbook} --tags remediate -l {host}"


def _incidents(incidents: Mapping[str, Any], causes: Iterable[str]) -> Iterator[str]:
    for name in causes:
        yield f"{incidents[name]['severity']} {name}: {incidents[name]['evidence']}"
    for name, incident in incidents.items():
        if incident["confirmed"] and incident["explained_by"]:
            yield f"{name} is explained by {', '.join(incident['explained_by'])}"


def _seen(state: Mapping[str, Any]) -> Iterator[str]:
    """Say what a routine operation saw; its plan, which is said as such, apart."""
    name = state.get("operation", "")
    value = state.get("findings", {}).get(name, {}).get("value")
    if not (isinstance(value, dict) and "steps" in value):
        yield from _lines(value)


def _lines(value: Any) -> Iterator[str]:
    """Say any JSON value in lines: an object's simple values in one, what is deeper below."""
    if isinstance(value, list):
        for item in value:
            yield from _lines(item)
    elif isinstance(value, dict):
        deep = {key: inner for key, inner in value.items() if isinstance(inner, list | dict)}
        flat = {key: inner for key, inner in value.items() if inner is not None and key not in deep}
        if flat:
            yield ", ".join(f"{key} {inner}".strip() for key, inner in flat.items())
        for key, inner in deep.items():
            yield f"{key}:"
            yield from (f"  {line}" for line in _lines(inner))
    elif value is not None:
        yield from str(value).splitlines()
