"""Extra variables: read as ansible reads them, and their secrets kept out of all output."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import BadInputError

_SECRET_NAME = re.compile(r"pass|secret|token|credential|private|api_?key|pwd", re.I)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
MASK = "********"


@dataclass(frozen=True)
class ExtraVars:
    """One `-e`: a file of the user's, or text that must only ever stand in a private file."""

    path: Path | None
    text: str
    secrets: frozenset[str]


def parse(values: Iterable[str]) -> tuple[ExtraVars, ...]:
    """Read every `-e` value: `k=v k2=v2`, a JSON or YAML mapping, or `@file`."""
    return tuple(_parse(value.strip()) for value in values)


def _parse(value: str) -> ExtraVars:
    if value.startswith("@"):
        return _file(Path(value[1:]).expanduser())
    if _ASSIGNMENT.match(value):
        pairs = _assignments(value)
        return ExtraVars(None, json.dumps(pairs), frozenset(_secrets(pairs)))
    mapping = _mapping(value)
    if mapping is None:
        raise BadInputError("-e is neither key=value, nor a JSON or YAML mapping, nor @file")
    return ExtraVars(None, value, frozenset(_secrets(mapping)))


def _file(path: Path) -> ExtraVars:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BadInputError(f"-e @{path} cannot be read; check the path") from error
    if text.startswith("$ANSIBLE_VAULT"):
        return ExtraVars(path.absolute(), "", frozenset())
    mapping = _mapping(text)
    if mapping is None and text.strip():
        raise BadInputError(f"-e @{path} holds no YAML or JSON mapping")
    return ExtraVars(path.absolute(), "", frozenset(_secrets(mapping or {})))


def _assignments(value: str) -> dict[str, str]:
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise BadInputError("-e has a quote that is never closed") from error
    if not all(_ASSIGNMENT.match(word) for word in words):
        raise BadInputError("-e has a word that is no key=value; quote values with blanks")
    return dict(word.split("=", 1) for word in words)


def _mapping(text: str) -> dict[str, Any] | None:
    from runner.catalog import load_yaml

    loaded = load_yaml(text)
    return loaded if isinstance(loaded, dict) else None


def _secrets(value: object, *, named: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets(item, named=named or bool(_SECRET_NAME.search(str(key))))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, named=named)
    elif named and len(text := str(value)) >= 4:
        yield text


def redact(value: Any, secrets: frozenset[str]) -> Any:
    """Return `value` with every secret in its texts masked."""
    if not secrets:
        return value
    if isinstance(value, str):
        for secret in sorted(secrets, key=len, reverse=True):
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {redact(k, secrets): redact(v, secrets) for k, v in value.items()}
    if isinstance(value, list):
        return [redact(item, secrets) for item in value]
    return MASK if not isinstance(value, bool) and str(value) in secrets else value
