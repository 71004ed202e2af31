# GNU General Public License v3.0 or later (see LICENSE)
"""Checks the roles' inputs against their argument specs, without a task for each on each host."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .cards import Library, load, roles

# The entry point whose options are a role's inputs.
_ENTRY_POINT = "diagnose"
# Of an argument spec no option can say that.
_POSITIVE = ("run_deadline_seconds", "run_plan_hours")
_NOT_NEGATIVE = ("run_soak_seconds",)
_HOW_MANY = ("run_batches", "run_max_fail")
_NUMBER_OR_SHARE = re.compile(r"[1-9][0-9]*|([1-9][0-9]?|100)%")


@functools.cache
def options(*roles: str) -> Mapping[str, Any]:
    """Return the options of ``roles`` (names of this collection) from their argument specs."""
    found: dict[str, Any] = {}
    for role in roles:
        specs = load(role, "meta", "argument_specs.yml")
        found |= specs["argument_specs"][_ENTRY_POINT]["options"]
    return MappingProxyType(found)


def checked(
    spec: Mapping[str, Any], variables: Mapping[str, Any], template: Callable[[Any], Any]
) -> tuple[dict[str, Any], list[str]]:
    """Return which of ``variables`` have another type once they are read, and what is wrong.

    A list may be written as one text with commas, a number in quotes. Unset ones have defaults.
    """
    given = {name: template(variables[name]) for name in spec if name in variables}
    # Defaults are the roles' own and may be templates; only what was given is judged.
    shape = {name: {**spec[name], "default": None} for name in given}
    result = ArgumentSpecValidator(shape).validate(given)
    if result.error_messages:
        return {}, list(result.error_messages)
    values = {name: _trimmed(result.validated_parameters[name]) for name in given}
    wrong = [
        f"{name} is {value!r}, and must be {wanted}"
        for name, value in values.items()
        if (wanted := _wanted(name, value))
    ]
    return {name: value for name, value in values.items() if value != given[name]}, wrong


def _trimmed(value: Any) -> Any:
    """Return a list without what is blank in it, and without the blanks about its commas."""
    if not isinstance(value, list):
        return value
    parts = [each.strip() if isinstance(each, str) else each for each in value]
    return [part for part in parts if part != ""]


def _wanted(name: str, value: Any) -> str:
    """Return what an input must be that is not; nothing, where it is right."""
    number = None if isinstance(value, bool) else value
    if name in _POSITIVE and (number is None or number < 1):
        return "a positive whole number"
    if name in _NOT_NEGATIVE and (number is None or number < 0):
        return "a whole number, 0 or more"
    many = value if isinstance(value, list) else [value]
    if name in _HOW_MANY and not (many and all(map(_NUMBER_OR_SHARE.fullmatch, map(str, many)))):
        return "numbers or shares, as 5 or 10%"
    return ""


def strangers(given: Iterable[str], library: Library) -> list[str]:
    """Return which names of extra variables begin as those of our roles do, and are no inputs.

    Extra variables outweigh what tasks register: one of these would stand for what was found.
    """
    known = {**_of_roles(), **{name: library.inputs_of(name).keys() for name in library.cards}}
    return [
        name
        for name in given
        for owner, taken in known.items()
        if name.startswith(f"{owner}_") and name not in taken
    ]


@functools.cache
def _of_roles() -> Mapping[str, Collection[str]]:
    return {role: load(role, "defaults", "main.yml").keys() for role in roles()}
