"""Hosts as people name them on a command line: [USER@]HOST[:PORT]."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from oncall_runbook.errors import BadInputError

_PLACE = re.compile(
    r"(?:(?P<user>[A-Za-z0-9._][A-Za-z0-9._-]*)@)?"
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9_][A-Za-z0-9._-]*)|(?P<bare>[0-9A-Fa-f:]*::?[0-9A-Fa-f:.]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"
)
HERE: Mapping[str, object] = {"ansible_connection": "local"}


def ways(hosts: Iterable[str]) -> dict[str, dict[str, object]]:
    """Return by the name of each host the variables with which it is reached.

    Raises BadInputError for what is no host, and for one that is named twice.
    """
    found: dict[str, dict[str, object]] = {}
    for text in hosts:
        place = _PLACE.fullmatch(text)
        if place is None:
            raise BadInputError(f"{text!r} is no host: [USER@]HOST[:PORT]")
        name = place["six"] or place["host"] or place["bare"]
        if name in found:
            raise BadInputError(f"{name} is named twice")
        found[name] = {"ansible_host": name}
        if place["user"]:
            found[name]["ansible_user"] = place["user"]
        if place["port"]:
            found[name]["ansible_port"] = int(place["port"])
    return found


def as_inventory(found: Mapping[str, Mapping[str, object]], directory: Path) -> Path:
    """Write hosts and how they are reached as an inventory for one run; return its path."""
    path = directory / "hosts.yml"
    path.write_text(json.dumps({"all": {"hosts": found}}), encoding="utf-8")
    return path
