"""Stacks of other shapes, beside that of the practice host: found, healthy with no edit, cured."""

import base64
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from practice import KEYS

SHAPES = Path(__file__).with_name("shapes")
SECRETS = ("lab-shop-password", "lab-portal-password", "lab-records-password")


@dataclass(frozen=True)
class Shape:
    """A stack: its project, how it is started, who plays a part, and what is broken in it."""

    project: str
    parts: dict[str, str]
    fault: str
    cause: str
    rungs: tuple[str, ...]
    """What cures it; nothing where it must be left to people."""
    up: str = "docker compose up -d --wait --wait-timeout 60"
    shallow: str = ""
    """What is said to be looked into no further."""


HUNG = "docker kill -s STOP {}"
ALL = {
    "mariadb": Shape(
        "shop",
        {"backend": "api"},
        "docker stop -t 2 shop-worker-1",
        "service_degraded",
        ("start_service",),
        shallow="db (mariadb)",
    ),
    "mariadb/data": Shape(
        "shop",
        {"backend": "api"},
        "docker stop -t 20 shop-db-1",
        "service_degraded",
        (),
        shallow="db (mariadb)",
    ),
    "proxy": Shape(
        "portal",
        {"backend": "catalog", "frontend": "web", "database": "store"},
        "docker stop -t 20 portal-store-1",
        "database_connection_failures",
        ("start_database",),
    ),
    # The second API of the stack, which no health check asks.
    "proxy/accounts": Shape(
        "portal",
        {"backend": "catalog", "frontend": "web", "database": "store"},
        HUNG.format("portal-accounts-1"),
        "service_degraded",
        ("restart_service",),
    ),
    "static": Shape(
        "pages",
        {"frontend": "site"},
        "pause pages-site-1",
        "application_not_responding",
        ("start_application",),
    ),
    "profiles": Shape(
        "profiles",
        {"backend": "api", "cache": "queue"},
        HUNG.format("profiles-api-1"),
        "application_not_responding",
        ("restart_backend",),
    ),
    "renamed": Shape(
        "blue",
        {"backend": "server", "database": "records"},
        "docker rm -f blue-server-1",
        "application_not_responding",
        ("start_application",),
        up="docker compose -p blue --env-file production.env up -d --wait --wait-timeout 60",
    ),
}


def carried(*names):
    """A command that writes the files of these shapes below /srv."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in names:
            archive.add(SHAPES / name, arcname=name)
    text = base64.b64encode(packed.getvalue()).decode()
    return f"echo {text} | base64 -d | sudo tar -xz -C /srv --no-same-owner"


@pytest.fixture
def start(practice):
    """Start a shape beside the practice stack; what was started is removed afterwards."""
    projects = []

    def up(place, shape):
        directory = place.partition("/")[0]
        files = carried("service.js", "items.sql", directory)
        practice.run(f"{files} && cd /srv/{directory} && {shape.up} 2>&1")
        projects.append((shape.project, directory))

    yield up
    for project, directory in projects:
        removed = (
            f"docker rm -fv $(docker ps -aq --filter label=com.docker.compose.project={project})"
        )
        practice.run(f"{removed} && sudo rm -rf /srv/{directory} /srv/service.js /srv/items.sql")


@pytest.fixture
def look(practice, runbook, tmp_path):
    """Run a command on a host of the inventory that init wrote, by the name it has there."""
    way = {
        "ansible_port": practice.port,
        "ansible_user": "ops",
        "ansible_ssh_private_key_file": str(KEYS / "id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={KEYS / 'known_hosts'}",
        "incident_pause_seconds": 1,
        "incident_hands_seconds": 0,
        "service_degraded_fresh_seconds": 2,
    }
    path = tmp_path / "inventory.yml"
    options = ["-e", json.dumps(way)]

    def run(*words, host="all"):
        ours = {"RUNBOOK_INVENTORY": str(path), "RUNBOOK_LIMIT": host}
        return runbook(*words, *options, env=ours)

    def init():
        connection = {name: value for name, value in way.items() if name.startswith("ansible")}
        return runbook("init", "127.0.0.1", "--output", path, "-e", json.dumps(connection))

    run.init, run.path = init, path
    return run


@pytest.mark.parametrize("place", ALL)
def test_a_stack_of_another_shape_is_found_healthy_and_cured(practice, start, look, place):
    shape = ALL[place]
    start(place, shape)
    made = look.init()
    assert made.code == 0, made.stderr
    text = look.path.read_text()
    assert not [secret for secret in SECRETS if secret in text + made.stdout + made.stderr]
    host = f"127.0.0.1-{shape.project}"
    compared = look("init", "--check", host=host)
    assert (compared.code, compared.stdout) == (0, f"{host}: the inventory says what is there\n")
    before = practice.containers(shape.project)
    well = look("triage", "--format", "json", host=host).host(host)
    assert (well["verdict"], well.get("uncovered", [])) == ("healthy", []), _told(well)
    assert not [id for id, said in well["findings"].items() if said["status"] == "unknown"]
    assert well["findings"]["not_looked_into"]["value"] == shape.shallow
    named = well["findings"]["containers"]["value"]
    assert {part: part in named for part in shape.parts} == dict.fromkeys(shape.parts, True)
    assert practice.containers(shape.project) == before
    school = practice.containers()
    practice.inject(shape.fault)
    ill = look("triage", "--format", "json", host=host).host(host)
    assert (ill["verdict"], ill["root_causes"]) == ("incident", [shape.cause]), _told(ill)
    done = look("remediate", "--yes", "--format", "json", host=host).host(host)
    assert [step["rung"] for step in done["actions"]] == [*shape.rungs], _told(done)
    if shape.rungs:
        assert done["verdict"] == "fixed", _told(done)
        assert look("triage", "--format", "json", host=host).code == 0
    assert practice.containers() == school


def _told(host):
    """What a host said that is not well, for whoever reads a failure."""
    ill = {
        id: (said["status"], said.get("reason") or said.get("value"))
        for id, said in host["findings"].items()
        if said["status"] in ("unhealthy", "unknown")
    }
    return json.dumps([host["verdict"], host["reason"], host["root_causes"], ill], indent=1)


def test_two_more_projects_are_hosts_of_their_own(practice, start, look):
    for place in ("static", "renamed"):
        start(place, ALL[place])
    assert look.init().code == 0
    practice.run("docker stop -t 2 pages-site-1")
    hosts = look("triage", "--format", "json").document["hosts"]
    causes = {name.removeprefix("127.0.0.1-"): said["root_causes"] for name, said in hosts.items()}
    assert causes == {"pages": ["application_not_responding"], "blue": [], "school_mgmt": []}


def test_a_renamed_service_is_said(practice, start, look):
    start("renamed", ALL["renamed"])
    assert look.init().code == 0
    practice.run(
        "cd /srv/renamed && sudo sed -i s/server:/api:/ compose.yaml"
        " && docker compose -p blue --env-file production.env up -d --remove-orphans 2>&1"
    )
    compared = look("init", "--check", host="127.0.0.1-blue")
    assert (compared.code, compared.stdout.splitlines()) == (
        3,
        [
            "127.0.0.1-blue: there is no service server for backend: it may be api"
            " (serves port 5007)",
        ],
    )
    looked = look("doctor", "--format", "json", host="127.0.0.1-blue")
    checks = json.loads(looked.stdout)["checks"]
    assert [one["status"] for one in checks if one["check"] == "settings"] == ["warning"]
