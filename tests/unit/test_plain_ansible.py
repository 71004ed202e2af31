"""What whoever runs the playbooks without the command learns: in words, status and statistics."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
PLAYBOOK = BIN / "ansible-playbook"
HOSTS = "all: {hosts: {web: {ansible_connection: local}}}\n"


@pytest.fixture
def triage(tmp_path):
    """Triage of this machine, in a directory without a stack."""
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "stack").mkdir()

    def run(*options, playbook="triage", **given):
        extra = json.dumps({"stack_dir": str(tmp_path / "stack"), **given})
        return subprocess.run(
            [PLAYBOOK, "-i", "hosts.yml", f"oncall.runbook.{playbook}", "-e", extra, *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "ANSIBLE_SHOW_CUSTOM_STATS": "1", "ANSIBLE_NOCOLOR": "1"},
        )

    return run


def statistics(text):
    return json.loads(text.partition("RUN: ")[2])["runbook"]


def test_a_host_that_cannot_be_judged_fails_with_the_reason(triage, tmp_path):
    ran = triage()
    why = f"no compose file in {tmp_path}/stack: set stack_dir"
    assert ran.returncode == 2
    assert f'"msg": "unknown: {why}"' in ran.stdout
    told = statistics(ran.stdout)
    assert (told["schema"], told["hosts"]["web"]["verdict"]) == (1, "unknown")
    assert told["hosts"]["web"]["reason"] == why
    assert not {"output", "stderr"} & set(told["hosts"]["web"]["findings"]["containers"])


def test_whoever_reads_the_statistics_may_want_no_failure(triage):
    ran = triage(incident_present_fails=False)
    assert ran.returncode == 0
    assert statistics(ran.stdout)["hosts"]["web"]["verdict"] == "unknown"


def test_the_command_gets_no_statistics(triage):
    assert "RUN: " not in triage(incident_run="20261126T000000Z-0000").stdout


def test_a_routine_operation_says_why_it_does_nothing_and_fails(triage, tmp_path):
    why = f"no compose file in {tmp_path}/stack: set stack_dir"
    for options in ((), ("--tags", "remediate")):
        ran = triage(*options, playbook="ops_restart")
        assert ran.returncode == 2, ran.stdout
        assert why in ran.stdout.partition('"msg": "')[2]
        told = statistics(ran.stdout)["hosts"]["web"]
        assert (told["verdict"], told["reason"]) == ("unknown", why)


def test_ansible_navigator_says_the_same(tmp_path):
    (tmp_path / "hosts.yml").write_text(HOSTS)
    ran = subprocess.run(
        [
            *(BIN / "ansible-navigator", "run", "oncall.runbook.triage", "-i", "hosts.yml"),
            *("--ee", "false", "--mode", "stdout", "--playbook-artifact-enable", "false"),
            *("--log-file", "navigator.log", "-e", f"stack_dir={tmp_path}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path), "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    assert ran.returncode == 2
    assert f"unknown: no compose file in {tmp_path}: set stack_dir" in ran.stdout


def test_the_command_of_ansible_runner_says_the_same(tmp_path):
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text(HOSTS)
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "extravars").write_text(json.dumps({"stack_dir": str(tmp_path)}))
    ran = subprocess.run(
        [BIN / "ansible-runner", "run", tmp_path, "-p", "oncall.runbook.triage", "--ident", "one"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    assert ran.returncode == 2
    assert f"unknown: no compose file in {tmp_path}: set stack_dir" in ran.stdout
    assert (tmp_path / "artifacts" / "one" / "rc").read_text() == "2"
