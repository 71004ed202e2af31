# GNU General Public License v3.0 or later (see LICENSE)
"""Keeps secrets out of everything that is kept or shown."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

MASK = "********"

_WORDS = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|credential|mnemonic|webhook|masterauth"
    r"|(?:api|private|access|encryption|signing)[_-]?key"
    r"|(?:[_-]|db|pg|mysql|mail|smtp|redis|require|root|user)pass(?![a-z])"
)
# A name is looked through once (the lookahead) and then taken whole, so that no text, however it
# is made, takes longer than its length.
_NAME = rf"(?<![\w.-])(?=[\w.-]*?(?:{_WORDS}))[\w.-]++"
# What programs say of a thing whose own name has such a word (a table user_refresh_tokens, a
# service token-service): phrases that are no secret, so that names beside them stay readable.
_PHRASE = (
    r"(?:permission denied|access denied|no such |no space left|not (?:found|permitted|running)"
    r"|does not exist|already (?:exists|in use|allocated)|exited \(\d|up (?:\d|about|less)"
    r"|restarting \(\d|(?:could|can|is|was|has) ?not |cannot |unable to |failed to |disk full"
    r"|violates |BIO_new_file\(\)|[\d.]+ ?(?:%|percent|rows|[kMGT]?i?B|bytes|seconds|m?s)(?![\w-]))"
)
_IS_PHRASE = re.compile(_PHRASE, re.I)
# Without one of these a line has no name of a secret: most lines need no closer look.
_STEMS = (
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "mnemonic",
    "webhook",
    "masterauth",
    "key",
)
# Where a secret stands in a line, by the name before it; the group `secret` must not be seen.
_IN_LINES = [
    # A string of JSON, as docker prints an environment: "NAME=…"
    re.compile(rf"\"{_NAME}=(?P<secret>(?:\\.|[^\"\\\n])+)", re.I),
    re.compile(
        rf"{_NAME}(?:\\*[\"'])?[ \t]*[=:][ \t]*(?P<quote>\\*[\"'])"
        r"(?P<secret>(?:''|(?!(?P=quote))(?:\\.|[^\n\\]))+)(?P=quote)",
        re.I,
    ),
    # A line of YAML up to its comment: a plain value may hold blanks and commas.
    re.compile(
        rf"^[ \t]*(?:-[ \t]+)?{_NAME}(?::[ \t]+(?!{_PHRASE})|=)"
        r"(?P<secret>[^\s\"'|>]\S*+(?:[ \t]++(?!\#)\S++)*+)",
        re.I,
    ),
    re.compile(
        rf"{_NAME}(?:\\*[\"'])?[ \t]*(?:=|:(?![ \t]+{_PHRASE}))[ \t]*"
        r"(?P<secret>[^\s\"',;&}\]\\]+)",
        re.I,
    ),
]
# The same anywhere in a text, over its lines, each with words of which one must be in it.
_ANYWHERE = [
    (
        ("private key",),
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>.+?)(?:-----END|\Z)", re.S),
    ),
    # An argument of its own: --requirepass SECRET, "--requirepass", "SECRET"
    (
        ("--", "requirepass", "masterauth"),
        re.compile(
            rf"(?<![\w.-])(?:--(?!no-)|(?=requirepass|masterauth))(?=[\w-]*?(?:{_WORDS}))[\w-]++"
            r"(?:[ \t]+|[\"']\s*,\s*[\"'])(?P<secret>[^\s\"'-][^\s\"']*)",
            re.I,
        ),
    ),
    (("://",), re.compile(r"(?<=://)[^\s/:@\"']*+:(?P<secret>[^\s/\"']+)@")),
    (("://",), re.compile(r"(?<=://)(?P<secret>[^\s/:@\"'*]{20,}+)@")),
    (
        ("bearer", "basic"),
        re.compile(r"\b(?:bearer|basic)\s+(?P<secret>[\w.~+/=-]{8,})", re.I),
    ),
    (("cookie:",), re.compile(r"\b(?:set-)?cookie:[ \t]*(?P<secret>[^\r\n\"]+)", re.I)),
    (("eyj",), re.compile(r"(?<![\w-])(?P<secret>eyJ[\w-]++\.[\w-]++\.[\w-]*+)")),
    (("0x",), re.compile(r"\b(?P<secret>0x[0-9a-f]{64})\b", re.I)),
    # SQL, of which a line may end between the words: ALTER ROLE app PASSWORD 'SECRET'
    (
        ("password", "identified by"),
        re.compile(r"\b(?:password|identified by)\s+'(?P<secret>(?:''|[^'\n])+)'", re.I),
    ),
]
_SECRET_NAME = re.compile(_WORDS, re.I)
# Most texts have none of these, and no secret.
_SIGNS = (*_STEMS, *(word for words, _ in _ANYWHERE for word in words))
# Shorter values are words ("true", "none") that would blank out half a log.
_SHORTEST = 6


def secrets_in(texts: Iterable[str]) -> set[str]:
    """Return the secret values that ``texts`` give away by the place where they stand."""
    return {
        spelled
        for text in texts
        for match in _matches(text)
        if MASK not in match["secret"]
        for spelled in _spellings(match["secret"])
    }


def _matches(text: str) -> Iterator[re.Match[str]]:
    """Yield every place of ``text`` where a secret stands."""
    lowered = text.lower()
    if not _has(lowered, _SIGNS):
        return
    if _has(lowered, _STEMS):
        for line in filter(_has_stem, text.split("\n")):
            for place in _IN_LINES:
                yield from place.finditer(line)
    for words, place in _ANYWHERE:
        if _has(lowered, words):
            yield from place.finditer(text)


def _has_stem(line: str) -> bool:
    return _has(line.lower(), _STEMS)


def _has(lowered: str, words: Iterable[str]) -> bool:
    return any(map(lowered.__contains__, words))


def _spellings(secret: str) -> Iterator[str]:
    """Yield a secret as it stands, and as programs know it: without URL or JSON escapes."""
    yield secret
    yield unquote(secret)
    if "\\" in secret:
        try:
            yield str(json.loads(f'"{secret}"', strict=False))
        except ValueError:
            return


def redact(text: str, known: Iterable[str] = ()) -> str:
    """Return ``text`` with every secret masked: the ``known`` ones anywhere, others by place."""
    # Known ones first: a place may end inside a secret that is known to be longer.
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    lowered = text.lower()
    if not _has(lowered, _SIGNS):
        return text
    if _has(lowered, _STEMS):
        text = "\n".join(
            _masked_line(line) if _has_stem(line) else line for line in text.split("\n")
        )
    for words, place in _ANYWHERE:
        if _has(lowered, words):
            text = place.sub(_mask, text)
    return text


def _masked_line(line: str) -> str:
    for place in _IN_LINES:
        line = place.sub(_mask, line)
    return line


def _mask(match: re.Match[str]) -> str:
    start, end = (position - match.start() for position in match.span("secret"))
    return match[0][:start] + MASK + match[0][end:]


def clean(data: T, known: Iterable[str] = ()) -> T:
    """Return nested ``data`` with secrets masked; what one text gives away is masked in all."""
    secrets = {*known, *_secrets(data)}

    def masked(value: Any, named: bool = False) -> Any:
        if isinstance(value, str):
            named = named and bool(value) and not _IS_PHRASE.match(value)
            return MASK if named else redact(value, secrets)
        if isinstance(value, list):
            return [masked(item, named) for item in value]
        if isinstance(value, dict):
            return {key: masked(item, is_secret(key)) for key, item in value.items()}
        return value

    cleaned: T = masked(data)
    return cleaned


def named_secrets(variables: Any) -> set[str]:
    """Return the texts that nested ``variables`` hold under the name of a secret."""
    return {text for text, named in _texts(variables) if named}


@functools.lru_cache(maxsize=4096)
def is_secret(key: object) -> bool:
    """Tell whether ``key`` is the name of a secret."""
    return isinstance(key, str) and bool(_SECRET_NAME.search(key))


def _secrets(data: object) -> set[str]:
    texts = [*_texts(data)]
    named = {text for text, is_named in texts if is_named and not _IS_PHRASE.match(text)}
    return named | secrets_in(text for text, is_named in texts if not is_named)


def _texts(value: Any, named: bool = False) -> Iterator[tuple[str, bool]]:
    if isinstance(value, str):
        yield value, named
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, named)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, is_secret(key))
