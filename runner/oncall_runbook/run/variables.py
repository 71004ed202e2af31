"""Extra variables: inputs and no others, data and no templates, and no secret in any output."""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oncall_runbook.errors import BadInputError

_SECRET_NAME = re.compile(r"pass|secret|token|credential|private|api_?key|pwd", re.I)
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=", re.ASCII)
# What ansible itself knows of a play: no connection needs it, and a wrong one would let a step be
# left out. From "Special Variables" of Ansible's documentation.
_MAGIC = re.compile(
    r"ansible_(?:check_mode|collection_name|config_file|dependent_role_names|diff_mode|facts|forks"
    r"|index_var|inventory_sources|limit|local|loop|loop_var|name|parent_role_\w+|play_\w+|role_\w+"
    r"|run_tags|search_path|skip_tags|verbosity|version)"
)
_IN_NO_TEXT = re.compile(r"!\s*(?:vault|unsafe)\b")
_MARK = "__ansible_unsafe"
MASK = "********"


@dataclass(frozen=True)
class ExtraVars:
    """One `-e`: a file of the user's, or text that must only ever stand in a private file."""

    path: Path | None
    text: str
    secrets: frozenset[str]


@dataclass(frozen=True)
class Names:
    """The names that `-e` may set: the inputs of roles, but for those the command sets itself."""

    roles: Mapping[str, Collection[str]]  # inputs by role, whose name all its variables begin with
    taken: Collection[str] = ()

    def check(self, name: str, *, anything: bool) -> None:
        """Raise BadInputError for a name that may not be set.

        With `anything`, other names may be: those that an inventory's own templates use.
        """
        if name in self.taken:
            raise BadInputError(f"-e cannot set {name}: the command sets it, by its own options")
        inputs = [known for role in self.roles.values() for known in role]
        if name in inputs or (name.startswith("ansible_") and not _MAGIC.fullmatch(name)):
            return
        ours = _MAGIC.fullmatch(name) or name.startswith(tuple(f"{role}_" for role in self.roles))
        if anything and not ours:
            return
        near = difflib.get_close_matches(name, inputs, n=2, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "see: runbook show INCIDENT"
        if not ours:
            hint += " What an inventory of yours uses belongs in a @FILE."
        raise BadInputError(f"-e {name}: no input has this name; {hint}")


def parse(values: Iterable[str], names: Names) -> tuple[ExtraVars, ...]:
    """Read every `-e` value: `k=v k2=v2`, a JSON or YAML mapping, or `@file`.

    Raises BadInputError for a name that is no input, and for what cannot be read.
    """
    return tuple(_parse(value.strip(), names) for value in values)


def _parse(value: str, names: Names) -> ExtraVars:
    if value.startswith("@"):
        return _file(Path(value[1:]).expanduser(), names)
    mapping = _assignments(value) if _ASSIGNMENT.match(value) else _mapping(value)
    if mapping is None:
        raise BadInputError("-e is neither key=value, nor a JSON or YAML mapping, nor @file")
    if _IN_NO_TEXT.search(value):
        raise BadInputError("-e has a tag of YAML (!vault, !unsafe): such values belong in a @FILE")
    for name in mapping:
        names.check(str(name), anything=False)
    return ExtraVars(None, as_data(mapping), frozenset(_secrets(mapping)))


def as_data(variables: Mapping[str, Any]) -> str:
    """Return variables as JSON for ansible, with texts in which it sees no templates."""

    def marked(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): marked(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [marked(item) for item in value]
        # The mark of ansible's own JSON: see AnsibleUnsafe in its documentation.
        return value if isinstance(value, bool | int | float | None) else {_MARK: str(value)}

    return json.dumps(marked(variables))


def _file(path: Path, names: Names) -> ExtraVars:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise BadInputError(f"-e @{path} cannot be read; check the path") from error
    if text.startswith("$ANSIBLE_VAULT"):
        return ExtraVars(path.absolute(), "", frozenset())
    mapping = _mapping(text)
    if mapping is None and text.strip():
        raise BadInputError(f"-e @{path} holds no YAML or JSON mapping")
    for name in mapping or {}:
        names.check(str(name), anything=True)
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
    from oncall_runbook.cards.catalog import load_yaml

    loaded = load_yaml(text)
    return loaded if isinstance(loaded, dict) else None


def _secrets(value: object, *, named: bool = False) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets(item, named=named or bool(_SECRET_NAME.search(str(key))))
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item, named=named)
    elif named and not isinstance(value, bool) and len(text := str(value)) >= 4:
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
