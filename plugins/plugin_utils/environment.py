# GNU General Public License v3.0 or later (see LICENSE)
"""Masks the environments of containers: a secret may have any name, so few values are shown."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .redact import MASK

# Shown with their values: they tell which service, database and release this is.
_SHOWN = re.compile(
    r"(?:NODE_ENV|ENV|ENVIRONMENT|PATH|HOME|HOSTNAME|HOST|PORT|LANG|LANGUAGE|LC_ALL|TZ|TERM|DEBUG"
    r"|PGDATA|NODE_OPTIONS|WEB_CONCURRENCY|UV_THREADPOOL_SIZE"
    r"|\w+_(?:HOST|HOSTNAME|PORT|VERSION|MAJOR|RELEASE|DB|DATABASE|NAME|USER|USERNAME|LEVEL|TIMEOUT"
    r"|SECONDS|MS|SIZE|LIMIT|MAX|MIN|ENABLED|ENV|MODE|PATH|DIR))",
    re.I,
)
# As docker inspect prints them, in a list: "NAME=value"
_IN_JSON = re.compile(
    r"(?P<before>^[ \t]*|[\[,][ \t]*)"
    r"\"(?P<name>[A-Za-z_][\w.]*)=(?P<value>(?:\\.|[^\"\\\n])+)\"",
    re.M,
)
_URL = re.compile(
    rf"(?P<place>[a-z][a-z0-9+.-]*://(?:[\w.-]*:{re.escape(MASK)}@)?[\w.:-]+)(?P<rest>(?:[/?#].*)?)"
)
# The head of a block of YAML that holds one: environment: or x-api-env: &api
_HEAD = re.compile(
    r"^(?P<indent>[ \t]*)(?!env_file)[\w.-]*env(?:ironment)?[\w.-]*:[ \t]*(?:&\S+[ \t]*)?"
    r"(?P<rest>[^#\n]*)",
    re.I,
)
_IS_COMPOSE = re.compile(r"^services:", re.M)
_ENTRY = re.compile(
    r"^(?P<head>[ \t]*(?:-[ \t]+)?[\"']?(?P<name>[A-Za-z_][\w.]*)[\"']?[ \t]*(?::[ \t]+|=))"
    r"(?P<value>\S.*)$"
)
_ITS_OWN = re.compile(r"^[ \t]*(?:#.*|<<:.*|-?[ \t]*[\"']?[\w.]+[\"']?[ \t]*:?[ \t]*(?:#.*)?)?$")


def masked(text: str) -> str:
    """Return ``text`` with the values of environments masked, but for names that tell no secret.

    It knows them as docker inspect prints them, and as compose files have them. Of an URL the
    place stays. What stands in such a block of a compose file and cannot be read is masked whole.
    """
    text = _IN_JSON.sub(_of_json, text)
    return "\n".join(_lines(text.split("\n"))) if _IS_COMPOSE.search(text) else text


def _of_json(match: re.Match[str]) -> str:
    before, name, value = match.groups()
    return f'{before}"{name}={_shown(name, value)}"'


def _shown(name: str, value: str) -> str:
    if _SHOWN.fullmatch(name):
        return value
    if url := _URL.fullmatch(value):
        return url["place"] + MASK * bool(url["rest"])
    return MASK


def _lines(lines: list[str]) -> Iterator[str]:
    inside: int | None = None  # the indentation of the block's head
    for line in lines:
        indent = len(line) - len(line.lstrip(" \t"))
        if inside is not None and line.strip() and indent <= inside and not _is_item(line, inside):
            inside = None
        if inside is None:
            head = _HEAD.match(line)
            if head and head["rest"].strip():
                at = head.start("rest")
                yield line if head["rest"].strip().startswith("*") else line[:at] + MASK
                continue
            inside = len(head["indent"]) if head else None
            yield line
        else:
            yield _masked_entry(line)


def _is_item(line: str, inside: int) -> bool:
    """Tell whether ``line`` is an item of a list that is indented as its head is."""
    return line.lstrip(" \t").startswith("- ") and len(line) - len(line.lstrip(" \t")) == inside


def _masked_entry(line: str) -> str:
    if entry := _ENTRY.match(line):
        return entry["head"] + _shown(entry["name"], entry["value"])
    return line if _ITS_OWN.match(line) else line[: len(line) - len(line.lstrip(" \t"))] + MASK
