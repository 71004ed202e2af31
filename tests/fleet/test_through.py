"""Runs that a machine near the hosts plays: the same is said, nothing is lost or left there."""

import hashlib
import json
import os
import signal
from pathlib import Path

import pytest
from bastion import raised
from carried import NAMES, PASSWORD, in_vault, questions, told, wait_for, waits_for_hosts
from practice import ctrl_c


@pytest.fixture(scope="module")
def machine():
    with raised("bastion") as one:
        yield one


@pytest.fixture(scope="module")
def second_machine():
    with raised("bastion-b") as one:
        yield one


@pytest.fixture
def bastion(machine, light, tmp_path, monkeypatch):
    """A machine near the light hosts, which `ssh bastion` reaches; nothing is left there."""
    monkeypatch.setenv("PATH", f"{machine.ssh(tmp_path)}:{os.environ['PATH']}")
    monkeypatch.setenv("RUNBOOK_LIMIT", "all")
    light.inventory(tmp_path, names=NAMES, run_common_cause_percent=101, incident_samples=1)
    machine.copy(tmp_path / "known_hosts")
    machine.serve()
    yield machine
    assert machine.processes() == []
    assert machine.left() == []


@pytest.fixture
def other_bastion(bastion, second_machine, tmp_path):
    """Another one, which `ssh bastion-b` reaches."""
    second_machine.ssh(tmp_path)
    second_machine.copy(tmp_path / "known_hosts")
    yield second_machine
    assert second_machine.processes() == []
    assert second_machine.left() == []


def test_the_same_is_said_as_without(bastion, light, fleet, tmp_path):
    light.set("off", "light-1", "light-5")
    light.run("echo 'exit 3' > /light-2/misbehaves")
    (tmp_path / "group_vars").mkdir()
    user = in_vault(tmp_path, "root")
    (tmp_path / "group_vars/all.yml").write_text(f"secret_user: {user}")
    text = (tmp_path / "hosts.yml").read_text()
    (tmp_path / "hosts.yml").write_text(
        text.replace("ansible_user: root", "ansible_user: '{{ secret_user }}'")
    )
    words = ("diagnose", "light_off", "--vault-password-file", tmp_path / "password")
    direct = fleet(*words)
    there = fleet(*words, "--through", "bastion")
    assert told(there) == told(direct)
    assert direct.code == 1
    assert [there.host(name)["verdict"] for name in NAMES[:2]] == ["incident", "error"]
    assert bastion.holding(PASSWORD, "/run/sshd.pid") == ""


def test_evidence_is_kept_here(bastion, light, fleet):
    light.set("off", "light-1")
    ran = fleet("remediate", "light_off", "--yes", "--through", "bastion")
    assert (ran.code, ran.host("light-1")["verdict"]) == (0, "fixed")
    evidence = ran.host("light-1")["evidence"]
    kept = {path.name: path for path in sorted(Path(evidence["path"]).iterdir())}
    manifest = json.loads(kept.pop("manifest.json").read_text())["files"]
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in kept.values()}
    assert sums == {of["file"]: of["sha256"] for of in manifest.values()}
    assert len(kept) == evidence["files"]


def test_a_worker_that_dies_is_one_batch_lost(bastion, light, fleet, start, tmp_path, monkeypatch):
    light.set("off", *NAMES[:6])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    process = start(
        *(
            "remediate",
            "light_off",
            "--yes",
            "--batch",
            "2,4",
            "--soak",
            "1",
            "--through",
            "bastion",
        ),
        *("-i", tmp_path / "hosts.yml", "-l", "all", "--format", "json"),
    )
    wait_for(lambda: len(light.log()) > 4)  # within the second batch
    (worker,) = bastion.workers()
    bastion.run(f"kill -KILL {worker}")
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 4
    assert (bastion.processes(), bastion.left()) == ([], []), "nobody came after it yet"
    first = json.loads(stdout)
    lost = {name: host for name, host in first["hosts"].items() if host["verdict"] == "unreachable"}
    assert 0 < len(lost) <= 4
    why = "through bastion: killed by signal 9"
    assert {host["reason"] for host in lost.values()} == {why}
    (tmp_path / "state").symlink_to(tmp_path / "background")
    again = fleet("runs", "resume", first["run"], "--yes").document
    assert set(again["hosts"]) >= set(lost)
    now = {name: again["hosts"].get(name, first["hosts"][name])["verdict"] for name in NAMES[:6]}
    assert set(now.values()) <= {"fixed", "healthy"}
    done = [host for _, host, what in light.log() if what == "done"]
    assert sorted(done) == NAMES[:6], "each once"
    begun = [host for _, host, what in light.log() if what == "begun"]
    assert sorted(begun) == sorted(done), "a step that was begun was not cut short"


