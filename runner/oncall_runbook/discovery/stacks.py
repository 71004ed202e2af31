"""The compose stacks of a host, from what Docker says of its containers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oncall_runbook.discovery.recognition import Service, parts_of, recognised

_HEALTH_URL = re.compile(
    r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::(\d+))?(/[^\s'\"|;)\]]*)?"
)
DATABASE = {"name": "POSTGRES_DB", "user": "POSTGRES_USER"}


@dataclass(frozen=True)
class Asked:
    """Where a service says how it is: at a port of its container and a path, with a status."""

    port: int | None
    path: str
    status: int | None = None
    """None where its own health check asks there, and nobody else did."""


@dataclass(frozen=True)
class Stack:
    """A compose project: its directory and services, and who plays which part in it."""

    project: str
    directory: str
    services: tuple[Service, ...]
    health: Mapping[str, Asked] = field(default_factory=dict)
    """What a service's own health check asks, or what was answered best, by the service."""
    settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Of a database's service: name and user, as its environment gives them."""

    @property
    def parts(self) -> dict[str, list[Service]]:
        """Return which services may play each part, the likeliest first.

        An application of which nothing is known that it answers comes after those that do.
        """
        parts = parts_of(self.services)
        parts["backend"].sort(key=lambda one: one.name not in self.health)
        return parts


def stacks_of(lines: Iterable[str], answers: Iterable[str] = ()) -> list[Stack]:
    """Return the stacks of a host, by what `compose_containers` and `service_answers` print.

    Several containers of a service are one. Raises ValueError for a line that is no JSON object.
    """
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    asked: dict[tuple[str, str], list[Asked]] = {}
    for one in _objects(answers):
        service = (str(one["project"]), str(one["service"]))
        at = Asked(int(one["port"]), str(one["path"]), int(one["status"]))
        asked.setdefault(service, []).append(at)
    for one in _objects(lines):
        if str(one.get("oneoff")).lower() != "true":
            key = (str(one.get("project") or ""), str(one.get("directory") or ""))
            found.setdefault(key, []).append(one)
    return [_stack(*key, containers, asked) for key, containers in sorted(found.items())]


def _objects(lines: Iterable[str]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        one = json.loads(line)
        if not isinstance(one, dict):
            raise ValueError(f"not an object: {line[:40]}")
        yield one


def _stack(
    project: str,
    directory: str,
    containers: list[Mapping[str, Any]],
    asked: Mapping[tuple[str, str], Sequence[Asked]],
) -> Stack:
    by_name = {str(one["service"]): one for one in containers}
    services = tuple(_service(name, one) for name, one in sorted(by_name.items()))
    health = {
        name: _health_check(one) or _best(asked.get((project, name), ()))
        for name, one in by_name.items()
    }
    settings = {
        service.name: _settings(by_name[service.name])
        for service in services
        if recognised(service).kind == "postgresql"
    }
    known = {name: at for name, at in health.items() if at}
    return Stack(project, directory, services, known, settings)


def _service(name: str, one: Mapping[str, Any]) -> Service:
    bound = {**(one.get("published") or {}), **{k: v for k, v in _ports(one) if v}}
    ports = {}
    for own, places in bound.items():
        number, _, protocol = str(own).partition("/")
        for place in places or []:
            if protocol in ("", "tcp") and str(place.get("HostPort") or "").isdecimal():
                ports[int(number)] = int(place["HostPort"])
    exposed = [
        int(port.partition("/")[0]) for port in one.get("exposed") or {} if "/udp" not in port
    ]
    return Service(
        name=name,
        image=str(one.get("image") or ""),
        command=[str(word) for word in one.get("command") or []],
        ports=ports,
        exposed=exposed,
        environment=[str(word) for word in one.get("environment") or []],
    )


def _ports(one: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    return (one.get("bound") or {}).items()


def _health_check(one: Mapping[str, Any]) -> Asked | None:
    """Return where a container's health check asks the container itself, if it does."""
    text = " ".join(str(word) for word in one.get("health") or [])
    asked = _HEALTH_URL.search(text)
    return Asked(int(asked[1]) if asked[1] else None, asked[2] or "/") if asked else None


def _best(answers: Sequence[Asked]) -> Asked | None:
    """Return the answer that says most: success, else leading on, else a refusal to a visitor.

    An answer of a server that fails says nothing of how it is when it is well.
    """
    likely = [one for one in answers if 200 <= (one.status or 0) < 500]
    return min(likely, key=lambda one: ((one.status or 0) // 100, one.path != "/"), default=None)


def _settings(one: Mapping[str, Any]) -> dict[str, str]:
    """Return name and user of a database, as its image takes them where one is not told."""
    given = one.get("database") or {}
    user = str(given.get(DATABASE["user"]) or "postgres")
    return {"user": user, "name": str(given.get(DATABASE["name"]) or user)}
