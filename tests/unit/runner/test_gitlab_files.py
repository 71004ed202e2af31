"""The template for GitLab: in order, and each of its jobs run for real, as its runner does."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import junitparser
import pytest
from github_jobs import load, small_wheel, survivors
from gitlab_jobs import TEMPLATE, Issues, Project, made, served
from test_cli import STEP
from test_github_files import ILL, PASSWORD, WELL, answers

BIN = Path(sys.executable).parent
FIXED = {**WELL, "phase": "verify", "verdict": "fixed"}


@pytest.fixture
def issues() -> Iterator[Issues]:
    with served() as server:
        yield server


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture
def project(
    collection: Path, tmp_path: Path, key: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    secrets = {"RUNBOOK_SSH_KEY": str(key), "RUNBOOK_KNOWN_HOSTS": "db1 ssh-ed25519 AAAA"}
    found = made(tmp_path, {**secrets, "RUNBOOK_VAULT_PASSWORD": PASSWORD}, monkeypatch)
    answers(found.checkout, diagnosis=WELL)
    return found


def test_triage_fails_while_something_is_wrong_and_says_what(project: Project) -> None:
    assert project.run("runbook:triage") == 0, project.log
    answers(project.checkout, diagnosis=ILL)
    assert project.run("runbook:triage") == 3
    cases = junitparser.JUnitXml.fromfile(str(project.checkout / "runbook/report.junit"))
    assert cases.failures == 2
    assert "Database connection failures" in project.log


def test_there_is_one_issue_while_something_is_wrong(project: Project, issues: Issues) -> None:
    url = f"http://127.0.0.1:{issues.server_port}/api/v4"
    project.variables |= {"RUNBOOK_ISSUE_TOKEN": "canary-token", "CI_API_V4_URL": url}
    assert project.run("runbook:triage") == 0, project.log
    assert issues.known == []
    answers(project.checkout, diagnosis=ILL)
    for _ in range(2):
        assert project.run("runbook:triage") == 3, project.log
        (found,) = issues.known
        assert (found["state"], found["labels"]) == ("opened", "runbook")
        assert "Database connection failures" in found["description"]
        assert "https://gitlab.example/-/jobs/7" in found["description"]
    answers(project.checkout, diagnosis=WELL)
    assert project.run("runbook:triage") == 0, project.log
    assert issues.known[0]["state"] == "closed"
    assert issues.asked.count("POST ") == 1
    assert "canary" not in project.log


def test_exactly_the_plan_is_carried_out(project: Project) -> None:
    step = {**STEP, "changed": True}
    answers(project.checkout, diagnosis=ILL, act=step, verification=FIXED)
    assert project.run("runbook:plan") == 3, project.log
    (planned,) = re.findall(r"^([0-9a-f]{64})  runbook/plan.json$", project.log, re.M)
    assert load(TEMPLATE)["runbook:plan"]["allow_failure"] == {"exit_codes": "3"}
    assert project.run("runbook:remediate") == 0, project.log
    assert f"{planned}  " in project.log
    assert "db1: fixed" in project.log


def test_a_plan_that_somebody_edited_is_not_carried_out(project: Project) -> None:
    answers(project.checkout, diagnosis=ILL)
    project.run("runbook:plan")
    plan = project.checkout / "runbook/plan.json"
    plan.write_text(plan.read_text().replace("db1", "db2"))
    assert project.run("runbook:remediate") == 2
    assert "was changed after it was made" in project.log


def program(project: Project, text: str) -> None:
    path = project.temp.with_name("programs") / "runbook"
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("backup", "verify", "code"), [(0, 0, 0), (5, 0, 5), (0, 5, 5), (5, 4, 5)])
def test_a_backup_is_made_and_all_are_verified(
    project: Project, backup: int, verify: int, code: int
) -> None:
    program(
        project,
        f'echo "did $1 $2 $3" | cut -d - -f 1; [ "$2" = backup ] && exit {backup}; exit {verify}',
    )
    assert project.run("runbook:backup") == code
    assert re.findall(r"^did (.*?) *$", project.log, re.M) == ["ops backup", "ops backups verify"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"RUNBOOK_SSH_KEY": ""}, "RUNBOOK_SSH_KEY is empty"),
        ({"RUNBOOK_SSH_KEY": "no key"}, "RUNBOOK_SSH_KEY cannot be used"),
        ({"RUNBOOK_KNOWN_HOSTS": ""}, "RUNBOOK_KNOWN_HOSTS is empty"),
        ({"RUNBOOK_INVENTORY": "gone.yml"}, "inventory 'gone.yml' (RUNBOOK_INVENTORY) does not"),
    ],
)
def test_what_is_missing_is_one_line(
    project: Project, variables: dict[str, str], said: str
) -> None:
    project.variables |= variables
    assert project.run("runbook:triage") == 2
    (line,) = project.log.splitlines()
    assert line.startswith(f"runbook: {said}")


def test_a_place_that_somebody_took_before_is_not_used(project: Project) -> None:
    (project.temp / "runbook-1").mkdir()
    process = project.begin("runbook:triage")
    assert process.wait(60) == 2
    assert not list((project.temp / "runbook-1").iterdir())
    process.communicate()


def test_secrets_are_read_by_nobody_else_and_gone_at_the_end(project: Project) -> None:
    project.variables["RUNBOOK_ISSUE_TOKEN"] = "canary-token"
    program(
        project,
        'keys=$(dirname "$ANSIBLE_PRIVATE_KEY_FILE"); stat -c "mode %a" "$keys" "$keys"/*\n'
        'read -r word < /dev/fd/3; echo "vault ${#word}"\n'
        'tr "\\0" "\\n" < /proc/$$/environ | grep -c canary; echo "$ANSIBLE_SSH_EXTRA_ARGS"\n'
        "exit 130",
    )
    assert project.run("runbook:triage") == 130
    assert re.findall(r"^mode (\d+)", project.log, re.M) == ["700", "600", "600"]
    assert f"vault {len(PASSWORD)}\n0\n" in project.log
    assert "StrictHostKeyChecking=yes" in project.log
    assert list(project.temp.iterdir()) == []
    left = [path.read_bytes() for path in project.checkout.rglob("*") if path.is_file()]
    assert not [text for text in left if b"PRIVATE KEY" in text or b"canary" in text]


def test_runbook_is_installed_from_its_wheel(project: Project, tmp_path: Path) -> None:
    project.variables["RUNBOOK_PACKAGE"] = str(small_wheel(tmp_path))
    assert project.run("runbook:triage") == 0, project.log
    assert "the installed one" in project.log


def test_who_cancels_the_job_ends_the_run(project: Project) -> None:
    answers(project.checkout, diagnosis={**WELL, "sleep": 60})
    process = project.begin("runbook:triage")
    deadline = time.monotonic() + 60
    while not list(project.checkout.glob("runbook/state/runbook/runs/*/run.json")):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(1)  # ansible begins
    process.send_signal(signal.SIGTERM)
    assert project.end(process) == 130, project.log
    assert survivors(project.temp.parent) == []


def test_what_acts_waits_for_a_person_and_of_one_inventory_one_at_a_time() -> None:
    jobs = {name: job for name, job in load(TEMPLATE).items() if name.startswith("runbook:")}
    (rule,) = jobs["runbook:remediate"]["rules"]
    assert (rule["when"], rule["allow_failure"]) == ("manual", "false")
    for name, job in jobs.items():
        assert all("RUNBOOK_JOB ==" in rule["if"] for rule in job["rules"])
        assert "merge_request_event" not in shlex.join(rule["if"] for rule in job["rules"])
        assert name == "runbook:plan" or "$RUNBOOK_INVENTORY" in job["resource_group"]


def test_it_passes_the_vendors_schema() -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", TEMPLATE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_its_shell_is_in_order(tmp_path: Path) -> None:
    whole = load(TEMPLATE)
    before = whole[".runbook"]["before_script"]
    for name, job in whole.items():
        if "script" in job:
            text = "\n".join(["set -eo pipefail", *before, *job["script"]])
            (tmp_path / f"{name}.sh").write_text(text)
    scripts = sorted(tmp_path.glob("*.sh"))
    assert len(scripts) == 4
    command = [BIN / "shellcheck", "--shell", "bash", *scripts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
