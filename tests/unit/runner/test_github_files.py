"""The action and the workflows for GitHub: in order, and each of their shell steps run for real."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from github_jobs import ACTION, Done, Runner, issue, load, machine, small_wheel, survivors
from test_cli import BROKEN, STEP

CI = Path(__file__).parents[3] / "ci" / "github"
WORKFLOWS = sorted((CI / "workflows").glob("*.yml"))
TRIAGE, REMEDIATE, BACKUP = (
    CI / f"workflows/runbook-{n}.yml" for n in ("triage", "remediate", "backup")
)
BIN = Path(sys.executable).parent
PASSWORD = "canary-vault-password"
LINES = "a\n::error::from a host\n::set-output name=x::y\n::add-mask::z\n"
ILL = {**BROKEN, "reason": LINES, "rollout": {"hosts": 1}, "resolved": {}, "decided": {}}
WELL = {"phase": "diagnose", "verdict": "healthy", "findings": {"disk": {"status": "healthy"}}}


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path.read_text()


@pytest.fixture
def runner(collection: Path, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A machine with a repository that has the action, and an inventory with one host."""
    secrets = {"RUNBOOK_SSH_KEY": key, "RUNBOOK_KNOWN_HOSTS": "db1 ssh-ed25519 AAAA"}
    found = machine(tmp_path, {**secrets, "RUNBOOK_VAULT_PASSWORD": PASSWORD}, monkeypatch)
    answers(found.checkout, diagnosis=WELL)
    return found


def answers(checkout: Path, **told: Any) -> None:
    """Let the host answer that."""
    hosts = {"db1": {"ansible_connection": "local", **told}}
    text = json.dumps({"all": {"hosts": hosts}})
    (checkout / "inventory/production.yml").write_text(text)


def test_while_something_is_wrong_there_is_one_issue_and_then_none(
    runner: Runner, tmp_path: Path
) -> None:
    assert runner.run(TRIAGE, "triage").ok
    assert "open" not in issue(tmp_path)
    answers(runner.checkout, diagnosis=ILL)
    for _ in range(2):
        runner.artifacts.clear()
        assert not runner.run(TRIAGE, "triage").ok
        found = issue(tmp_path)
        assert (found["open"], found["title"]) == (
            True,
            "Runbook: something is wrong in inventory/production.yml",
        )
        assert "Database connection failures" in found["body"]
        assert "https://github.example/o/r/actions/runs/7" in found["body"]
    assert sum(words[:2] == ["issue", "create"] for words in found["calls"]) == 1
    answers(runner.checkout, diagnosis=WELL)
    runner.artifacts.clear()
    assert runner.run(TRIAGE, "triage").ok
    assert issue(tmp_path)["open"] is False


def test_an_issue_gets_whole_lines_of_a_report_that_is_too_long(
    runner: Runner, tmp_path: Path
) -> None:
    text = "## x\n\n### Root causes\n\n" + "- `ä`\n" * 9000 + "\n### Hosts\n\n<details>\n"
    report = tmp_path / "report.md"
    script = next(
        s["run"] for s in load(TRIAGE)["jobs"]["triage"]["steps"] if "gh issue" in s.get("run", "")
    )
    env = {"CODE": "3", "REPORT": str(report), "TITLE": "t", "RUN_URL": "u", "GH_TOKEN": "t0ken"}
    for size in (text, text.replace("9000", ""), text[:200] + "\n### Hosts\n\n" + "x" * 70_000):
        report.write_text(size)
        assert runner._shell(script, None, env, tmp_path).ok
        body = issue(tmp_path)["body"]
        assert len(body.encode()) < 65_536
        assert "<details>" not in body
        assert body.endswith("\n\nThe whole report, and what was kept: u\n")


def test_nothing_that_is_printed_is_a_command_of_the_runner(runner: Runner, tmp_path: Path) -> None:
    program(tmp_path, f"printf {shlex.quote(LINES)}; printf ::error::cut-off >&2; exit 3")
    done = run_action(runner, tmp_path)
    assert "::error::from a host" in done.log.splitlines()
    assert done.commands == [("error", "runbook triage ended with 3; the log says why")]
    assert done.outputs["exit-code"] == "3"


def test_annotations_and_summary_are_of_the_report(runner: Runner) -> None:
    answers(runner.checkout, diagnosis=ILL)
    done = runner.run(TRIAGE, "triage")
    ((name, text),) = done.commands
    assert name == "error"
    assert "db1" in text
    assert "## `triage`: 1 of 1 hosts are not well" in runner.summary


