"""Figures that are read at a glance, in every shell: of processes' names, of files, of answers."""

import os
import subprocess
from pathlib import Path

import pytest
from shells import PROGRAMS, SHELL

ROLES = Path(__file__).parents[2] / "roles"
LIBRARIES = (
    "stack/files/stack.sh",
    "stack/files/glances.sh",
    "memory_leak/files/memory.sh",
    "disk_space_full/files/disk.sh",
    "high_error_rate/files/errors.sh",
)


def told(script, **environment):
    """What a script of these words prints."""
    words = "\n".join(f". {ROLES}/{path}" for path in LIBRARIES)
    done = subprocess.run(
        [*SHELL, "-c", f"{words}\n{script}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, **PROGRAMS, "STACK_DIR": "/", **environment},
    )
    return done.stdout


NAMES = """\
sh -c psql -c SELECT waiting

postgres: checkpointer
postgres: background writer
postgres: autovacuum launcher
postgres: parallel worker for PID 71
postgres: walsender replica 10.0.0.7(50014) streaming 0/3000148
postgres: shop data 172.18.0.3(40102) idle
postgres: shop data 172.18.0.3(40104) idle in transaction
postgres: main: shop data [local] SELECT waiting
postgres: shop data fd00::3(40104) UPDATE waiting
"""


@pytest.fixture
def processes():
    """Words that print such names of processes, in place of those that read them."""
    return f"database_processes() {{ printf '%s' '{NAMES}'; }}\n"


def test_sessions_are_counted_by_what_processes_call_themselves(processes):
    assert told(f"{processes}sessions_now db 20") == "25.0\n"
    assert told(f"{processes}sessions_now db 0") == ""
    assert told("database_processes() { :; }\nsessions_now db 20") == ""


def test_who_waits_for_a_lock_says_so_in_its_name(processes):
    assert told(f"{processes}waiting_now db") == "2\n"
    assert told("database_processes() { echo 'postgres: checkpointer'; }\nwaiting_now db") == "0\n"
    assert told("database_processes() { :; }\nwaiting_now db") == ""


def test_names_are_read_from_the_group_of_a_container(tmp_path):
    (tmp_path / "cgroup.procs").write_text("")
    script = f"find_control_group() {{ group={tmp_path}; }}\ndatabase_processes db"
    assert told(script) == ""
    assert told("find_control_group() { group=; }\ndatabase_processes db") == ""


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("0.012 200\n0.250 401\n", "250\n"),
        ("0.012 200\n3.001 000\n", "3000\n"),  # no answer in time
        ("0.000 000\n0.000 000\n", ""),  # refused
        ("", ""),
    ],
)
def test_the_slowest_answer_counts(tmp_path, answers, expected):
    curl = tmp_path / "curl"
    curl.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf '{answers}'\n")
    curl.chmod(0o755)
    shown = told(
        "answer_now /health /students",
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        STACK_BACKEND_URL="http://localhost:5007",
        STACK_REQUEST_HEADERS="",
    )
    assert shown == expected


def test_headers_go_to_nobody_who_holds_the_ports_of_the_api_besides():
    script = "need_own_port() { exit 69; }\ncurl() { echo '0.1 200'; }\nanswer_now /health"
    url = {"STACK_BACKEND_URL": "http://localhost:5007"}
    assert told(script, STACK_REQUEST_HEADERS="X-Key: secret", **url) == ""
    assert told(script, STACK_REQUEST_HEADERS="", **url) == "100\n"


def test_errors_a_minute_are_those_of_the_last_minute():
    log = """
    log_now() {
        for second in 8 6 4 2; do
            time=$(date -u -d "@$((NOW - second))" +%Y-%m-%dT%H:%M:%S.000000000Z)
            echo "$time 2026-01-19 15:09:30:30 error: TypeError: database.query is no function"
        done
    }
    errors_now api"""
    shown = told(log, ERRORS_ACCESS_LOG="", ERRORS_IGNORE="", ERRORS_MINIMUM="99")
    assert float(shown) > 20
    assert (
        told("log_now() { :; }\nerrors_now api", ERRORS_ACCESS_LOG="", ERRORS_IGNORE="") == "0.0\n"
    )
    assert told("log_now() { return 1; }\nerrors_now api", ERRORS_ACCESS_LOG="") in ("", "\n")


def test_a_log_is_read_without_what_the_engine_sends_beside_its_lines(tmp_path):
    lines = [
        "2026-01-19T15:09:30.123456789Z first",
        "2026-01-19T15:09:31.5Z " + "x" * 300,
        "2026-01-19T15:09:32Z of 2026-01-18T00:00:00Z",
    ]
    frames = b"".join(
        bytes([1, 0, 0, 0]) + length.to_bytes(4, "big") + f"{line}\n".encode()
        # As many bytes as a new line, a digit, or more have as their code.
        for line, length in zip(lines, (10, 50, 12345), strict=True)
    )
    (tmp_path / "log").write_bytes(frames + f"{lines[0]}\n".encode())
    shown = told(f"without_frames <{tmp_path}/log", LC_ALL="C")
    assert shown.splitlines() == [*lines, lines[0]]


def test_memory_and_disks_are_figures_of_this_machine():
    assert 0 < float(told("host_now")) < 100
    assert 0 <= float(told("disk_now / /tmp")) <= 100
    assert told("disk_now /no/such/path") == ""


def test_a_container_is_measured_against_its_own_limit(tmp_path):
    mib = 2**20
    stat = f"inactive_file {10 * mib}\nactive_file {20 * mib}\nslab_reclaimable 0\n"
    for name, limit in (("a", f"{200 * mib}"), ("b", "max")):
        group = tmp_path / name
        group.mkdir()
        (group / "memory.stat").write_text(stat)
        (group / "memory.current").write_text(f"{130 * mib}\n")
        (group / "memory.max").write_text(f"{limit}\n")
    group = f"find_control_group() {{ group=; [ ! -d {tmp_path}/$1 ] || group={tmp_path}/$1; }}\n"
    assert told(f"{group}fullest_now a b gone") == "50.0\n"
    assert told(f"{group}fullest_now b") == "0.0\n"
    assert told(f"{group}fullest_now gone") == ""


def test_containers_that_run_no_more_are_counted(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "b" / "cgroup.freeze").write_text("1\n")  # paused
    group = f"find_control_group() {{ group=; [ ! -d {tmp_path}/$1 ] || group={tmp_path}/$1; }}\n"
    assert told(f"{group}down_now a") == "0\n"
    assert told(f"{group}down_now a b gone") == "2\n"
    assert told(f"{group}down_now gone") == "", "where no group can be seen nothing is known"


def test_a_glance_that_fails_is_an_id_without_a_figure():
    assert told("glance a echo 4; glance b false; glance c unknown why; glance d echo 'x y'") == (
        "a 4\nb \nc \nd x y\n"
    )
