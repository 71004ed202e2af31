"""Reports of a run in files: several at once, whole or not at all, and looked at before the run."""

from __future__ import annotations

import json
import os
import stat
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import sample
from recorded import FakeEngine, run
from test_cli import BROKEN, CURE, WELL

from oncall_runbook.commands import carry_out, report_files
from oncall_runbook.packed import Packed
from oncall_runbook.reports.writing import FORMS
from oncall_runbook.run import run_files


@pytest.fixture
def incident(fake: FakeEngine) -> FakeEngine:
    """An engine whose one host has an incident."""
    fake.diagnosis = [("db1", "probe", "ok", BROKEN)]
    return fake


@pytest.mark.parametrize("form", FORMS)
def test_a_report_is_printed_in_place_of_the_text(incident: FakeEngine, form: str) -> None:
    result = run("triage", "--format", form)
    assert result.exit_code == 3
    assert "database_connection_failures" in result.stdout
    assert "\x1b" not in result.stdout
    assert run("runs", "show", "last", "--format", form).stdout == result.stdout


def test_several_reports_are_written_beside_what_is_printed(
    incident: FakeEngine, tmp_path: Path
) -> None:
    files = {form: tmp_path / f"report.{form}" for form in (*FORMS, "json", "html")}
    wanted = [part for form, file in files.items() for part in ("--report", f"{form}={file}")]
    result = run("triage", *wanted)
    assert result.exit_code == 3
    assert result.stdout.startswith("db1: incident\n")
    assert all("Database connection failures" in file.read_text() for file in files.values())
    assert json.loads(files["json"].read_text())["exit_code"] == 3
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {
        file.name for file in files.values()
    }


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ("junit=nowhere/report.xml", "No such file or directory"),
        ("junit=.", "it is a directory"),
        ("junit=/dev/null", "it is no regular file"),
        ("xml=report.xml", "is no FORMAT=FILE; formats: junit"),
        ("junit", "is no FORMAT=FILE"),
        ("junit=", "is no FORMAT=FILE"),
    ],
)
def test_a_report_that_could_not_be_written_is_told_before_anything_is_done(
    incident: FakeEngine, report: str, why: str
) -> None:
    result = run("remediate", "--yes", "--report", report)
    assert result.exit_code == 2
    assert why in result.stderr
    assert result.stdout == ""
    assert incident.requests == []


def test_two_reports_cannot_be_one_file(incident: FakeEngine, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "report")
    one, other = f"junit={tmp_path / 'report'}", f"json={tmp_path / 'link'}"
    result = run("triage", "--report", one, "--report", other)
    assert (result.exit_code, incident.requests) == (2, [])
    assert "two reports cannot be one file" in result.stderr


@pytest.mark.parametrize(("found", "code"), [(BROKEN, 3), (WELL, 1)])
def test_a_report_that_fails_at_the_end_loses_nothing_of_the_run(
    fake: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: dict, code: int
) -> None:
    fake.diagnosis = [("db1", "probe", "ok", found)]
    monkeypatch.setattr(report_files, "_unwritable", lambda _place: "")
    result = run(
        *("triage", "--report", f"junit={tmp_path}/gone/report.xml"),
        *("--report", f"json={tmp_path}/report.json"),
    )
    assert result.exit_code == code
    assert result.stdout.startswith(f"db1: {found['verdict']}\n")
    (kept,) = run_files.all_runs()
    assert (
        f"report junit={tmp_path}/gone/report.xml could not be written: No such file or directory; "
        f"the run is kept: runbook runs show {kept['run']}\n"
    ) in result.stderr
    assert json.loads((tmp_path / "report.json").read_text())["run"] == kept["run"]


def test_a_report_is_written_though_nobody_reads_what_is_printed(
    incident: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(carry_out, "_print", closed)
    assert run("triage", "--report", f"junit={tmp_path / 'report'}").exit_code == 1
    assert (tmp_path / "report").read_text().startswith("<?xml")


def test_a_file_that_is_there_is_replaced_whole_with_its_mode_and_a_link_stays(
    incident: FakeEngine, tmp_path: Path
) -> None:
    file, link = tmp_path / "summary", tmp_path / "link"
    file.write_text("before")
    file.chmod(0o640)
    link.symlink_to(file)
    run("triage", "--report", f"junit={link}")
    assert link.is_symlink()
    assert file.read_text().startswith("<?xml")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_a_new_file_can_be_read_by_whom_the_umask_lets(
    incident: FakeEngine, tmp_path: Path
) -> None:
    before = os.umask(0o027)
    try:
        run("triage", "--report", f"junit={tmp_path / 'report'}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "report").stat().st_mode) == 0o640


def test_a_cure_is_reported_as_one(fake: FakeEngine, tmp_path: Path) -> None:
    fake.diagnosis = [("db1", "probe", "ok", BROKEN)]
    fake.cure = [("db1", *event) for event in CURE]
    result = run("remediate", "--yes", "--report", f"junit={tmp_path / 'report'}")
    assert result.exit_code == 0
    assert 'failures="0" errors="0"' in (tmp_path / "report").read_text()


def test_what_has_no_end_has_no_report_on_standard_output(fake: FakeEngine) -> None:
    result = run("ops", "logs", "--follow", "--format", "junit")
    assert result.exit_code == 2
    assert "--follow has no end, so it has no document" in result.stderr


@pytest.mark.parametrize("form", [*FORMS, "json", "html"])
def test_a_report_holds_what_few_hosts_printed_at_once(form: str) -> None:
    document: Any = sample.fleet(60)
    printed = {"status": "healthy", "output": "x" * 200_000}
    for host in document["hosts"].values():
        host["findings"]["printed"] = printed
    wanted = "".join(report_files._text(form, document))
    for host in document["hosts"].values():
        host["findings"] = Packed(host["findings"])
    written = 0
    tracemalloc.start()
    try:
        for text in report_files._text(form, document):
            assert text == wanted[written : written + len(text)]
            written += len(text)
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written == len(wanted)
    assert most < 60 * 200_000 / 3
