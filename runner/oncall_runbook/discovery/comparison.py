"""Where an inventory and what is on its hosts differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from oncall_runbook.discovery.recognition import PARTS, recognised
from oncall_runbook.discovery.stacks import Stack, stacks_of

if TYPE_CHECKING:
    from oncall_runbook.documents import Finding

_PORTS = {"http": 80, "https": 443, "redis": 6379}
_HERE = ("localhost", "127.0.0.1", "::1")
# What plays a part, where that can be told for certain; whatever may be an application plays none.
_KINDS = {
    "frontend": ("nginx", "other web server"),
    "database": ("postgresql",),
    "blockchain": ("ethereum",),
    "cache": ("redis",),
}
_NOT_CERTAIN = ("application", "worker", "tool")
_SETTINGS = {
    "backend": "stack_backend_url",
    "frontend": "stack_frontend_url",
    "blockchain": "stack_blockchain_url",
    "cache": "stack_cache_url",
}


class NotTold(Exception):
    """A host did not tell what is there; with its reason, which may be none."""


@dataclass(frozen=True)
class Told:
    """What a host told: its stacks, and what its inventory says of the one that is looked after."""

    stacks: list[Stack]
    settings: Mapping[str, Any]

    @property
    def meant(self) -> Stack | None:
        """The stack that the inventory means, by its directory; none where that has none."""
        places = [place for place in self.settings["directories"] if place]
        return next((stack for stack in self.stacks if stack.directory in places), None)

    def differences(self) -> Iterator[str]:
        """Say where inventory and containers differ; nothing where they agree."""
        stack, named = self.meant, self.settings["services"]
        if stack is None:
            others = ", ".join(f"{one.project} is in {one.directory}" for one in self.stacks)
            where = f"there is no compose project in {self.settings['directories'][0]}"
            yield f"{where}; {others}: set stack_dir" if others else where
            return
        for part in PARTS:
            yield from _of_part(part, named, stack)
        for part, address in self.settings["addresses"].items():
            yield from _of_address(_SETTINGS[part], address, named[part], stack)
        known = {service.name for service in stack.services}
        for name, address in self.settings["urls"].items():
            if name not in known:
                yield f"stack_service_urls names {name}, and there is no such service"
            yield from _of_address("stack_service_urls", address, name, stack)


def told_in(findings: Mapping[str, Finding]) -> Told:
    """Return what a host's findings tell; raises `NotTold`."""
    for id in ("discover", "settings"):
        found = findings.get(id)
        if found is None or found["status"] != "healthy":
            raise NotTold(found["reason"] or "" if found else "")
    answers = findings.get("answers")
    try:
        said = (answers["value"] or []) if answers else []
        return Told(stacks_of(findings["discover"]["value"], said), findings["settings"]["value"])
    except (ValueError, KeyError, TypeError) as error:
        raise NotTold(f"what Docker said cannot be read: {error}") from error


def _of_part(part: str, named: Mapping[str, str], stack: Stack) -> Iterator[str]:
    known = {service.name: service for service in stack.services}
    likely = [one for one in stack.parts[part] if one.name not in named.values()]
    other = f"{likely[0].name} ({recognised(likely[0]).why})" if likely else ""
    name = named[part]
    if not name:
        if other:
            yield f"the inventory names no {part}, and {other} may be one"
    elif name not in known:
        yield f"there is no service {name} for {part}" + (f": it may be {other}" if other else "")
    else:
        told = recognised(known[name])
        if part in _KINDS and told.kind not in (*_KINDS[part], *_NOT_CERTAIN):
            yield f"{name} is no {part}: {told.kind}, {told.why}"


def _of_address(setting: str, address: str, name: str, stack: Stack) -> Iterator[str]:
    port = _port(address)
    known = {service.name: service for service in stack.services}
    service = known.get(name)
    taken = {port for one in stack.services for port in (one.ports or {}).values()}
    if service is None or not port or not service.ports or port in taken:
        return
    published = ", ".join(map(str, sorted(set(service.ports.values()))))
    yield f"{setting} asks port {port}, and {service.name} publishes {published}"


def _port(address: str) -> int | None:
    """Return the port of this host that an address names; none for one that is elsewhere."""
    try:
        place = urlsplit(address if "://" in address else f"redis://{address}")
        return (place.port or _PORTS.get(place.scheme)) if place.hostname in _HERE else None
    except ValueError:
        return None
