# GNU General Public License v3.0 or later (see LICENSE)
"""Evaluates what Jinja and Python mean alike, without the two milliseconds a template takes.

A triage evaluates two hundred expressions of its cards. Most are paths, comparisons, ``and``,
``or`` and ``not``, written the same in both languages; Ansible's templates do the rest.
"""

from __future__ import annotations

import ast
import functools
import operator
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SIGNS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda one, many: one in many,
    ast.NotIn: lambda one, many: one not in many,
}
FILTERS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "length": len,
    "quote": shlex.quote,
}
TESTS: dict[str, Callable[[Any], bool]] = {
    "none": lambda value: value is None,
    "string": lambda value: isinstance(value, str),
}
# Tests with an argument, as select, reject, selectattr and rejectattr use them.
_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "equalto": operator.eq,
    "in": SIGNS[ast.In],
    "match": lambda text, pattern: bool(re.match(pattern, text)),
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}
CONSTANTS = {"true": True, "false": False, "none": None}
_EMBEDDED = re.compile(r"{{ ([^{}]*) }}")
# What makes something of what is not defined.
_EXCUSES = re.compile(r"\bis\b|\b(?:default|d|select|reject|map)\b|\[")
_TEXT_OR_TILDE = re.compile(r"""'[^']*'|"[^"]*"|~""")


class UndefinedError(Exception):
    """An expression asks an answer for what it does not hold; Jinja would say the same."""


def evaluate(expression: str, names: Mapping[str, Any], variable: Callable[[str], Any]) -> Any:
    """Return the value of ``expression`` over ``names`` and, for other names, ``variable``.

    Raises LookupError, TypeError or ValueError for one that Jinja must judge: because it has more
    than is known here, or because something in it has another type; UndefinedError for one that
    comes to nothing.
    """
    try:
        value = _Evaluation(names, variable).value(parsed(_in_python(expression)))
    except ArithmeticError as error:
        raise ValueError(expression) from error
    except UndefinedError as error:
        if _EXCUSES.search(expression):
            raise LookupError(expression) from error
        raise
    if isinstance(value, Iterator):
        raise LookupError(expression)
    return value


def render(template: str, variable: Callable[[str], Any]) -> str:
    """Return ``template`` with its ``{{ expressions }}`` replaced; raises as `evaluate` does."""
    if "{%" in template or "{#" in template:
        raise LookupError(template)
    text = _EMBEDDED.sub(lambda found: str(evaluate(found[1], {}, variable)), template)
    if "{{" in text:
        raise LookupError(template)
    return text


@functools.lru_cache(maxsize=1024)
def _in_python(expression: str) -> str:
    """Return ``expression`` with ``@`` for Jinja's ``~``: it too binds tighter than ``in``."""
    if "@" in expression:
        raise LookupError(expression)
    return _TEXT_OR_TILDE.sub(lambda part: "@" if part[0] == "~" else part[0], expression)


@functools.lru_cache(maxsize=1024)
def parsed(expression: str) -> ast.expr:
    """Return the syntax tree of ``expression``; raises LookupError for what Python cannot read."""
    if "\\" in expression:
        raise LookupError(expression)
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except SyntaxError as error:
        raise LookupError(expression) from error


def _text(value: Any) -> str:
    """Return a text or number as Jinja shows it; raises LookupError for what has no one shape."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise LookupError(type(value).__name__)
    return str(value)


def _number(value: Any) -> Any:
    """Return a number as it is; raises LookupError for what has its own arithmetic."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LookupError(type(value).__name__)
    return value


