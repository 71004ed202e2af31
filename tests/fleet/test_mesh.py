"""Runs over a mesh of receptor: the same is said, nothing is lost or left on a node that dies."""

import json
import os
import signal

import pytest
from carried import NAMES, PASSWORD, in_vault, questions, told, wait_for, waits_for_hosts
from mesh import mesh
from practice import ctrl_c

BY_WEST, BY_EAST = NAMES[:2], NAMES[2:4]


@pytest.fixture(scope="module")
def three():
    with mesh() as nodes:
        yield nodes


@pytest.fixture
def nodes(three, light, tmp_path, monkeypatch):
    """The mesh near the light hosts; nothing is left there."""
    three.whole()
    monkeypatch.setenv("RECEPTORCTL_SOCKET", str(three.socket))
    monkeypatch.setenv("RUNBOOK_RECEPTOR_TLS", "mesh")
    light.inventory(tmp_path, names=NAMES)
    for node in (three.west, three.east):
        node.copy(tmp_path / "known_hosts")
    yield three
    assert [(node.processes(), node.left()) for node in three.nodes] == [([], [])] * 3


def test_the_same_is_said_as_without(nodes, light, fleet, tmp_path):
    light.set("off", "light-1", "light-5")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text(f"secret_user: {in_vault(tmp_path, 'root')}")
    text = (tmp_path / "hosts.yml").read_text()
    (tmp_path / "hosts.yml").write_text(
        text.replace("ansible_user: root", "ansible_user: '{{ secret_user }}'")
    )
    words = ("diagnose", "light_off", "--vault-password-file", tmp_path / "password")
    direct = fleet(*words)
    there = fleet(*words, "--through", "receptor:east")
    assert told(there) == told(direct)
    assert direct.code == 3
    holding = [node.holding(PASSWORD, "/etc/receptor/receptor.conf") for node in nodes.nodes]
    assert holding == [""] * 3


def test_nodes_that_die_lose_their_hosts_alone(nodes, light, fleet, start, tmp_path, monkeypatch):
    """Of a chain the middle: its own hosts are lost, and those of the node behind it."""
    light.set("off", *NAMES[:5])
    by = {"receptor:west": BY_WEST, "receptor:east": BY_EAST}
    more = {host: {"run_through": name} for name, hosts in by.items() for host in hosts}
    # So few that each is looked at by a process of its own, which could go on to change it.
    once = {"run_common_cause_percent": 101, "incident_samples": 1, "run_soak_seconds": 0}
    light.inventory(tmp_path, names=NAMES[:6], more=more, **once)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    process = start(
        *("remediate", "light_off", "--yes", "--batch", "100%", "-i", tmp_path / "hosts.yml"),
        *("-l", "all", "--format", "json"),
    )
    there = {*BY_WEST, *BY_EAST}
    wait_for(lambda: any(host in there for _, host, _ in light.log()))
    nodes.west.kill()
    stdout, _ = process.communicate(timeout=120)
    hosts = json.loads(stdout)["hosts"]
    lost = {name for name, host in hosts.items() if host["verdict"] not in ("fixed", "healthy")}
    assert process.returncode == 4
    assert lost
    assert lost <= there
    assert {hosts[name]["verdict"] for name in lost} == {"unreachable"}
    assert {hosts[name]["reason"] for name in lost} <= {
        f"through {name}: its node is gone from the mesh, or one on the way there" for name in by
    }
    wait_for(lambda: not nodes.west.processes() and not nodes.east.processes())
    nodes.whole()
    (tmp_path / "state").symlink_to(tmp_path / "background")
    again = fleet("runs", "resume", "last", "--yes")
    assert (again.code, set(again.document["hosts"])) == (0, lost)
    done = [host for _, host, what in light.log() if what == "done"]
    assert sorted(done) == NAMES[:5], "each once"


def test_a_worker_that_dies_says_so(nodes, at_work):
    (worker,) = nodes.east.workers()
    nodes.east.run(f"kill -KILL {worker}")
    stdout, _ = at_work.communicate(timeout=60)
    assert at_work.returncode == 4
    assert "through receptor:east: killed by signal 9" in stdout


@pytest.fixture
def at_work(nodes, light, start, tmp_path):
    """A diagnosis that waits for the answers of hosts: the process that waits for it here."""
    return waits_for_hosts(start, light, tmp_path, "receptor:east")


def test_what_is_cancelled_leaves_nothing_behind(nodes, light, at_work):
    ctrl_c(at_work)
    assert nodes.east.processes() == [], "it ended only when that had"
    wait_for(lambda: not questions(light))
    assert questions(light) == []


def test_a_run_that_nobody_waits_for_any_more_ends_there(nodes, light, at_work):
    os.kill(at_work.pid, signal.SIGKILL)
    wait_for(lambda: not nodes.east.processes() and not questions(light))
    assert questions(light) == []


@pytest.mark.parametrize(
    ("node", "why", "variables"),
    [
        ("nowhere", "the mesh has no such node, or no way to it", {}),
        ("control", "that node has no service runbook", {}),
        ("west", "no receptor answers at /nowhere", {"RECEPTORCTL_SOCKET": "/nowhere"}),
        ("west", "insecure connection to secure service", {"RUNBOOK_RECEPTOR_TLS": ""}),
    ],
)
def test_a_node_that_is_not_reached_says_why(nodes, fleet, node, why, variables):
    not_reached(fleet("triage", "--through", f"receptor:{node}", **variables), node, why)


@pytest.mark.parametrize(
    ("break_", "why"),
    [
        ("without", "its worker ended before it was done"),
        ("version", "it has oncall-runbook 0.0.9, and this machine"),
    ],
)
def test_a_node_that_cannot_do_it_says_why(nodes, fleet, break_, why):
    if break_ == "version":
        nodes.west.take_other_version()
    else:
        nodes.west.run("rm /usr/local/bin/runbook")
    ran = fleet("triage", "--through", "receptor:west")
    nodes.west.install()
    not_reached(ran, "west", why)


def not_reached(ran, node, why):
    assert ran.code == 4
    assert [host["verdict"] for host in ran.document["hosts"].values()] == ["unreachable"] * 12
    reason = ran.host("light-1")["reason"]
    assert reason.startswith(f"through receptor:{node}: ")
    assert why in reason
