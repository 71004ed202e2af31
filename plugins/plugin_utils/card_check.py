# GNU General Public License v3.0 or later (see LICENSE)
"""Checks a card: its shape, by the schema that editors use, and what its parts say of others."""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, TemplateError, nodes

from .conditions import ConditionError, judge, names_in
from .expressions import CONSTANTS, FILTERS, TESTS

SCHEMA = Path(__file__).with_name("card.schema.json")
Place = tuple[str | int, ...]

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
# Names in a condition that are no findings and no inputs.
_LANGUAGE = {*FILTERS, *CONSTANTS, *TESTS, "default", "defined"}
_RISKS = ("restart", "outage", "data")
# What may stand in a command: a number, a quoted text, quoted words, or a literal.
_IN_SHELL = re.compile(
    r"""\|\s*(int|quote|map\('quote'\)\s*\|\s*join\(' '\))\s*$"""
    r"""|^\s*(\d+|"{{\.[^"]*"|'{{\.[^']*')\s*$"""
)
# What an expression over an answer may speak of, and what templates may besides.
_OF_FINDING = (
    *("value", "rc", "output", "stderr", "ms", "status", "title", "unit", "reason", "cut"),
    *("asked", "answered"),
)
_GLOBALS = ("now",)
_LISTED = 40  # so many names are a help
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_TEMPLATE = re.compile(r"{{(.*?)}}", re.S)
_JINJA = Environment(autoescape=False)


@dataclass(frozen=True)
class Problem:
    """What is wrong at a place of a card, and what to write instead."""

    place: Place
    text: str


@dataclass(frozen=True)
class Known:
    """What a card may refer to: probes with their owners, what incidents explain, and inputs."""

    probes: Mapping[str, str]
    explains: Mapping[str, Collection[str]]
    inputs: Collection[str]


