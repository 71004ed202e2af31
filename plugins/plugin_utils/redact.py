# GNU General Public License v3.0 or later (see LICENSE)
"""Keeps secrets out of everything that is kept or shown."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

T = TypeVar("T")

MASK = "********"

_WORDS = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|credential|mnemonic|webhook|masterauth"
    r"|(?:seed|recovery|backup)[_-]?(?:phrase|words)"
    r"|(?:api|app|private|access|encryption|signing|signer|master|auth|service|license|session|cookie"
    r"|jwt|hmac|aes|rsa|ssh|tls|account|admin|owner|deploy(?:er)?|wallet|storage)[_-]?key(?![a-z])"
    r"|(?:[_-]|db|pg|mysql|mail|smtp|redis|require|root|user)pass(?![a-z])"
    r"|[_-](?:pw|pat)(?![a-z])"
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
    "phrase",
    "words",
    *("_pw", "-pw", "_pat", "-pat", "_auth", "_dsn", "_salt", "_creds", "_otp"),
)
# With one, its name must end before a sign that gives it a value: no other line has such a place.
_GIVEN = re.compile(rf"(?:{'|'.join(_STEMS)})[\w.-]*+\\*[\"']?[ \t]*[=:]", re.I)
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
        r"(?![|>][-+\d]{0,2}[ \t]*$)(?P<secret>[^\s\"',;&}\]\\]+)",
        re.I,
    ),
    # As environments write them; a key of a table, a cache or the public is none.
    re.compile(
        r"(?<![\w.-])(?!\w*(?:PUBLIC|PRIMARY|FOREIGN|SORT|PARTITION|CACHE|IDEMPOTENCY)_KEY)"
        r"[A-Z][A-Z0-9_]*_(?:KEYS?|AUTH|DSN|SALT|CREDS|OTP)\\*[\"']?[ \t]*[=:][ \t]*\\*[\"']?"
        r"(?P<secret>[^\s\"',;&}\]\\]{6,})"
    ),
]


def _late(pattern: str, flags: int = 0) -> Callable[[], re.Pattern[str]]:
    """Return what compiles ``pattern`` when it is first needed: most runs meet few of them."""
    return functools.cache(lambda: re.compile(pattern, flags))


# Tokens that their makers gave a shape of its own, so that they are found: by prefix.
_PREFIXES = (
    *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xox"),
    *("k_live_", "k_test_", "whsec_", "aiza", "ya29.", "sg.", "npm_", "pypi-", "dckr_pat_"),
    *("sk-", "hf_", "dop_v1_", "shpat_", "shpss_", "glsa_", "hvs.", "hvb.", "age-secret-key-1"),
    *("xkeysib-", "key-", ":aa"),
)
_SHAPE = _late(
    r"(?<![\w.-])(?P<secret>(?:AKIA|ASIA)[0-9A-Z]{16}\b|gh[oprsu]_\w{30,}+|github_pat_\w{22,}+"
    r"|glpat-[\w-]{20,}+|xox[abeprs]-[\w-]{10,}+|[rs]k_(?:live|test)_\w{16,}+|whsec_[\w+/=]{16,}+"
    r"|AIza[\w-]{30,}+|ya29\.[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+|npm_\w{30,}+|pypi-[\w-]{30,}+"
    r"|dckr_pat_[\w-]{20,}+|sk-(?=[\w-]*\d)[\w-]{20,}+|hf_[A-Za-z0-9]{30,}+|dop_v1_[0-9a-f]{64}"
    r"|shp(?:at|ss)_[0-9a-f]{32}|glsa_\w{32,}+|hv[sb]\.[\w-]{24,}+|AGE-SECRET-KEY-1[0-9A-Z]{50,}+"
    r"|xkeysib-[0-9a-f-]{60,}+|key-[0-9a-f]{32}\b|\d{8,10}:AA[\w-]{30,}+)"
)
# What logs put before each line, also of other logs: services, as compose and we do, and times.
_TIME = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,]*(?:Z|[+-][\d:]+)?[ \t]"
_BEFORE = rf"(?:[\w.-]++(?:\t| +\| )|{_TIME}){{0,4}}"
_DEEPER = rf"{_BEFORE}(?(indent)(?P=indent))[ \t]+"
_BLOCK_SIGNS = (": |", ": >")
_BLOCK_NAME = (
    rf"(?:{_BEFORE}(?P<indent>[ \t]*)(?:-[ \t]+)?|[^\n]{{0,200}}?[^\w.\n-])"
    rf"{_NAME}:[ \t]*[|>][+-]?\d?[+-]?[ \t]*"
)
_SEPARATED = r"(?:[ \t=]|[\"']\s*,\s*)[\"']?"  # an argument from its option, in a list of JSON too
# The same anywhere in a text, over its lines, each with words of which one must be in it; without
# any a dozen blanks must.
_ANYWHERE = [
    (
        ("private key",),
        _late(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>.+?)(?:-----END|\Z)", re.S),
    ),
    # An argument of its own: --requirepass SECRET, "--requirepass", "SECRET"
    (
        ("--", "requirepass", "masterauth"),
        _late(
            rf"(?<![\w.-])(?:--(?!no-)|(?=requirepass|masterauth))(?=[\w-]*?(?:{_WORDS}))[\w-]++"
            r"(?:[ \t]+|[\"']\s*,\s*[\"'])(?P<secret>[^\s\"'-][^\s\"']*)",
            re.I,
        ),
    ),
    (("://",), _late(r"(?<=://)[^\s/:@\"']*+:(?P<secret>[^\s/\"']+)@")),
    (("://",), _late(r"(?<=://)(?P<secret>[^\s/:@\"'*]{20,}+)@")),
    (
        ("bearer", "basic"),
        _late(r"\b(?:bearer|basic)\s+(?P<secret>[\w.~+/=-]{8,})", re.I),
    ),
    (("cookie:",), _late(r"\b(?:set-)?cookie:[ \t]*(?P<secret>[^\r\n\"]+)", re.I)),
    (("eyj",), _late(r"(?<![\w-])(?P<secret>eyJ[\w-]++\.[\w-]++\.[\w-]*+)")),
    (("0x",), _late(r"\b(?P<secret>0x[0-9a-f]{64})\b", re.I)),
    # Of 64 digits alone most are the id of a container or the hash of an image.
    (
        ("key", "private", "secret", "wallet", "signer"),
        _late(
            r"(?:key|private|secret|wallet|signer)[\"']?[^\w\n]{1,4}(?P<secret>[0-9a-f]{64})\b",
            re.I,
        ),
    ),
    (_PREFIXES, _SHAPE),
    # Twelve words of a wallet, or more: a sentence has some that are shorter, or longer.
    (
        (),
        _late(r"(?<![\w-])(?<![a-z]{3} )(?P<secret>(?:[a-z]{3,8} ){11,40}[a-z]{3,8})(?![\w-])"),
    ),
    # As in postgres:16@sha256:… a digest may follow what looks alike.
    (
        ("@",),
        _late(
            r"(?<![\w/:.@+-])[\w.+-]{2,}+:(?P<secret>[^\s:@/\"']{6,}+)@(?!sha\d+:)"
            r"(?=[\w-]++(?:\.\w|:\d)|localhost\b)"
        ),
    ),
    (
        # A key as a part of a path: of an address, or of a request in a log. A file's has a dot.
        tuple(f"/v{version}/" for version in range(1, 10)),
        _late(
            r"/v[1-9]/(?![0-9a-f]{8}-[0-9a-f]{4}-)(?=[\w-]*\d[\w-]*\d[\w-]*\d)"
            r"(?P<secret>[\w-]{20,}+)(?!\.\w)"
        ),
    ),
    (
        ("?",),
        _late(
            r"[?&][\w.-]*?(?:key|token|secret|sig|signature|auth|session|pass\w*)="
            r"(?P<secret>[^\s&\"'#]{6,}+)",
            re.I,
        ),
    ),
    (
        ("redis-cli", "valkey-cli"),
        _late(
            rf"\b(?:redis|valkey)-cli\b[^\n|;&]{{0,200}}?(?<![\w-])(?:-a|--pass){_SEPARATED}(?P<secret>[^\s\"',]+)"
        ),
    ),
    (
        ("mysql", "mariadb"),
        _late(
            r"\b(?:mysql\w*|mariadb(?:-\w+)?)\b[^\n|;&]{0,200}?(?<![\w-])-p(?P<secret>[^\s\"',-][^\s\"',]*)"
        ),
    ),
    (("sshpass",), _late(r"\bsshpass\b[ \t\"',]+-p[ \t\"',]*(?P<secret>[^\s\"',]+)")),
    (
        ("curl",),
        _late(
            rf"\bcurl\b[^\n|;&]{{0,200}}?(?<![\w-])(?:-u|--user|--proxy-user){_SEPARATED}[^\s:\"']+:(?!//)(?P<secret>[^\s\"',]+)"
        ),
    ),
    # A block of YAML, up to the line that is indented as its name is; of a log perhaps.
    (
        _BLOCK_SIGNS,
        _late(
            rf"^{_BLOCK_NAME}\n(?P<secret>{_DEEPER}[^\n]*"
            rf"(?:\n(?:{_DEEPER}[^\n]*|{_BEFORE}[ \t]*(?=\n)))*)",
            re.I | re.M,
        ),
    ),
    # A key that was cut at its beginning, perhaps with a time before each line; 4096 bits: 51.
    (
        ("private key",),
        _late(
            r"^(?P<secret>(?:[^\n-]{0,60}?[A-Za-z0-9+/]{32,100}={0,2}[ \t]*\n){1,60}+"
            r"(?:[^\n-]{0,60}?[A-Za-z0-9+/]{1,31}={0,2}[ \t]*\n)?)"
            r"(?=[^\n-]{0,60}-----END [A-Z ]*PRIVATE KEY)",
            re.M,
        ),
    ),
    # SQL, of which a line may end between the words: ALTER ROLE app PASSWORD 'SECRET'
    (
        ("password", "identified by"),
        _late(r"\b(?:password|identified by)\s+'(?P<secret>(?:''|[^'\n])+)'", re.I),
    ),
]
_IS_BLOCK_NAME = _late(_BLOCK_NAME, re.I)
_LOGGED = _late(rf"(?P<before>{_BEFORE})(?P<blanks>[ \t]*)")
_TIMES = _late(_TIME)
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_SECRET_NAME = re.compile(_WORDS, re.I)
# Most texts have none of these, and no secret.
_WALLET_BLANKS = 11
_SIGNS = (*_STEMS, *(word for words, _sign in _ANYWHERE for word in words))
# Shorter values are words ("true", "none") that would blank out half a log.
_SHORTEST = 6
_SHORT = 300


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
    if _is_harmless(text):
        return
    lowered = text.lower()
    if _has(lowered, _STEMS):
        for line in filter(_has_stem, text.split("\n")):
            for place in _IN_LINES:
                yield from place.finditer(line)
    for words, compiled in _ANYWHERE:
        if _has(lowered, words):
            yield from compiled().finditer(text)


def _has_stem(line: str) -> bool:
    return _has(line.lower(), _STEMS) and bool(_GIVEN.search(line))


def _is_harmless(text: str) -> bool:
    """Tell whether a text has nothing beside which a secret stands."""
    return _short_is_harmless(text) if len(text) < _SHORT else not _has_sign(text)


@functools.lru_cache(maxsize=8192)
def _short_is_harmless(text: str) -> bool:
    """Tell it of a short one, which many hosts say alike."""
    return not _has_sign(text)


def _has_sign(text: str) -> bool:
    lowered = text.lower()
    return _has(lowered, _SIGNS) or _has(lowered, ())


def _has(lowered: str, words: Sequence[str]) -> bool:
    return any(map(lowered.__contains__, words)) if words else lowered.count(" ") >= _WALLET_BLANKS


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
    """Return ``text`` with every secret masked: the ``known`` ones anywhere, others by place.

    Colours are given up where one of them hides a secret.
    """
    if (plain := _ANSI.sub("", text)) == text:
        return _redacted(text, known)
    if (masked := _redacted(plain, known)) != plain:
        return masked
    # The other lines have been looked at: they have no colours.
    coloured = (_redacted(s, known) if "\x1b" in s else s for s in text.split("\n"))
    return "\n".join(coloured)


def _redacted(text: str, known: Iterable[str]) -> str:
    # Known ones first: a place may end inside a secret that is known to be longer.
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= _SHORTEST:
            text = text.replace(secret, MASK)
    if _is_harmless(text):
        return text
    lowered = text.lower()
    if _has(lowered, _STEMS):
        text = "\n".join(
            _masked_line(line) if _has_stem(line) else line for line in text.split("\n")
        )
    if _has(lowered, _BLOCK_SIGNS):
        text = "\n".join(_masked_blocks(text.split("\n")))
    for words, compiled in _ANYWHERE:
        if _has(lowered, words):
            text = compiled().sub(_mask, text)
    return text


def _masked_blocks(lines: Iterable[str]) -> Iterator[str]:
    """Mask blocks of YAML in logs of several services, which may log between each other's lines.

    A block goes on in the lines of its service alone, up to one that is indented as its name is.
    """
    blocks: dict[str, str] = {}  # of each service, how the name of its block is indented
    for line in lines:
        named = _has(line, _BLOCK_SIGNS)
        seen = _LOGGED().match(line) if blocks or named else None
        if seen is None:
            yield line
            continue
        before, blanks = seen["before"], seen["blanks"]
        service = _TIMES().sub("", before)
        indent = blocks.get(service)
        rest = len(before) + len(blanks)
        if indent is not None and rest < len(line):
            if blanks.startswith(indent) and blanks != indent:
                yield line[:rest] + MASK
                continue
            del blocks[service]
        if named and service and (name := _IS_BLOCK_NAME().fullmatch(line)):
            blocks[service] = name["indent"] or ""
        yield line


def _masked_line(line: str) -> str:
    for place in _IN_LINES:
        line = place.sub(_mask, line)
    return line


def _mask(match: re.Match[str]) -> str:
    start, end = (position - match.start() for position in match.span("secret"))
    return match[0][:start] + MASK + match[0][end:]


def clean(data: T, known: Iterable[str] = ()) -> T:
    """Return nested ``data`` with secrets masked; what one text gives away is masked in all.

    Data without any is returned as it is.
    """
    texts: set[tuple[str, bool]] = set()
    _gather(data, texts)
    secrets = {*known, *_secrets(texts)}
    # Most texts stand in many places.
    shown = {text: redact(text, secrets) for text, _named in texts}

    def masked(value: Any, named: bool = False) -> Any:
        if isinstance(value, str):
            return MASK if _is_masked(value, named) else shown[value]
        if isinstance(value, list):
            return [masked(item, named) for item in value]
        if isinstance(value, dict):
            return {key: masked(item, is_secret(key)) for key, item in value.items()}
        return value

    if all(shown[text] == text and not _is_masked(text, named) for text, named in texts):
        return data
    cleaned: T = masked(data)
    return cleaned


def _is_masked(text: str, named: bool) -> bool:
    """Tell whether a text is a secret by the name that it stands under."""
    return named and bool(text) and not _IS_PHRASE.match(text)


def named_secrets(variables: Any) -> set[str]:
    """Return the texts that nested ``variables`` hold under the name of a secret."""
    texts: set[tuple[str, bool]] = set()
    _gather(variables, texts)
    return {text for text, named in texts if named}


@functools.lru_cache(maxsize=4096)
def is_secret(key: object) -> bool:
    """Tell whether ``key`` is the name of a secret."""
    return isinstance(key, str) and bool(_SECRET_NAME.search(key))


def _secrets(texts: set[tuple[str, bool]]) -> set[str]:
    named = {text for text, is_named in texts if is_named and not _IS_PHRASE.match(text)}
    return named | secrets_in(text for text, is_named in texts if not is_named)


def _gather(value: Any, texts: set[tuple[str, bool]], named: bool = False) -> None:
    """Add the texts of nested data to ``texts``, each with whether a secret's name is its own."""
    if isinstance(value, str):
        texts.add((value, named))
    elif isinstance(value, list):
        for item in value:
            _gather(item, texts, named)
    elif isinstance(value, dict):
        for key, item in value.items():
            _gather(item, texts, is_secret(key))
