"""An inventory for stacks that were found: what plays which part, and what could not be told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

from oncall_runbook.discovery.recognition import PARTS, Service, recognised
from oncall_runbook.discovery.stacks import Asked, Stack

# What YAML takes for a text without quotes, but for words that it takes for something else.
_PLAIN = re.compile(r"(https?://|redis://)?[A-Za-z/][A-Za-z0-9_./-]*(:\d+)?")
# What compose takes for the name of a service; a label may be anything.
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")
_WORDS = ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
# What is not judged of a stack without a part.
_NOT_JUDGED = {
    "backend": "application, error rate and response times are not judged",
    "frontend": "no web page is asked",
    "database": "the database is not looked into",
    "blockchain": "no chain is asked",
    "cache": "the cache is not looked into",
}


def settings_of(stack: Stack) -> dict[str, object]:
    """Return the variables of an inventory that describe a stack."""
    chosen = {part: (likely[0] if likely else None) for part, likely in stack.parts.items()}
    found: dict[str, object] = {
        "stack_dir": stack.directory,
        "stack_services": {part: one.name if (one := chosen[part]) else "" for part in PARTS},
    }
    if api := chosen["backend"]:
        found |= _of_api(api, stack.health.get(api.name))
    if others := _asked(stack, [one.name for one in chosen.values() if one]):
        found["stack_service_urls"] = others
    if web := chosen["frontend"]:
        found["stack_frontend_url"] = _page(web)
    if node := chosen["blockchain"]:
        found["stack_blockchain_url"] = _place(node, 8545)
    if (cache := chosen["cache"]) is not None:
        published = 6379 in (cache.ports or {})
        address = f"redis://localhost:{_published(cache, 6379)}" if published else ""
        found["stack_cache_url"] = address
    if (database := chosen["database"]) is not None:
        found["stack_database_name"] = stack.settings[database.name]["name"]
        found["stack_database_user"] = stack.settings[database.name]["user"]
    return found


def _of_api(api: Service, health: Asked | None) -> dict[str, object]:
    path = health.path if health else "/health"
    found: dict[str, object] = {"stack_backend_url": _place(api, (health and health.port) or 0)}
    found["stack_health_path"] = path
    if health and health.status and health.status != 200:
        found["stack_health_statuses"] = [health.status]
    # What a web server most likely passes on; another path would leave a line in its log.
    found["stack_frontend_api_path"] = path if path.startswith("/api/") else ""
    found["high_response_times_routes"] = [path]
    return found


def _asked(stack: Stack, chosen: Sequence[str]) -> dict[str, str]:
    """Return where services that play no part have answered well, and no check of Docker's asks."""
    return {
        service.name: _place(service, at.port or 0) + at.path
        for service in stack.services
        if service.name not in chosen
        and _SERVICE.fullmatch(service.name)
        and (at := stack.health.get(service.name))
        and 200 <= (at.status or 0) < 300
    }


def written(hosts: Mapping[str, tuple[Mapping[str, object], Stack]]) -> str:
    """Return an inventory in YAML, with comments.

    `hosts` holds by name the variables that a host is reached with, and its stack.
    """
    lines = ["---", "all:", "  hosts:"]
    for name, (way, stack) in hosts.items():
        lines.append(f"    {_yaml(name)}:")
        lines += [f"      {line}" for line in _of(way, stack)]
    return "\n".join(lines) + "\n"


def _of(way: Mapping[str, object], stack: Stack) -> Iterator[str]:
    yield f"# The compose project {_comment(stack.project)}."
    for key, value in {**way, **settings_of(stack)}.items():
        if key == "stack_services":
            yield "stack_services:"
            yield from (f"  {line}" for line in _parts(stack))
        elif isinstance(value, Mapping):
            yield f"{key}:"
            yield from (f"  {_yaml(name)}: {_value(of)}" for name, of in value.items())
        else:
            yield f"{key}: {_value(value)}"
    yield from _others(stack)


def _parts(stack: Stack) -> Iterator[str]:
    for part, likely in stack.parts.items():
        if likely:
            first, *rest = likely
            why = recognised(first).why
            also = f"; or {', '.join(one.name for one in rest)}" if rest else ""
            yield f"{part}: {_yaml(first.name)}  # {_comment(why + also)}"
        else:
            yield f'{part}: ""  # there is none: {_NOT_JUDGED[part]}'


def _others(stack: Stack) -> Iterator[str]:
    chosen = {likely[0].name for likely in stack.parts.values() if likely}
    rest = [service for service in stack.services if service.name not in chosen]
    urls = settings_of(stack).get("stack_service_urls")
    asked = urls if isinstance(urls, Mapping) else {}
    yield from _named(
        "Asked whether they answer, and looked into no further",
        [service for service in rest if service.name in asked],
    )
    yield from _named(
        "Looked into no further than container, health check and log",
        [service for service in rest if service.name not in asked],
    )


def _named(heading: str, services: Sequence[Service]) -> Iterator[str]:
    if services:
        yield f"# {heading}:"
    for service in services:
        told = recognised(service)
        yield f"#   {_comment(f'{service.name}: {told.kind}, {told.why}')}"


def _published(service: Service, own: int) -> int:
    ports = service.ports or {}
    return ports.get(own) or ports[min(ports)]


def _place(service: Service, own: int) -> str:
    """Return where a service is asked: at this host, or what publishes no port by its name."""
    if service.ports:
        return f"http://localhost:{_published(service, own)}"
    return f"http://{service.name}:{own or min(service.exposed, default=80)}"


def _page(web: Service) -> str:
    ports = web.ports or {}
    if not ports:
        return _place(web, 80 if 80 in web.exposed else 0)
    if 443 in ports and 80 not in ports:
        return "https://localhost" + (f":{ports[443]}" if ports[443] != 443 else "")
    return _place(web, 80).removesuffix(":80")


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return str(value) if isinstance(value, int) else _yaml(str(value))


def _yaml(text: str) -> str:
    """Return a text as YAML, quoted where it needs that; whatever it holds stays one value.

    A host's words are data: Ansible would read what stands in double braces as a template.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return f"!unsafe {json.dumps(text)}" if "{" in text else json.dumps(text)


def _comment(text: str) -> str:
    """Return a text that can stand in a comment: on one line, without control codes."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def names_for(address: str, stacks: Sequence[Stack]) -> list[str]:
    """Return what the hosts of an inventory are called: the address, and of several the project."""
    if len(stacks) == 1:
        return [address]
    return [f"{address}-{re.sub(r'[^A-Za-z0-9_.-]', '-', stack.project)}" for stack in stacks]
