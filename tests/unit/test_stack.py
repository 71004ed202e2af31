"""Which containers are the stack's, whatever others are called and labelled; without an engine."""

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from shells import PROGRAMS, SHELL, awk

ROLES = Path(__file__).parents[2] / "roles"
MARK = "runbook0123456789abcdef"
OWN = ["False", "/usr", "aaa backend shop", "Up 1 minute", "data", "0.0.0.0:80->80/tcp", "api"]
# What docker ps prints of a container: its labels and mounts as they are, each behind the mark.
DOCKER = 'docker() { printf "%s\\n" "$LISTED"; }\n'
# A label of several lines, of which the second would be a container of the stack.
TRAP = "\nFalse\t/usr\tvictim backend shop\tUp 1 minute\t\t\tx"
TEXTS = st.one_of(
    st.just(TRAP),
    st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
    st.lists(st.sampled_from([TRAP, "\n", "\t", MARK[:7], "False", "/usr", "shop"])).map("".join),
)


def listed(*lines):
    done = subprocess.run(
        [*SHELL, "-c", f". {ROLES}/stack/files/stack.sh\n{DOCKER}containers"],
        capture_output=True,
        check=True,
        env={
            **os.environ,
            **PROGRAMS,
            "LC_ALL": "C",
            "STACK_DIR": "/usr",
            "RUNBOOK_CHANNEL": MARK,
            "LISTED": "\n".join(f"{MARK}{line}" for line in lines),
        },
    )
    return done.stdout.decode().splitlines()


def test_a_container_of_the_stack_is_listed():
    assert listed("\t".join(OWN)) == ["aaa backend shop Up 1 minute\tdata\t,80,"]


@settings(max_examples=300)
@given(others=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4))
def test_no_label_of_another_container_makes_one_of_the_stack(others):
    foreign = [
        "\t".join(["False", "/other" + place, f"bbb {service} {project}", "Up", "", "", "other"])
        for place, service, project in others
    ]
    assert listed(*foreign, "\t".join(OWN), *foreign) == listed("\t".join(OWN))


@pytest.mark.parametrize(
    ("ports", "told"),
    [
        ("0.0.0.0:80->80/tcp, [::]:80->80/tcp", ",80,"),
        ("0.0.0.0:8000-8002->8000-8002/tcp, 127.0.0.1:443->8443/tcp", ",8000,8001,8002,443,"),
        ("5432/tcp", ""),
        ("0.0.0.0:53->53/udp", ""),
        ("0.0.0.0:->/tcp, ->->, :1-", ""),
    ],
)
def test_published_ports_are_read_alike_by_every_awk(ports, told):
    line = "\t".join([MARK + "False", "/a", "id api shop", "Up 1 minute", "data", ports, "name"])
    how = ("-F", "\t", "-v", f"mark={MARK}")
    out, err, _ = awk("STACK_CONTAINERS_AWK", f"{line}\n", *how, STACK_DIR="/a")
    assert (out, err) == (f"id api shop Up 1 minute\tdata\t{told}\n-- others\n", "")


@pytest.mark.parametrize(
    "text", ["", "\n", MARK, f"{MARK}False\t/a\tid", "False\t/a\t1\t2\t3\t4\t5"]
)
def test_a_line_that_is_none_makes_no_container(text):
    how = ("-F", "\t", "-v", f"mark={MARK}")
    assert awk("STACK_CONTAINERS_AWK", text, *how, STACK_DIR="/a")[:2] == ("-- others\n", "")


PARTS = {f"STACK_{part}": part.lower() for part in ("BACKEND", "FRONTEND", "BLOCKCHAIN", "CACHE")}
PARTS |= {"STACK_DATABASE": "postgres"}


def states(listed, inspected, endings="", loops=""):
    """What the states of containers are, and what is said of those that are not well."""
    text = "\n".join([*listed, "", *inspected, ""])
    out, err, status = awk("STACK_STATES_AWK", text, ENDINGS=endings, LOOPS=loops, **PARTS)
    assert status == 0
    return json.loads(out), err.strip()


def inspected(service, id, restarts=0, **members):
    told = {"restarts": restarts, "id": id, **members}
    return f"{service} {json.dumps(told, separators=(',', ':'))}"


def test_the_parts_are_told_by_what_they_are_and_others_by_their_names():
    listed = ["a postgres shop Up 3 hours\t\t", "b report shop Up 2 seconds\tdata\t,80,"]
    found, said = states(listed, [inspected("postgres", "a"), inspected("report", "b")])
    assert said == ""
    assert found["database"] == {
        **{
            "id": "a",
            "part": "database",
            "restarts": 0,
            "steady": True,
            "loops": False,
            "returned": "",
        },
        **{"down": "", "ended": "", "start_may_help": True},
    }
    assert found["report"]["steady"] is True


UP, DOWN = "Up 3 hours", "Exited (1) 2 hours ago"


