"""Which log files go, and that nothing else does, on a real file system and without a host."""

import os
import subprocess
from pathlib import Path

import pytest
from hostile import NAMES, directories
from hypothesis import given, settings
from hypothesis import strategies as st
from shells import PROGRAMS, SHELL

ROLES = Path(__file__).parents[2] / "roles"
LONG_AGO = 1_600_000_000
HOST = f"""
. {ROLES}/stack/files/stack.sh
. {ROLES}/disk_space_full/files/disk.sh
as_root() {{ "$@"; }}
crowded() {{ true; }}
"""
NONE_OPEN = "open_files() { echo 0:0; }\n"


def run(words, folder):
    return subprocess.run(
        [*SHELL, "-c", HOST + words],
        capture_output=True,
        check=False,
        env={
            **os.environ,
            **PROGRAMS,
            **{"STACK_DIR": "/", "STACK_LOG_DIR": str(folder), "DISK_OLD_LOG_DAYS": "7"},
        },
    )


def old_file(path):
    path.write_bytes(b"x" * 5000)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@settings(max_examples=300)
@given(names=st.sets(NAMES, max_size=4), outside=NAMES)
def test_whatever_files_are_called_only_those_meant_go(names, outside):
    with directories() as (logs, other):
        precious = old_file(other / os.fsdecode(outside + b".log"))
        (logs / "link.log").symlink_to(precious)
        (logs / "elsewhere").symlink_to(other)
        # A path that is another file's, if it is taken for lines.
        trap = Path(f"{logs}/a\n{precious}")
        trap.parent.mkdir(parents=True)
        meant = {old_file(trap)} | {old_file(logs / os.fsdecode(name + b".log")) for name in names}
        kept = [old_file(logs / os.fsdecode(b"_" + name.replace(b".log", b""))) for name in names]
        kept += [precious, logs / "fresh.log"]
        kept[-1].write_text("x")
        done = run(f"{NONE_OPEN} remove_old_logs", logs)
        assert done.stderr == b""
        assert done.stdout.startswith(b"removed %d log files" % len(meant))
        assert not any(path.exists() for path in meant)
        assert all(path.exists() for path in kept)


def test_a_file_that_is_held_open_stays(tmp_path):
    held, free = old_file(tmp_path / "held.log"), old_file(tmp_path / "free.log")
    with held.open():
        done = run("remove_old_logs", tmp_path)
    assert (held.exists(), free.exists()) == (True, False), done


@pytest.mark.parametrize("blind", ["return 1", "true", "echo 1:1"])
def test_where_open_files_cannot_be_seen_none_goes(tmp_path, blind):
    old = old_file(tmp_path / "old.log")
    as_root = f'as_root() {{ case $1 in sh) {blind} ;; *) "$@" ;; esac; }}'
    done = run(f"{as_root}\nold_logs; remove_old_logs", tmp_path)
    assert done.stdout == b""
    assert b"cannot be seen" in done.stderr
    assert old.exists()


def test_more_files_than_an_argument_list_takes_are_all_seen(tmp_path):
    many = [old_file(tmp_path / f"{n}.log") for n in range(350)]
    with many[17].open(), many[349].open():
        done = run("remove_old_logs", tmp_path)
    assert done.stdout.startswith(b"removed 348 log files, ")
    assert sorted(tmp_path.iterdir()) == sorted([many[17], many[349]])


def test_of_replicas_the_one_that_was_stopped_is_started(tmp_path):
    log = tmp_path / "b.log"
    log.write_text("{}\n" * 9)
    words = f"""
    docker() {{ case $1 in inspect) echo running ;; *) echo "$@" >>{tmp_path}/told ;; esac; }}
    large_logs() {{ printf '9000\\tbackend\\tb2\\t{log}\\n'; }}
    deleted_files() {{ printf '9000\\tbackend\\t41\\t/x\\n'; }}
    container_of() {{ [ "$1" = 41 ] && echo b2; }}
    container() {{ echo a1; }}
    wait_for() {{ :; }}
    STACK_BLOCKCHAIN=node DISK_LOG_KEEP_KIB=1
    cut_large_logs; restart_holder"""
    assert run(words, tmp_path).returncode == 0
    told = (tmp_path / "told").read_text().splitlines()
    assert told == ["stop -t 120 b2", "start b2"] * 2


def test_who_is_ended_halfway_has_said_what_is_gone(tmp_path):
    for number in range(2500):
        old_file(tmp_path / f"{number}.log")
    slow = 'find() { command find "$@"; case "$*" in *-delete*) sleep 30 ;; esac; }\n'
    words = f"{slow} {NONE_OPEN} remove_old_logs & sleep 2; kill -s KILL 0"
    done = subprocess.run(
        ["setsid", *SHELL, "-c", HOST + words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **{"STACK_DIR": "/", "STACK_LOG_DIR": str(tmp_path)}}
        | {"DISK_OLD_LOG_DAYS": "7"},
    )
    assert done.stdout.splitlines() == [
        "removed 1000 log files so far",
        "removed 2000 log files so far",
    ]
    assert not list(tmp_path.glob("*.log"))
