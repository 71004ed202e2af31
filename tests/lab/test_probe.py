"""The actions on practice hosts: every kind of connection, and hosts in the worst of states."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from practice import HOST

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
COLLECTION = "ansible_collections/community/"


@pytest.fixture(scope="session")
def container_connection(tmp_path_factory):
    """The docker connection of community.docker, out of the community package's wheel."""
    place = tmp_path_factory.mktemp("collections")
    download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "ansible==12.3.0"]
    subprocess.run([*download, "-d", place], check=True, capture_output=True)
    with zipfile.ZipFile(next(place.glob("ansible-*.whl"))) as wheel:
        wanted = (COLLECTION + "docker/", COLLECTION + "library_inventory_filtering_v1/")
        wheel.extractall(place, [name for name in wheel.namelist() if name.startswith(wanted)])
    return place


@pytest.fixture
def play(tmp_path):
    """Run tasks against an inventory; returns each task's result by its name."""

    def run(tasks, inventory=ROOT / "inventory/lab.yml", options=(), env=None, failing=False):
        playbook = tmp_path / "play.yml"
        header = {"hosts": "all", "gather_facts": False, "tasks": tasks}
        playbook.write_text(yaml.safe_dump([header]))
        done = subprocess.run(
            [BIN / "ansible-playbook", "-i", inventory, "-l", HOST, playbook, *options],
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
            env={**os.environ, **(env or {})}
            | {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_NOCOLOR": "1"},
        )
        assert failing or done.returncode == 0, done.stdout + done.stderr
        return results(done.stdout)

    return run


def results(output):
    """Read `ok: [host] => {json}` of a verbose run, task by task."""
    found, name = {}, ""
    for line in output.splitlines():
        if line.startswith("TASK ["):
            name = line[6 : line.rindex("]")]
        elif " => {" in line and line.endswith("}"):
            found[name] = json.loads(line[line.index("=> ") + 3 :])
    return found


def probe(run, **more):
    return {"name": "ask", "oncall.runbook.ask": {"probes": [{"id": "it", "run": run, **more}]}}


def asked(play, run, options=(), inventory=ROOT / "inventory/lab.yml", env=None, **more):
    task = probe(run, **more.pop("probe", {})) | more
    return play([task], inventory, ["-v", *options], env)["ask"]["findings"]["it"]


def test_a_host_needs_no_python(first_host, play):
    assert first_host.shell.run("command -v python3 python").rc != 0
    assert asked(play, "id -un")["value"] == "ops"


def test_what_sudo_started_ends_at_the_deadline_too(first_host, play):
    """A reader of a pipe that nobody writes to: it held the answer, and stayed as root."""
    first_host.run("sudo mkfifo -m 600 /tmp/no-writer")
    hung = "sudo -n tail -n 5 /tmp/no-writer; echo read"
    found = asked(play, hung, probe={"timeout": 2})
    assert found["status"] == "unknown"
    assert first_host.shell.run("pgrep -f no-writer").stdout == ""


def test_a_host_that_answers_without_end_is_read_up_to_a_bound(first_host, play):
    liar = "/usr/local/bin/env"
    first_host.run(f"printf '#!/bin/sh\\nexec yes\\n' >/tmp/liar; sudo install /tmp/liar {liar}")
    try:
        said = play([probe("echo here")], options=["-v"], failing=True)["ask"]
    finally:
        first_host.run(f"sudo rm -f {liar} /tmp/liar")
    assert said["unreachable"]
    assert "answered without end" in said["msg"]
    assert first_host.shell.run("pgrep -x yes").stdout == ""


def test_become(first_host, play):
    assert asked(play, "id -un", become=True)["value"] == "root"


def test_check_mode_asks_as_well(first_host, play):
    assert asked(play, "id -un", ["--check"])["value"] == "ops"


def test_a_local_connection(play):
    this_machine = ROOT / "inventory/local.yml"
    task = [probe("echo here")]
    found = play(task, this_machine, ["-v", "-l", "all"])["ask"]["findings"]["it"]
    assert (found["value"], found["status"]) == ("here", "healthy")


def test_a_container_connection(first_host, play, container_connection, tmp_path):
    inventory = tmp_path / "inventory.yml"
    variables = {"ansible_connection": "community.docker.docker", "ansible_user": "ops"}
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {HOST: variables}}}))
    env = {"ANSIBLE_COLLECTIONS_PATH": str(container_connection)}
    found = asked(play, "hostname; id -un", inventory=inventory, env=env)
    assert found["value"].split() == [HOST, "ops"]


