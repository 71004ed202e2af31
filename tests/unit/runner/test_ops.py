"""The commands of routine operations, with recorded events in place of ansible."""

from __future__ import annotations

import time
from typing import Any

import pytest
from recorded import FakeEngine, document, run, steady

from oncall_runbook.commands import carry_out
from oncall_runbook.run.engine import Outcome

STEP = {"rung": "redis", "title": "Restart redis", "risk": "restart", "allowed": True}


def looked(operation: str, value: object, **more: Any) -> dict[str, Any]:
    """What a look at a host says."""
    found = {operation: {"title": operation, "status": "healthy", "value": value}}
    return {
        "phase": "diagnose",
        "operation": operation,
        "verdict": "healthy",
        "findings": found,
        "plan": [],
        **more,
    }


PLANNED = looked("restart", {"steps": [], "refused": ""}, plan=[STEP])
DONE = [
    ("db1", "probe", "ok", PLANNED),
    (
        "db1",
        "act",
        "ok",
        {"rung": "restart", "risk": "restart", "changed": True, "seconds": 2, "output": "done\n"},
    ),
    (
        "db1",
        "probe",
        "ok",
        {
            "phase": "settle",
            "operation": "restart",
            "rung": "restart",
            "held": True,
            "verdict": "fixed",
            "findings": {"restart_done": {"status": "healthy"}},
        },
    ),
]
SERVICE = {
    "service": "redis",
    "state": "exited",
    "health": None,
    "started": "2026-01-01T00:00:00Z",
    "restarts": 2,
    "image": "redis:8",
    "ports": "",
}


def test_status_is_one_table_for_all_hosts(fake: FakeEngine) -> None:
    fake.diagnosis = [
        ("db1", "probe", "ok", looked("status", [SERVICE])),
        ("db2", "probe", "ok", looked("status", [{**SERVICE, "state": "\x1b[31mrunning"}])),
        ("db3", "", "unreachable", {"msg": "ssh: connect to host x port 22: Connection refused"}),
    ]
    result = run("ops", "status", "redis")
    assert result.exit_code == 4
    assert fake.requests[0].playbook == "oncall.runbook.ops_status"
    assert fake.requests[0].run_vars["operation_services"] == "redis"
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["host", "service", "state", "health", "since", "restarts", "image", "ports"]
    assert rows[1] == ["db1", "redis", "exited", "2", "redis:8"]
    assert rows[2][:3] == ["db2", "redis", "running"]
    assert "db3: unreachable" in result.stdout


def test_log_lines_have_host_and_service_in_front_and_no_colours(fake: FakeEngine) -> None:
    fake.diagnosis = [("db1", "probe", "ok", looked("logs", "redis\t\x1b[31mone\nredis\ttwo"))]
    result = run("ops", "logs", "--tail", "5", "--since", "10m", "--grep", "o")
    assert result.stdout == "db1 redis | one\ndb1 redis | two\n"
    assert fake.requests[0].run_vars["operation_tail"] == 5
    assert fake.requests[0].run_vars["operation_repeat"] == 1


def test_a_log_is_followed_as_its_lines_come_until_ctrl_c(fake: FakeEngine) -> None:
    beside = {"status": "healthy", "value": {"hold": "", "step": "", "history": ""}}
    logs = {"status": "healthy", "value": "redis\tmore"}
    item = {"findings": {"notes": beside, "logs": logs}}
    fake.diagnosis = [
        ("db1", "probe", "ok", looked("logs", "redis\tone")),
        ("db1", "probe", "item", item),
    ]
    fake.outcome = Outcome(status="cancelled")
    result = run("ops", "logs", "--follow")
    assert (result.exit_code, result.stdout) == (0, "db1 redis | one\ndb1 redis | more\n")


@pytest.mark.parametrize("command", [("logs", "--follow"), ("stats", "--watch")])
def test_what_has_no_end_has_no_document(fake: FakeEngine, command: tuple[str, str]) -> None:
    result = run("ops", *command, "--format", "json")
    assert (result.exit_code, fake.requests) == (2, [])
    assert "has no end" in result.stderr


def test_an_operation_waits_for_a_yes(fake: FakeEngine) -> None:
    fake.diagnosis = DONE[:1]
    found = document(run("ops", "restart", "--format", "json"))
    host = found["hosts"]["db1"]
    assert (found["exit_code"], found["command"]) == (6, "ops restart")
    assert (host["verdict"], host["reason"]) == ("refused", carry_out.NOT_CONFIRMED)
    assert (host["plan"], host["actions"]) == ([STEP], [])
    assert [request.tags for request in fake.requests] == [None]


def test_check_shows_the_plan_and_does_nothing(fake: FakeEngine) -> None:
    fake.diagnosis = DONE[:1]
    result = run("ops", "restart", "--check", "--yes")
    assert result.exit_code == 0
    assert [request.tags for request in fake.requests] == [None]
    assert "step 1  Restart redis [restart] allowed" in result.stdout


def test_an_operation_is_done_and_proven(fake: FakeEngine) -> None:
    fake.cure = DONE
    found = document(run("ops", "restart", "redis", "--yes", "--format", "json"))
    host = found["hosts"]["db1"]
    assert (found["exit_code"], host["verdict"], host["plan"]) == (0, "fixed", [STEP])
    (action,) = host["actions"]
    assert (action["rung"], action["held"], action["output"]) == ("restart", True, "done")
    assert set(host["findings"]) == {"restart", "restart_done"}
    assert fake.requests[0].tags == "remediate"
    shown = steady(run("ops", "restart", "redis", "--yes").stdout)
    assert shown.startswith("db1: done\n  step 1  Restart redis [restart] allowed\n")