@functools.cache
def schema() -> Mapping[str, Any]:
    """Return the JSON schema of a card."""
    loaded: Mapping[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return loaded


def problems(name: str, card: Any, known: Known) -> list[Problem]:
    """Return what is wrong with ``card``, in the order of its file; empty where nothing is."""
    shape = list(_shape(card, schema(), ()))
    inputs = [] if shape else {*_inputs(name, card), *known.inputs}
    return shape or [
        *_probes(name, card, known),
        *_explained(name, card, known),
        *_conditions(card, {*asked(card), *inputs}),
        *_expressions(card, {*_OF_FINDING, *inputs}),
        *_commands(card, {*asked(card), *inputs, *_GLOBALS}),
        *_ladder(card),
    ]


def located(text: str, found: Sequence[Problem], path: str) -> str:
    """Return ``found`` as lines ``PATH:LINE: PLACE: TEXT``, for a card of this ``text``."""
    # The loader that has read it: the one in Python knows another YAML.
    lines = _lines(yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    return "\n".join(
        f"{path}:{_line(lines, problem.place)}: {_dotted(problem.place)}{problem.text}"
        for problem in found
    )


def _dotted(place: Place) -> str:
    return f"{'.'.join(map(str, place))}: " if place else ""


def _line(lines: Mapping[Place, int], place: Place) -> int:
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _lines(node: Any, place: Place = ()) -> dict[Place, int]:
    """Return the line of each part of a YAML document."""
    found = {place: node.start_mark.line + 1} if node else {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= _lines(value, (*place, key.value))
            found[(*place, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            found |= _lines(item, (*place, number))
    return found


# --- the shape --------------------------------------------------------------------------------


def _shape(value: Any, rule: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    """Check ``value`` by ``rule``: as much of JSON Schema as the schema of a card uses."""
    if "anyOf" in rule:
        yield from _shape(value, _fitting(value, rule["anyOf"]), place)
        return
    allowed = rule.get("type", [])
    types = [allowed] if isinstance(allowed, str) else allowed
    if types and not any(_is(value, word) for word in types):
        yield Problem(place, f"must be {_article(' or '.join(types))}, not {_shown(value)}")
        return
    if "enum" in rule and value not in rule["enum"]:
        yield Problem(place, f"must be one of {', '.join(rule['enum'])}, not {_shown(value)}")
    if isinstance(value, str):
        yield from _text(value, rule, place)
    elif isinstance(value, list):
        if len(value) < rule.get("minItems", 0):
            yield Problem(place, "must not be empty")
        for number, item in enumerate(value):
            yield from _shape(item, rule.get("items", {}), (*place, number))
    elif isinstance(value, dict):
        yield from _mapping(value, rule, place)


def _mapping(value: Mapping[Any, Any], rule: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    properties, others = rule.get("properties", {}), rule.get("additionalProperties", {})
    for key in rule.get("required", []):
        if key not in value:
            yield Problem(place, f"{key} is missing{_meaning(properties.get(key, {}))}")
    for key, item in value.items():
        if key in properties:
            yield from _shape(item, properties[key], (*place, key))
        elif others is False:
            yield Problem((*place, key), f"unknown key{_nearest(str(key), properties)}")
        else:
            yield from _shape(item, others, (*place, key))


def _text(value: str, rule: Mapping[str, Any], place: Place) -> Iterator[Problem]:
    if len(value) < rule.get("minLength", 0):
        yield Problem(place, "must not be empty")
    if "pattern" in rule and not re.search(rule["pattern"], value):
        yield Problem(place, f"must be lower-case words joined by _, not {_shown(value)}")


def _fitting(value: Any, rules: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return which of ``rules`` is for such a value; else the last, which says most."""
    return next((rule for rule in rules if _is(value, str(rule.get("type")))), rules[-1])


def _is(value: Any, word: str) -> bool:
    return isinstance(value, _TYPES[word]) and (word == "boolean") == isinstance(value, bool)


def _article(words: str) -> str:
    return f"{'an' if words[0] in 'aio' else 'a'} {words}"


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _meaning(rule: Mapping[str, Any]) -> str:
    return f": {rule['description']}" if "description" in rule else ""


def _nearest(word: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    if near or len(known) > _LISTED:
        return f"; did you mean {near[0]}?" if near else ""
    return f"; known are {', '.join(sorted(known))}"


# --- what its parts say of each other ---------------------------------------------------------


def asked(card: Mapping[str, Any]) -> list[str]:
    """Return the ids of the findings that ``card`` has: of shared probes, and of its own."""
    return [probe if isinstance(probe, str) else probe["id"] for probe in card["probes"]]


def _inputs(name: str, card: Mapping[str, Any]) -> list[str]:
    return [f"{name}_{key}" for key in card.get("inputs", {})]


def _probes(name: str, card: Mapping[str, Any], known: Known) -> Iterator[Problem]:
    ids = asked(card)
    for number, probe in enumerate(card["probes"]):
        place = ("probes", number)
        if isinstance(probe, str):
            if probe not in known.probes:
                text = f"no probe is called {probe}{_nearest(probe, known.probes)}"
                yield Problem(place, text)
            continue
        if (owner := known.probes.get(probe["id"], name)) != name:
            yield Problem((*place, "id"), f"{owner} has {probe['id']} already: name it by its id")
        if ids.count(probe["id"]) > 1 and ids.index(probe["id"]) != number:
            yield Problem((*place, "id"), f"{probe['id']} stands here twice")
        if ("run" in probe) == ("of" in probe and "value" in probe):
            yield Problem(place, "must have either run (shell), or of and value (another finding)")
        if "of" in probe and probe["of"] not in {*ids, *known.probes}:
            yield Problem((*place, "of"), f"no finding is called {probe['of']}")


def _explained(name: str, card: Mapping[str, Any], known: Known) -> Iterator[Problem]:
    explains = {**known.explains, name: card["explains"]}
    for number, other in enumerate(card["explains"]):
        place = ("explains", number)
        if other not in explains:
            yield Problem(place, f"no incident is called {other}{_nearest(other, explains)}")
        elif way := _way(other, name, explains):
            yield Problem(place, f"a circle: {' explains '.join([name, *way])}")
    for other in card.get("explains_when", {}):
        if other not in card["explains"]:
            yield Problem(("explains_when", other), f"{other} does not stand in explains")


def _way(start: str, goal: str, explains: Mapping[str, Collection[str]]) -> list[str]:
    """Return how ``start`` explains ``goal``, by others perhaps; empty where it does not."""
    ways, seen = [[start]], {start}
    while ways:
        way = ways.pop()
        if way[-1] == goal:
            return way
        following = [other for other in explains.get(way[-1], []) if other not in seen]
        seen.update(following)
        ways += [[*way, other] for other in following]
    return []


def _conditions(card: Mapping[str, Any], names: Collection[str]) -> Iterator[Problem]:
    texts: dict[Place, str] = {("confirmed",): card["confirmed"]}
    texts |= {(key,): card[key] for key in ("until", "independent_when") if key in card}
    texts |= {
        ("ladder", number, "when"): rung["when"] for number, rung in enumerate(card["ladder"])
    }
    # What another incident looks at, this one may not.
    texts |= {("explains_when", key): text for key, text in card.get("explains_when", {}).items()}
    for place, text in texts.items():
        try:
            judge(text, {}, dict[str, Any]().__getitem__)
        except ConditionError:
            yield Problem(place, f"is not written in the language of cards: {_shown(text)}")
            continue
        strange = names_in(text).difference(names, _LANGUAGE) if place[0] != "explains_when" else ()
        for word in sorted(strange):
            yield Problem(place, f"no finding or input is called {word}{_nearest(word, names)}")


def _expressions(card: Mapping[str, Any], names: Collection[str]) -> Iterator[Problem]:
    """Check what is computed of an answer: its value, whether it is healthy, and why not."""
    for number, probe in enumerate(card["probes"]):
        for key in ("value", "unanswered", "healthy", "reason"):
            if isinstance(probe, dict) and key in probe:
                yield from _template(("probes", number, key), f"{{{{ {probe[key]} }}}}", names)


def _commands(card: Mapping[str, Any], names: Collection[str]) -> Iterator[Problem]:
    """Check what becomes shell on a host: its values, and how they stand there."""
    for part in ("probes", "evidence", "ladder"):
        for number, item in enumerate(card.get(part, [])):
            for key in ("run", "glance"):
                if isinstance(item, dict) and key in item:
                    yield from _command((part, number, key), item[key], names)


def _template(place: Place, text: str, names: Collection[str]) -> Iterator[Problem]:
    try:
        tree = _JINJA.parse(text)
    except TemplateError as error:
        yield Problem(place, f"is no expression of Jinja: {error}")
        return
    used = {node.name for node in tree.find_all(nodes.Name) if node.ctx == "load"}
    for word in sorted(used.difference(names)):
        yield Problem(place, f"no finding or input is called {word}{_nearest(word, names)}")


def _command(place: Place, text: str, names: Collection[str]) -> Iterator[Problem]:
    yield from _template(place, text, names)
    for expression in _TEMPLATE.findall(text):
        if not _IN_SHELL.search(expression):
            wanted = f"{{{{ {expression.strip()} | quote }}}}, or | int for a number"
            yield Problem(place, f"would run what a value says: write {wanted}")


def _ladder(card: Mapping[str, Any]) -> Iterator[Problem]:
    before = 0
    for number, rung in enumerate(card["ladder"]):
        place = ("ladder", number)
        risk = _RISKS.index(rung["risk"])
        if risk < before:
            yield Problem((*place, "risk"), f"{rung['risk']} stands after {_RISKS[before]}")
        before = max(before, risk)
        if risk and not rung.get("costs"):
            yield Problem(place, f"costs is missing: what a rung of risk {rung['risk']} takes away")
        if "shows" in rung and rung["shows"] not in asked(card):
            yield Problem((*place, "shows"), f"no finding is called {rung['shows']}")
