"""The real thing: ansible-runner, ansible-playbook and our event handling, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from oncall_runbook.run import engine, processes

Runbook = Callable[..., subprocess.CompletedProcess[str]]
HERE = ("-i", "here,", "-e", "ansible_connection=local")
CANARY = "canary-4711-hunter2"
WELL = {"verdict": "healthy", "reason": "", "findings": {"disk": {"status": "healthy"}}}
BROKEN = {
    "verdict": "incident",
    "root_causes": ["database_connection_failures"],
    "incidents": {"database_connection_failures": {"confirmed": True, "severity": "SEV1"}},
    "findings": {"database_accepts": {"status": "unhealthy", "value": 2}},
}


def hosts(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)["hosts"]
    return found


@pytest.fixture(autouse=True)
def no_private_directory_is_left(collection: Path) -> Iterator[None]:
    yield
    pid = f"{engine.PRIVATE_PREFIX}*"
    bases = [path for path in engine._bases() if path.is_dir()]
    left = [path for base in bases for path in base.glob(pid) if started_here(path, collection)]
    assert left == []


def started_here(private: Path, collection: Path) -> bool:
    told = private / "artifacts/run/command"
    return told.is_file() and str(collection.parents[2]) in told.read_text()


def test_the_verdict_of_a_probe_arrives(runbook: Runbook) -> None:
    done = runbook("triage", *HERE, "--format", "json", diagnosis=BROKEN)
    assert (done.returncode, done.stderr) == (3, "")
    assert hosts(done)["here"]["root_causes"] == ["database_connection_failures"]


def nowhere(home: Path) -> None:
    home.write_text("a file")


def full(home: Path) -> None:
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "home", home], check=True)
    with suppress(OSError), (home / "large").open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


def read_only(home: Path) -> None:
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "home", home], check=True)


@pytest.mark.parametrize("spoil", [nowhere, full, read_only])
def test_a_home_that_cannot_be_written_keeps_nobody_from_looking(
    runbook: Runbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    home = tmp_path / "home"
    spoil(home)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_STATE_HOME")
    try:
        done = runbook("triage", *HERE, "--format", "json", diagnosis=BROKEN)
    finally:
        subprocess.run(["umount", home], check=False, capture_output=True)
    assert done.returncode == 3, done.stderr
    assert hosts(done)["here"]["root_causes"] == ["database_connection_failures"]
    (line,) = done.stderr.splitlines()
    assert "cannot be written" in line
    assert line.endswith("this run is not recorded")


def test_a_long_answer_arrives_whole(runbook: Runbook, tmp_path: Path) -> None:
    said = {"disk": {"status": "healthy", "value": "x" * 2_000_000}}
    (tmp_path / "said.json").write_text(json.dumps({"diagnosis": {**WELL, "findings": said}}))
    done = runbook("triage", *HERE, "-e", f"@{tmp_path}/said.json", "--format", "json")
    assert done.returncode == 0
    assert hosts(done)["here"]["findings"] == said


def test_a_remediation_climbs_and_verifies(runbook: Runbook) -> None:
    rung = {"rung": "restart_database", "risk": "restart", "changed": True, "seconds": 0.5}
    done = runbook(
        "remediate", "database-connection-failures", "--yes", *HERE, "--format", "json",
        diagnosis=BROKEN, act=rung, verification={**WELL, "verdict": "fixed"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert hosts(done)["here"]["verdict"] == "fixed"
    assert [a["rung"] for a in hosts(done)["here"]["actions"]] == ["restart_database"]
    assert "here: diagnose | Ask everything\n" in done.stderr
    assert "here: fixed\n" in done.stderr


def test_a_diagnosis_never_climbs(runbook: Runbook) -> None:
    done = runbook("plan", *HERE, diagnosis=WELL, act={"failed": True, "msg": "must not run"})
    assert done.returncode == 0, done.stdout


def test_an_unreachable_host_says_why_and_the_others_get_their_verdict(
    runbook: Runbook, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.ini"
    inventory.write_text(
        "well ansible_connection=local\ngone ansible_host=127.0.0.1 ansible_port=1\n"
    )
    done = runbook("triage", "-i", str(inventory), "--format", "json", diagnosis=WELL)
    assert done.returncode == 4
    assert {host: state["verdict"] for host, state in hosts(done).items()} == {
        "well": "healthy",
        "gone": "unreachable",
    }
    assert hosts(done)["gone"]["unreachable"] == "refused"
    assert "Connection refused" in hosts(done)["gone"]["reason"]


def test_a_failing_task_is_an_error_in_one_line(runbook: Runbook) -> None:
    done = runbook("triage", *HERE, diagnosis={"failed": True, "msg": "boom\nmore"})
    assert done.returncode == 1
    assert done.stdout.startswith("here: error — diagnose | Ask everything: boom\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-l", "nope"), "no host matched in inventory"),
        (("-i", "empty.ini"), "no host matched in inventory"),
        (("-i", "broken.yml"), "Completely failed to parse inventory source"),
    ],
)
def test_no_host_is_8_and_one_line(
    runbook: Runbook, tmp_path: Path, args: tuple[str, ...], said: str
) -> None:
    (tmp_path / "empty.ini").write_text("[web]\n")
    (tmp_path / "broken.yml").write_text("a: [\n")
    done = runbook("triage", *args)
    assert (done.returncode, done.stdout) == (8, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_half_a_limit_that_matches_nothing_is_told(runbook: Runbook) -> None:
    done = runbook("triage", *HERE, "-l", "here,nope", diagnosis=WELL)
    assert done.returncode == 0
    assert "warning: Could not match supplied host pattern, ignoring: nope\n" in done.stdout


def test_a_broken_playbook_is_1_and_one_line(runbook: Runbook, collection: Path) -> None:
    (collection / "playbooks/triage_fleet.yml").write_text(
        "- hosts: all\n  tasks: [{no.such.action: }]\n"
    )
    done = runbook("triage", *HERE)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no.such.action" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_timeout_is_124(runbook: Runbook) -> None:
    done = runbook("triage", *HERE, "--timeout", "2", diagnosis={"sleep": 7101})
    assert done.returncode == 124
    assert done.stdout.startswith("here: unknown — timed out after 2 s\n")
    assert survivors("7101") == []


def deadlines(tmp_path: Path, **told: Any) -> tuple[str, ...]:
    """An inventory of hosts that answer this, and how to look at it."""
    inventory = tmp_path / "deadlines.yml"
    known = {name: {"diagnosis": diagnosis} for name, diagnosis in told.items()}
    of_all = {"ansible_connection": "local"}
    inventory.write_text(json.dumps({"all": {"hosts": known, "vars": of_all}}))
    return ("triage", "-i", str(inventory))


def test_the_earliest_deadline_that_a_host_tells_of_is_the_runs(
    runbook: Runbook, tmp_path: Path
) -> None:
    args = deadlines(
        tmp_path,
        late={**WELL, "deadline_seconds": 600},
        early={**WELL, "deadline_seconds": 3},
        slow={"sleep": 7109},
    )
    done = runbook(*args, "--format", "json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["exit_code"]) == (124, 124)
    assert found["hosts"]["slow"]["reason"] == "timed out after 3 s"
    assert found["hosts"]["late"]["verdict"] == found["hosts"]["early"]["verdict"] == "healthy"
    assert survivors("7109") == []


@pytest.mark.parametrize("how", ["option", "variable"])
def test_what_was_given_outweighs_what_hosts_tell(
    runbook: Runbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    args = deadlines(tmp_path, early={**WELL, "deadline_seconds": 1}, slow={**WELL, "sleep": 4})
    if how == "variable":
        monkeypatch.setenv("RUNBOOK_TIMEOUT", "50")
    else:
        args += ("--timeout", "50")
    assert runbook(*args).returncode == 0


def survivors(mark: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if mark in words or f"sleep {mark}" in words[-2:]:
            found.append(" ".join(words))
    return found


def started(*args: str, **answers: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "oncall_runbook", *args, "-e", json.dumps(answers)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )


def wait_for(mark: str) -> None:
    deadline = time.monotonic() + 60
    while not survivors(mark):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "mark"), [(signal.SIGINT, "7102"), (signal.SIGTERM, "7103"), (signal.SIGHUP, "7104")]
)
def test_a_cancel_is_130_and_leaves_nothing_running(number: signal.Signals, mark: str) -> None:
    child = started("triage", *HERE, "--format", "json", diagnosis={"sleep": int(mark)})
    wait_for(mark)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (130, "")
    found = json.loads(out)
    assert found["hosts"]["here"] == {
        "verdict": "unknown",
        "reason": "cancelled",
        "root_causes": [],
        "incidents": {},
        "findings": {},
    }
    assert survivors(mark) == []
    assert processes.marked(found["run"]) == []


def test_a_killed_run_is_interrupted_and_the_next_one_sweeps(runbook: Runbook) -> None:
    child = started("triage", *HERE, diagnosis={"sleep": 7105})
    wait_for("7105")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    (found,) = json.loads(runbook("runs", "list", "--format", "json").stdout)
    assert found["state"] == "interrupted"
    processes.end(found["run"])
    assert runbook("triage", *HERE, diagnosis=WELL).returncode == 0


def test_a_run_can_be_cancelled_from_elsewhere(runbook: Runbook) -> None:
    child = started("triage", *HERE, diagnosis={"sleep": 7106})
    wait_for("7106")
    done = runbook("runs", "cancel", "last", "--format", "json")
    assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (0, 130)
    assert child.wait(timeout=20) == 130
    child.communicate()
    assert survivors("7106") == []
    again = runbook("runs", "cancel", "last")
    assert again.returncode == 0
    assert again.stdout.endswith(" had ended before: exit code 130\n")


def test_what_a_killed_run_has_left_is_ended(runbook: Runbook) -> None:
    child = started("triage", *HERE, diagnosis={"sleep": 7107})
    wait_for("7107")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert "was interrupted before; of it " in runbook("runs", "cancel", "last").stdout
    assert survivors("7107") == []
    assert "nothing was left" in runbook("runs", "cancel", "last").stdout
    assert runbook("triage", *HERE, diagnosis=WELL).returncode == 0  # it sweeps


def test_a_run_that_timed_out_goes_on_where_it_was(runbook: Runbook, tmp_path: Path) -> None:
    inventory = tmp_path / "hosts.yml"

    def write(slow: object) -> None:
        known = {"well": {"diagnosis": WELL}, "slow": {"diagnosis": slow}, "other": {}}
        of_all = {"ansible_connection": "local"}
        inventory.write_text(json.dumps({"all": {"hosts": known, "vars": of_all}}))

    write({"sleep": 7108})
    done = runbook("triage", "-i", str(inventory), "-l", "well:slow", "--timeout", "3")
    assert done.returncode == 124, done.stdout
    write(BROKEN)
    again = runbook("runs", "resume", "last", "--format", "json")
    assert (again.returncode, list(hosts(again))) == (3, ["slow"]), again.stderr


def test_a_run_that_is_not_there_cannot_be_cancelled(runbook: Runbook) -> None:
    done = runbook("runs", "cancel", "last")
    assert (done.returncode, done.stderr.count("\n")) == (8, 1)


def test_a_secret_is_kept_out_of_all_that_stays_or_shows(runbook: Runbook, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.yml"
    secrets.write_text(f"db_password: {CANARY}\n")
    leaky = {
        "sleep": 1.2,
        "verdict": "incident",
        "reason": "psql: {{ db_password }} was wrong",
        "findings": {"x": {"status": "unhealthy", "command": "PGPASSWORD={{ db_password }} psql",
                           "output": "{{ db_password }}"}},
    }  # fmt: skip
    (tmp_path / "leaky.yml").write_text(json.dumps({"diagnosis": leaky}))
    args = ("triage", *HERE, "-e", f"@{secrets}", "-e", f"@{tmp_path}/leaky.yml", "-vvv")
    child = subprocess.Popen(
        [sys.executable, "-m", "oncall_runbook", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    shown = ""
    while child.poll() is None:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                shown += path.read_bytes().decode(errors="replace")
            except OSError:
                continue
        time.sleep(0.1)
    out, err = child.communicate()
    assert child.returncode == 3, err
    assert "********" in out
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert [path.name for path in kept if CANARY in path.read_text()] == []
    assert {path.name for path in kept} == {"run.json", "events.jsonl"}
    assert CANARY not in out + err
    assert "ansible_playbook" in shown
    assert CANARY not in shown


def test_a_secret_is_kept_out_of_a_plan(runbook: Runbook, tmp_path: Path) -> None:
    secrets, plan = tmp_path / "secrets.yml", tmp_path / "plan.json"
    secrets.write_text(f"db_password: {CANARY}\n")
    text = "psql: {{ db_password }} was wrong"
    leaky = {
        "verdict": "incident",
        "reason": text,
        "root_causes": ["high_error_rate"],
        "incidents": {"high_error_rate": {"confirmed": True, "why": text}},
        "findings": {"x": {"status": "unhealthy", "value": text}},
        "decided": {"x": {"title": "X", "status": "unhealthy", "value": text}},
        "rollout": {"hosts": 1},
        "plan": [{"incident": "high_error_rate", "rung": "x", "risk": "data", "shows": text}],
    }
    (tmp_path / "leaky.yml").write_text(json.dumps({"diagnosis": leaky}))
    files = ("-e", f"@{secrets}", "-e", f"@{tmp_path}/leaky.yml")
    done = runbook("plan", *HERE, *files, "--out", str(plan))
    assert done.returncode == 3, done.stderr
    assert plan.read_text().count("psql: ******** was wrong") == 4
    assert CANARY not in plan.read_text() + done.stdout + done.stderr


@pytest.mark.parametrize("by", ["config", "environment"])
def test_the_user_s_own_arguments_of_ssh_come_before_ours(
    runbook: Runbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    client = tmp_path / "ssh"
    client.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/arguments\nexit 255\n')
    client.chmod(0o755)
    tmp_path.chmod(0o755)
    config = f"[ssh_connection]\nssh_executable={client}\n"
    if by == "config":
        config += "ssh_extra_args=-o ServerAliveInterval=3\n"
    else:
        monkeypatch.setenv("ANSIBLE_SSH_EXTRA_ARGS", "-o ServerAliveInterval=3")
    (tmp_path / "ansible.cfg").write_text(config)
    assert runbook("triage", "-i", "gone,").returncode == 4
    told = [a for a in (tmp_path / "arguments").read_text().splitlines() if "ServerAlive" in a]
    assert told == ["ServerAliveInterval=3", "ServerAliveInterval=10", "ServerAliveCountMax=6"]


def test_the_user_s_own_ansible_cfg_is_in_force(runbook: Runbook, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "hosts.ini").write_text("from_cfg ansible_connection=local\n")
    (tmp_path / "ansible.cfg").write_text("[defaults]\ninventory=hosts.ini\n")
    done = runbook("triage", diagnosis=WELL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("from_cfg: healthy\n")
    assert " · inventory hosts.ini · " in done.stdout


def test_verbose_shows_ansible_s_own_output_on_stderr(runbook: Runbook) -> None:
    done = runbook("triage", *HERE, "-v", "--format", "json", diagnosis=WELL)
    assert json.loads(done.stdout)["exit_code"] == 0
    assert "PLAY [Triage]" in done.stderr