@pytest.mark.parametrize(("service", "part"), [("report", "report"), ("postgres", "database")])
def test_each_replica_of_a_service_is_told_and_its_name_means_one_that_is_up(service, part):
    statuses = {3: DOWN, 2: UP, 1: DOWN}
    listed = [f"id{n} {service} shop {status}\t\t" for n, status in statuses.items()]
    told = [inspected(service, f"id{n}", name=f"/shop-{service}-{n}") for n in statuses]
    found, said = states(listed, told)
    ids = {name: one["id"] for name, one in found.items()}
    assert ids == {
        part: "id2",
        f"{part} (shop-{service}-1)": "id1",
        f"{part} (shop-{service}-3)": "id3",
    }
    assert {one["part"] for one in found.values()} == {""}, "no card looks at each of them"
    downs = [f"{service} (shop-{service}-{n}) ended 2 hours ago (exit status 1)" for n in (3, 1)]
    assert [one["down"] for one in found.values()] == [downs[0], "", downs[1]]
    assert said == "; ".join(downs)


def test_a_replica_that_is_off_its_network_is_named():
    listed = [f"id{n} report shop {UP}\t\t" for n in (3, 2, 1)]
    told = [
        inspected("report", f"id{n}", name=f"/shop-report-{n}", off_network="net" * (n == 2))
        for n in (3, 2, 1)
    ]
    found, said = states(listed, told)
    off = [one["off_network"] for one in found.values() if one["off_network"]]
    assert off == [said]
    assert said.startswith("report (shop-report-2) runs and is not on its network net")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_replica_that_ends_again_and_again_is_named(number):
    listed = [f"id{n} report shop Restarting (1) 2 seconds ago\t\t" for n in (number,)]
    listed += [f"id{n} report shop {UP}\t\t" for n in (1, 2, 3) if n != number]
    told = [inspected("report", f"id{n}", 5, name=f"/shop-report-{n}") for n in (1, 2, 3)]
    found, said = states(listed, told, loops=f"id{number}")
    assert [one["id"] for one in found.values() if one["loops"]] == [f"id{number}"]
    assert said == f"report (shop-report-{number}) restarts again and again (5 times)"
    assert found["report"]["down"] == ""


def test_a_site_names_what_else_is_a_database():
    own = yaml.safe_load((ROLES / "stack/vars/main.yml").read_text())
    known = {**own, "stack_databases": ["ledgerd", "vault-db"]}
    for name in ("STACK_DATABASES", "STACK_SERVERS"):
        text = own["stack_shell"]["environment"][name]
        words = Environment().compile_expression(text)(**known).split()
        assert {"ledgerd", "vault-db", "postgres", "mariadb"} <= {*words}
        assert Environment().compile_expression(text)(**known | {"stack_databases": []}).split()


def test_a_service_that_is_called_as_a_part_and_plays_it_not_is_not_taken_for_it():
    listed = ["a postgres shop Up 3 hours\t\t", "b database shop Up 3 hours\t\t"]
    found, _said = states(listed, [inspected("database", "b"), inspected("postgres", "a")])
    assert {name: one["id"] for name, one in found.items()} == {
        "service database": "b",
        "database": "a",
    }


@pytest.mark.parametrize(
    ("service", "image", "said"),
    [
        ("data", "mariadb:11", "data (mariadb)"),
        ("data", "registry.example:5000/x/mariadb@sha256:0ab", "data (mariadb)"),
        ("postgres", "mariadb", ""),  # it plays the database
        ("pdf", "shop/pdf:1", ""),
        ("pdf", "", ""),
        ('a"b', "mariadb", "a?b (mariadb)"),
    ],
)
def test_what_is_not_looked_into_is_named_with_its_image(service, image, said, monkeypatch):
    monkeypatch.setitem(PARTS, "STACK_SERVERS", "redis mariadb memcached")
    one = inspected(service, "a", not_looked_into=image, state="running")
    found, _said = states([f"a {service} shop Up 3 hours\t\t"], [one])
    (told,) = found.values()
    assert (told["not_looked_into"], told["state"]) == (said, "running")


@pytest.mark.parametrize(
    ("status", "members", "why", "said"),
    [
        (
            "Exited (0) Less than a second ago",
            {"stopped_on_purpose": True},
            "",
            "was stopped less than a second ago (exit status 0): somebody or something stopped it",
        ),
        (
            "Exited (1) 2 minutes ago",
            {},
            "exit status 1: no",
            "ended 2 minutes ago: exit status 1: no",
        ),
        ("Exited (3) 1 second ago", {}, "", "ended 1 second ago (exit status 3)"),
        ("Restarting (1) 1 second ago", {}, "no", "ended by itself and is started again: no"),
        ("Up 3 hours (Paused)", {}, "", "is paused: somebody or something paused it"),
        ("Created", {}, "could not be started: no room", "was made and never started: could not"),
        ("Up 2 hours (unhealthy)", {}, "", "runs and is unhealthy"),
        ("Dead", {}, "", "is not well: Dead"),
    ],
)
def test_what_is_not_well_is_said_as_people_say_it(status, members, why, said):
    ends = f"a\t0\t{why}\n" if why else ""
    found, told = states([f"a api shop {status}\t\t"], [inspected("api", "a", **members)], ends)
    assert told.startswith(f"api {said}")
    assert found["api"]["down"] == ("" if "unhealthy" in status else told)


