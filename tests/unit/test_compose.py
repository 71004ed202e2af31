"""From which files compose makes containers: those that the running ones are of, or none."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from shells import PROGRAMS, awk

STACK = Path(__file__).parents[2] / "roles" / "stack" / "files" / "stack.sh"
COMPOSE = STACK.with_name("compose.sh")
MARKS = STACK.with_name("marks.sh")
REFUSED = 77
CONTAINERS = "a1 backend shop Up 1 minute\t\t\nb2 postgres shop Up 1 minute\t\t\n-- others\n"
CONFIGURATION = """\
name: shop
services:
  backend:
    image: shop/api:2
    depends_on:
      postgres:
        condition: service_healthy
    ports: []
  postgres:
    image: postgres:16
volumes:
  data:
    name: shop_data
"""
# What docker would say of labels, hashes and volumes; what compose is told to do stands in TOLD.
DOCKER = """\
case "$*" in
"compose version") ;;
"diff "*) printf '%b' "$CHANGED" ;;
"cp "*) cd "$(mktemp -d)" && echo text >file && TZ=UTC0 touch -d "$WRITTEN" file && tar -c file ;;
*.State.StartedAt*)
    printf '%s\\n' '2026-11-01T10:00:00.123Z 2026-11-20T08:00:40Z' /etc/site.conf /data
    ;;
*.Destination*)
    [ ! -e "$TOLD" ] || VOLUME=$VOLUME_AFTER
    printf 'postgres\\t/var/lib/data\\t%s\\n' "$VOLUME"
    ;;
"compose "*" -f - "*" up "*) cat >"$TOLD.pinned"; exit "$PINNED" ;;
"stop "*) echo "$*" >"$TOLD.stopped" ;;
*" config --hash "*)
    for service; do :; done
    if grep -q depends_on; then echo "$service $HASH"; else echo "$service $HASH_ALONE"; fi
    ;;
*" config") printf '%s' "$CONFIGURATION" ;;
"compose "*) printf '<%s>\\n' "$@" >>"$TOLD" ;;
*config_files*)
    for id; do case $id in a1) echo "$OF_BACKEND" ;; b2) echo "$OF_DATABASE" ;; esac; done
    ;;
*config-hash*) echo running ;;
*.Mounts*) echo "$VOLUME" ;;
*.Config.Image*) printf "%s\\n" shop/api:1 MODE=development SAME=text ;;
esac"""


@pytest.fixture
def told(tmp_path):
    return tmp_path / "told"


def words(told):
    """What compose was told, a word of the command line each."""
    return told.read_text().removeprefix("<").removesuffix(">\n").split(">\n<")


@pytest.fixture(params=["dash", "bash"])
def shell(request, tmp_path, told):
    """Run shell functions on a stack of two services; returns how they ended."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(f"#!/bin/sh\n{DOCKER}\n")
    (programs / "docker").chmod(0o755)
    for name in ("docker-compose.yml", "prod.yml", "more files.yml", "prod.env"):
        (tmp_path / name).write_text("services:\n  backend:\n  postgres:\n")

    def run(commands, backend=None, database=None, **environment):
        label = f"{tmp_path}|{tmp_path}/docker-compose.yml|"
        return subprocess.run(
            [request.param, "-c", f". {STACK}\n. {COMPOSE}\n. {MARKS}\n{commands}"],
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                **PROGRAMS,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "STACK_DIR": str(tmp_path),
                "STACK_CONTAINERS": CONTAINERS,
                "STACK_CONTAINERS_STATUS": "0",
                "TMPDIR": str(tmp_path),
                "TOLD": str(told),
                "OF_BACKEND": label if backend is None else backend,
                "OF_DATABASE": label if database is None else database,
                "HASH": "running",
                "HASH_ALONE": "another",
                "VOLUME": "shop_data",
                "VOLUME_AFTER": "shop_data",
                "PINNED": "0",
                "CHANGED": "",
                "WRITTEN": "2026-11-15 12:00:00",
                "RUNBOOK_ALLOW": "outage",
                "CONFIGURATION": CONFIGURATION,
                **environment,
            },
        )

    return run


def test_what_compose_chose_itself_it_chooses_again(shell, told, tmp_path):
    (tmp_path / "docker-compose.override.yml").write_text("services:\n")
    assert shell("compose up -d").returncode == 0
    files = [
        "-f",
        f"{tmp_path}/docker-compose.yml",
        "-f",
        f"{tmp_path}/docker-compose.override.yml",
    ]
    rest = ["-p", "shop", "--project-directory", str(tmp_path), "up", "-d"]
    assert words(told) == ["compose", *files, *rest]


def test_the_files_that_it_was_started_from_come_in_their_order(shell, told, tmp_path):
    label = f"{tmp_path}/sub|{tmp_path}/prod.yml,{tmp_path}/more files.yml|{tmp_path}/prod.env"
    assert shell("compose up -d", label, label).returncode == 0
    files = ["-f", f"{tmp_path}/prod.yml", "-f", f"{tmp_path}/more files.yml"]
    environment = ["--env-file", f"{tmp_path}/prod.env"]
    rest = ["-p", "shop", "--project-directory", f"{tmp_path}/sub", "up", "-d"]
    assert words(told) == ["compose", *files, *environment, *rest]


