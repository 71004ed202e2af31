"""What an earlier run was to do, done again: `runs resume`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from recorded import FakeEngine, document, run

from oncall_runbook.run import run_files
from oncall_runbook.run.engine import Outcome

CANCELLED = Outcome("cancelled")
STEP = {"rung": "restart", "title": "Restart", "risk": "restart", "allowed": True}


def judged(host: str, verdict: str, **more: Any) -> tuple[str, Any, Any, dict[str, Any]]:
    return (host, "probe", "ok", {"verdict": verdict, **more})


def operated(host: str, verdict: str, *plan: object) -> tuple[str, Any, Any, dict[str, Any]]:
    return judged(host, verdict, operation="restart", plan=list(plan))


def resumed(fake: FakeEngine, *words: str) -> dict[str, Any]:
    """Resume the last run, of which no host is heard any more; return the new one."""
    fake.diagnosis = fake.cure = []
    fake.outcome = Outcome()
    result = run("runs", "resume", "last", "--format", "json", *words)
    assert result.exit_code == 8, result.output
    return document(result)


@pytest.mark.parametrize(
    ("limit", "left"),
    [
        ((), "all,!gone_bad,!ok"),
        (("-l", "web:!web9"), "web,!web9,!gone_bad,!ok"),
        (("-l", "a,b"), "a,b,!gone_bad,!ok"),
    ],
)
def test_only_hosts_that_are_not_finished_are_asked_again(
    fake: FakeEngine, limit: tuple[str, ...], left: str
) -> None:
    hosts = {"ok": "fixed", "gone_bad": "not_fixed", "half": "incident", "no": "refused"}
    fake.cure = [judged(host, verdict) for host, verdict in hosts.items()]
    fake.cure.append(("off", "", "unreachable", {"msg": "Connection refused"}))
    run("remediate", "high-error-rate", "--yes", "--allow", "outage", *limit)
    before = run_files.find("last")
    again = resumed(fake, "--yes")
    request = fake.requests[-1]
    assert request.limit == left
    assert (request.playbook, request.tags) == ("oncall.runbook.triage_fleet", "remediate")
    assert request.run_vars["incident_name"] == "high_error_rate"
    assert request.run_vars["incident_allow"] == "restart"  # an allowance is not kept
    assert (again["command"], again["incident"]) == ("remediate", "high_error_rate")
    assert again["resumes"] == before["run"]
    assert again["order"] == {**before["order"], "limit": left}


def test_it_says_what_it_resumes(fake: FakeEngine) -> None:
    fake.diagnosis = [judged("db1", "unreachable")]
    run("triage")
    first = run_files.find("last")["run"]
    assert f" resumes {first} · inventory " in run("runs", "resume", first).stdout


def test_what_only_looked_is_done_where_nothing_was_judged(fake: FakeEngine) -> None:
    found = ("healthy", "incident", "unknown", "locked")
    fake.diagnosis = [judged(verdict, verdict) for verdict in found]
    run("triage")
    resumed(fake)
    assert fake.requests[-1].limit == "all,!healthy,!incident"


def test_it_asks_again_before_it_acts(fake: FakeEngine) -> None:
    fake.cure = [judged("db1", "unknown")]
    run("remediate", "--yes")
    fake.diagnosis = [judged("db1", "incident", plan=[STEP])]
    assert run("runs", "resume", "last").exit_code == 6
    assert fake.requests[-1].tags is None


def test_an_operation_is_given_again_with_its_inputs(fake: FakeEngine, tmp_path: Path) -> None:
    fake.cure = [operated("done", "fixed"), operated("looked_at", "healthy", STEP)]
    fake.cure.append(operated("nothing_to_do", "healthy"))
    fake.outcome = CANCELLED
    run("ops", "restart", "redis", "--yes")
    again = resumed(fake, "--yes")
    request = fake.requests[-1]
    assert (request.playbook, request.limit) == (
        "oncall.runbook.ops_restart",
        "all,!done,!nothing_to_do",
    )
    assert request.run_vars["operation_services"] == "redis"
    assert request.run_vars["operation_run"] == again["run"]


def test_a_backup_that_was_not_fetched_is_not_finished(fake: FakeEngine, tmp_path: Path) -> None:
    fake.cure = [operated("made", "fixed"), operated("here", "fixed")]
    fake.cure.append(("here", "fetch", "ok", {"fetched": {"path": "x", "bytes": 1}}))
    fake.outcome = CANCELLED
    run("ops", "backup", "--fetch", str(tmp_path))
    resumed(fake)  # it needs no yes, as the backup did not
    assert fake.requests[-1].limit == "all,!here"
    assert fake.requests[-1].run_vars["operation_fetch_to"] == str(tmp_path)


def test_of_a_killed_run_no_host_is_known_to_be_finished(fake: FakeEngine) -> None:
    fake.cure = [judged("db1", "fixed")]
    run("remediate", "--yes", "-l", "db*")
    path = run_files.runs_directory() / run_files.find("last")["run"] / "run.json"
    kept = json.loads(path.read_text())
    gone = {"finished": None, "exit_code": None, "hosts": {}, "pid": 2**22 + 1}
    path.write_text(json.dumps({**kept, **gone}))
    resumed(fake, "--yes")
    assert fake.requests[-1].limit == "db*"


def test_the_inventory_is_that_of_the_run(fake: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "hosts.ini").write_text("db1\n")
    fake.diagnosis = [judged("db1", "unknown")]
    run("triage", "-i", "hosts.ini")
    again = resumed(fake)
    assert fake.requests[-1].inventory == (str(tmp_path / "hosts.ini"),)
    assert again["inventory"] == f"{tmp_path}/hosts.ini (run {again['resumes']})"
    (tmp_path / "hosts.ini").unlink()
    assert "hosts.ini' (run " in run("runs", "resume", "last").stderr


def test_another_inventory_is_not_taken_in_its_place(
    fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.diagnosis = [judged("db1", "unknown")]
    run("triage")
    (tmp_path / "others.ini").write_text("db2\n")
    monkeypatch.setenv("ANSIBLE_INVENTORY", str(tmp_path / "others.ini"))
    result = run("runs", "resume", "last")
    assert (result.exit_code, len(fake.requests)) == (2, 1)
    assert "others.ini (ANSIBLE_INVENTORY)" in result.stderr


def test_what_was_looked_for_is_not_kept(fake: FakeEngine) -> None:
    run("ops", "logs", "--grep", "token-4711")
    assert fake.requests[0].run_vars["operation_grep"] == "token-4711"
    assert "token-4711" not in json.dumps(run_files.find("last"))


def test_variables_are_not_kept_and_must_be_given_again(fake: FakeEngine) -> None:
    fake.diagnosis = [judged("db1", "unknown")]
    run("triage", "-e", "act=4711")
    assert "4711" not in json.dumps(run_files.find("last"))
    result = run("runs", "resume", "last")
    assert (result.exit_code, len(fake.requests)) == (2, 1)
    assert "give them again" in result.stderr
    resumed(fake, "-e", "act=4711")
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("words", "verdict", "change", "code", "says"),
    [
        (["triage"], "healthy", {}, 8, "nothing is left to do"),
        (["ops", "status"], "unknown", {}, 2, "only looked"),
        (["ops", "restart", "--check"], "unknown", {}, 2, "only looked"),
        (["triage"], "unknown", {"finished": None, "exit_code": None}, 2, "runs cancel"),
        (["triage"], "unknown", {"order": None}, 2, "does not tell what was ordered"),
    ],
)
def test_what_cannot_be_resumed_says_why(
    fake: FakeEngine, words: list[str], verdict: str, change: dict[str, Any], code: int, says: str
) -> None:
    fake.diagnosis = [judged("db1", verdict, plan=[])]
    run(*words)
    path = run_files.runs_directory() / run_files.find("last")["run"] / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    result = run("runs", "resume", "last")
    assert (result.exit_code, len(fake.requests)) == (code, 1)
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_run_that_is_not_there(fake: FakeEngine) -> None:
    assert run("runs", "resume", "last").exit_code == 8
