# GNU General Public License v3.0 or later (see LICENSE)
"""What the roles of this collection hold as data: cards, shared probes, shell words, inputs.

The actions read it themselves: as variables of ten roles, Ansible would load, mark, copy and
template all of it for every play.
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Mapping
from graphlib import TopologicalSorter
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
def all_cards() -> Mapping[str, Mapping[str, Any]]:
    """Return every card by the name of its incident, causes before what they explain.

    Of several that could come next, the gravest does, and then the first by name.
    """
    found = {path.parent.name: load(path.parent.name, "card.yml") for path in _files()}
    order = TopologicalSorter(dict.fromkeys(found, ()))
    for name, card in found.items():
        for other in card["explains"]:
            order.add(other, name)
    order.prepare()
    ready: list[tuple[str, str]] = []
    sorted_: dict[str, Any] = {}
    while order.is_active():
        for name in order.get_ready():
            heapq.heappush(ready, (found[name]["severity"], name))
        _, name = heapq.heappop(ready)
        order.done(name)
        sorted_[name] = _trusted(found[name])
    return MappingProxyType(sorted_)


@functools.cache
def own() -> Mapping[str, Any]:
    """Return the variables of the stack's role, those of inventories have no power over."""
    return MappingProxyType(_trusted(load("stack", "vars", "main.yml")))


@functools.cache
def defaults() -> Mapping[str, Any]:
    """Return the inputs of the stack and of all cards with their defaults."""
    found = load("stack", "defaults", "main.yml")
    for name in all_cards():
        found |= {key: _trusted(option["default"]) for key, option in inputs_of(name).items()}
    return MappingProxyType(_trusted(found))


def inputs_of(name: str) -> dict[str, dict[str, Any]]:
    """Return the inputs of a card by the names of their variables: type, default, description."""
    given = all_cards()[name].get("inputs", {})
    return {f"{name}_{key}": dict(option) for key, option in given.items()}


@functools.cache
def operations() -> Mapping[str, Any]:
    """Return what the role of the routine operations holds: its variables, and its inputs."""
    found = load("operation", "defaults", "main.yml") | load("operation", "vars", "main.yml")
    return MappingProxyType(_trusted(found))


def shell_of(name: str) -> Mapping[str, Any]:
    """Return the shell words and variables that the card of ``name`` brings."""
    found: Mapping[str, Any] = all_cards()[name].get("shell", {})
    return found


def rung_of(incident: str, name: str) -> Mapping[str, Any]:
    """Return the rung ``name`` of the card of ``incident``; raises KeyError where there is none."""
    ladder = {rung["rung"]: rung for rung in all_cards()[incident]["ladder"]}
    found: Mapping[str, Any] = ladder[name]
    return found


def ladder(cards: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return every rung of ``cards`` with its incident, in the order in which they are climbed."""
    told = ("rung", "title", "risk", "costs", "settle_seconds")
    return [
        {"incident": name, **{key: rung[key] for key in told if key in rung}}
        for name, card in cards.items()
        for rung in card["ladder"]
    ]


def _files() -> list[Path]:
    return sorted(ROLES.glob("*/card.yml"))


def _trusted(value: Any) -> Any:
    """Mark the templates in ``value`` as ours: Ansible renders no others."""
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) and "{{" in value else value
