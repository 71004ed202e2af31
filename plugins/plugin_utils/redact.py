# GNU General Public License v3.0 or later (see LICENSE)
"""Keeps secrets out of everything that is kept or shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

MASK = "********"

_WORDS = "passw(?:or)?d|passphrase|pwd|secret|token|(?:api|private)[_-]?key|credential|mnemonic"
_NAME = rf"[\w.-]*(?:{_WORDS})[\w.-]*"
# Where a secret stands in text; the group `secret` is what must not be seen.
_PLACES = [
    re.compile(rf"\b{_NAME}[\"']?\s*[=:]\s*(?P<quote>[\"'])(?P<secret>.+?)(?P=quote)", re.I),
    re.compile(rf"\b{_NAME}[\"']?\s*[=:]\s*(?P<secret>[^\s\"',;&}}\]]+)", re.I),
    re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:(?P<secret>[^\s/]+)@", re.I),
    re.compile(r"\b(?:bearer|basic)\s+(?P<secret>[\w.~+/=-]{8,})", re.I),
    re.compile(r"\b(?P<secret>eyJ[\w-]+\.[\w-]+\.[\w-]*)"),
    re.compile(r"\b(?P<secret>0x[0-9a-f]{64})\b", re.I),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>.+?)-----END", re.S),
]
# Shorter values are words ("true", "none") that would blank out half a log.
_SHORTEST = 6


def secrets_in(texts: Iterable[str]) -> set[str]:
    """Return the secret values that ``texts`` give away by the place where they stand."""
    return {
        match["secret"]
        for text in texts
        for place in _PLACES
        for match in place.finditer(text)
        if match["secret"] != MASK
    }


def redact(text: str, known: Iterable[str] = ()) -> str:
    """Return ``text`` with every secret masked: by its place, and the ``known`` ones anywhere."""
    for place in _PLACES:
        text = place.sub(_mask, text)
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    return text


def _mask(match: re.Match[str]) -> str:
    start, end = (position - match.start() for position in match.span("secret"))
    return match[0][:start] + MASK + match[0][end:]


def clean(data: T) -> T:
    """Return nested ``data`` with secrets masked; what one text gives away is masked in all."""
    known = secrets_in(_texts(data))

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return redact(value, known)
        if isinstance(value, list):
            return [masked(item) for item in value]
        if isinstance(value, dict):
            return {key: masked(item) for key, item in value.items()}
        return value

    cleaned: T = masked(data)
    return cleaned


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