def test_exactly_the_plan_is_carried_out_after_a_yes(runner: Runner) -> None:
    fixed = {**WELL, "phase": "verify", "verdict": "fixed"}
    answers(runner.checkout, diagnosis=ILL, act={**STEP, "changed": True}, verification=fixed)
    planned = runner.run(REMEDIATE, "plan", inputs={"limit": "db1", "allow": "restart"})
    assert planned.ok
    assert planned.outputs["exit-code"] == "3"
    assert planned.outputs["digest"] in runner.summary
    needs = {"plan": {"outputs": planned.outputs}}
    done = runner.run(REMEDIATE, "remediate", needs=needs)
    assert done.ok, done.log
    assert "db1: fixed" in done.log
    assert set(runner.artifacts) == {"plan", "plan-report", "remediation"}


def test_a_plan_that_is_another_file_is_not_carried_out(runner: Runner) -> None:
    answers(runner.checkout, diagnosis=ILL)
    planned = runner.run(REMEDIATE, "plan", inputs={"limit": "", "allow": "restart"})
    with (runner.artifacts["plan"] / "plan.json").open("a") as file:
        file.write(" ")
    done = runner.run(REMEDIATE, "remediate", needs={"plan": {"outputs": planned.outputs}})
    assert not done.ok
    assert "remediation" not in runner.artifacts


def test_where_all_is_well_nobody_is_asked(runner: Runner) -> None:
    planned = runner.run(REMEDIATE, "plan", inputs={"limit": "", "allow": "restart"})
    assert (planned.ok, planned.outputs["exit-code"]) == (True, "0")
    assert load(REMEDIATE)["jobs"]["remediate"]["if"] == "needs.plan.outputs.exit-code == '3'"


def program(tmp_path: Path, text: str) -> None:
    """Let the command runbook be a program of bash."""
    path = tmp_path / "programs/runbook"
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)


def run_action(runner: Runner, tmp_path: Path, **given: str) -> Done:
    inputs = {
        "command": "triage",
        "inventory": "inventory/production.yml",
        "ssh-key": runner.secrets["RUNBOOK_SSH_KEY"],
        "known-hosts": "db1 ssh-ed25519 AAAA",
        **given,
    }
    temp = tmp_path / "temp"
    temp.mkdir(exist_ok=True)
    known = {"github": {"actor": "mona"}, "runner": {"temp": str(temp)}}
    return runner._action(ACTION, inputs, known, temp)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"ssh-key": ""}, "the input ssh-key is empty"),
        ({"ssh-key": "no key"}, "the input ssh-key cannot be used"),
        ({"known-hosts": ""}, "the input known-hosts is empty"),
    ],
)
def test_a_secret_that_is_missing_or_wrong_is_one_line(
    runner: Runner, tmp_path: Path, given: dict[str, str], said: str
) -> None:
    done = run_action(runner, tmp_path, **given, fail="false")
    assert (done.ok, done.outputs["exit-code"], done.outputs["report"]) == (False, "2", "")
    ((name, text),) = done.commands
    assert (name, said in text) == ("error", True)


def test_a_key_with_a_passphrase_is_one_line(runner: Runner, tmp_path: Path) -> None:
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path], check=True)
    done = run_action(runner, tmp_path, **{"ssh-key": path.read_text()})
    assert "it has a passphrase" in done.commands[0][1]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"inventory": "inventory/gone.yml"}, "2"),
        ({"arguments": "--limit\nnobody"}, "8"),
        ({"command": "no-such-command"}, "2"),
        ({"arguments": "--plan\n/etc/passwd\n--yes", "command": "remediate"}, "2"),
    ],
)
def test_the_exit_code_is_that_of_runbook(
    runner: Runner, tmp_path: Path, given: dict[str, str], code: str
) -> None:
    done = run_action(runner, tmp_path, **given)
    assert (done.ok, done.outputs["exit-code"]) == (False, code)
    assert done.commands