def test_paths_may_be_relative_to_the_projects_directory(shell, told, tmp_path):
    label = f"{tmp_path}|prod.yml|"
    assert shell("compose up -d", label, label).returncode == 0
    assert words(told)[1:3] == ["-f", f"{tmp_path}/prod.yml"]


@pytest.mark.parametrize(
    ("files", "said"),
    [("{0}/gone.yml", "gone.yml, which it was started from, is gone"), ("-", "standard input")],
)
def test_a_file_that_is_not_there_is_not_replaced(shell, told, tmp_path, files, said):
    label = f"{tmp_path}|{files.format(tmp_path)}|"
    done = shell("compose up -d", label, label)
    assert (done.returncode, told.exists()) == (REFUSED, False)
    assert said in done.stderr


def test_an_environment_that_is_gone_is_not_left_out(shell, told, tmp_path):
    label = f"{tmp_path}|{tmp_path}/prod.yml|{tmp_path}/gone.env"
    done = shell("compose up -d", label, label)
    assert (done.returncode, told.exists()) == (REFUSED, False)


def test_of_different_files_each_service_has_its_own(shell, told, tmp_path):
    prod = f"{tmp_path}|{tmp_path}/prod.yml|"
    done = shell("compose down", prod)
    assert (done.returncode, told.exists()) == (REFUSED, False)
    assert "started from different files" in done.stderr
    assert shell("recreate backend", prod).returncode == 0
    assert words(told)[1:3] == ["-f", f"{tmp_path}/prod.yml"]


def test_an_override_that_came_later_makes_no_different_files(shell, tmp_path):
    (tmp_path / "docker-compose.override.yml").write_text("services:\n")
    files = f"{tmp_path}/docker-compose.yml,{tmp_path}/docker-compose.override.yml"
    assert shell("compose up -d", f"{tmp_path}|{files}|").returncode == 0


def test_a_service_is_made_anew_as_it_was(shell, told):
    assert shell("recreate backend").returncode == 0
    assert words(told)[-5:] == [
        "up",
        "-d",
        "--no-deps",
        "--force-recreate",
        "backend",
    ]


def test_nor_is_one_another_that_was_brought_up_without_what_it_depends_on(shell, told):
    assert shell("recreate backend", HASH="another", HASH_ALONE="running").returncode == 0


@pytest.mark.parametrize(
    ("service", "environment", "said"),
    [
        ("backend", {"HASH": "another"}, "image shop/api:2 instead of shop/api:1"),
        ("backend", {"HASH": ""}, "a configuration that its files did not have"),
        ("postgres", {"VOLUME": "other_data"}, "another volume than other_data"),
    ],
)
def test_what_would_become_another_is_refused(shell, told, service, environment, said):
    done = shell(f"recreate {service}", **environment)
    assert (done.returncode, told.exists()) == (REFUSED, False)
    assert said in done.stderr.splitlines()[-1]


def test_files_that_cannot_be_read_make_no_container(shell, told):
    broken = "docker() { case $* in *' config') return 15 ;; esac; command docker \"$@\"; }"
    done = shell(f"{broken}; recreate backend")
    assert done.returncode != 0
    assert not told.exists()


WRITTEN_IN = "A /srv\\nA /srv/uploads\\nA /srv/uploads/a b.png\\nC /app\\nA /app/config.js\\n"


