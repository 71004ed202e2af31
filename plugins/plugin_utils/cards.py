# GNU General Public License v3.0 or later (see LICENSE)
"""What the roles of this collection hold as data: cards, shared probes, shell words, inputs.

The actions read it themselves: as variables of ten roles, Ansible would load, mark, copy and
template all of it for every play.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.template import trust_as_template

ROLES = Path(__file__).parents[2] / "roles"


def load(role: str, *place: str) -> dict[str, Any]:
    """Return the content of a YAML file of ``role``; empty where there is none."""
    path = ROLES.joinpath(role, *place)
    return (yaml_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


@functools.cache
def names() -> tuple[str, ...]:
    """Return every incident, causes before what they explain."""
    return tuple(load("incident", "vars", "main.yml")["incident_names"])


@functools.cache
def own() -> Mapping[str, Any]:
    """Return the variables of the roles, those of inventories have no power over."""
    return _collected("vars")


@functools.cache
def defaults() -> Mapping[str, Any]:
    """Return the inputs of the roles with their defaults."""
    return _collected("defaults")


def all_cards() -> dict[str, dict[str, Any]]:
    """Return every card by the name of its incident, causes before what they explain."""
    return {name: own()[f"{name}_card"] for name in names()}


@functools.cache
def operations() -> Mapping[str, Any]:
    """Return what the role of the routine operations holds: its variables, and its inputs."""
    found = load("operation", "defaults", "main.yml") | load("operation", "vars", "main.yml")
    return MappingProxyType(_trusted(found))


def shell_of(name: str) -> Mapping[str, Any]:
    """Return the shell words and variables that the card of ``name`` brings."""
    found: Mapping[str, Any] = own()[f"{name}_card"].get("shell", {})
    return found


def ladder(cards: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every rung of ``cards`` with its incident, in the order in which they are climbed."""
    told = ("rung", "title", "risk", "costs", "settle_seconds")
    return [
        {"incident": name, **{key: rung[key] for key in told if key in rung}}
        for name, card in cards.items()
        for rung in card["ladder"]
    ]


def _collected(kind: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    for role in ("stack", "run", *names()):
        found |= load(role, kind, "main.yml")
    return MappingProxyType(_trusted(found))


def _trusted(value: Any) -> Any:
    """Mark the templates in ``value`` as ours: Ansible renders no others."""
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) and "{{" in value else value
