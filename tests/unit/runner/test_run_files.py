"""A run's directory, and the list of runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from oncall_runbook.commands.cli import cli
from oncall_runbook.errors import BadInputError, NothingMatchedError
from oncall_runbook.run import processes, run_files
from oncall_runbook.run.conclusion import Job, opening


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def begin(run: str) -> run_files.RunDirectory:
    record = run_files.RunDirectory(run)
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
    assert run_files.find("last")["state"] == "running"


def test_a_killed_run_is_interrupted_also_when_its_pid_was_given_anew() -> None:
    record = begin("20260101T000000Z-0001")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    document = run_files.load(record.directory)
    run_files.write_atomically(record.directory / "run.json", {**document, "pid": gone.pid})
    assert run_files.find("last")["state"] == "interrupted"
    anew = {**document, "pid": os.getpid(), "pid_started": 1}
    run_files.write_atomically(record.directory / "run.json", anew)
    assert run_files.find("last")["state"] == "interrupted"


def test_a_half_written_document_breaks_nothing() -> None:
    record = begin("20260101T000000Z-0001")
    (record.directory / "run.json").write_text("{")
    assert run_files.all_runs() == [{"run": record.directory.name, "state": "broken", "hosts": {}}]


def test_runs_are_found_by_the_beginning_of_their_id() -> None:
    for run in ("20260101T000000Z-0001", "20260102T000000Z-0002", "20260102T000000Z-0003"):
        begin(run)
    assert run_files.find("20260101")["run"] == "20260101T000000Z-0001"
    assert run_files.find("last")["run"] == "20260102T000000Z-0003"
    assert [document["run"][-4:] for document in run_files.all_runs()] == [
        "0003",
        "0002",
        "0001",
    ]
    with pytest.raises(BadInputError, match="2 runs begin with '20260102'"):
        run_files.find("20260102")
    with pytest.raises(NothingMatchedError, match="there is no run '2027'"):
        run_files.find("2027")


def ended(run: str) -> run_files.RunDirectory:
    record = begin(run)
    record.save({**run_files.load(record.directory), "finished": "2020-01-01T00:00:01.000Z"})
    return record


def pruned(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["runs", "prune", "--format", "json", *arguments])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_old_runs_are_listed_and_go_when_asked(state: Path) -> None:
    old = [ended(f"2020010{n}T000000Z-0001").directory for n in (1, 2, 3)]
    new = ended(run_files.new_id(time.time() - 86400)).directory
    would = {"schema": 1, "runs": [path.name for path in old[:2]], "removed": False}
    assert pruned("--keep", "2") == would
    assert all(path.exists() for path in old)
    assert pruned("--keep", "2", "--yes") == {**would, "removed": True}
    assert [path.exists() for path in (*old, new)] == [False, False, True, True]
    assert pruned("--keep", "0", "--yes")["runs"] == [old[2].name]
    assert new.exists()


def test_what_is_at_work_or_no_run_stays(state: Path) -> None:
    running = begin("20200101T000000Z-0001").directory
    strange = state / "runbook/runs/notes"
    strange.mkdir()
    target = state / "elsewhere"
    target.mkdir()
    link = state / "runbook/runs/20200102T000000Z-0001"
    link.symlink_to(target)
    assert pruned("--keep", "0", "--yes")["runs"] == []
    assert running.exists() and strange.exists() and link.exists()


def test_what_is_not_in_the_record_yet_stays(state: Path) -> None:
    waiting = ended("20200101T000000Z-0001").directory
    (state / "runbook/pending").mkdir()
    (state / "runbook/pending" / waiting.name).write_text('{"incident": null}')
    assert pruned("--keep", "0", "--yes")["runs"] == []
    assert waiting.exists()


def test_there_may_be_no_run_at_all() -> None:
    assert run_files.all_runs() == []
    with pytest.raises(NothingMatchedError):
        run_files.find("last")


def test_an_id_sorts_by_time() -> None:
    assert run_files.new_id(0.0).startswith("19700101T000000Z-")


def test_cancelling_a_run_that_has_ended_ends_nothing() -> None:
    record = begin("20260101T000000Z-0001")
    record.save({**run_files.load(record.directory), "finished": "2026-01-01T00:00:01.000Z"})
    environ = {**os.environ, processes.MARKER: "20260101T000000Z-0001"}
    shared = subprocess.Popen(["sleep", "60"], env=environ)  # as a connection that others use
    try:
        result = CliRunner().invoke(cli, ["runs", "cancel", "last"])
        assert (result.exit_code, shared.poll()) == (0, None)
    finally:
        shared.kill()
        shared.wait()


def test_ending_a_run_ends_also_what_leads_a_session_of_its_own() -> None:
    run = f"test-{os.getpid()}"
    environ = {**os.environ, processes.MARKER: run}
    stubborn = "trap '' TERM; echo deaf; sleep 60 & sleep 60"
    child = subprocess.Popen(
        ["sh", "-c", stubborn], env=environ, start_new_session=True, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"deaf\n"  # before that it would have heard the signal
    assert child.pid in processes.marked(run)
    processes.end(run, grace=0.2)
    assert child.wait() == -9
    assert processes.marked(run) == []


def finished() -> dict[str, Any]:
    """A run's document as one that has ended leaves it."""
    record = begin("20260101T000000Z-0001")
    host = {"verdict": "healthy", "reason": "", "root_causes": []}
    host |= {"findings": {}, "incidents": {}}
    record.save({**run_files.load(record.directory), "finished": "2026-01-01T00:00:01Z",
                 "seconds": 1, "exit_code": 0, "hosts": {"db1": host}})  # fmt: skip
    return run_files.load(record.directory)


