"""A run's directory, and the list of runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner import processes, store
from runner.cli import cli
from runner.errors import BadInputError, NothingMatchedError
from runner.run import Job, opening


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def begin(run: str) -> store.Record:
    record = store.Record(run)
    record.save(opening(Job(run, "triage", None, 0.0, "x")))
    return record


def test_a_directory_for_its_owner_alone() -> None:
    record = begin("20260101T000000Z-0001")
    record.event({"host": "h"})
    record.close()
    assert record.directory.stat().st_mode & 0o777 == 0o700
    assert {p.name: p.stat().st_mode & 0o777 for p in record.directory.iterdir()} == {
        "events.jsonl": 0o600,
        "run.json": 0o600,
    }
    assert (record.directory / "events.jsonl").read_text() == '{"host":"h"}\n'


def test_a_run_without_an_end_is_running_while_its_process_lives() -> None:
    begin("20260101T000000Z-0001")
    assert store.find("last")["state"] == "running"


def test_a_killed_run_is_interrupted_also_when_its_pid_was_given_anew() -> None:
    record = begin("20260101T000000Z-0001")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    document = store.load(record.directory)
    store.write_atomically(record.directory / "run.json", {**document, "pid": gone.pid})
    assert store.find("last")["state"] == "interrupted"
    anew = {**document, "pid": os.getpid(), "pid_started": 1}
    store.write_atomically(record.directory / "run.json", anew)
    assert store.find("last")["state"] == "interrupted"


def test_a_half_written_document_breaks_nothing() -> None:
    record = begin("20260101T000000Z-0001")
    (record.directory / "run.json").write_text("{")
    assert store.all_runs() == [{"run": record.directory.name, "state": "broken", "hosts": {}}]


def test_runs_are_found_by_the_beginning_of_their_id() -> None:
    for run in ("20260101T000000Z-0001", "20260102T000000Z-0002", "20260102T000000Z-0003"):
        begin(run)
    assert store.find("20260101")["run"] == "20260101T000000Z-0001"
    assert store.find("last")["run"] == "20260102T000000Z-0003"
    assert [document["run"][-4:] for document in store.all_runs()] == ["0003", "0002", "0001"]
    with pytest.raises(BadInputError, match="2 runs begin with '20260102'"):
        store.find("20260102")
    with pytest.raises(NothingMatchedError, match="there is no run '2027'"):
        store.find("2027")


def test_there_may_be_no_run_at_all() -> None:
    assert store.all_runs() == []
    with pytest.raises(NothingMatchedError):
        store.find("last")


def test_an_id_sorts_by_time() -> None:
    assert store.new_id(0.0).startswith("19700101T000000Z-")


def test_cancelling_a_run_that_has_ended_ends_nothing() -> None:
    record = begin("20260101T000000Z-0001")
    record.save({**store.load(record.directory), "finished": "2026-01-01T00:00:01.000Z"})
    environ = {**os.environ, processes.MARKER: "20260101T000000Z-0001"}
    shared = subprocess.Popen(["sleep", "60"], env=environ)  # as a connection that others use
    try:
        result = CliRunner().invoke(cli, ["runs", "cancel", "last"])
        assert (result.exit_code, shared.poll()) == (0, None)
    finally:
        shared.kill()
        shared.wait()


def test_ending_a_run_ends_also_what_leads_a_session_of_its_own() -> None:
    environ = {**os.environ, processes.MARKER: "test-run"}
    stubborn = "trap '' TERM; sleep 60 & sleep 60"
    child = subprocess.Popen(["sh", "-c", stubborn], env=environ, start_new_session=True)
    assert child.pid in processes.marked("test-run")
    processes.end("test-run", grace=0.2)
    assert child.wait() == -9
    assert processes.marked("test-run") == []