def test_a_refusal_of_the_host_is_told_without_a_question(fake: FakeEngine) -> None:
    fake.diagnosis = [
        ("db1", "probe", "ok", {**PLANNED, "verdict": "refused", "reason": "no room"})
    ]
    found = document(run("ops", "restore", "newest", "--format", "json"))
    assert (found["exit_code"], found["hosts"]["db1"]["reason"]) == (6, "no room")
    assert fake.requests[0].run_vars["operation_backup"] == "newest"


def test_a_backup_needs_no_yes_and_says_where_its_copy_is(fake: FakeEngine, tmp_path: Any) -> None:
    copy = {"path": "/here/x.dump", "bytes": 9}
    fake.cure = [*DONE, ("db1", "", "ok", {"fetched": copy})]
    found = document(run("ops", "backup", "--fetch", str(tmp_path), "--format", "json"))
    assert found["hosts"]["db1"]["fetched"] == copy
    assert fake.requests[0].run_vars["operation_fetch_to"] == str(tmp_path)


def test_where_there_is_no_backup_it_says_so_and_what_makes_one(fake: FakeEngine) -> None:
    fake.diagnosis = [("db1", "probe", "ok", looked("backups_list", []))]
    assert run("ops", "backups", "list").stdout == "no backups; next: runbook ops backup\n"


def test_backups_are_listed_with_what_is_wrong(fake: FakeEngine) -> None:
    backup = {
        "file": "a.dump",
        "time": "2026-01-01T00:00:00Z",
        "bytes": 1048576,
        "whole": False,
        "reason": "cut short",
        "rows": None,
        "newest_row": None,
    }
    fake.diagnosis = [("db1", "probe", "ok", looked("backups_list", [backup]))]
    assert "a.dump" in (shown := run("ops", "backups", "list").stdout)
    assert "not proven" in shown
    assert "cut short" in shown


def test_a_restore_wants_a_name(fake: FakeEngine) -> None:
    result = run("ops", "restore", " ")
    assert (result.exit_code, fake.requests) == (2, [])
    assert result.stderr.strip() == "runbook: the backup is empty; name one, or say newest"


@pytest.mark.parametrize("since", ["10m", "2h30m", "2026-01-31", "2026-01-31T10:00:00Z"])
def test_since_is_a_span_or_a_time(fake: FakeEngine, since: str) -> None:
    fake.diagnosis = [("db1", "probe", "ok", looked("logs", ""))]
    assert run("ops", "logs", "--since", since).exit_code == 0


@pytest.mark.parametrize("since", ["yesterday", "1d", "10 m", "-5m"])
def test_since_that_is_neither_is_refused(fake: FakeEngine, since: str) -> None:
    result = run("ops", "logs", "--since", since)
    assert (result.exit_code, fake.requests) == (2, [])
    assert result.stderr.startswith(f"runbook: --since {since!r} is neither")


def test_a_hold_goes_to_its_host_with_its_end_its_author_and_its_reason(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_AUTHOR", "alice")
    step = {"rung": "hold", "title": "Keep every change away", "risk": "restart", "allowed": True}
    fake.cure = [("db1", "probe", "ok", looked("hold", {"steps": []}, plan=[step]))]
    before = time.time()
    found = document(run("hold", "db1", "--until", "6h", "--reason", " why ", "--format", "json"))
    assert found["command"] == "hold"
    assert found["hosts"]["db1"]["plan"] == [step]
    request = fake.requests[0]
    assert (request.playbook, request.limit) == ("oncall.runbook.ops_hold", "db1")
    assert request.run_vars["operation_author"] == "alice"
    assert request.run_vars["operation_reason"] == "why"
    assert before + 6 * 3600 - 2 < request.run_vars["operation_until"] < time.time() + 6 * 3600 + 2


def test_a_hold_is_lifted(fake: FakeEngine) -> None:
    fake.cure = [("db1", "probe", "ok", looked("hold_lift", {"steps": []}))]
    assert run("hold", "db1", "--lift").exit_code == 0
    assert fake.requests[0].playbook == "oncall.runbook.ops_hold_lift"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "needs --until TIME and --reason TEXT"),
        (("--until", "6h"), "needs --until TIME and --reason TEXT"),
        (("--until", "6h", "--reason", " "), "needs --until TIME and --reason TEXT"),
        (("--until", "soon", "--reason", "why"), "is no time"),
        (("--until", "-1h", "--reason", "why"), "which is over"),
        (("--lift", "--reason", "why"), "--lift goes with neither"),
    ],
)
def test_a_hold_without_end_or_reason_is_none(
    fake: FakeEngine, words: tuple[str, ...], said: str
) -> None:
    result = run("hold", "db1", *words)
    assert (result.exit_code, fake.requests) == (2, [])
    assert said in result.stderr


def test_a_look_shows_a_hold_below_its_table(fake: FakeEngine) -> None:
    seen = looked("status", [SERVICE])
    held = {"title": "Changes are welcome here", "status": "unhealthy", "value": "on hold until x"}
    seen["findings"]["on_hold"] = held
    fake.diagnosis = [("db1", "probe", "ok", seen)]
    last = run("ops", "status").stdout.splitlines()[-1]
    assert last == "db1: Changes are welcome here: on hold until x"
