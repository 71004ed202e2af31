"""What the services of a compose stack are, and which parts of it they play.

Told from what Docker says of their containers: image, command, published ports, names of the
environment. What a service runs says more than what its image is called, and that more than its
own name. Whatever is not certain is no database and no cache: nothing is done to those by mistake.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from oncall_runbook.cards import catalog

PARTS = ("backend", "frontend", "database", "blockchain", "cache")

# Words in the name of an image that serves another, which the rest of its name may say.
_SERVING = """exporter backup backups meta admin ui gui commander insight sentinel bouncer pooler
    proxy operator init setup migrate migration migrations metrics monitor console express cli
    studio replicator"""
# What starts something else.
_WRAPPERS = "sh bash ash dash env exec tini dumb-init gosu su-exec npx npm yarn"
_WORKER = re.compile(r"\b(worker|workers|sidekiq|celery|consumer|scheduler|cron|queue:work|beat)\b")
_DATABASE_SETTING = re.compile(
    r"(^|_)(DATABASE|DB|PG|POSTGRES|POSTGRESQL|MYSQL|MONGO)_?(URL|URI|HOST|DSN)"
)
_API_NAME = re.compile(r"(^|[-_.])(api|backend|server|app|rails|django|web)($|[-_.0-9])")
# The port on which each listens of itself: what makes an image named after one certain enough.
_OWN_PORTS: Mapping[str, int] = {
    "postgres": 5432,
    "postgresql": 5432,
    "redis": 6379,
    "valkey": 6379,
    "nginx": 80,
    "mariadb": 3306,
    "mysql": 3306,
    "mongo": 27017,
    "mongodb": 27017,
    "clickhouse": 8123,
    "elasticsearch": 9200,
    "rabbitmq": 5672,
    "kafka": 9092,
    "memcached": 11211,
    "geth": 8545,
    "hardhat": 8545,
    "ganache": 8545,
    "anvil": 8545,
}
# JSON-RPC of an Ethereum node, which nothing else uses by custom.
_CHAIN_RPC = 8545
_WEB_PORTS = (80, 443, 8080, 8443)


@dataclass(frozen=True)
class Service:
    """A service of a compose project, as its containers tell."""

    name: str
    image: str = ""
    command: Sequence[str] = ()
    ports: Mapping[int, int] | None = None
    """Ports of the container that are published: its own, and that of the host."""
    exposed: Sequence[int] = ()
    """Ports of the container that its image or its compose file names."""
    environment: Sequence[str] = ()
    """Names of its environment variables; never their values."""


@dataclass(frozen=True)
class Recognised:
    """What a service is, and what told it."""

    kind: str
    why: str


def recognised(service: Service) -> Recognised:
    """Tell what a service is: a kind of database, cache, web server, …, application or worker."""
    kinds, clients_known = _known_names()
    programs = _programs(service.command)
    for program in programs:
        if program not in clients_known and (kind := kinds.get(program)):
            return Recognised(kind, f"runs {program}")
    if clients := clients_known.intersection(programs):
        return Recognised("worker", f"runs {min(clients)}")
    if _deploys(service.command):
        return Recognised("worker", "deploys to a chain")
    name = image_name(service.image)
    words = re.split(r"[-_.]", name)
    if kind := kinds.get(name):
        return Recognised(kind, f"image {name}")
    if set(words).intersection(_SERVING.split()):
        return Recognised("tool", f"image {name}")
    # An image that somebody built is named after what it is built from, or after what uses that.
    ports = {*service.exposed, *(service.ports or {})}
    for word in (words[0], words[-1]):
        if _OWN_PORTS.get(word) in ports:
            return Recognised(kinds[word], f"image {name}, port {_OWN_PORTS[word]}")
    if _CHAIN_RPC in ports:
        return Recognised("ethereum", f"serves port {_CHAIN_RPC}")
    if found := _WORKER.search(" ".join([*service.command, service.name.replace("-", " ")])):
        return Recognised("worker", f"runs as {found[1]}")
    if ports:
        return Recognised("application", f"serves port {min(ports)}")
    return Recognised("worker", "serves no port")


@functools.cache
def _known_names() -> tuple[dict[str, str], frozenset[str]]:
    """Return the kind that a program or an image of each name is of, and what clients are called.

    Hosts are told the same names: a probe must not take for a cache what is none here.
    """
    known = catalog.load_yaml((catalog.collection() / "roles/stack/vars/main.yml").read_text())
    kinds = {**known["stack_kinds"], "tool": known["stack_tools"]}
    return (
        {name: kind.replace("_", " ") for kind, names in kinds.items() for name in names.split()},
        frozenset(known["stack_clients"].split()),
    )


def parts_of(services: Iterable[Service]) -> dict[str, list[Service]]:
    """Return which services may play each part of a stack, the likeliest first.

    Several databases are several candidates; a part that none plays has an empty list.
    """
    known = [(service, recognised(service).kind) for service in services]
    databases = [service for service, kind in known if kind == "postgresql"]
    return {
        "backend": _likeliest_api([s for s, kind in known if kind == "application"]),
        "frontend": _at_the_edge([(s, k) for s, k in known if k in ("nginx", "other web server")]),
        "database": databases,
        "blockchain": [service for service, kind in known if kind == "ethereum"],
        "cache": [service for service, kind in known if kind == "redis"],
    }


def image_name(image: str) -> str:
    """Return the last part of an image's name, without registry, owner, tag and digest."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def _programs(command: Sequence[str]) -> list[str]:
    """Return which programs a command starts, past shells and other wrappers; not what they get."""
    found: list[str] = []
    for simple in re.split(r"&&|\|\||[;|&\n]", " ".join(command)):
        for word in simple.replace('"', " ").replace("'", " ").split():
            program = word.rpartition("/")[2]
            if (
                program in _WRAPPERS.split()
                or program.endswith(".sh")
                or word[0] in "-$"
                or "=" in word
            ):
                continue
            found.append(program)
            break
    return [] if _deploys(command) else found


def _deploys(command: Sequence[str]) -> bool:
    """Tell whether a command uses a chain's tools, and is no node."""
    text = " ".join(command)
    return "hardhat" in text and "hardhat node" not in text


def _likeliest_api(services: Sequence[Service]) -> list[Service]:
    def score(service: Service) -> tuple[int, int, int]:
        database = any(_DATABASE_SETTING.search(name) for name in service.environment)
        named = bool(_API_NAME.search(service.name.lower()))
        return int(database), int(named), int(bool(service.ports))

    return sorted(services, key=score, reverse=True)


def _at_the_edge(servers: Sequence[tuple[Service, str]]) -> list[Service]:
    """Return web servers, those that publish a web port first, and nginx before others."""

    def score(server: tuple[Service, str]) -> tuple[int, int]:
        service, kind = server
        published = (service.ports or {}).values()
        return int(any(port in _WEB_PORTS for port in published)), int(kind == "nginx")

    return [service for service, _kind in sorted(servers, key=score, reverse=True)]
