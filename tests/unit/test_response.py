"""Times of answers in figures, and what became of the machine meanwhile; without a host."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from shells import SHELL

ROLES = Path(__file__).parents[2] / "roles"
FILES = ROLES / "high_response_times/files"
URL = "http://localhost:5007"
IDLE = "cpu 100 0 100 800 0 0 0 0\nthrottling backend 100 0\npressure cpu some 1.00"


def figures(*times, before=IDLE, after=IDLE):
    """What response_figures prints of answers (SECONDS CODE URL) of a limit of 500 ms."""
    done = subprocess.run(
        [
            *(*SHELL, "-c"),
            f""". {ROLES}/stack/files/stack.sh
            . {FILES}/response.sh
            processors() {{ printf '%s\\n' "$AFTER"; }}
            throttling() {{ :; }}
            pressure() {{ :; }}
            before=$BEFORE limit=500 seconds=3
            response_figures""",
        ],
        input="".join(f"{line}\n" for line in times),
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "STACK_DIR": "/",
            "STACK_BACKEND_URL": URL,
            "RESPONSE_FIGURES_AWK": (FILES / "figures.awk").read_text(),
            "BEFORE": before,
            "AFTER": after,
        },
    )
    return json.loads(done.stdout)


def test_of_many_answers_the_middle_and_the_late_ones_are_told():
    told = figures(*(f"0.{n:03} 200 {URL}/fast" for n in range(10, 110)), f"0.9 200 {URL}/slow")
    assert (told["requests"], told["answered"]) == (101, 101)
    assert (told["p50_ms"], told["p95_ms"], told["slow"]) == (60, 105, False)
    assert told["slowest"] == "/slow"


def test_who_answers_too_late_or_never_is_slow():
    told = figures(*[f"0.8 200 {URL}/a"] * 3, f"3.0 000 {URL}/b")
    assert (told["answered"], told["late"], told["p95_ms"], told["slow"]) == (3, 1, 3000, True)


def test_who_refuses_at_once_is_not_slow_but_says_nothing():
    told = figures(*[f"0.001 000 {URL}/a"] * 4)
    assert (told["refused"], told["p50_ms"], told["p95_ms"], told["slow"]) == (4, None, None, False)


@pytest.mark.parametrize("nothing", [[], ["no line of curl"], [f"0.1 200 {URL}/a b"]])
def test_without_an_answer_nothing_is_said_of_times(nothing):
    told = figures(*nothing)
    assert (told["requests"], told["p95_ms"], told["slow"]) == (0, None, False)


def test_what_became_of_the_machine_is_told():
    after = "cpu 150 0 150 850 0 0 0 50\nthrottling backend 200 40\npressure cpu some 12.50"
    told = figures(f"0.1 200 {URL}/a", after=after)
    assert (told["steal_percent"], told["throttled"]) == (25, {"backend": 40})
    assert (told["cpu_pressure"], told["io_pressure"]) == (12.5, None)


def control_group(place, version, *, limited=True):
    """Make the files in which one container's control group counts its processor time."""
    periods = "nr_periods 300\nnr_throttled 290\nthrottled_usec 9\n" if limited else ""
    if version == 2:
        (place / "docker/a").mkdir(parents=True)
        (place / "docker/a/cpu.stat").write_text(f"usage_usec 7000123\nuser_usec 5\n{periods}")
        return place / "docker/a"
    for kind in ("memory", "cpu", "cpuacct"):
        (place / kind / "docker/a").mkdir(parents=True)
    (place / "cpu/docker/a/cpu.stat").write_text("nr_periods 300\nnr_throttled 290\n")
    (place / "cpuacct/docker/a/cpuacct.usage").write_text("7000123456\n")
    return place / "memory/docker/a"


def counted(group):
    """What is told of processor time before and after requests, and of a start."""
    done = subprocess.run(
        [
            *(*SHELL, "-c"),
            f""". {ROLES}/stack/files/stack.sh
            . {FILES}/response.sh
            . {ROLES}/application_not_responding/files/path.sh
            containers() {{ echo "a backend shop Up"; echo "gone frontend shop Up"; }}
            find_control_group() {{ group=; [ "$1" != a ] || group={group}; }}
            docker() {{ :; }}
            throttling
            start_facts a 2026-11-28T12:00:00.5Z | grep worked""",
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "STACK_DIR": "/"},
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("version", [1, 2])
def test_processor_time_is_read_from_control_groups_of_both_versions(tmp_path, version):
    group = control_group(tmp_path, version)
    assert counted(group) == ["throttling backend 300 290", "worked 7000 290 300"]


def test_what_a_control_group_does_not_count_is_nothing(tmp_path):
    group = control_group(tmp_path, 2, limited=False)
    assert counted(group) == ["throttling backend 0 0", "worked 7000 0 0"]
    assert counted(tmp_path / "none") == []
