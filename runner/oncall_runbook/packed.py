"""Findings of many hosts in little memory, and their JSON written piece by piece."""

from __future__ import annotations

import copy
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any


class Packed(Mapping[str, Any]):
    """A mapping that is kept as compressed JSON, a tenth of its size, and read when it is asked."""

    def __init__(self, whole: Mapping[str, Any]) -> None:
        """Pack a mapping that JSON can hold."""
        self._json = zlib.compress(json.dumps(whole, default=str).encode(), 1)
        self._keys = len(whole)
        self._changes: tuple[Callable[[Any], Any], ...] = ()

    def changed(self, change: Callable[[Any], Any]) -> Packed:
        """Return it as a function makes it of the whole, whenever it is read; with as many keys."""
        other = copy.copy(self)
        other._changes = (*self._changes, change)
        return other

    def whole(self) -> dict[str, Any]:
        """Return it as it was packed, and changed since; a new one each time."""
        found: dict[str, Any] = json.loads(zlib.decompress(self._json))
        for change in self._changes:
            found = change(found)
        return found

    def __getitem__(self, key: str) -> Any:
        """Return what stands under a key."""
        return self.whole()[key]

    def __iter__(self) -> Iterator[str]:
        """Yield the keys."""
        return iter(self.whole())

    def __len__(self) -> int:
        """Return how many keys there are, without reading it."""
        return self._keys

    def items(self) -> Any:
        """Return the items, reading it once."""
        return self.whole().items()

    def values(self) -> Any:
        """Return the values, reading it once."""
        return self.whole().values()


def unpacked(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a mapping that may be packed as one that is not."""
    return mapping.whole() if isinstance(mapping, Packed) else mapping


def plain(value: object) -> object:
    """Return for `json.dumps` what JSON has no word for: what is packed as it was, else a text."""
    return value.whole() if isinstance(value, Packed) else str(value)


def pieces(document: Mapping[str, Any], *, ascii_only: bool = True) -> Iterator[str]:
    """Yield a document as JSON, of its hosts one after another: never all of it at once."""
    yield "{"
    for number, (key, value) in enumerate(document.items()):
        yield f"{', ' if number else ''}{json.dumps(key, ensure_ascii=ascii_only)}: "
        if key == "hosts" and isinstance(value, Mapping):
            yield from pieces(value, ascii_only=ascii_only)
        else:
            yield json.dumps(value, default=plain, ensure_ascii=ascii_only)
    yield "}"
