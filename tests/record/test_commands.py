"""The commands as people type them, in this process, over an inventory that ansible reads."""

import json
import re

import jsonschema
import pytest
from click.testing import CliRunner
from practice import ROOT

from oncall_runbook.commands.cli import cli

SCHEMA = json.loads((ROOT / "runner/oncall_runbook/schema/incident.schema.json").read_text())


@pytest.fixture
def run(tmp_path, inventory, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("RUNBOOK_INVENTORY", str(inventory()))
    monkeypatch.setenv("RUNBOOK_AUTHOR", "ann")

    def invoke(*words, code=0):
        result = CliRunner().invoke(cli, ["incident", *map(str, words)])
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        return result

    return invoke


def shown(run, number="last"):
    document = json.loads(run("show", number, "--format", "json").stdout)
    jsonschema.validate(document, SCHEMA)
    return document


def test_opening_tells_the_first_of_the_ladder_and_shows_what_is_known(run, receiver):
    result = run("open", "Logins fail", "--severity", "sev2", "--host", "web1", "--began", "-12m")
    assert receiver.names() == ["on_call_engineer"]
    assert result.stdout.startswith("SEV2 #1 Logins fail, investigating\n")
    found = shown(run)
    assert (found["hosts"], found["measures"]["detect"]) == (["web1"], 720)
    assert found["timeline"][0]["author"] == "ann"


def test_a_card_gives_title_severity_and_checklist(run):
    run("open", "--card", "disk-space-full")
    found = shown(run)
    assert (found["title"], found["severity"]) == ("Disk space full", "SEV1")
    assert found["severity_reason"] == "the card of disk_space_full says so"
    assert found["review"]["checklist"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "needs a title, a --card or a --run"),
        (["   "], "needs a title, a --card or a --run"),
        (["x"], "needs a --severity; in doubt the graver one"),
        (["x", "--card", "disk_ful"], "there is no card 'disk_ful'"),
        (["x", "--severity", "SEV1", "--began", "yesterday"], "is no time"),
    ],
)
def test_what_is_missing_to_open_one_is_said(run, words, says):
    assert says in run("open", *words, code=2).stderr
    assert run("list").stdout.startswith("no incidents")


def test_a_run_that_does_not_exist_opens_nothing(run):
    assert "there is no run" in run("open", "--run", "2020", code=8).stderr


def test_updating_prints_the_status_update_and_sends_it_once(run, receiver):
    run("open", "Logins fail", "--severity", "SEV2")
    told = run(
        "update", 1, "--impact", "all", "--owner", "bob", "--eta", "20m", "--note", "looking"
    )
    assert "IMPACT: all" in told.stdout
    assert receiver.names() == ["on_call_engineer"]
    dry = run("update", 1, "--send", "--dry-run")
    assert "would go to: engineering_manager, on_call_engineer" in dry.stderr
    assert len(receiver.got) == 1
    assert "goes to: engineering_manager, on_call_engineer" in run("update", 1, "--send").stderr
    assert receiver.names()[1:] == ["engineering_manager", "on_call_engineer"]
    assert "nothing is new" in run("update", 1, "--send").stderr
    assert len(receiver.got) == 3
    assert "| **IMPACT** | all |" in run("update", 1, "--form", "markdown").stdout


def test_a_note_is_taken_as_people_type_it(run):
    run("open", "Logins fail", "--severity", "SEV2")
    run("update", 1, "database restarted")
    assert "database restarted" in [entry["text"] for entry in shown(run)["timeline"]]
    assert "given twice" in run("update", 1, "one", "--note", "two", code=2).stderr


def test_an_update_is_sent_as_json_too_and_told_in_one_document(run, receiver):
    run("open", "x", "--severity", "SEV2")
    told = json.loads(run("update", 1, "--send", "--format", "json").stdout)
    assert told["to"] == ["engineering_manager", "on_call_engineer"]
    assert (len(told["sent"]), told["not_told"]) == (2, [])
    assert receiver.names()[1:] == told["to"]
    dry = json.loads(run("update", 1, "--dry-run", "--format", "json").stdout)
    assert "sent" not in dry


def test_a_new_severity_needs_its_reason(run):
    run("open", "x", "--severity", "SEV2")
    assert "needs its --reason" in run("update", 1, "--severity", "SEV1", code=2).stderr
    run("update", 1, "--severity", "SEV1", "--reason", "it spreads")
    assert shown(run)["severity_reason"] == "it spreads"