WRONG: list[Any] = [None, 3, "text", [], [[]], {}, {"a": None}, [{"a": 1}], True, 1e308]


def test_what_is_no_run_is_broken_and_breaks_no_command() -> None:
    """Whatever lies there, in each place of the document: no traceback."""
    whole = finished()
    path = run_files.runs_directory() / whole["run"] / "run.json"
    texts = ["", "[]", "3", "null", '"x"', "{}", "[" * 100_000, "{" * 9, "\x00", '{"hosts": 3}']
    texts += [json.dumps({**whole, key: wrong}) for key in whole for wrong in WRONG]
    host = whole["hosts"]["db1"]
    places = [*host, "plan", "actions", "root_causes", "evidence", "uncovered"]
    hosts = [{**host, key: wrong} for key in places for wrong in WRONG]
    texts += [json.dumps({**whole, "hosts": {"db1": wrong}}) for wrong in (*hosts, *WRONG)]
    for text in texts:
        path.write_text(text)
        for words in (["list"], ["show", "last"], ["list", "--format", "json"]):
            result = CliRunner().invoke(cli, ["runs", *words])
            assert result.exception is None, (words, text, result.exception)


def test_how_long_a_step_usually_takes_is_the_median_of_what_it_took() -> None:
    whole = finished()
    steps = [("Start it", 2.0, ""), ("Start it", 4.0, ""), ("Start it", 60.0, "it failed")]
    for number, (title, seconds, reason) in enumerate(steps):
        name = f"20260102T00000{number}Z-0001"
        record = begin(name)
        did = {"rung": "start", "title": title, "seconds": seconds, "reason": reason}
        did |= {"incident": "", "risk": "restart", "changed": True, "held": True}
        host = {**whole["hosts"]["db1"], "actions": [did]}
        record.save({**whole, "run": name, "hosts": {"db1": host}})
    (run_files.runs_directory() / "20260103T000000Z-0001").mkdir()  # broken
    assert run_files.usual_seconds() == {("db1", "Start it"): 3.0}


def test_a_document_of_another_run_is_none() -> None:
    """Whoever cancels a run ends what bears its name."""
    whole = finished()
    path = run_files.runs_directory() / whole["run"] / "run.json"
    path.write_text(json.dumps({**whole, "run": "20260101T000000Z-0002"}))
    assert run_files.find("last")["state"] == "broken"


def test_words_of_another_version_are_shown() -> None:
    whole = finished()
    path = run_files.runs_directory() / whole["run"] / "run.json"
    path.write_text(json.dumps({**whole, "command": "foresee", "exit_code": 42}))
    assert run_files.find("last")["state"] == "finished"


def test_lines_that_are_no_events_are_left_out() -> None:
    record = begin("20260101T000000Z-0001")
    record.event({"host": "h"})
    record.close()
    with (record.directory / "events.jsonl").open("a") as file:
        file.write("[]\n3\nnull\n" + "[" * 100_000 + '\n{"host": "i"}\n{"ho')
    assert [event["host"] for event in run_files.events(record.directory)] == ["h", "i"]
