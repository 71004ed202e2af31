# GNU General Public License v3.0 or later (see LICENSE)
"""What the roles of this collection hold as data, and the cards: shipped ones, and a site's own.

The actions read it themselves: as variables of ten roles, Ansible would load, mark, copy and
template all of it for every play.
"""

from __future__ import annotations

import functools
import heapq
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ansible.module_utils.common.yaml import yaml_load
from ansible.template import trust_as_template
from yaml import MarkedYAMLError, YAMLError

from . import card_check

ROLES = Path(__file__).parents[2] / "roles"
Card = Mapping[str, Any]
_COLLECTION = re.compile(r"[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*")


class CardError(ValueError):
    """A card or operation that is not known, or cannot be used; says what to write instead."""


@dataclass(frozen=True)
class Library:
    """Every card that is known, by the name of its incident, causes before what they explain."""

    cards: Mapping[str, Card]

    def card(self, name: str) -> Card:
        """Return the card of the incident ``name``; raises CardError where none is known."""
        if name not in self.cards:
            raise CardError(f"there is no card {name!r}, but {', '.join(sorted(self.cards))}")
        return self.cards[name]

    def inputs_of(self, name: str) -> dict[str, Mapping[str, Any]]:
        """Return the inputs of a card by the names of their variables: type, default, meaning."""
        given = self.cards[name].get("inputs", {})
        return {f"{name}_{key}": option for key, option in given.items()}

    @cached_property
    def probes(self) -> Mapping[str, Mapping[str, Any]]:
        """Every probe by its id: the stack's, and those of all cards, with their cards' words."""
        found = dict(own()["stack_probes"])
        for card in self.cards.values():
            words = card.get("shell")
            found |= {p["id"]: {"shell": words, **p} for p in card["probes"] if isinstance(p, dict)}
        return found

    @cached_property
    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """The inputs of all cards."""
        return {k: option for name in self.cards for k, option in self.inputs_of(name).items()}

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The inputs of stack, run, incident and all cards, with their defaults."""
        roles = [load(role, "defaults", "main.yml") for role in ("stack", "run", "incident")]
        found = {name: value for role in roles for name, value in role.items()}
        inputs = {name: option["default"] for name, option in self.inputs.items()}
        return {**_trusted(found), **inputs}

    def shell_of(self, name: str) -> Mapping[str, Any]:
        """Return the shell functions and variables that the card of ``name`` brings."""
        found: Mapping[str, Any] = self.card(name).get("shell", {})
        return found

    def rung_of(self, incident: str, name: str) -> Mapping[str, Any]:
        """Return the rung ``name`` of the card of ``incident``; raises CardError where none is."""
        ladder = {rung["rung"]: rung for rung in self.card(incident)["ladder"]}
        if name not in ladder:
            raise CardError(f"{incident} has no rung {name!r}, but {', '.join(ladder)}")
        found: Mapping[str, Any] = ladder[name]
        return found


def load(role: str, *place: str) -> dict[str, Any]:
    """Return the content of a YAML file of ``role``; empty where there is none."""
    path = ROLES.joinpath(role, *place)
    return (yaml_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def shipped() -> list[Path]:
    """Return the cards of this collection."""
    return sorted(ROLES.glob("*/card.yml"))


def name_of(path: Path) -> str:
    """Return the name of the incident whose card is at ``path``."""
    return path.parent.name if path.name == "card.yml" else path.stem


@functools.cache
def library(directories: tuple[Path, ...] = ()) -> Library:
    """Return the cards of this collection, and those of ``directories``: ``NAME.yml`` each.

    Raises CardError for one of those that is wrong, or that others than its owner may write.
    """
    found = {name_of(path): yaml_load(path.read_text(encoding="utf-8")) for path in shipped()}
    for directory in directories:
        files = sorted(directory.glob("*.yml"))
        if wrong := complaints(files, found):
            more = f" (and {len(wrong) - 1} more: runbook lint)" if len(wrong) > 1 else ""
            raise CardError(f"{wrong[0]}{more}")
        for path in files:
            card = yaml_load(path.read_text(encoding="utf-8"))
            found[path.stem] = {**card, "shell": _with_paths(card.get("shell", {}), directory)}
    return Library(_ordered(found))


def complaints(files: Iterable[Path], others: Mapping[str, Card]) -> list[str]:
    """Return what is wrong with cards in ``files``, ``PATH:LINE: …`` each, beside ``others``."""
    said: list[str] = []
    texts: dict[Path, str] = {}
    parsed: dict[str, Any] = {}
    for path in files:
        try:
            if ROLES not in path.parents:
                _check_place(path, others)
            texts[path] = path.read_text(encoding="utf-8")
            parsed[name_of(path)] = yaml_load(texts[path])
        except (CardError, OSError, UnicodeError) as error:
            said.append(str(error))
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            said.append(f"{path}:{line}: is no YAML: {error.problem}")
        except (YAMLError, ValueError, RecursionError) as error:
            said.append(f"{path}:1: is no YAML: {' '.join(str(error).split())}")
    context = known({**others, **parsed})
    for path, text in texts.items():
        if (name := name_of(path)) in parsed:
            try:
                wrong = card_check.problems(name, parsed[name], context)
                said += card_check.located(text, wrong, str(path)).splitlines()
            except (RecursionError, ValueError) as error:  # it holds itself
                said.append(f"{path}:1: cannot be read: {error}")
    return said


@functools.cache
def roles() -> tuple[str, ...]:
    """Return the roles that have inputs, which begin with their names."""
    return tuple(path.parts[-3] for path in ROLES.glob("*/defaults/main.yml"))


def directories(beside: str | None, named: Iterable[str]) -> tuple[Path, ...]:
    """Return where a site keeps cards of its own.

    That is ``incidents/`` in the directory ``beside`` (the inventory's), and what is ``named``:
    directories, or collections. Raises CardError for one that is not there.
    """
    base = Path(beside or ".").absolute()
    found = [base / "incidents"] if beside and (base / "incidents").is_dir() else []
    for name in named:
        place = base / Path(name).expanduser()
        if _COLLECTION.fullmatch(name) and not place.is_dir():
            place = _in_collection(name)
        if not place.is_dir():
            raise CardError(f"incident_cards: {name} is no directory and no collection with cards")
        found.append(place)
    return tuple(dict.fromkeys(found))


def _in_collection(name: str) -> Path:
    try:
        package = import_module(f"ansible_collections.{name}")
    except ImportError:
        return Path("/nonexistent")
    return Path(next(iter(package.__path__))) / "incidents"


@functools.cache
def own() -> Mapping[str, Any]:
    """Return the variables of the stack's role, those of inventories have no power over."""
    return MappingProxyType(_trusted(load("stack", "vars", "main.yml")))


@functools.cache
def operations() -> Mapping[str, Any]:
    """Return what the role of the routine operations holds: its variables, and its inputs."""
    found = load("operation", "defaults", "main.yml") | load("operation", "vars", "main.yml")
    return MappingProxyType(_trusted(found))


def operation(name: str) -> Mapping[str, Any]:
    """Return how the routine operation ``name`` is done; raises CardError where none is known."""
    known: Mapping[str, Mapping[str, Any]] = operations()["operation_kinds"]
    if name not in known:
        raise CardError(f"there is no routine operation {name!r}, but {', '.join(known)}")
    return known[name]


def ladder(cards: Mapping[str, Card]) -> list[dict[str, Any]]:
    """Return every rung of ``cards`` with its incident, in the order in which they are climbed."""
    told = ("rung", "title", "risk", "costs", "settle_seconds")
    return [
        {"incident": name, **{key: rung[key] for key in told if key in rung}}
        for name, card in cards.items()
        for rung in card["ladder"]
    ]


def _check_place(path: Path, others: Iterable[str]) -> None:
    name = path.stem
    for place in (path, path.parent):
        if place.stat().st_mode & stat.S_IWOTH:
            raise CardError(f"{path} is not read: everybody may write to {place}; chmod o-w it")
    if not card_check.NAME.fullmatch(name):
        raise CardError(f"{path}: a card is called by lower-case words joined by _, as disk_slow")
    # Its inputs begin with its name, as those of others do with theirs.
    for other in (*roles(), *others):
        if f"{name}_".startswith(f"{other}_"):
            raise CardError(f"{path}: the name {other} is taken; give the card another one")


def known(cards: Mapping[str, Any]) -> card_check.Known:
    """Return what cards may refer to."""
    shared = own()
    inputs = {*shared, *load("stack", "defaults", "main.yml")}
    inputs |= {*load("incident", "defaults", "main.yml"), "incident_before"}
    usable = {name: card for name, card in cards.items() if isinstance(card, Mapping)}
    for name, card in usable.items():
        inputs |= {f"{name}_{key}" for key in card.get("inputs") or {}}
    explains = {name: card.get("explains") or [] for name, card in usable.items()}
    owners = dict.fromkeys(shared["stack_probes"], "stack")
    for name, card in usable.items():
        mine = [p.get("id") for p in card.get("probes") or [] if isinstance(p, Mapping)]
        owners = dict.fromkeys(mine, name) | owners
    return card_check.Known(owners, explains, inputs)


def _with_paths(shell: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """Return a card's shell functions with the files that stand beside it by their whole paths."""

    def whole(path: str) -> str:
        return str(directory / path) if (directory / path).is_file() else path

    return {
        **shell,
        "libraries": [whole(path) for path in shell.get("libraries", [])],
        "files": {name: whole(path) for name, path in shell.get("files", {}).items()},
    }


def _ordered(cards: Mapping[str, Any]) -> Mapping[str, Card]:
    """Return ``cards`` with causes first; of several that could come next, the gravest does."""
    order = TopologicalSorter(dict.fromkeys(cards, ()))
    for name, card in cards.items():
        for other in card["explains"]:
            order.add(other, name)
    order.prepare()
    ready: list[tuple[str, str]] = []
    found: dict[str, Card] = {}
    while order.is_active():
        for name in order.get_ready():
            heapq.heappush(ready, (cards[name]["severity"], name))
        _severity, name = heapq.heappop(ready)
        order.done(name)
        found[name] = _trusted(cards[name])
    return MappingProxyType(found)


def _trusted(value: Any) -> Any:
    """Mark the templates in ``value`` as ours: Ansible renders no others."""
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) and "{{" in value else value
