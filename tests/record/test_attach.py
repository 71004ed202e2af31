"""Runs in the record: written from their own files, at any time later, by anybody, once."""

import json

import pytest
from click.testing import CliRunner

from oncall_runbook import clock
from oncall_runbook.commands.cli import cli
from oncall_runbook.record import attach, incident_document, pending, records, run_recorder
from oncall_runbook.run import run_files
from oncall_runbook.run.options import Options

CARD = "database_connection_failures"
CAUSE = {"title": "Database connection failures", "severity": "SEV1", "evidence": "it is exited"}


def time(minutes):
    return clock.text(clock.now() + round(minutes * clock.MINUTE))


def run(number, verdict, begin=0.0, command="remediate", acts=True, **more):
    """A run's document and events, as they stand in its directory."""
    name = f"20261124T0000{number:02}Z-0000"
    cause = {"root_causes": [CARD], "incidents": {CARD: CAUSE}}
    told = {"host": "web1", "event": "ok", "task": "x", "changed": False, "seconds": None}
    values = {"read_time": {"value": 150 + number, "unit": "ms", "title": "A read"}}
    found = {"findings": {"database_accepts": "unhealthy"}, "values": values}
    events = [
        {**told, "time": time(begin + 0.02), "phase": "diagnose", "verdict": "incident", **cause}
        | found
    ]
    if verdict == "healthy":
        events[0] |= {"verdict": "healthy", "root_causes": [], "incidents": {}}
    if acts and verdict != "healthy":
        rung = {"incident": CARD, "rung": "start_database", "title": "Start it"}
        did = {"changed": True, "seconds": 1.5, "phase": None, "verdict": None, "risk": "restart"}
        events.append({**told, "time": time(begin + 0.05), **rung, **did})
        held = {"phase": "settle", "held": verdict == "fixed", "verdict": verdict, **found}
        events.append({**told, "time": time(begin + 0.07), **rung, **held})
    document = {
        "schema": 1,
        "run": name,
        "command": command,
        "incident": None,
        "author": "bob",
        "inventory": "-",
        "started": time(begin),
        "finished": time(begin + 0.1),
        "seconds": 0.1,
        "exit_code": 0,
        "error": "",
        "state": "finished",
        "hosts": {
            "web1": {
                **{"verdict": verdict, "reason": "", "root_causes": [CARD]},
                **{"incidents": {}, "findings": {}},
            }
        },
        **more,
    }
    return document, events


def kinds(record):
    return [entry["kind"] for entry in record.document["timeline"]]


def test_a_run_attaches_itself_to_the_open_incident_of_its_host(record, store, at):
    document, events = run(1, "fixed", begin=1)
    assert attach.attach(store, document, events, None) == [1]
    found = record.document
    told = ["run", "finding", "rung", "finding", "verdict", "mitigated"]
    assert kinds(record) == ["opened", *told]
    assert found["runs"] == [document["run"]]
    rung = found["timeline"][3]
    assert rung["text"] == "Start it: changed, 1.5 s, held"
    assert (rung["author"], rung["host"], rung["at"]) == ("bob", "web1", events[1]["time"])
    assert found["timeline"][2]["text"].startswith(
        "root cause Database connection failures (database_connection_failures): it is exited"
    )
    assert found["timeline"][2]["data"]["values"]["read_time"]["value"] == 151
    assert (found["status"], found["mitigated"]) == ("resolving", document["finished"])


def test_to_attach_twice_changes_nothing(record, store):
    for _ in range(2):
        attach.attach(store, *run(1, "fixed", begin=1), None)
    assert len(kinds(record)) == 7


def test_it_opens_an_incident_when_one_is_wanted_and_none_is_open(store, at):
    document, events = run(1, "not_fixed")
    assert attach.attach(store, document, events, None) == []
    assert attach.attach(store, document, events, "new") == [1]
    assert attach.attach(store, document, events, "new") == [1]
    with store.read() as conn:
        (found,) = incident_document.summaries(conn)
    assert (found["severity"], found["title"], found["hosts"]) == (
        "SEV1",
        "Database connection failures",
        ["web1"],
    )
    assert found["opened"] == events[0]["time"]
    assert found["status"] == "resolving"
    at(5)
    assert attach.attach(store, *run(2, "not_fixed"), "new") == [1]  # it is open already


def test_a_healthy_run_opens_nothing(store, at):
    assert attach.attach(store, *run(1, "healthy"), "new") == []


def test_a_run_before_or_after_an_incident_is_none_of_it(record, store, at):
    assert attach.attach(store, *run(1, "fixed", begin=-10), None) == []
    at(5)
    record.do(records.resolve, "ann", clock.now())
    assert attach.attach(store, *run(2, "fixed", begin=1), None) == []
    assert attach.attach(store, *run(3, "fixed", begin=-2), None) == [1]


def test_a_run_of_other_hosts_is_none_of_it_unless_it_is_named(record, store):
    document, events = run(1, "fixed", begin=1)
    document["hosts"] = {"db9": document["hosts"]["web1"]}
    for event in events:
        event["host"] = "db9"
    assert attach.attach(store, document, events, None) == []
    assert attach.attach(store, document, events, "1") == [1]
    assert record.document["hosts"] == ["db9", "web1"]
    assert "rung" in kinds(record)
    assert record.document["mitigated"] is None  # nobody has looked at web1


def test_a_run_joins_an_incident_without_hosts_when_it_names_it(store, at):
    with store.write() as conn:
        records.open_incident(
            conn, title="Slow", severity="SEV2", reason="x", author="ann", at=clock.now()
        )
    assert attach.attach(store, *run(1, "fixed", begin=1), None) == []
    assert attach.attach(store, *run(1, "fixed", begin=1), "1") == [1]
    with store.read() as conn:
        found = incident_document.document(conn, 1)
    assert (found["hosts"], bool(found["mitigated"])) == (["web1"], True)


