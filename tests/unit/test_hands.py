"""What somebody did to the stack by hand, as far as Docker remembers it; without an engine."""

import os
import re
import subprocess
import time
from pathlib import Path

import pytest
from shells import PROGRAMS, SHELL, awk

ROLES = Path(__file__).parents[2] / "roles"
MARK = "runbook0123456789abcdef"
# What docker events prints of those that were asked for, each behind the mark.
DOCKER = 'docker() { printf "%s\\n" "$*" >>"$ASKED"; printf "%s\\n" "$TOLD"; }\n'
PARTS = ("backend", "frontend", "database", "blockchain", "cache")
UP = dict.fromkeys(PARTS, "Up 3 hours")


def event(ago, action, name="shop_db", signal="<no value>", place="/usr"):
    return f"{MARK}{int(time.time()) - ago}\t{action}\t{signal}\t{place}\t{name}"


def hands(tmp_path, *events, states=None, seconds=300, own="own_steps() { :; }"):
    """What it prints, without when that was, and whether Docker was asked for its events."""
    asked = tmp_path / "asked"
    asked.write_text("")
    containers = {**UP, "database": "Exited (0) 1 second ago", **(states or {})}
    listed = [f"id {name} shop {status}\t\t" for name, status in containers.items() if status]
    words = [f". {ROLES}/stack/files/{name}.sh" for name in ("stack", "marks")]
    done = subprocess.run(
        [*SHELL, "-c", "\n".join([*words, DOCKER, own, f"hands {seconds}"])],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            **PROGRAMS,
            **{f"STACK_{part.upper()}": part for part in PARTS},
            "STACK_DIR": "/usr",
            "STACK_CONTAINERS_STATUS": "0",
            "STACK_CONTAINERS": "".join(f"{line}\n" for line in listed),
            "RUNBOOK_CHANNEL": MARK,
            "TOLD": "\n".join(events),
            "ASKED": str(asked),
        },
    )
    assert done.returncode == 0, done.stderr
    said = re.sub(r" at \d\d:\d\d:\d\dZ, \d+ s ago", "", done.stdout.strip())
    return said, bool(asked.read_text())


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([event(9, "kill", signal="15"), event(9, "stop")], "shop_db was stopped"),
        ([event(9, "pause")], "shop_db was paused"),
        ([event(9, "kill", signal="19")], "shop_db was killed"),
        ([event(9, "stop"), event(9, "destroy")], "shop_db was removed"),
        ([event(9, "stop"), event(8, "restart")], "shop_db was restarted"),
        (
            [event(90, "restart", "api"), event(9, "stop")],
            "shop_db was stopped; api was restarted",
        ),
    ],
)
def test_it_is_told_who_was_stopped_paused_or_changed_and_when(tmp_path, events, told):
    assert hands(tmp_path, *events) == (told, True)


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        [event(9, "kill", signal="1")],  # to open its log anew
        [event(9, "kill", signal="10")],
        [event(9, "stop", place="/srv/other")],
        # A label of several lines is none of docker's.
        [f"{MARK}{int(time.time())}\tstop\tx\t/srv/other\n1\tstop\t15\t/usr\tshop_db\tx"],
    ],
)
def test_what_is_nobodys_hand(tmp_path, nothing):
    assert hands(tmp_path, *nothing) == ("", True)


def steps(*times):
    """Steps of ours, each from and to so many seconds ago."""
    words = "; ".join(f'echo "$((now - {began})) $((now - {ended}))"' for began, ended in times)
    return f"own_steps() {{ now=$(date +%s); {words}; }}"


def test_what_a_step_of_ours_did_is_nobodys_hand(tmp_path):
    events = event(25, "stop"), event(22, "start")
    assert hands(tmp_path, *events, own=steps((90, 60), (28, 18))) == ("", True)


def test_what_a_step_of_ours_has_changed_since_is_nobodys_any_more(tmp_path):
    events = event(90, "stop"), event(90, "pause", "api"), event(25, "start")
    assert hands(tmp_path, *events, own=steps((28, 18)))[0] == "api was paused"


def test_a_step_that_touched_nothing_takes_nothing_from_anybody(tmp_path):
    assert hands(tmp_path, event(90, "stop"), own=steps((28, 18)))[0] == "shop_db was stopped"


def test_what_is_done_after_our_step_is_by_hand_again(tmp_path):
    events = event(25, "start"), event(9, "pause")
    assert hands(tmp_path, *events, own=steps((28, 18)))[0] == "shop_db was paused"


@pytest.mark.parametrize(
    "states",
    [
        {"cache": "Up 3 hours (Paused)"},
        {"cache": "Up 12 seconds"},
        {"cache": "Up About a minute (healthy)"},
        {"cache": "Up 4 minutes"},
        {"cache": ""},  # removed
        dict.fromkeys(PARTS, ""),
        {"other": "Exited (137) 1 second ago"},
    ],
)
def test_docker_is_asked_where_a_container_is_not_long_up(tmp_path, states):
    assert hands(tmp_path, event(9, "stop"), states={"database": "Up 3 hours", **states})[1]


@pytest.mark.parametrize("status", ["Up 3 hours", "Up 20 minutes (healthy)", "Up 2 days"])
def test_it_is_not_asked_where_all_are(tmp_path, status):
    quiet = {"database": status}
    assert hands(tmp_path, event(9, "stop"), states=quiet) == ("", False)


def test_nor_where_nobody_wants_to_know(tmp_path):
    assert hands(tmp_path, event(9, "stop"), seconds=0) == ("", False)


def by_hand(*lines, own=""):
    """What the program behind it prints of events, in every awk."""
    how = {"STACK_DIR": "/usr", "PHYSICAL": "/real", "OWN": own}
    out, err, status = awk("MARKS_HANDS_AWK", "".join(f"{x}\n" for x in lines), "-F", "\t", **how)
    assert (err, status) == ("", 0)
    return sorted(out.splitlines())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("100\tstop\t\t/usr\tdb", ["100 db stopped"]),
        ("100\tkill\t9\t/real\tdb", ["100 db killed"]),
        ("100\tkill\t99\t/usr\tdb", []),
        ("100\tstart\t\t/usr\tdb", []),
        ("", []),
        ("100", []),
        ("\t\t\t\t", []),
        ("100\tstop\t\t/usr", []),
        ("100\tstop\t\t/usr\tdb\tmore", []),
        ("100\tstop\t\t/usr/..\tdb", []),
        ("100\tstop\t\t\tdb", []),
    ],
)
def test_events_are_read_alike_by_every_awk(line, told):
    assert by_hand(line) == told


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ("90 110", []),
        ("100 100", []),
        ("101 110\n80 99", ["100 db stopped"]),
        ("", ["100 db stopped"]),
        ("-\nx y\n\n90", ["100 db stopped"]),
        ("x y\n90 110 more", []),
    ],
)
def test_a_note_of_our_steps_that_is_torn_takes_nothing_from_anybody(own, told):
    assert by_hand("100\tstop\t\t/usr\tdb", own=own) == told
