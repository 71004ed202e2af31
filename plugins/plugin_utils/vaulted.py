# GNU General Public License v3.0 or later (see LICENSE)
"""Which variables come from a vault: whatever they are called, they are secrets."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible._internal._datatag._tags import Origin
from ansible.errors import AnsibleError
from ansible.parsing.vault import VaultHelper

# They hold all variables once more, of this host and of others.
_MAGIC = {"hostvars", "vars", "groups"}
_HEAD = b"$ANSIBLE_VAULT;"
# A word or a path that a whole file of settings holds beside its secrets (a user, a database, a
# directory) also stands in what hosts answer, and is judged there.
_SETTING = re.compile(r"[A-Za-z][A-Za-z_-]{0,11}|/.*|[\d.]+")


def secrets_of(variables: Mapping[str, Any]) -> set[str]:
    """Return the texts in nested ``variables`` that were encrypted, alone or with their file."""
    found = set()
    for name, value in variables.items():
        if name not in _MAGIC:
            found |= {text for text in map(_revealed, _leaves(value)) if text}
    return found


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _revealed(value: Any) -> str:
    """Return what ``value`` says in clear, if it comes from a vault; else nothing."""
    if VaultHelper.get_ciphertext(value, with_tags=False) is not None:
        try:
            return str(value)
        except AnsibleError:  # nobody can read it, nor show it
            return ""
    origin = Origin.get_tag(value) if isinstance(value, str) else None
    is_vaulted = origin is not None and origin.path and _is_encrypted(origin.path)
    return str(value) if is_vaulted and not _SETTING.fullmatch(value) else ""


@functools.lru_cache
def _is_encrypted(path: str) -> bool:
    """Tell whether the file that a value was read from is a vault."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_HEAD)) == _HEAD
    except OSError:
        return False
