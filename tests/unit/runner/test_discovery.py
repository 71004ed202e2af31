"""An inventory for stacks that were found, from what Docker says of their containers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from oncall_runbook.discovery.comparison import NotTold, Told, told_in
from oncall_runbook.discovery.inventory_text import names_for, settings_of, written
from oncall_runbook.discovery.places import HERE, ways
from oncall_runbook.discovery.stacks import stacks_of
from oncall_runbook.errors import BadInputError

SHOP: list[dict[str, Any]] = [
    {
        "service": "api",
        "image": "shop-api",
        "command": ["docker-entrypoint.sh", "node", "server.js"],
        "bound": {"3000/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8000"}], "9229/tcp": None},
        "exposed": {"3000/tcp": {}},
        "health": ["CMD-SHELL", "curl -fsS http://localhost:3000/api/healthz || exit 1"],
        "environment": ["PATH", "DATABASE_URL"],
    },
    {
        "service": "worker",
        "image": "shop-api",
        "command": ["node", "worker.js"],
        "exposed": {"3000/tcp": {}},
        "environment": ["DATABASE_URL"],
    },
    {
        "service": "db",
        "image": "postgres:16",
        "command": ["docker-entrypoint.sh", "postgres"],
        "exposed": {"5432/tcp": {}},
        "database": {"POSTGRES_DB": "shop", "POSTGRES_USER": "shopper"},
    },
    {
        "service": "web",
        "image": "nginx:alpine",
        "command": ["/docker-entrypoint.sh", "nginx", "-g", "daemon off;"],
        "published": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]},
    },
]


def lines(containers: list[dict[str, Any]], **labels: str) -> list[str]:
    labels = {"project": "shop", "directory": "/srv/shop", "state": "running", **labels}
    return [json.dumps({**labels, **one}) for one in containers]


def test_who_plays_which_part_and_how_it_is_reached() -> None:
    (stack,) = stacks_of(lines(SHOP))
    assert settings_of(stack) == {
        "stack_dir": "/srv/shop",
        "stack_services": {
            "backend": "api",
            "frontend": "web",
            "database": "db",
            "blockchain": "",
            "cache": "",
        },
        "stack_backend_url": "http://localhost:8000",
        "stack_health_path": "/api/healthz",
        "stack_frontend_api_path": "/api/healthz",
        "high_response_times_routes": ["/api/healthz"],
        "stack_frontend_url": "http://localhost:8080",
        "stack_database_name": "shop",
        "stack_database_user": "shopper",
    }


def test_services_beside_the_api_are_asked_where_they_answered() -> None:
    answers = [
        {"service": "mail", "port": 4000, "path": "/healthz", "status": 200},
        {"service": "jobs", "port": 4001, "path": "/", "status": 404},
        {"service": "api", "port": 3000, "path": "/health", "status": 200},
        {"service": "web {{ 1 }}", "port": 80, "path": "/", "status": 200},
    ]
    others = [
        {"service": answer["service"], "image": "shop-api", "command": ["node", "x.js"]}
        for answer in answers
        if answer["service"] != "api"
    ]
    said = [json.dumps({"project": "shop", **answer}) for answer in answers]
    (stack,) = stacks_of(lines([*SHOP, *others]), said)
    assert settings_of(stack)["stack_service_urls"] == {"mail": "http://mail:4000/healthz"}
    text = written({"web1": ({}, stack)})
    assert yaml.safe_load(text)["all"]["hosts"]["web1"] == settings_of(stack)


def test_what_is_written_is_what_was_found_with_the_reasons() -> None:
    (stack,) = stacks_of(lines(SHOP))
    text = written({"web1": ({}, stack)})
    assert yaml.safe_load(text)["all"]["hosts"]["web1"] == settings_of(stack)
    assert "database: db  # runs postgres" in text
    assert 'cache: ""  # there is none: the cache is not looked into' in text
    assert "#   worker: worker, runs as worker" in text


def test_several_stacks_of_a_host_are_several_hosts_of_one_address() -> None:
    found = stacks_of([*lines(SHOP), *lines(SHOP[:2], project="blog", directory="/srv/blog")])
    names = names_for("web1", found)
    assert names == ["web1-blog", "web1-shop"]
    told = yaml.safe_load(
        written(dict(zip(names, [({"ansible_host": "web1"}, s) for s in found], strict=True)))
    )
    hosts = told["all"]["hosts"]
    assert {host["ansible_host"] for host in hosts.values()} == {"web1"}
    assert hosts["web1-blog"]["stack_services"]["database"] == ""


def test_containers_of_one_run_are_no_services_and_two_of_one_are_one() -> None:
    (stack,) = stacks_of([*lines(SHOP), *lines(SHOP[:1]), *lines(SHOP[:1], oneoff="True")])
    assert [one.name for one in stack.services] == ["api", "db", "web", "worker"]


@pytest.mark.parametrize(
    "hostile",
    ["{{ lookup('pipe', 'id') }}", "a\n      ansible_host: evil", "x # y", "{% raw %}", "\x1b[2J"],
)
def test_what_a_host_calls_things_stays_one_value(hostile: str) -> None:
    told = [
        {**one, "service": hostile if one["service"] == "db" else one["service"]} for one in SHOP
    ]
    (stack,) = stacks_of(lines(told, project=hostile, directory=f"/srv/{hostile}"))
    text = written(dict.fromkeys(names_for("web1", [stack]), ({}, stack)))

    class Reader(yaml.SafeLoader):
        pass

    Reader.add_constructor("!unsafe", lambda loader, node: f"unsafe:{node.value}")
    hosts = yaml.load(text, Reader)["all"]["hosts"]
    assert list(hosts) == ["web1"]
    marked = "unsafe:" if "{" in hostile else ""
    assert hosts["web1"]["stack_dir"] == f"{marked}/srv/{hostile}"
    assert hosts["web1"]["stack_services"]["database"] == marked + hostile
    assert set(hosts["web1"]) == set(settings_of(stack))


@pytest.mark.parametrize("line", ["7", "[]", "{", '{"service": 1'])
def test_what_is_no_answer_is_said(line: str) -> None:
    with pytest.raises(ValueError):
        stacks_of([line])


def test_this_machine_is_asked_without_ssh() -> None:
    (stack,) = stacks_of(lines(SHOP))
    hosts = yaml.safe_load(written({"localhost": (HERE, stack)}))["all"]["hosts"]
    assert hosts["localhost"]["ansible_connection"] == "local"


def without_ports(service: str, **more: Any) -> list[dict[str, Any]]:
    """The shop, in which a service publishes nothing and has no health check that asks by HTTP."""
    lacking = {"bound": {}, "published": {}, "health": None, **more}
    return [one | lacking if one["service"] == service else one for one in SHOP]


def answered(*told: tuple[str, int], service: str = "api", port: int = 3000) -> list[str]:
    known = {"project": "shop", "service": service, "port": port}
    return [json.dumps({**known, "path": path, "status": status}) for path, status in told]


@pytest.mark.parametrize(
    ("answers", "path", "statuses"),
    [
        ([("/health", 200)], "/health", None),
        ([("/health", 404), ("/healthz", 204)], "/healthz", [204]),
        ([("/health", 404), ("/healthz", 404), ("/api/health", 404), ("/", 401)], "/", [401]),
        ([("/health", 401), ("/", 302)], "/", [302]),
        ([("/health", 500), ("/", 200)], "/", None),
        # Nothing it says when it is ill is what it says when it is well.
        ([("/health", 500), ("/", 503)], "/health", None),
        ([], "/health", None),
    ],
)
def test_an_api_without_a_health_check_is_asked_where_it_answers(
    answers: list[tuple[str, int]], path: str, statuses: list[int] | None
) -> None:
    (stack,) = stacks_of(lines(without_ports("api")), answered(*answers))
    found = settings_of(stack)
    assert found["stack_backend_url"] == "http://api:3000"
    assert (found["stack_health_path"], found.get("stack_health_statuses")) == (path, statuses)
    assert yaml.safe_load(written({"a": ({}, stack)}))["all"]["hosts"]["a"] == found


def test_an_application_that_answers_is_the_api_before_one_that_does_not() -> None:
    silent = {"service": "aaa", "image": "rpc", "exposed": {"50051/tcp": {}}}
    silent["environment"] = ["DATABASE_URL"]
    (stack,) = stacks_of(lines([silent, *without_ports("api")]), answered(("/", 404)))
    assert [one.name for one in stack.parts["backend"]] == ["api", "aaa"]


STATED = {
    "directories": ["/srv/shop", "/data/shop"],
    "services": {
        "backend": "api",
        "frontend": "web",
        "database": "db",
        "blockchain": "",
        "cache": "",
    },
    "addresses": {
        "backend": "http://localhost:8000",
        "frontend": "http://127.0.0.1:8080/",
        "blockchain": "http://localhost:8545",
        "cache": "redis://localhost:6379",
    },
    "urls": {},
}
REDIS = {"service": "cache", "image": "valkey:8", "command": ["valkey-server"]}
MARIADB = {"service": "db", "image": "mariadb:11", "command": ["mariadbd"]}


def differing(
    containers: list[dict[str, Any]], directory: str = "/srv/shop", **stated: Any
) -> list[str]:
    told = Told(stacks_of(lines(containers, directory=directory)), {**STATED, **stated})
    return [*told.differences()]


def named(**parts: str) -> dict[str, str]:
    return {**STATED["services"], **parts}  # type: ignore[dict-item]


def at(**addresses: str) -> dict[str, str]:
    return {**STATED["addresses"], **addresses}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (differing(SHOP), []),
        (differing(SHOP, directory="/data/shop"), []),
        (
            differing(SHOP, directory="/srv/old"),
            ["there is no compose project in /srv/shop; shop is in /srv/old: set stack_dir"],
        ),
        (differing([]), ["there is no compose project in /srv/shop"]),
        (
            differing(SHOP, services=named(backend="server")),
            ["there is no service server for backend: it may be api (serves port 3000)"],
        ),
        (
            differing([*SHOP, REDIS]),
            ["the inventory names no cache, and cache (runs valkey-server) may be one"],
        ),
        (
            differing([*SHOP[:2], MARIADB, SHOP[3]]),
            ["db is no database: other database, runs mariadbd"],
        ),
        (
            differing(SHOP, addresses=at(backend="http://localhost:5007")),
            ["stack_backend_url asks port 5007, and api publishes 8000"],
        ),
        (
            differing(SHOP, addresses=at(frontend="http://localhost")),
            ["stack_frontend_url asks port 80, and web publishes 8080"],
        ),
        # Elsewhere, or by way of the stack's own web server.
        (differing(SHOP, addresses=at(backend="https://api.example.com")), []),
        (differing(SHOP, addresses=at(backend="http://localhost:8080")), []),
        (differing(SHOP, addresses=at(backend="http://api:3000", cache="no [address")), []),
        (differing(SHOP, urls={"api": "http://localhost:8000/", "db": "http://db:1/"}), []),
        (
            differing(SHOP, urls={"api": "http://localhost:8001/", "mail": "http://mail/"}),
            [
                "stack_service_urls asks port 8001, and api publishes 8000",
                "stack_service_urls names mail, and there is no such service",
            ],
        ),
    ],
)
def test_where_an_inventory_differs_from_its_host_is_said(
    found: list[str], said: list[str]
) -> None:
    assert found == said


HEALTHY = {"status": "healthy", "value": STATED, "reason": ""}


@pytest.mark.parametrize(
    ("findings", "why"),
    [
        ({}, ""),
        ({"discover": {"status": "unknown", "value": None, "reason": "no docker"}}, "no docker"),
        ({"discover": {**HEALTHY, "value": ["{"]}, "settings": HEALTHY}, "cannot be read"),
        (
            {
                "discover": {**HEALTHY, "value": []},
                "settings": {"status": "unknown", "value": None, "reason": "timed out"},
            },
            "timed out",
        ),
    ],
)
def test_a_host_that_did_not_tell_has_a_reason_and_no_stacks(findings: Any, why: str) -> None:
    with pytest.raises(NotTold) as told:
        told_in(findings)
    assert why in str(told.value)


@pytest.mark.parametrize(
    ("text", "name", "more"),
    [
        ("web1", "web1", {}),
        ("ops@web1.example.com", "web1.example.com", {"ansible_user": "ops"}),
        ("ops@10.0.0.7:2201", "10.0.0.7", {"ansible_user": "ops", "ansible_port": 2201}),
        ("[fe80::1]:22", "fe80::1", {"ansible_port": 22}),
        ("fe80::1", "fe80::1", {}),
    ],
)
def test_a_host_is_named_as_ssh_users_do(text: str, name: str, more: dict[str, object]) -> None:
    assert ways([text]) == {name: {"ansible_host": name, **more}}


@pytest.mark.parametrize(
    "hosts",
    [
        ["", "web1"],
        ["-oProxyCommand=touch x"],
        ["web1,web2"],
        ["web1 ansible_host=evil"],
        ["{{ lookup('pipe', 'id') }}"],
        ["a@b@c"],
        ["-l@web1"],
        ["web1:port"],
        ["web1\n"],
        ["web1", "ops@web1"],
    ],
)
def test_what_is_no_host_is_refused(hosts: list[str]) -> None:
    with pytest.raises(BadInputError):
        ways(hosts)