@pytest.mark.parametrize("value", ["{{ 7 * 7 }}", "{% raw %}", "$(touch /tmp/ran)", "a'b\"c\n`x`"])
def test_values_never_run_as_code(first_host, play, tmp_path, value):
    variables = tmp_path / "vars.json"
    variables.write_text(json.dumps({"given": {"__ansible_unsafe": value}}))
    task = {
        "name": "ask",
        "oncall.runbook.ask": {
            "probes": [{"id": "it", "run": 'printf %s "$GIVEN"'}],
            "shell": {"environment": {"GIVEN": "given"}},
        },
    }
    found = play([task], options=["-v", "-e", f"@{variables}"])["ask"]["findings"]["it"]
    assert found["output"] == value
    assert first_host.shell.run("test -e /tmp/ran").rc != 0


def test_output_that_looks_like_a_template_stays_text(first_host, play):
    assert asked(play, r"printf '\173\173 7 * 7 \175\175'")["value"] == "{{ 7 * 7 }}"


def test_act_in_check_mode_tells_and_does_nothing(first_host, play):
    act = {"title": "Touch", "risk": "restart", "run": "touch /tmp/ran"}
    told = play([{"name": "do", "oncall.runbook.act": act}], options=["-v", "--check"])["do"]
    assert told["msg"] == "would run: touch /tmp/ran"
    assert told["changed"]
    assert first_host.shell.run("test -e /tmp/ran").rc != 0


def test_act_refuses_without_the_allowance(first_host, play):
    act = {"title": "Touch", "risk": "data", "run": "touch /tmp/ran", "allow": "outage"}
    told = play([{"name": "do", "oncall.runbook.act": act}], options=["-v"], failing=True)["do"]
    assert (told["verdict"], told["changed"]) == ("refused", False)
    assert first_host.shell.run("test -e /tmp/ran").rc != 0


@pytest.mark.parametrize("run", ["exit 3", "sleep 9"])
def test_a_step_that_fails_fails_no_task(first_host, play, run):
    act = {"title": "Fail", "risk": "restart", "run": run, "timeout": 1}
    steps = {"do": act, "next": {**act, "run": ":"}}
    tasks = [{"name": name, "oncall.runbook.act": step} for name, step in steps.items()]
    told = play(tasks, options=["-v"])
    assert told["do"]["rc"] != 0
    assert told["do"]["reason"]
    assert told["next"]["rc"] == 0


def test_the_daemon_is_stopped(practice, runbook):
    """Every question to Docker is unknown; what answers without it is judged all the same."""
    practice.run("sudo pkill -STOP -x dockerd")
    try:
        found = runbook("triage", "--format", "json")
    finally:
        practice.run("sudo pkill -CONT -x dockerd")
    findings = found.host()["findings"]
    assert (found.code, found.host()["verdict"]) == (4, "unknown")
    assert findings["backend_health"]["status"] == "healthy"
    assert findings["containers"]["status"] == "unknown"
    assert findings["database_accepts"]["status"] == "unknown"
    # One deadline for all of them: none waited for another's to pass.
    assert max(finding["ms"] for finding in findings.values()) < 2 * 5000


def test_every_disk_is_full(practice, runbook):
    """Neither bytes nor inodes are left, for root too: the diagnosis comes all the same."""
    practice.run("sudo dd if=/dev/zero of=/srv/filler bs=1M 2>/dev/null; sync; true")
    practice.run("sudo sh -c 'cat /dev/zero > /srv/filler-2' 2>/dev/null; true")
    assert practice.shell.run("echo x > /tmp/x").rc != 0
    found = runbook("triage", "--format", "json")
    findings = found.host()["findings"].values()
    assert found.host()["verdict"] != "unreachable"
    assert [finding for finding in findings if finding["rc"] is None] == []