@dataclass(frozen=True)
class _Evaluation:
    names: Mapping[str, Any]
    variable: Callable[[str], Any]

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Name(id=name):
                return self._named(name)
            # A method's name Jinja takes for the method.
            case ast.Attribute(value=base, attr=key) if not hasattr(dict, key):
                return self._member(base, key)
            case ast.List(elts=items):
                return [self.value(item) for item in items]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.BoolOp(op=kind, values=parts):
                return self._joined(isinstance(kind, ast.Or), parts)
            case ast.IfExp(test=test, body=then, orelse=otherwise):
                return self.value(then if self.value(test) else otherwise)
            # A filter binds tighter in Jinja than any operator but a path.
            case ast.BinOp(
                left=ast.Name()
                | ast.Attribute()
                | ast.Call()
                | ast.IfExp()
                | ast.BinOp(op=ast.BitOr()) as of,
                op=ast.BitOr(),
                right=asked,
            ):
                return self._filtered(of, asked)
            case ast.BinOp(left=one, op=ast.MatMult(), right=other):
                return _text(self.value(one)) + _text(self.value(other))
            case ast.BinOp(left=one, op=kind, right=other) if type(kind) in _ARITHMETIC:
                numbers = _number(self.value(one)), _number(self.value(other))
                return _ARITHMETIC[type(kind)](*numbers)
            case ast.Call(func=ast.Attribute(value=base, attr="values"), args=[], keywords=[]):
                return iter(self._mapping(base).values())
            case ast.Call(
                func=ast.Attribute(value=base, attr="get"), args=[key, other], keywords=[]
            ):
                return self._mapping(base).get(self.value(key), self.value(other))
            case ast.Compare(left=of, ops=[ast.Is() | ast.IsNot() as sign], comparators=[test]):
                return self._is(of, test) is isinstance(sign, ast.Is)
            case ast.Compare(left=first, ops=signs, comparators=others):
                return self._compared(first, signs, others)
        raise LookupError(type(node).__name__)

    def _filtered(self, of: ast.expr, asked: ast.expr) -> Any:
        match of, asked:
            case _, ast.Name(id="list"):  # no filter of conditions, which share FILTERS
                return list(self._items(of))
            case _, ast.Name(id=name):
                return FILTERS[name](self.value(of))
            case (
                ast.Attribute(value=base, attr=key),
                ast.Call(func=ast.Name(id="default"), args=[other, *also], keywords=[]),
            ) if not hasattr(dict, key):
                value = self._mapping(base).get(key, otherwise := self.value(other))
                return otherwise if also and self.value(*also) and not value else value
            case _, ast.Call(func=ast.Name(id="join"), args=[between], keywords=[]):
                return _text(self.value(between)).join(map(_text, self._items(of)))
            case _, ast.Call(func=ast.Name(id=name), args=arguments, keywords=named):
                return self._each(name, self._items(of), arguments, named)
        raise LookupError(ast.unparse(asked))

    def _each(
        self, name: str, items: Iterable[Any], arguments: list[ast.expr], named: list[ast.keyword]
    ) -> Iterator[Any]:
        """Return, as Jinja does, an iterator over ``items`` that are mapped or selected."""
        match name, arguments, named:
            case "map", [ast.Constant(value=str() as each)], []:
                return map(FILTERS[each], items)
            case "map", [], [ast.keyword(arg="attribute", value=ast.Constant(value=str() as key))]:
                return (item[key] for item in items)
            case "select" | "reject", [ast.Constant(value=str() as test), other], []:
                holds, than = _RELATIONS[test], self.value(other)
                return (item for item in items if holds(item, than) is (name == "select"))
            case (
                "selectattr" | "rejectattr",
                [ast.Constant(value=str() as key), ast.Constant(value=str() as test), other],
                [],
            ):
                holds, than = _RELATIONS[test], self.value(other)
                return (item for item in items if holds(item[key], than) is (name == "selectattr"))
        raise LookupError(name)

    def _items(self, node: ast.expr) -> Iterable[Any]:
        if not isinstance(items := self.value(node), list | Iterator):
            raise LookupError(ast.unparse(node))
        return items

    def _named(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        return CONSTANTS[name] if name in CONSTANTS else self.variable(name)

    def _has(self, name: str) -> bool:
        try:
            self._named(name)
        except KeyError:
            return False
        return True

    def _mapping(self, node: ast.expr) -> Mapping[str, Any]:
        if not isinstance(value := self.value(node), Mapping):
            raise LookupError(ast.unparse(node))
        return value

    def _member(self, base: ast.expr, key: str) -> Any:
        if key not in (mapping := self._mapping(base)):
            raise UndefinedError(f"{ast.unparse(base)}.{key}")
        return mapping[key]

    def _joined(self, until: bool, parts: list[ast.expr]) -> Any:
        value: Any = None
        for part in parts:
            value = self.value(part)
            if bool(value) is until:
                break
        return value

    def _is(self, of: ast.expr, test: ast.expr) -> bool:
        match of, test:
            case ast.Attribute(value=base, attr=key), ast.Name(id="defined"):
                return key in self._mapping(base)
            case ast.Name(id=name), ast.Name(id="defined" | "undefined" as asked):
                return self._has(name) is (asked == "defined")
            case ((ast.Name() | ast.Attribute()), ast.Name(id=name)):
                return TESTS[name](self.value(of))
        raise LookupError(ast.unparse(test))

    def _compared(self, first: ast.expr, signs: list[ast.cmpop], others: list[ast.expr]) -> bool:
        left = self.value(first)
        for sign, other in zip(signs, others, strict=True):
            right = self.value(other)
            if not SIGNS[type(sign)](left, right):
                return False
            left = right
        return True