@pytest.mark.parametrize("service", ["backend", "postgres"])
def test_files_that_only_a_container_has_are_data(shell, told, service):
    done = shell(f"recreate {service}", CHANGED=WRITTEN_IN)
    assert (done.returncode, told.exists()) == (REFUSED, False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("refused: needs --allow data: ")
    assert said.endswith(", /srv/uploads/a b.png, /app/config.js (2 in all)")


def test_who_allows_it_may_lose_them(shell):
    assert shell("recreate backend", CHANGED=WRITTEN_IN, RUNBOOK_ALLOW="data").returncode == 0


@pytest.mark.parametrize(
    "changed",
    [
        "A /tmp/x\\nA /run/app.pid\\nA /var/log/app.log\\n",
        "A /app/logs/error.log\\nA /root/.npm/_logs/a\\n",
        "D /app/old.js\\n",
        "C /app\\nC /app/server.js\\n",
        "C /etc\\nA /etc/site.conf\\nA /data\\nA /data/file\\n",
        "",
    ],
)
def test_what_every_start_writes_is_no_data(shell, changed):
    assert shell("recreate backend", CHANGED=changed).returncode == 0


@pytest.mark.parametrize(
    ("written", "is_lost"),
    [
        ("2026-11-01 10:00:20", False),
        ("2026-11-20 08:00:59", False),
        ("2026-11-20 08:05:00", True),
        ("2026-10-01 10:00:00", True),  # brought in with its time
    ],
)
def test_what_is_as_old_as_a_start_the_next_one_writes_again(shell, written, is_lost):
    done = shell("recreate backend", CHANGED="C /etc\\nA /etc/app.conf\\n", WRITTEN=written)
    assert done.returncode == (REFUSED if is_lost else 0)


def test_a_container_that_cannot_be_looked_into_may_hold_anything(shell, told):
    broken = 'docker() { [ "$1" != diff ] || return 1; command docker "$@"; }'
    done = shell(f"{broken}; recreate backend")
    assert (done.returncode, told.exists()) == (REFUSED, False)
    assert "docker diff" in done.stderr


def test_a_service_that_came_up_on_another_volume_is_put_back(shell, told):
    done = shell("recreate postgres", VOLUME_AFTER="new_data")
    assert done.returncode == 1
    assert "put back on the volumes that they had: postgres" in done.stderr
    pinned = yaml.safe_load(told.with_name("told.pinned").read_text())
    mount = {"type": "volume", "source": "kept1", "target": "/var/lib/data"}
    assert pinned == {
        "services": {"postgres": {"volumes": [mount]}},
        "volumes": {"kept1": {"external": True, "name": "shop_data"}},
    }


def test_what_cannot_be_put_back_is_stopped(shell, told):
    done = shell("recreate postgres", VOLUME_AFTER="new_data", PINNED="1")
    assert done.returncode == 1
    assert told.with_name("told.stopped").read_text() == "stop b2\n"
    assert "came up on other volumes" in done.stderr


def test_what_would_change_in_the_environment_is_said_by_name(shell):
    variables = "    environment:\n      MODE: production\n      SAME: text\n      NEW: word\n"
    configuration = CONFIGURATION.replace("    ports: []\n", f"{variables}    ports: []\n")
    done = shell("recreate backend", CONFIGURATION=configuration, HASH="another")
    assert "another value of MODE" in done.stderr
    assert "variable NEW" in done.stderr
    assert "SAME" not in done.stderr
    assert "development" not in done.stderr


def differing(container, configuration=CONFIGURATION):
    """In what a service of a configuration would differ from a container, in every awk."""
    how = ("-v", "service=backend:")
    out, err, _ = awk("COMPOSE_CHANGES_AWK", container, *how, CONFIGURATION=configuration)
    assert err == ""
    return out.splitlines()


def with_environment(*lines):
    own = "".join(f"      {line}\n" for line in lines)
    return CONFIGURATION.replace("    ports", f"    environment:\n{own}    ports")


@pytest.mark.parametrize(
    ("container", "lines", "told"),
    [
        ("shop/api:2\nMODE=a\n", ["MODE: a"], []),
        ("shop/api:2\nMODE=a\n", ["MODE: b"], ["another value of MODE"]),
        ("shop/api:2\n", ["MODE: b"], ["variable MODE"]),
        ("shop/api:2\nMODE=a=b: c\n", ["MODE: a=b: c"], []),
        ("shop/api:1\n\n", [], ["image shop/api:2 instead of shop/api:1"]),
        # What compose writes in quotes or over several lines nobody but compose compares.
        ("shop/api:2\nA=1\nB=x\nC=1\n2\n", ['A: "1"', "B: 'y'", "C: |-", "  1"], []),
        # A value of several lines, of which one looks like another variable.
        ("shop/api:2\nA=1\nMODE=b\n", ["MODE: b"], []),
        ("", [], ["image shop/api:2 instead of "]),
        ("\n=\n1A=2\n\xff\n", [], ["image shop/api:2 instead of "]),
    ],
)
def test_what_would_differ_is_told_alike_by_every_awk(container, lines, told):
    assert differing(container, with_environment(*lines)) == told


@pytest.mark.parametrize(
    "nothing", ["", "services:\n", "services:\n  backend:", "backend:\n", "x: |"]
)
def test_a_configuration_without_the_service_differs_in_nothing(nothing):
    assert differing("shop/api:2\nMODE=a\n", nothing) == []


@pytest.mark.parametrize(
    ("changed", "mounts", "told"),
    [
        ("A /srv\nA /srv/a b.png\nC /app\nA /app/x", "", ["/srv/a b.png", "/app/x"]),
        ("A /srv/data/a\nA /srv/database", "\n/srv/data\n\n", ["/srv/database"]),
        (
            "A /srv/$(id)\nA /srv/.*[x\nA /srv/\"'\\",
            "/srv/.",
            ["/srv/$(id)", "/srv/.*[x", "/srv/\"'\\"],
        ),
        # The rest of a name of several lines is no file, and hides none.
        ("A /srv/a\nA /tmp/b\nb\nA\nAA /x\n /y\n", "", ["/srv/a"]),
        ("", "/data", []),
        ("A", "", []),
    ],
)
def test_files_of_a_container_are_told_alike_by_every_awk(changed, mounts, told):
    out, err, _ = awk("COMPOSE_OWN_FILES_AWK", changed, MOUNTS=mounts)
    assert (out.splitlines(), err) == (told, "")
