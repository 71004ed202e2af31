"""What whoever runs the playbooks without the command learns: in words, status and statistics."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
HOSTS = "all: {hosts: {web: {ansible_connection: local}}}\n"


@pytest.fixture
def triage(tmp_path):
    """Triage of this machine, in a directory without a stack."""
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "stack").mkdir()

    def run(**given):
        extra = json.dumps({"stack_dir": str(tmp_path / "stack"), **given})
        return subprocess.run(
            [PLAYBOOK, "-i", "hosts.yml", "oncall.runbook.triage", "-e", extra],
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