def test_secrets_are_read_by_nobody_else_and_gone_at_the_end(
    runner: Runner, tmp_path: Path
) -> None:
    program(
        tmp_path,
        'keys=$(dirname "$ANSIBLE_PRIVATE_KEY_FILE")\n'
        'stat -c "mode %a" "$keys" "$keys"/*\n'
        'read -r word < /dev/fd/3; echo "vault ${#word}"\n'
        'tr "\\0" "\\n" < /proc/$$/environ | grep -c canary\n'
        'echo "extra $ANSIBLE_SSH_EXTRA_ARGS"\n',
    )
    done = run_action(runner, tmp_path, **{"vault-password": PASSWORD})
    assert done.ok
    assert re.findall(r"^mode (\d+)", done.log, re.M) == ["700", "600", "600"]
    assert f"vault {len(PASSWORD)}\n0\n" in done.log
    assert PASSWORD not in done.log
    assert "StrictHostKeyChecking=yes" in done.log
    left = [path for path in (tmp_path / "temp").rglob("*") if path.is_file()]
    texts = {path: path.read_bytes() for path in left if path.name != "step.sh"}
    assert not [
        p for p, text in texts.items() if b"PRIVATE KEY" in text or PASSWORD.encode() in text
    ]


def test_evidence_and_reports_are_kept_and_no_key(runner: Runner, tmp_path: Path) -> None:
    answers(runner.checkout, diagnosis=ILL)
    runner.run(TRIAGE, "triage")
    kept = runner.artifacts["runbook"]
    forms = ("markdown", "github", "junit", "json", "html")
    assert {path.name for path in kept.iterdir()} == {
        "evidence.tar.gz",
        *(f"report.{form}" for form in forms),
    }
    listed = subprocess.run(
        ["tar", "-tzf", kept / "evidence.tar.gz"], capture_output=True, text=True, check=True
    ).stdout
    assert "run.json" in listed
    assert "keys" not in listed


def test_a_backup_is_made_and_all_are_verified_also_where_it_failed(
    runner: Runner, tmp_path: Path
) -> None:
    program(tmp_path, 'echo "did $*"; [ "$2" = backups ] || exit 5')
    done = runner.run(BACKUP, "backup")
    assert not done.ok
    inventory = "-i inventory/production.yml --report"
    told = re.findall(r"^did (.* --report) markdown=", done.log, re.M)
    assert told == [f"ops backup {inventory}", f"ops backups verify {inventory}"]
    assert set(runner.artifacts) == {"backup", "verification"}


def test_runbook_is_installed_from_its_wheel(runner: Runner, tmp_path: Path) -> None:
    wheel = small_wheel(tmp_path)
    done = run_action(runner, tmp_path, package=str(wheel))
    assert done.ok, done.log
    assert "the installed one" in done.log
    assert runner.used[0].startswith("actions/setup-python@")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_cancels_the_job_ends_the_run(
    runner: Runner, tmp_path: Path, number: signal.Signals
) -> None:
    answers(runner.checkout, diagnosis={**WELL, "sleep": 60})

    def cancel(process: subprocess.Popen[str], temp: Path) -> None:
        if "stop-commands" not in (temp / "step.sh").read_text():
            return
        deadline = time.monotonic() + 60
        while not list(temp.glob("runbook.*/state/runbook/runs/*/run.json")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(1)  # ansible begins
        process.send_signal(number)

    runner.on_start = cancel
    done = run_action(runner, tmp_path)
    assert (done.ok, done.outputs["exit-code"]) == (False, "130")
    assert survivors(tmp_path) == []


def test_others_actions_are_pinned_and_jobs_may_do_little(runner: Runner) -> None:
    for path in WORKFLOWS:
        whole = load(path)
        assert "pull_request" not in whole["on"]
        assert whole["permissions"] == {}
        assert whole["concurrency"]["cancel-in-progress"] == "false"
        assert all(job["timeout-minutes"] for job in whole["jobs"].values())
    texts = [path.read_text() for path in (ACTION, *WORKFLOWS)]
    used = [
        u for text in texts for u in re.findall(r"uses: (\S+.*)", text) if not u.startswith("./")
    ]
    assert used
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


def test_they_pass_the_vendors_schemas() -> None:
    checks = {"vendor.github-actions": [ACTION], "vendor.github-workflows": WORKFLOWS}
    for schema, paths in checks.items():
        command = [BIN / "check-jsonschema", "--builtin-schema", schema, *paths]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing() -> None:
    rules = CI.parent / "zizmor.yml"
    command = [BIN / "zizmor", "--offline", "--no-progress", "--config", rules, ACTION, *WORKFLOWS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [ACTION, *WORKFLOWS], ids=lambda path: path.stem)
def test_the_shell_of_each_step_is_in_order(path: Path, tmp_path: Path) -> None:
    whole = load(path)
    jobs = [whole["runs"]] if "runs" in whole else whole["jobs"].values()
    texts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.sh").write_text(text)
    if texts:
        command = [BIN / "shellcheck", "--shell", "bash", *sorted(tmp_path.glob("*.sh"))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