def test_the_graver_card_raises_the_severity_unless_a_person_has_set_it(record, store):
    record.do(records.change, "ann", clock.now(), severity="SEV3", reason="a corner")
    attach.attach(store, *run(1, "not_fixed", begin=1), None)
    assert record.document["severity"] == "SEV3"
    with store.write() as conn:
        other = records.open_incident(
            conn,
            title="Slow",
            severity="SEV2",
            reason="x",
            author="ann",
            at=clock.now(),
            of_hosts=["web1"],
        )
    attach.attach(store, *run(2, "not_fixed", begin=1), None)
    with store.read() as conn:
        found = incident_document.document(conn, other)
    assert found["severity"] == "SEV1"
    assert "severity: SEV1 (was SEV2)" in " ".join(e["text"] for e in found["timeline"])


def test_mitigated_until_the_trouble_is_back(record, store):
    attach.attach(store, *run(1, "fixed", begin=1), None)
    assert record.document["mitigated"]
    attach.attach(store, *run(2, "incident", begin=2, command="triage", acts=False), None)
    assert record.document["mitigated"] is None
    attach.attach(store, *run(3, "healthy", begin=3, command="triage"), None)
    assert record.document["mitigated"] == time(3.1)
    attach.attach(store, *run(5, "fixed", begin=4), None)  # it was back, and is cured again
    assert record.document["mitigated"] == time(4.1)
    assert [e["text"] for e in record.document["timeline"] if e["kind"] == "mitigated"] == [
        *("mitigated: probes find all its hosts well", "the trouble is back") * 2,
        "mitigated: probes find all its hosts well",
    ]
    # A run that is recorded late knows less than those after it.
    attach.attach(store, *run(4, "incident", begin=1.5, command="triage", acts=False), None)
    assert record.document["mitigated"] == time(4.1)


@pytest.mark.parametrize("command", ["diagnose", "ops status"])
def test_what_does_not_judge_this_incident_does_not_mitigate_it(record, store, command):
    more = {"incident": "memory_leak"} if command == "diagnose" else {}
    attach.attach(store, *run(1, "healthy", begin=1, command=command, **more), None)
    assert record.document["mitigated"] is None


def keep(document, events):
    directory = run_files.runs_directory() / document["run"]
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps(document))
    lines = "".join(json.dumps(event) + "\n" for event in events)
    (directory / "events.jsonl").write_text(lines + '{"time": "2026-')  # killed while it wrote
    return directory


def test_a_run_that_could_not_be_recorded_is_recorded_later(
    record, store, url, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    document, events = run(1, "fixed", begin=1)
    run_recorder.RunRecorder(document["run"], None, Options(store=url))
    keep(document, events)
    assert attach.catch_up(store) == [1]
    assert kinds(record)[-1] == "mitigated"
    assert list(pending.notes()) == []
    assert attach.catch_up(store) == []


def test_a_killed_run_stands_in_the_record_as_interrupted(
    record, store, url, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    document, events = run(1, "fixed", begin=1)
    run_recorder.RunRecorder(document["run"], None, Options(store=url))
    keep({**document, "finished": None, "hosts": {}, "pid": 2**22 + 1}, events[:2])
    assert attach.catch_up(store) == [1]
    assert kinds(record) == ["opened", "run", "finding", "rung", "verdict"]
    assert record.document["timeline"][-1]["text"] == "runbook remediate was interrupted"
    assert record.document["status"] == "resolving"


def test_an_incident_wanted_by_a_run_that_was_killed_is_opened_later(
    store, url, tmp_path, monkeypatch, at
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    document, events = run(1, "fixed", begin=-5)
    run_recorder.RunRecorder(document["run"], "new", Options(store=url))
    keep({**document, "finished": None, "hosts": {}, "pid": 2**22 + 1}, events[:1])
    assert attach.catch_up(store) == [1]
    with store.read() as conn:
        assert incident_document.document(conn, 1)["opened"] == events[0]["time"]


def test_evidence_is_known_by_its_hash(record, store, tmp_path):
    (tmp_path / "manifest.json").write_text("{}")
    document, events = run(1, "fixed", begin=1)
    kept = {"path": str(tmp_path), "files": 11}
    events.insert(1, {**events[0], "phase": "evidence", "findings": None, "evidence": kept})
    attach.attach(store, document, events, None)
    (entry,) = [e for e in record.document["timeline"] if e["kind"] == "evidence"]
    assert entry["data"]["manifest_sha256"].startswith("44136fa355b3678a")
    assert entry["text"] == "evidence kept: 11 files"


def test_the_runs_of_an_incident_stay_until_it_is_resolved(
    record, store, url, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    document, events = run(1, "not_fixed", run="20200101T000000Z-0001")
    keep(document, events)
    attach.attach(store, document, events, None)
    prune = ["runs", "prune", "--keep", "0", "--store", url, "--format", "json"]
    assert json.loads(CliRunner().invoke(cli, prune).stdout)["runs"] == []
    record.do(records.resolve, "ann", clock.now())
    assert json.loads(CliRunner().invoke(cli, prune).stdout)["runs"] == [document["run"]]


def test_files_that_cannot_be_read_keep_no_other_run_from_the_record(
    record, store, url, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for number, broken in ((1, True), (2, False)):
        document, events = run(number, "fixed", begin=number)
        run_recorder.RunRecorder(document["run"], None, Options(store=url))
        keep(document, [{**event, "time": "then"} for event in events] if broken else events)
    assert attach.catch_up(store) == [1]
    assert record.document["runs"] == [document["run"]]
    assert attach.catch_up(store) == []
