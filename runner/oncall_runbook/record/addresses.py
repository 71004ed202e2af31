"""Addresses of people as apprise writes them: what may be said of one, which is a secret."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import unquote, urlsplit

_WITH_HOST = ("mailto", "mailtos", "json", "jsons", "xml", "xmls", "form", "forms", "http", "https")


def fingerprint(address: str) -> str:
    """Return what an address is known by in the store, where it must not stand itself."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def channel(address: str) -> str:
    """Return the part of an address that is no secret: its kind, and a server's name if it has one.

    In `slack://token/…` and its kin what looks like a host name is a token; so may all of it be.
    """
    try:
        server = urlsplit(address).hostname
    except ValueError:
        server = None
    kind = _kind(address)
    if not kind:
        return "unreadable"
    return f"{kind}://{server}" if kind in _WITH_HOST and server else kind


def is_chat(address: str) -> bool:
    """Tell whether an address is of a chat, which shows a form of its own best."""
    return _kind(address) not in _WITH_HOST


def _kind(address: str) -> str:
    return address.partition("://")[0].lower() if "://" in address else ""


def without_secrets(text: str, address: str) -> str:
    """Return what was said of an address with every part of it masked that could be secret."""
    told, _, query = (address.partition("://")[2] or address).partition("?")
    server = told.partition("/")[0].rpartition("@")[2] if _kind(address) in _WITH_HOST else ""
    values = [each.partition("=")[2] or each for each in query.split("&")]
    pieces = {*re.split("[/:@]", told), *values} - set(server.split(":"))
    words = pieces | {unquote(piece) for piece in pieces}
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= 4:
            text = re.sub(re.escape(word), "********", text, flags=re.I)
    return re.sub(r"^[\d\-: ,]+(- )?\w+ - ", "", text)
