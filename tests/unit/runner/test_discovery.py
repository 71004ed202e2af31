"""An inventory for stacks that were found, from what Docker says of their containers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from oncall_runbook.discovery.inventory_text import names_for, settings_of, written
from oncall_runbook.discovery.stacks import stacks_of

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
        "stack_frontend_url": "http://localhost:8080",
        "stack_database_name": "shop",
        "stack_database_user": "shopper",
    }


def test_what_is_written_is_what_was_found_with_the_reasons() -> None:
    (stack,) = stacks_of(lines(SHOP))
    text = written({"web1": ("web1", stack)})
    assert yaml.safe_load(text)["all"]["hosts"]["web1"] == settings_of(stack)
    assert "database: db  # runs postgres" in text
    assert 'cache: ""  # there is none: the cache is not looked into' in text
    assert "#   worker: worker, runs as worker" in text


def test_several_stacks_of_a_host_are_several_hosts_of_one_address() -> None:
    found = stacks_of([*lines(SHOP), *lines(SHOP[:2], project="blog", directory="/srv/blog")])
    names = names_for("web1", found)
    assert names == ["web1-blog", "web1-shop"]
    told = yaml.safe_load(written(dict(zip(names, [("web1", s) for s in found], strict=True))))
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
    text = written(dict.fromkeys(names_for("web1", [stack]), ("web1", stack)))

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
    hosts = yaml.safe_load(written({"localhost": (None, stack)}))["all"]["hosts"]
    assert hosts["localhost"]["ansible_connection"] == "local"
