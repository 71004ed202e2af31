"""What disks hold, in figures and by name, of answers that were recorded; without a host."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from shells import PROGRAMS, SHELL, awk

ROLES = Path(__file__).parents[2] / "roles"
LIMITS = {"DISK_LIMIT": "80", "DISK_TARGET": "70", "DISK_WAL_MIB": "64", "DISK_INODES": "1000"}
MIB = 2**20


def figures(*lines):
    """The figures of file systems, as every awk tells them."""
    out, err, status = awk("DISK_FILE_SYSTEMS_AWK", "".join(f"{x}\n" for x in lines), **LIMITS)
    assert (err, status) == ("", 0)
    return [line.split("\t") for line in out.splitlines()]


def file_system(id="a", kind="ef53", blocks=1000, free=500, usable=450, inodes=100000, left=90000):
    return f"{id} {kind} {MIB} {blocks} {free} {usable} {inodes} {left}"


def test_of_a_file_system_is_told_what_users_may_have():
    assert figures(f"{file_system()} /srv/a b") == [
        ["53", "10", "450", "90000", "50", "500", "0", "/srv/a b"]
    ]


def test_each_is_told_once_and_no_medium_that_nobody_writes_to():
    of_others = f"{file_system('c', kind='73717368')} /snap"
    assert [
        line[-1] for line in figures(f"{file_system()} /", f"{file_system()} /srv", of_others)
    ] == ["/"]


@pytest.mark.parametrize(
    ("system", "exhausted"),
    [
        (file_system(free=63, usable=63), "1"),
        (file_system(free=64, usable=64), "0"),
        (file_system(left=999), "1"),
        (file_system(left=1000), "0"),
        (file_system(inodes=0, left=0), "0"),  # btrfs has no number of them
        (file_system(blocks=2**40, free=0, usable=0), "1"),
    ],
)
def test_when_nothing_can_be_written_any_more(system, exhausted):
    assert figures(f"{system} /")[0][6] == exhausted


@pytest.mark.parametrize("line", ["", "a", "a ef53 4096 0 0 0 0 0 /proc", "stat: cannot read /x"])
def test_a_line_without_blocks_is_no_file_system(line):
    assert figures(line) == []


def details(*lines):
    """What is said of what fills a disk, as every awk tells it."""
    out, err, status = awk("DISK_DETAILS_AWK", "".join(f"{x}\n" for x in lines), "-F", "\t")
    assert (err, status) == ("", 0)
    return json.loads("{" + out.removeprefix(", ") + "}")


NOTHING = {
    **{"large_logs": [], "old_logs": 0, "old_logs_mib": 0, "journal_mib": 0, "build_cache": 0},
    **{"unused_images": 0, "stopped_containers": 0, "old_backups": 0, "old_backups_mib": 0},
    **{"deleted_files": [], "docker": [], "largest": [], "kept": []},
}


def test_what_fills_a_disk_is_told_by_its_kind():
    found = details(
        f"log\t{3 * MIB}\tbackend\tid\t/var/lib/docker/x.log",
        f"old_logs\t2\t{5 * MIB}",
        f"journal\t{7 * MIB}",
        "cache\tx",
        "image\tsha256:1",
        "image\tsha256:2",
        "container\ta1",
        f"deleted\t{9 * MIB}\t\t41\t/tmp/gone",
        f"backup\t{11 * MIB}\t/srv/old.dump",
        "docker\tImages 1GB, 500MB unused",
        "largest\t9 MiB /srv",
        "kept\t64 MiB of write-ahead log",
    )
    assert found == {
        **{"large_logs": [{"service": "backend", "mib": 3}], "old_logs": 2, "old_logs_mib": 5},
        **{"journal_mib": 7, "build_cache": 1, "unused_images": 2, "stopped_containers": 1},
        **{"old_backups": 1, "old_backups_mib": 11},
        "deleted_files": [{"mib": 9, "service": "", "pid": 41, "path": "/tmp/gone"}],
        "docker": ["Images 1GB, 500MB unused"],
        "largest": ["9 MiB /srv"],
        "kept": ["64 MiB of write-ahead log"],
    }


@pytest.mark.parametrize(
    "line", ["", "\t", "log of something", "old_logs", "old_logs\t0\t0", "journal\t", "evil\t1"]
)
def test_of_a_line_that_says_nothing_nothing_is_told(line):
    assert details(line) == NOTHING


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\x1b[2J", '"],"old_logs":9', "a\r", "\\u0000"])
@pytest.mark.parametrize("kind", ["docker", "largest", "kept"])
def test_a_name_is_shown_and_is_nothing_else(kind, name):
    found = details(f"{kind}\t{name}")
    assert {**found, kind: []} == NOTHING
    (shown,) = found[kind]
    assert len(shown) == len(name)
    assert not set(shown) & set('"\\\x1b\r')


@pytest.mark.parametrize("name", ['a"b', "a\\", "a\x1b[2J"])
def test_nor_is_the_name_of_a_service(name):
    found = details(f"log\t{MIB}\t{name}\tid\t/x", f"deleted\t{MIB}\t{name}\t41\t/x")
    assert found["large_logs"][0]["mib"] == found["deleted_files"][0]["mib"] == 1


def layers(*lines, names="/api\t/l/a\n/db\t/l/b\n"):
    text = "".join(f"{line}\n" for line in lines)
    how = {"LAYERS": names, "DISK_LOG_MIB": "10"}
    out, err, status = awk("DISK_LAYERS_AWK", text, "-F", "\t", **how)
    assert (err, status) == ("", 0)
    return out.splitlines()


def test_of_a_large_layer_is_told_whose_it_is_and_where_most_lies():
    du = ["20000\t/l/a/srv/up loads", "20400\t/l/a/srv", "9\t/l/a/etc", "20480\t/l/a", "1024\t/l/b"]
    (told,) = layers(*du)
    assert told.startswith("20 MiB were written by container api into its own layer")
    assert "most of it below /srv/up loads: rotate it" in told
    assert "most of it below /: " in layers("20480\t/l/a")[0]


@pytest.mark.parametrize(
    "lines", [[], [""], ["20480"], ["20480\t"], ["du: cannot read"], ["x\t/l/a"]]
)
def test_a_layer_that_du_says_nothing_of_is_none(lines):
    assert layers(*lines) == []
    assert layers(*lines, names="") == []


def test_a_path_that_is_no_path_ends_too():
    (told,) = layers("20480\tx", names="/api\tx\n")
    assert "most of it below /: " in told


STUBS = """
. $ROLES/stack/files/stack.sh
. $ROLES/disk_space_full/files/disk.sh
crowded() { :; }
large_logs() { printf '%s\\tbackend\\tid\\t/x\\n' 5242880; }
old_logs() { printf '1048576\\t7\\n2097152\\t8\\n'; }
journal() { :; }
old_build_cache() { :; }
unused_images() { echo sha256:1; }
stopped_containers() { :; }
deleted_files() { printf '1048576\\t\\t41\\t/tmp/a"b\\n'; }
old_backups() { :; }
docker_use() { :; }
largest() { printf '9 MiB /srv\\nlog\\t999\\tno log\\n'; }
what_keeps() { :; }
"""


def run(command, **environment):
    done = subprocess.run(
        [*SHELL, "-c", f"{STUBS}\n{command}"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            **PROGRAMS,
            **LIMITS,
            "ROLES": str(ROLES),
            "STACK_DIR": "/",
            **environment,
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_is_looked_for_side_by_side_is_told_together():
    found = json.loads("{" + run("disk_details").removeprefix(", ") + "}")
    assert (found["old_logs"], found["old_logs_mib"], found["unused_images"]) == (2, 3, 1)
    assert found["large_logs"] == [{"service": "backend", "mib": 5}]
    assert found["deleted_files"][0]["path"] == "/tmp/a?b"
    # The rest of a name of several lines is a name, and no log.
    assert found["largest"] == ["9 MiB /srv", "log"]


# What du says of everything below a file system, whose own directory comes last.
FILLED = {
    "one file": (["3400000\t/srv/a/dump", "3400004\t/srv/a", "20000\t/srv/b/x", "20004\t/srv/b",
                  "3420008\t/srv"], ["3320 MiB /srv/a/dump", "19 MiB /srv/b/x"]),
    "some files": (["900000\t/srv/a/1", "800000\t/srv/a/2", "1700004\t/srv/a", "1700008\t/srv"],
                   ["1660 MiB /srv/a"]),
    "many small files": (["9000\t/srv/a/1", "9000\t/srv/a/2", "18004\t/srv/a", "18008\t/srv"],
                         ["17 MiB /srv/a"]),
    "a file beside directories": (
        ["900000\t/srv/a/1", "900004\t/srv/a", "700000\t/srv/x", "1600008\t/srv"],
        ["1562 MiB /srv", "878 MiB /srv/a/1"]),
    "a layer": (["90000\t/srv/overlay2/a/diff", "90004\t/srv/overlay2", "90008\t/srv"],
                ["87 MiB /srv/overlay2"]),
    "nothing": (["du: cannot read", "", "4\t/srv"], []),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILLED)
def test_what_fills_a_file_system_is_named_down_to_the_file(kind):
    lines, named = FILLED[kind]
    own = """
    . $ROLES/disk_space_full/files/disk.sh
    file_systems() { printf '97\\t1\\t-\\t-\\t-\\t-\\t-\\t/srv\\n'; }
    above_target() { cut -f 1,2,3-; }
    mounts_of() { echo /srv; }
    gently() { printf '%s\\n' "$LINES_OF_DU"; }
    largest"""
    assert run(own, LINES_OF_DU="\n".join(lines)).splitlines() == named


def test_the_file_systems_of_paths_are_told_as_stat_has_them(tmp_path):
    (line,) = run(f"figures {tmp_path} {tmp_path} /nonexistent").splitlines()
    told, stat = line.split("\t"), os.statvfs(tmp_path)
    assert told[-1] == str(tmp_path)
    used = 100 * (stat.f_blocks - stat.f_bfree) / (stat.f_blocks - stat.f_bfree + stat.f_bavail)
    assert abs(int(told[0]) - used) <= 1
