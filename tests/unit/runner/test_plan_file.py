"""A plan as a file: written by plan --out, and carried out by remediate --plan and no further."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded import FakeEngine, document, run
from test_cli import BROKEN, CURE, STEP, WELL

from oncall_runbook.errors import BadInputError
from oncall_runbook.run import engine, plan_file, run_files
from oncall_runbook.run.engine import Outcome

SCHEMA = json.loads((Path(engine.__file__).parents[1] / "schema/plan.schema.json").read_text())
TOLD = {
    **BROKEN,
    "decided": {"database_accepts": {"title": "Accepts", "status": "unhealthy", "value": None}},
    "resolved": {"address": "1", "inputs": "2"},
    "rollout": {"batches": ["1"], "plan_hours": 6, "hosts": 1},
}


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {db1: , db2: , web1: }, children: {web: {hosts: {web1: }}}}\n")
    return path


@pytest.fixture
def plan(fake: FakeEngine, hosts: Path, tmp_path: Path) -> Path:
    """A plan of two hosts, of which one is well."""
    fake.diagnosis = [("db1", "probe", "ok", TOLD), ("db2", "probe", "ok", WELL)]
    fake.cure = [("db1", *step) for step in CURE]
    path = tmp_path / "plan.json"
    assert run("plan", "-i", str(hosts), "--out", str(path)).exit_code == 3
    fake.requests.clear()
    return path


def carry_out(plan: Path, hosts: Path, *more: str, **how: Any) -> Any:
    return run("remediate", "-i", str(hosts), "--plan", str(plan), *more, **how)


def test_a_plan_is_a_document_of_its_own(plan: Path) -> None:
    found = json.loads(plan.read_text())
    jsonschema.validate(found, SCHEMA)
    assert (found["kind"], found["allow"], found["hours"]) == ("plan", "restart", 6)
    assert set(found["cards"]) == {"database_connection_failures"}
    host = found["hosts"]["db1"]
    assert (host["plan"], host["findings"]) == ([STEP], TOLD["decided"])
    assert host["incidents"] == {
        "database_connection_failures": {
            "title": "Database connection failures",
            "severity": "SEV1",
        }
    }
    assert found["hosts"]["db2"]["plan"] == []
    assert "no response" not in plan.read_text()  # what programs printed
    assert {path.name for path in plan.parent.iterdir() if path.is_file()} == {
        "plan.json",
        "hosts.yml",
    }


def test_exactly_its_hosts_are_looked_at_by_the_plan_as_it_is(
    fake: FakeEngine, plan: Path, hosts: Path
) -> None:
    result = carry_out(plan, hosts, "--yes", "--format", "json")
    assert result.exit_code == 0
    asked = fake.requests[0]
    assert (asked.hosts, asked.limit) == (("db1", "db2"), None)
    kept = run_files.plan_path(document(result)["run"])
    assert asked.run_vars["incident_plan"] == str(kept)
    assert kept.read_bytes() == plan.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_without_yes_it_is_asked_for_and_without_a_terminal_refused(
    fake: FakeEngine, plan: Path, hosts: Path
) -> None:
    assert carry_out(plan, hosts).exit_code == 6
    assert [request.tags for request in fake.requests] == [None]


def test_a_host_that_changed_is_refused_and_each_difference_is_a_line(
    fake: FakeEngine, plan: Path, hosts: Path
) -> None:
    differences = ["Accepts: unknown, was unhealthy", "rung restart_database does not fit any more"]
    why = f"changed since the plan: {'; '.join(differences)}"
    changed = {**TOLD, "changed_since": differences, "plan": [{**STEP, "allowed": False}]}
    fake.cure = [
        ("db1", "probe", "ok", changed),
        ("db1", "probe", "ok", {**changed, "phase": "verify", "verdict": "refused", "reason": why}),
    ]
    result = carry_out(plan, hosts, "--yes")
    assert result.exit_code == 6
    assert result.stdout.splitlines()[:3] == [
        "db1: refused — changed since the plan:",
        *(f"  changed  {line}" for line in differences),
    ]
    again = run("runs", "show", "last", "--format", "json")
    assert json.loads(again.stdout)["hosts"]["db1"]["changed_since"] == differences
    fake.diagnosis = fake.cure[:1]
    asked = carry_out(plan, hosts)  # and is refused before anybody is asked
    assert asked.stdout.splitlines()[:3] == result.stdout.splitlines()[:3]


def test_limit_and_allowance_may_narrow_it(fake: FakeEngine, plan: Path, hosts: Path) -> None:
    narrow = plan.with_name("outage.json")
    run("plan", "-i", str(hosts), "--out", str(narrow), "--allow", "outage")
    fake.requests.clear()
    carry_out(narrow, hosts, "--yes", "-l", "db1,!db2")
    carry_out(narrow, hosts, "--yes", "--allow", "restart")
    carry_out(plan, hosts, "--yes")
    told = [(request.hosts, request.run_vars["incident_allow"]) for request in fake.requests]
    assert told == [
        (("db1",), "outage"),
        (("db1", "db2"), "restart"),
        (("db1", "db2"), "restart"),
    ]


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (("--allow", "outage"), 2, "--allow outage: the plan allows restart, and no more"),
        (("-l", "web"), 2, "--limit web: web1 is not in the plan"),
        (("-l", "all"), 2, "--limit all: web1 is not in the plan"),
        (("-l", "db1,!db1"), 8, "no host is left of the plan's; nothing was done"),
        (("-l", " "), 2, "--limit is empty; leave it out, or name hosts"),
        (("--plan-age", "7"), 2, "--plan-age 7: this plan may be 6 hours old, and no older"),
        (("high_error_rate",), 2, "high_error_rate and --plan: the plan itself says for what"),
        (("-e", "incident_plan=x"), 2, "-e cannot set incident_plan"),
        (("-i", "web1,"), 2, "the plan is of another inventory: web1, (option -i) has no host db1"),
    ],
)
def test_nothing_widens_it(
    fake: FakeEngine, plan: Path, hosts: Path, more: tuple[str, ...], code: int, said: str
) -> None:
    result = carry_out(plan, hosts, "--yes", *more)
    assert result.exit_code == code
    assert said in result.stderr.splitlines()[-1]
    assert (result.stdout, fake.requests) == ("", [])


def at(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + hours * 3600)


@pytest.mark.parametrize(
    ("hours", "more", "code"),
    [
        (5.9, (), 0),
        (6.1, (), 6),
        (1.9, ("--plan-age", "2"), 0),
        (2.1, ("--plan-age", "2"), 6),
        (-1, (), 6),
    ],
)
def test_one_that_is_too_old_is_refused(
    plan: Path,
    hosts: Path,
    monkeypatch: pytest.MonkeyPatch,
    hours: float,
    more: tuple[str, ...],
    code: int,
) -> None:
    at(monkeypatch, hours)
    result = carry_out(plan, hosts, "--yes", *more)
    assert result.exit_code == code
    assert ("the plan is " in result.stderr.splitlines()[-1]) == bool(code)


def test_one_of_another_card_is_refused(plan: Path, hosts: Path, collection: Path) -> None:
    card = collection / "roles/database_connection_failures/card.yml"
    card.write_text(card.read_text().replace("risk: restart", "risk: data"))
    result = carry_out(plan, hosts, "--yes")
    assert result.exit_code == 6
    assert "card database_connection_failures is another one" in result.stderr


def edited(change: Callable[[dict[str, Any]], object], *, digest: bool = False) -> Any:
    def apply(text: str) -> str:
        found = json.loads(text)
        change(found)
        if digest:
            del found["digest"]
            found["digest"] = plan_file._digest(found)
        return json.dumps(found)

    return apply


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "is damaged: it is no JSON document"),
        (lambda _: "", "is damaged: it is no JSON document"),
        (lambda _: "[" * 100_000, "is damaged: it is no JSON document"),
        (lambda _: "[]", "holds no plan; write one: runbook plan --out FILE"),
        (lambda _: json.dumps({"schema": 1, "run": "x"}), "holds no plan; write one"),
        (edited(lambda p: p.update(allow="data")), "was changed after it was made; make it anew"),
        (edited(lambda p: p.pop("digest")), "was changed after it was made; make it anew"),
        (edited(lambda p: p["hosts"].update(web1={})), "was changed after it was made"),
        (edited(lambda p: p.update(version="9.\x1b[1m9")), "was made by runbook 9.[1m9, and this"),
        (edited(lambda p: p.update(allow="all"), digest=True), "holds no plan: data.allow must be"),
        (edited(lambda p: p.update(hosts=[]), digest=True), "holds no plan: data.hosts must be"),
        (
            edited(lambda p: p.update(made="2026-19-39T00:00:00.000Z"), digest=True),
            "holds no plan: month must be in 1..12",
        ),
    ],
)
def test_a_file_that_is_not_as_it_was_made_is_one_line(
    fake: FakeEngine, plan: Path, hosts: Path, change: Callable[[str], str], said: str
) -> None:
    plan.write_text(change(plan.read_text()))
    result = carry_out(plan, hosts, "--yes")
    assert (result.exit_code, result.stdout, fake.requests) == (2, "", [])
    (line,) = result.stderr.splitlines()
    assert said in line


def test_other_kinds_of_files_are_not_waited_for(
    fake: FakeEngine, plan: Path, hosts: Path, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe{}")
    for name in ("pipe", "bytes", "gone", "."):
        result = carry_out(tmp_path / name, hosts, "--yes")
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.stderr
    assert fake.requests == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_no_edit_of_its_bytes_is_taken_for_the_plan(plan: Path, data: st.DataObject) -> None:
    whole = plan.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    other = whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:]
    path = plan.with_name("edited.json")
    path.write_bytes(other)
    try:
        found = plan_file.read(path)
    except BadInputError as error:
        assert "\n" not in str(error)
    else:  # blanks, at most
        assert found.document == json.loads(whole)


def test_where_nothing_was_found_out_no_plan_is_written(
    fake: FakeEngine, hosts: Path, tmp_path: Path
) -> None:
    fake.outcome = Outcome("timeout")
    out = tmp_path / "plan.json"
    result = run("plan", "-i", str(hosts), "--out", str(out))
    assert (result.exit_code, out.exists()) == (124, False)
    assert f"no plan was made: {out} is not written" in result.stderr


def test_one_that_could_not_be_written_is_told_before_anything_is_asked(
    fake: FakeEngine, tmp_path: Path
) -> None:
    out = str(tmp_path / "gone/plan.json")
    result = run("plan", "--out", out)
    assert (result.exit_code, fake.requests) == (2, [])
    assert f"--out {out} cannot be written: No such file or directory" in result.stderr
    result = run("plan", "--out", "same", "--report", "json=same")
    assert (result.exit_code, fake.requests) == (2, [])


def test_an_age_without_a_plan_is_wrong_usage(fake: FakeEngine) -> None:
    result = run("remediate", "--plan-age", "3")
    assert (result.exit_code, fake.requests) == (2, [])
    assert "--plan-age goes with --plan FILE" in result.stderr


def test_a_run_that_was_ended_goes_on_with_the_same_plan_and_no_more(
    fake: FakeEngine, plan: Path, hosts: Path
) -> None:
    fake.outcome = Outcome("cancelled")
    fake.cure = [("db1", *step) for step in CURE]  # db2 was not begun
    assert carry_out(plan, hosts, "--yes", "-l", "db1,db2").exit_code == 130
    fake.requests.clear()
    fake.outcome = Outcome()
    plan.unlink()
    run("runs", "resume", "last", "--yes")
    (asked, *_) = fake.requests
    assert asked.hosts == ("db2",)
    assert Path(asked.run_vars["incident_plan"]).exists()
    assert run("runs", "resume", "last", "--yes", "--allow", "data").exit_code in (2, 8)
