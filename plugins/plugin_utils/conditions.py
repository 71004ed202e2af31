# GNU General Public License v3.0 or later (see LICENSE)
"""Judges the conditions of cards in three values: true, false and unknown (Kleene's logic).

The language is docs/card-language.md: paths, literals, comparisons, ``and``, ``or``, ``not``,
``if else``, ``is none``, ``is defined`` and four filters. Whatever could change the answer and is
not known makes it unknown; so a condition that is true or false stays so, whatever the unknown
findings would have said.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .expressions import CONSTANTS, FILTERS, SIGNS, TESTS, parsed

Findings = Mapping[str, Mapping[str, Any]]
# Looks up what is no finding: an input of the inventory. Raises LookupError for one it has not.
Variable = Callable[[str], Any]


class ConditionError(ValueError):
    """A condition that is not written in the language of cards."""


@dataclass(frozen=True)
class Answer:
    """What a condition comes to.

    ``truth`` is None for unknown. ``because`` holds the ids of the findings that decided: with
    these alone, all others unknown, the answer is the same. ``lacks`` says in one line what an
    unknown answer lacked where a finding is known, but does not say what was asked of it.
    """

    truth: bool | None
    because: tuple[str, ...] = ()
    lacks: str = ""


def judge(condition: str, findings: Findings, variable: Variable) -> Answer:
    """Return what ``condition`` comes to over ``findings``.

    Raises ConditionError for text outside of the language of cards.
    """
    try:
        tree = parsed(condition)
    except LookupError as error:
        raise ConditionError(f"not the language of cards: {condition}") from error
    part = _Judgement(findings, variable).part(tree)
    if part.value is _UNKNOWN:
        return Answer(None, part.because, part.lacks)
    return Answer(bool(part.value), part.because)


@functools.lru_cache(maxsize=1024)
def names_in(condition: str) -> frozenset[str]:
    """Return the names that ``condition`` speaks of: of findings, and of inputs."""
    tree = ast.walk(parsed(condition))
    return frozenset(node.id for node in tree if isinstance(node, ast.Name))


class _Unknown:
    """The third value."""


_UNKNOWN = _Unknown()


@dataclass(frozen=True)
class _Part:
    """The value of a part of a condition, and the findings that it is made from."""

    value: Any
    because: tuple[str, ...] = ()
    lacks: str = ""
    missing: bool = False  # unknown, because a known answer has no such entry


@dataclass(frozen=True)
class _Judgement:
    findings: Findings
    variable: Variable

    def part(self, node: ast.expr) -> _Part:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return _Part(value)
            case ast.Name(id=name):
                return self._named(name)
            case ast.Attribute(value=base, attr=key):
                return self._entry(self.part(base), key, node)
            case ast.List(elts=items):
                return self._computed(lambda *values: [*values], items)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self._computed(lambda value: not value, [operand])
            case ast.BoolOp(op=kind, values=parts):
                return _joined([self.part(part) for part in parts], isinstance(kind, ast.Or))
            case ast.IfExp(test=test, body=then, orelse=otherwise):
                return self._chosen(self.part(test), self.part(then), self.part(otherwise))
            case ast.BinOp(left=of, op=ast.BitOr(), right=ast.Name(id=name)) if name in FILTERS:
                return self._computed(FILTERS[name], [of])
            case ast.BinOp(
                left=of,
                op=ast.BitOr(),
                right=ast.Call(func=ast.Name(id="default"), args=[other], keywords=[]),
            ):
                return self._with_default(self.part(of), other)
            case ast.Compare(
                left=of, ops=[ast.Is() | ast.IsNot() as sign], comparators=[ast.Name(id=test)]
            ):
                return self._tested(self.part(of), test, isinstance(sign, ast.Is))
            case ast.Compare(left=first, ops=signs, comparators=others):
                return self._compared([first, *others], signs)
        raise ConditionError(f"not the language of cards: {ast.unparse(node)}")

    def _named(self, name: str) -> _Part:
        if name in self.findings:
            finding = self.findings[name]
            unknown = finding["status"] == "unknown"
            return _Part(_UNKNOWN if unknown else finding, (name,))
        if name in CONSTANTS:
            return _Part(CONSTANTS[name])
        try:
            return _Part(self.variable(name))
        except LookupError:
            return _Part(_UNKNOWN, lacks=f"{name} was not asked, and is no input")

    def _entry(self, base: _Part, key: str, node: ast.Attribute) -> _Part:
        if base.value is _UNKNOWN:
            return base
        if isinstance(base.value, Mapping) and key in base.value:
            return _Part(base.value[key], base.because)
        said = ast.unparse(node).removeprefix(f"{'.'.join(base.because)}.")
        return _Part(_UNKNOWN, base.because, f"the answer has no {said}", missing=True)

    def _computed(self, compute: Callable[..., Any], nodes: Iterable[ast.expr]) -> _Part:
        """Return what ``compute`` makes of the values of ``nodes``, if all of them are known."""
        parts = [self.part(node) for node in nodes]
        if unknown := [part for part in parts if part.value is _UNKNOWN]:
            return _merged(_UNKNOWN, unknown)
        values = [part.value for part in parts]
        try:
            return _merged(compute(*values), parts)
        except (TypeError, ValueError):
            shown = " and ".join(repr(value)[:40] for value in values)
            return _Part(_UNKNOWN, _because(parts), f"cannot be compared or counted: {shown}")

    def _compared(self, nodes: list[ast.expr], signs: list[ast.cmpop]) -> _Part:
        if unheard := [sign for sign in signs if type(sign) not in SIGNS]:
            raise ConditionError(f"not the language of cards: {type(unheard[0]).__name__}")
        return _joined(
            [
                self._computed(SIGNS[type(sign)], pair)
                for sign, pair in zip(signs, pairwise(nodes), strict=True)
            ],
            any_of=False,
        )

    def _tested(self, of: _Part, test: str, affirmed: bool) -> _Part:
        if test == "defined":
            if of.value is _UNKNOWN and not of.missing:
                return of
            return _Part((not of.missing) is affirmed, of.because)
        if test not in TESTS:
            raise ConditionError(f"not the language of cards: is {test}")
        if of.value is _UNKNOWN:
            return of
        return _Part(TESTS[test](of.value) is affirmed, of.because)

    def _with_default(self, of: _Part, other: ast.expr) -> _Part:
        if of.missing or of.value is None:
            return _merged(self.part(other).value, [of, self.part(other)])
        return of

    def _chosen(self, test: _Part, then: _Part, otherwise: _Part) -> _Part:
        if test.value is not _UNKNOWN:
            chosen = then if test.value else otherwise
            return _merged(chosen.value, [test, chosen], chosen.lacks)
        if then.value is not _UNKNOWN and _same(then.value, otherwise.value):
            return _merged(then.value, [then, otherwise])
        return test


def _joined(parts: list[_Part], any_of: bool) -> _Part:
    """Return ``or`` (any_of) or ``and`` of ``parts``: those that decide, decide alone."""
    known = [part for part in parts if part.value is not _UNKNOWN]
    if deciding := [part for part in known if bool(part.value) is any_of]:
        return _merged(any_of, deciding)
    if unknown := [part for part in parts if part.value is _UNKNOWN]:
        return _merged(_UNKNOWN, unknown)
    return _merged(not any_of, known)


def _merged(value: Any, parts: list[_Part], lacks: str = "") -> _Part:
    if value is _UNKNOWN:
        lacks = lacks or next((part.lacks for part in parts if part.lacks), "")
        return _Part(value, _because(parts), lacks)
    return _Part(value, _because(parts))


def _because(parts: Iterable[_Part]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id for part in parts for id in part.because))


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