def test_what_would_be_told_is_shown_and_not_sent(run, receiver):
    run("open", "x", "--severity", "SEV1")
    text = run("escalate", 1, "--dry-run").stdout
    assert text.startswith("to team_lead by json://127.0.0.1: [SEV1] #1 x: you are asked for\n")
    assert "to cto by" in run("escalate", 1, "--to", "cto", "--dry-run").stdout
    assert run("escalate", "--due", "--dry-run").stdout == "nothing is due\n"
    assert receiver.names() == ["on_call_engineer"]
    run("escalate", 1, "--to", "cto")
    assert receiver.names() == ["on_call_engineer", "cto"]


@pytest.mark.parametrize("words", [[], ["1", "--due"], ["--to", "cto"], ["--to", "cto", "--due"]])
def test_escalating_nothing_or_two_things_is_wrong(run, words):
    said = run("escalate", *words, code=2).stderr
    assert "name an incident (and --to), or give --due or --watch" in said


def test_what_cannot_be_sent_ends_with_4_and_the_number_to_call(run, receiver):
    receiver.answer = 500
    result = run("open", "x", "--severity", "SEV1")  # it is open, whoever could be told
    assert "On Call Engineer (Some on_call_engineer) was not told" in result.stderr
    assert "call +1 555 0100" in result.stderr
    run("escalate", 1, code=4)


def test_the_whole_way_to_a_closed_review(run, tmp_path):
    run("open", "x", "--severity", "SEV1", "--host", "web1")
    run("ack", "#1")
    run("resolve", 1, "--resolution", "restarted it")
    assert "was resolved at" in run("ack", 1, code=6).stderr
    assert "not between" not in run("list").stdout
    files = run("review", 1, "--root-cause", "a", "--impact", "b", "--prevention", "c").stdout
    assert files.splitlines()[0].endswith("reviews/1/review.md")
    run("review", 1, "--add", "alert", "--state", "in_review")
    run("review", 1, "--state", "reviewed")
    assert (
        "item 1 has no owner and no deadline"
        in run("review", 1, "--state", "closed", code=6).stderr
    )
    run("review", 1, "--item", 1, "--owner", "ann", "--deadline", "2026-12-01", "--state", "closed")
    found = shown(run)
    assert (found["status"], found["review"]["state"]) == ("reviewed", "closed")
    page = tmp_path / "all.html"
    assert run("list", "--html", page).stdout == f"{page}\n"
    assert "restarted it" in (tmp_path / "state/runbook/reviews/1/review.html").read_text()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--owner", "ann"], "belong to --add or --item"),
        (["--add", "x", "--deadline", "soon"], "is no date"),
        (["--add", "x", "--deadline", "2026-99-99"], "is no date"),
        (["--item", "7", "--done"], "has no action item 7"),
    ],
)
def test_a_review_that_is_asked_wrongly(run, words, says):
    run("open", "x", "--severity", "SEV1")
    assert says in run("review", 1, *words, code=8 if "7" in words else 2).stderr


@pytest.mark.parametrize("when", ["-2d", "2h"])
def test_a_resolution_lies_between_the_opening_and_now(run, when):
    run("open", "x", "--severity", "SEV1")
    assert "is not between" in run("resolve", 1, "--at", when, code=2).stderr


def test_resolving_does_not_need_the_inventory(run, monkeypatch, tmp_path):
    (tmp_path / "broken.yml").write_text("{{{")
    monkeypatch.setenv("RUNBOOK_INVENTORY", str(tmp_path / "broken.yml"))
    result = run("open", "x", "--severity", "SEV1", code=8)
    assert "incident 1 is open, but nobody was told" in result.stderr
    assert "its review is due as by default" in run("resolve", 1).stderr
    assert shown(run)["review"]["state"] == "draft"


def test_contacts_are_told_offline_with_what_is_missing(run, inventory, monkeypatch):
    contacts = {"cto": {"title": "CTO", "name": "Eve", "phone": "+1 555 0103"}}
    secret = {"on_call_engineer": {"notify": "json://user:canary@127.0.0.1/x"}}
    path = inventory(response_contacts={**contacts, **secret})
    result = CliRunner().invoke(cli, ["contacts", "-i", str(path)])
    assert result.exit_code == 0
    assert "CTO Eve" in result.stdout
    assert re.search(r"SEV1 +System down, data loss +5 m +cto, ceo +0 on_call", result.stdout)
    assert "! response_contacts: cto cannot be told anything" in result.stdout
    found = CliRunner().invoke(cli, ["contacts", "-i", str(path), "--format", "json"]).stdout
    assert json.loads(found)[0]["hosts"] == ["web1", "web2"]
    assert "canary" not in result.stdout + found