@pytest.fixture
def at_work(bastion, light, start, tmp_path):
    """A diagnosis that waits for the answers of hosts: the process that waits for it here."""
    return waits_for_hosts(start, light, tmp_path, "bastion")


def test_what_is_cancelled_leaves_nothing_behind(bastion, light, at_work):
    ctrl_c(at_work)
    assert bastion.processes() == [], "it ended only when that had"
    wait_for(lambda: not questions(light))
    assert questions(light) == []


def test_a_run_that_nobody_waits_for_any_more_ends_there(bastion, light, at_work):
    os.kill(at_work.pid, signal.SIGKILL)
    wait_for(lambda: not bastion.processes() and not questions(light))
    assert questions(light) == []


@pytest.mark.parametrize(
    ("break_", "why"),
    [
        ("rm /usr/local/bin/runbook", "runbook is not installed there"),
        ("kill $(cat /run/sshd.pid)", "Connection refused"),
        ("version", "it has oncall-runbook 0.0.9, and this machine"),
    ],
)
def test_a_machine_that_cannot_do_it_says_why(bastion, fleet, break_, why):
    if break_ == "version":
        bastion.take_other_version()
    else:
        bastion.run(break_)
    ran = fleet("triage", "--through", "bastion")
    bastion.serve()
    assert ran.code == 4
    assert [host["verdict"] for host in ran.document["hosts"].values()] == ["unreachable"] * 12
    reason = ran.host("light-1")["reason"]
    assert reason.startswith("through bastion: ")
    assert why in reason


def sites(light, place, names=NAMES, **variables):
    """Two sites, each with a machine that asks its hosts; others are asked from here."""
    by = {"bastion": NAMES[:1], "bastion-b": NAMES[1:4]}
    more = {host: {"run_through": name} for name, hosts in by.items() for host in hosts}
    light.inventory(place, names=names, more=more, **variables)
    return by


def test_each_site_is_asked_by_its_own_machine(bastion, other_bastion, light, fleet, tmp_path):
    light.set("off", "light-1", "light-3", "light-12")
    direct = fleet("diagnose", "light_off")
    by = sites(light, tmp_path)
    for name in NAMES:
        light.run(f"echo 'echo ${{SSH_CONNECTION%% *}} > $own/shm/peer' > /{name}/misbehaves")
    assert told(fleet("diagnose", "light_off")) == told(direct)
    peers = {name: light.run(f"cat /{name}/shm/peer").strip() for name in NAMES}
    machines = {"bastion": bastion.address(), "bastion-b": other_bastion.address()}
    assert {name: peers[name] for hosts in by.values() for name in hosts} == {
        name: machines[machine] for machine, hosts in by.items() for name in hosts
    }
    assert not {peers[name] for name in NAMES[4:]} & set(machines.values())


def test_the_worker_of_one_site_dies_alone(
    bastion, other_bastion, light, fleet, start, tmp_path, monkeypatch
):
    light.set("off", *NAMES[:6])
    # So few that each is looked at by a process of its own, which could go on to change it.
    by = sites(light, tmp_path, NAMES[:7], run_common_cause_percent=101, incident_samples=1)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    process = start(
        *("remediate", "light_off", "--yes", "--batch", "100%", "-i", tmp_path / "hosts.yml"),
        *("-l", "all", "--format", "json"),
    )
    wait_for(lambda: any(host in by["bastion-b"] for _, host, _ in light.log()))
    (worker,) = other_bastion.workers()
    other_bastion.run(f"kill -KILL {worker}")
    stdout, _ = process.communicate(timeout=120)
    hosts = json.loads(stdout)["hosts"]
    lost = {name for name, host in hosts.items() if host["verdict"] not in ("fixed", "healthy")}
    assert process.returncode == 4
    assert lost
    assert lost <= set(by["bastion-b"])
    assert hosts["light-1"]["batch"] == 1, "it waited for its turn, alone as it is at its machine"
    assert {hosts[name]["verdict"] for name in lost} == {"unreachable"}
    (tmp_path / "state").symlink_to(tmp_path / "background")
    again = fleet("runs", "resume", "last", "--yes")
    assert (again.code, set(again.document["hosts"])) == (0, lost)
    done = [host for _, host, what in light.log() if what == "done"]
    assert sorted(done) == NAMES[:6], "each once"