def test_what_is_not_well_is_named_with_its_reason():
    listed = ["a backend shop Restarting (1) 3 seconds ago\t\t", "b redis shop Up 3 seconds\t\t"]
    ends = 'a\t1\texit status 1: \\"no\\" such file\nbroken line\n\n'
    both = [inspected("backend", "a", 7), inspected("redis", "b", 5)]
    found, said = states(listed, both, ends, "a\nb")
    assert said == (
        'backend restarts again and again (7 times): exit status 1: "no" such file; '
        "redis ends again and again (5 times), and was started again 3 seconds ago"
    )
    assert (found["backend"]["loops"], found["redis"]["loops"]) == (True, True)
    assert found["backend"]["ended"] == 'exit status 1: "no" such file'
    assert (found["backend"]["start_may_help"], found["redis"]["steady"]) == (False, False)
    assert found["backend"]["down"].endswith(': exit status 1: "no" such file')
    assert found["redis"]["down"] == ""


def test_what_crashed_once_and_is_up_again_is_steady_and_told():
    listed = ["a backend shop Up 6 seconds\t\t", "b redis shop Up 20 seconds\t\t"]
    found, said = states(listed, [inspected("backend", "a", 4), inspected("redis", "b", 4)])
    assert said == ""
    assert (found["backend"]["steady"], found["backend"]["loops"]) == (True, False)
    told = "backend ended by itself and was started again 6 seconds ago"
    assert (found["backend"]["returned"], found["redis"]["returned"]) == (told, "")


def test_what_was_taken_off_its_network_is_named_with_it():
    listed = ["a pdf shop Up 3 hours\t\t", "b redis shop Up 3 hours\t\t"]
    both = [inspected("pdf", "a", off_network="shop_net"), inspected("redis", "b", off_network="")]
    found, said = states(listed, both)
    assert said == "pdf runs and is not on its network shop_net: somebody or something took it off"
    assert (found["pdf"]["off_network"], found["redis"]["off_network"]) == (said, "")
    assert (found["pdf"]["steady"], found["pdf"]["down"]) == (True, "")


@pytest.mark.parametrize(
    ("restarts", "seconds_ago", "ends", "loops"),
    [
        (1, 3, 1, False),
        (2, 3, 9, False),
        (9, 3, 1, False),  # the others were long ago
        (3, 3, 3, True),
        (9, 300, 9, False),  # it has been up since
        (3, 3, None, True),  # what cannot be counted is not taken for one
    ],
)
def test_a_loop_is_what_ended_again_and_again_within_minutes(restarts, seconds_ago, ends, loops):
    started = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    docker = "docker() { return 1; }" if ends is None else f"docker() {{ {events(ends)}; }}"
    time = started.strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    asked = f". {ROLES}/stack/files/stack.sh\n{docker}\nis_in_loop id {restarts} {time}"
    done = subprocess.run([*SHELL, "-c", asked], check=False, env={**os.environ, **PROGRAMS})
    assert (done.returncode == 0) is loops


def events(ends):
    return f"case $1 in events) seq {ends} ;; *) return 1 ;; esac"


@pytest.mark.parametrize(
    ("status", "ended", "started", "loops"),
    [
        ("running", 9, 2, True),  # Docker waited for seven seconds
        ("running", 4, 3, False),
        ("running", 3, 2, False),
        ("restarting", 6, 7, True),  # and waits
        ("restarting", 1, 2, False),
        ("exited", None, None, False),
    ],
)
def test_a_loop_is_seen_where_dockers_events_are_forgotten(status, ended, started, loops):
    now = datetime.now(UTC)
    times = [
        "no time" if ago is None else (now - timedelta(seconds=ago)).strftime("%FT%T.5Z")
        for ago in (ended, started)
    ]
    inspect = f"case $1 in inspect) echo {status} {' '.join(times)} ;; esac"
    begun = now.strftime("%FT%TZ")
    asked = f". {ROLES}/stack/files/stack.sh\ndocker() {{ {inspect}; }}\nis_in_loop id 5 {begun}"
    done = subprocess.run([*SHELL, "-c", asked], check=False, env={**os.environ, **PROGRAMS})
    assert (done.returncode == 0) is loops


def test_a_service_without_a_container_is_told_as_such():
    found, said = states([], ['frontend {"state":"absent","off_network":""}'])
    assert (found["frontend"]["state"], found["frontend"]["steady"]) == ("absent", False)
    assert said == "frontend has no container"


@pytest.mark.parametrize("listed", [[], ["a"], ["a backend"], ["\t\t", " "]])
def test_a_broken_list_or_none_leaves_an_object(listed):
    assert states(listed, []) == ({}, "")


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\x1b[2J", 'x":{},"backend'])
def test_a_name_stays_a_name(name):
    found, _ = states([], [inspected(name, "a"), inspected("backend", "b")])
    assert len(found) == 2
    assert found["backend"]["id"] == "b"
