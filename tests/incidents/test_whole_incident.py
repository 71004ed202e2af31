"""One incident from its fault to its closed review, with the clock driven by the test.

A real fault on a practice host, a real SMTP server and a real HTTP receiver; what the review says
happened is compared with what happened.
"""

import datetime
import json
import time

import pytest
import yaml
from click.testing import CliRunner
from practice import HOST, INVENTORY

from oncall_runbook.commands.cli import cli
from oncall_runbook.run import run_files


@pytest.fixture
def travel(monkeypatch):
    """Move this process's clock on: `travel(minutes)` since the beginning."""
    real, real_ns, start, offset = time.time, time.time_ns, time.time(), [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + offset[0])
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + round(offset[0] * 1e9))

    def move(minutes):
        offset[0] = max(offset[0], start + 60 * minutes - real())

    return move


@pytest.fixture
def inventory(tmp_path, receiver, smtp):
    """The practice hosts, and people: the engineer by mail, the others by a chat of ours."""
    found = yaml.safe_load(INVENTORY.read_text())
    variables = found["school_mgmt"]["vars"]
    for name, value in variables.items():
        if isinstance(value, str):
            variables[name] = value.replace("{{ inventory_dir }}", str(INVENTORY.parent))
    others = ("team_lead", "engineering_manager", "cto", "ceo")
    variables["response_mail_url"] = smtp.url
    variables["response_contacts"] = {
        "on_call_engineer": {"title": "On-Call Engineer", "email": "ann@school.test"},
        **{role: {"title": role, "notify": [receiver.address(role)]} for role in others},
    }
    path = tmp_path / "inventory.yml"
    path.write_text(yaml.safe_dump(found))
    return path


@pytest.fixture
def do(tmp_path, inventory, monkeypatch):
    """Run a command in this process, whose clock is the test's; remember when it was."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("RUNBOOK_INVENTORY", str(inventory))
    monkeypatch.setenv("RUNBOOK_AUTHOR", "ann")

    def run(*arguments, code=0):
        began = time.time()
        result = CliRunner().invoke(cli, [str(word) for word in arguments])
        assert result.exit_code == code, result.output
        run.windows.append((began, time.time()))
        return result

    run.windows = []
    return run


def seconds(moment):
    return datetime.datetime.fromisoformat(moment).timestamp()


def test_from_the_fault_to_the_closed_review(practice, do, travel, receiver, smtp, tmp_path):
    limit = ["--limit", HOST]
    practice.run("docker stop school_mgmt_db")
    do("triage", "--incident", "new", *limit, code=3)
    opened = do.windows[-1]
    assert [to for to, _ in smtp.got] == [["ann@school.test"]]

    for minute, told in ((4, []), (5, ["team_lead"]), (10, ["team_lead", "engineering_manager"])):
        travel(minute + 0.5)
        do("incident", "escalate", "--due")
        do("incident", "escalate", "--due")
        assert receiver.names() == told
    paged = do.windows[-4], do.windows[-2]
    travel(12)
    do("incident", "ack", 1)
    acknowledged = do.windows[-1]
    travel(20)
    do("incident", "escalate", "--due")
    assert len(receiver.got) == 2
    do("incident", "update", 1, "--impact", "all users", "--owner", "ann", "--eta", "10m", "--send")
    assert receiver.names()[2:] == ["cto", "ceo", "engineering_manager", "team_lead"]

    travel(22)
    do("remediate", "--yes", *limit)
    cured = do.windows[-1]
    travel(25)
    do("incident", "resolve", 1, "--resolution", "started the database", "--send")
    resolved = do.windows[-1]
    travel(40)
    do(
        *("incident", "review", 1, "--root-cause", "somebody stopped it"),
        *("--prevention", "a restart policy", "--add", "set a restart policy"),
        *("--owner", "ann", "--deadline", "2026-12-01"),
    )
    for state in ("in_review", "reviewed", "closed"):
        written = do("incident", "review", 1, "--state", state, "--output", tmp_path / "review")
    assert written.output.split() == [str(tmp_path / f"review/review.{e}") for e in ("md", "html")]

    found = json.loads(do("incident", "show", 1, "--format", "json").output)
    assert (found["status"], found["review"]["state"]) == ("reviewed", "closed")
    assert (found["severity"], found["incident"]) == ("SEV1", "database_connection_failures")
    the_timeline_is_what_happened(found)
    times = {
        "opened": opened,
        "acknowledged": acknowledged,
        "mitigated": cured,
        "resolved": resolved,
    }
    for name, (begin, end) in times.items():
        assert begin - 1 <= seconds(found[name]) <= end + 1, name
    sent = [step["sent"] for step in found["escalation"]["steps"] if step["state"] == "sent"]
    for moment, (begin, end) in zip(sent[1:], paged, strict=True):
        assert begin - 1 <= seconds(moment) <= end + 1
    assert [step["state"] for step in found["escalation"]["steps"]] == ["sent"] * 3 + [
        "stopped"
    ] * 2
    assert {message["state"] for message in found["messages"]} == {"sent"}
    assert abs(found["measures"]["acknowledge"] - 12 * 60) < 30
    assert abs(found["measures"]["resolve"] - 25 * 60) < 30

    page = (tmp_path / "review/review.html").read_text()
    text = (tmp_path / "review/review.md").read_text()
    for entry in found["timeline"]:
        at = entry["at"][11:19]
        assert at in page, entry
        assert at in text, entry
    assert practice.report() == 200


def the_timeline_is_what_happened(found):
    """In order, and of every run each event at its own time."""
    timeline = found["timeline"]
    assert [entry["at"] for entry in timeline] == sorted(entry["at"] for entry in timeline)
    kinds = [entry["kind"] for entry in timeline]
    order = ["opened", "escalation", "acknowledged", "rung", "mitigated", "resolved", "review"]
    assert [kind for kind in dict.fromkeys(kinds) if kind in order] == order
    assert len(found["runs"]) == 2
    for run in found["runs"]:
        directory = run_files.runs_directory() / run
        document = json.loads((directory / "run.json").read_text())
        mine = [entry for entry in timeline if entry["run"] == run]
        journal = [e for e in run_files.events(directory) if e.get("rung") and e["changed"]]
        assert [e["at"] for e in mine if e["kind"] == "rung"] == [e["time"] for e in journal]
        assert mine[0]["at"] == document["started"]
        (verdict,) = [entry for entry in mine if entry["kind"] == "verdict"]
        assert verdict["at"] == document["finished"]
        assert verdict["data"]["verdict"] == document["hosts"][HOST]["verdict"]
