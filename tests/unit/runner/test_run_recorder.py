"""A run in the incident record: with recorded events, and a store that is there or is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from recorded import FakeEngine, document, run

from oncall_runbook.record import attach, incident_document, pending, run_recorder
from oncall_runbook.record.run_recorder import RunRecorder
from oncall_runbook.record.store import Store
from oncall_runbook.run.options import Options

CARD = "database_connection_failures"
FOUND = {
    "phase": "diagnose",
    "verdict": "incident",
    "root_causes": [CARD],
    "incidents": {CARD: {"confirmed": True, "severity": "SEV1", "title": "No database"}},
    "findings": {"database_accepts": {"status": "unhealthy"}},
}
UNREACHABLE = "postgresql://user:canary@127.0.0.1:1/incidents"


@pytest.fixture
def pages(fake: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """What would have been paged, while the engine finds an incident."""
    fake.diagnosis = [("db1", "probe", "ok", FOUND)]
    told: list[Options] = []
    monkeypatch.setattr(RunRecorder, "_page", lambda self: told.append(self._options))
    return told


def record(number: int = 1) -> dict[str, Any]:
    with Store(None).read() as conn:
        return incident_document.document(conn, number)


def test_a_run_opens_an_incident_pages_and_stands_in_it(pages: list[Options]) -> None:
    result = run("triage", "--incident", "new")
    assert result.exit_code == 3
    assert "runbook: opened incident 1\n" in result.stderr
    assert "runbook: in incident 1; see: runbook incident show 1\n" in result.stderr
    assert len(pages) == 1
    found = record()
    assert (found["severity"], found["title"], found["hosts"]) == ("SEV1", "No database", ["db1"])
    assert found["status"] == "identified"


def test_the_next_runs_stand_in_it_without_being_told(pages: list[Options]) -> None:
    run("triage", "--incident", "new")
    second = document(run("triage", "--format", "json"))
    third = document(run("triage", "--incident", "new", "--format", "json"))
    assert {second["run"], third["run"]} < set(record()["runs"])
    assert len(pages) == 1


def test_without_a_record_nothing_of_it_is_read(fake: FakeEngine, tmp_path: Path) -> None:
    before = set(sys.modules)
    fake.diagnosis = [("db1", "probe", "ok", FOUND)]
    assert run("triage").exit_code == 3
    assert not [name for name in set(sys.modules) - before if name.startswith("alembic")]
    assert not (tmp_path / "state/runbook/incidents.db").exists()
    assert list(pending.notes()) == []


@pytest.mark.parametrize("name", ["99", "x", "last"])
def test_an_incident_that_is_not_there_ends_the_run_before_it_begins(
    fake: FakeEngine, name: str
) -> None:
    result = run("triage", "--incident", name)
    assert (result.exit_code, fake.requests) == (8, [])
    assert result.stderr.startswith("runbook: there is no incident")
    assert list(pending.notes()) == []


@pytest.mark.parametrize("name", ["new", "7"])
def test_a_run_goes_on_without_its_store_and_is_recorded_later(
    pages: list[Options], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    result = run("triage", "--incident", name, "--store", UNREACHABLE)
    assert result.exit_code == 3
    assert "the run is recorded later" in result.stderr
    assert "canary" not in result.output + result.stderr
    ((path, wanted),) = pending.notes()
    assert wanted == name
    assert attach.catch_up(Store(None)) == ([1] if name == "new" else [])
    if name == "new":
        assert record()["runs"] == [path.name]
    assert list(pending.notes()) == []


def test_a_store_that_is_no_url_is_wrong_usage(fake: FakeEngine) -> None:
    result = run("triage", "--incident", "7", "--store", "mysql://x/y")
    assert (result.exit_code, fake.requests) == (2, [])
    assert "a store is postgresql://user@host/name or sqlite:////path" in result.stderr


@pytest.mark.parametrize(
    ("pager", "told"),
    [
        ("raise SystemExit(7)", "nobody was told: exit status 7; next: runbook incident escalate"),
        ("import sys; sys.exit('no address')", "no address"),
        ("pass", ""),
    ],
)
def test_whoever_was_not_told_is_named(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, pager: str, told: str
) -> None:
    started = run_recorder.subprocess.Popen
    with_code = [sys.executable, "-c", pager]
    monkeypatch.setattr(
        run_recorder.subprocess, "Popen", lambda _, **how: started(with_code, **how)
    )
    one = RunRecorder("20260101T000000Z-0000", "new", Options())
    one._page()
    assert one.finish()[1].startswith(told) if told else one.finish()[1] == ""
