"""The actions as a play uses them, on this machine: one play does it all, another in check mode."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.oncall.runbook.plugins.action.act import _would

NOWHERE = "/srv/no stack"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
ALLOWING = {"group/oncall.runbook.allowance": {"allow": "data"}}
INCIDENT = {"severity": "SEV1", "confirmed": True, "explained_by": [], "evidence": "It is down"}
STATE = {
    "verdict": "incident",
    "reason": "",
    "incidents": {"database_connection_failures": INCIDENT},
    "root_causes": ["database_connection_failures"],
}
WELL = {"verdict": "healthy", "reason": "", "incidents": {}, "root_causes": []}
GIVEN = {"given": "a'b {{ '{{' }} $(id)", "stack_dir": NOWHERE}
QUESTIONS = [
    {"id": "well", "run": "echo 4", "parse": "int", "healthy": "value < 5", "unit": "apples"},
    {"id": "half", "of": "well", "value": "value / 2", "healthy": "value > 2"},
    {"id": "ill", "run": "echo no such thing >&2; exit 1"},
    {"id": "away", "run": "echo nobody is there >&2; exit 69"},
    {"id": "late", "run": "sleep 30", "timeout": 0.5},
    {"id": "odd", "run": "echo many", "parse": "int"},
    {"id": "given", "run": 'printf "%s" "$GIVEN"'},
]


def act(run, **more):
    return {"title": "Try", "risk": "restart", "run": run, **more}


def tasks(place):
    """Name every task: its action, its arguments, and perhaps more of the task."""
    copies = {"path": f"{place}/whole.dump", "to": f"{place}/copies"}
    of_card = {"incident": "disk_space_full", "findings": {}}
    return {
        "refused": ("act", act(f"touch {place}/refused", risk="data", allow="outage")),
        "allowed": ("act", act("echo did", risk="data"), {"module_defaults": ALLOWING}),
        "changed": ("act", act("echo did", changes="'did' in output")),
        "unchanged": ("act", act("echo did", changes="'much' in output")),
        "failing": ("act", act("echo broken >&2; exit 3", rung="tried")),
        "failing but changed": ("act", act("echo did; exit 3", changes="output | length > 0")),
        "late": ("act", act("sleep 30", timeout=0.5)),
        "never done": ("act", act("echo 'refused: it is paused' >&2; exit 77")),
        "no rung": ("act", {**of_card, "rung": "pray"}),
        "no card": ("act", {"incident": "boredom", "findings": {}, "rung": "pray"}),
        "two steps": ("act", act(":", **of_card)),
        "no step": ("act", {}),
        "questions": ("ask", {"probes": QUESTIONS, "shell": {"environment": {"GIVEN": "given"}}}),
        "no question": ("ask", {"probes": [{"id": "empty"}]}),
        "odd answers": ("ask", {"probes": [{"id": "x", "run": ":", "parse": "poem"}]}),
        "no incident": ("judge", {"incident": "boredom"}),
        "wrong input": ("judge", {}, {"vars": {"stack_backend_pool": "many"}}),
        "red": ("tell", {"state": STATE}),
        "said": ("tell", {"state": STATE, "fails": False}),
        "well": ("tell", {"state": WELL}),
        "fetched": ("fetch", copies),
        "torn": ("fetch", {**copies, "path": f"{place}/torn.dump"}),
        "lease": ("lease", {"state": "kept"}),
        "kept": ("keep", {"incidents": ["disk_space_full"], "to": f"{place}/evidence"}),
        "no evidence": ("keep", {"incidents": ["boredom"], "to": f"{place}/evidence"}),
        "looked": ("look", {"operation": "status"}),
        "no operation": ("look", {"operation": "poem"}),
        "not proven": ("prove", {"operation": "restart", "did": {"rc": 0}}),
        "not done": ("prove", {"operation": "restart", "did": {"rc": 3, "reason": "broken"}}),
        "refused itself": ("prove", {"operation": "restart", "did": {"rc": 69, "reason": "away"}}),
        "nothing to prove": ("prove", {"operation": "poem", "did": {}}),
        "taken": ("lease", {"state": "taken", "run_id": "one"}),
        "left": ("lease", {"state": "left", "run_id": "one"}),
    }


def play(place, tasks, *options):
    """Run ``tasks`` on this machine, whatever fails; returns each one's result by its name."""
    written = [
        {"name": name, f"oncall.runbook.{action}": given, "ignore_errors": True, **dict(*more)}
        for name, (action, given, *more) in tasks.items()
    ]
    header = {"hosts": "all", "gather_facts": False, "vars": GIVEN}
    (place / "play.yml").write_text(yaml.safe_dump([{**header, "tasks": written}]))
    done = subprocess.run(
        [PLAYBOOK, "-v", "-i", "here,", "-c", "local", "play.yml", *options],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_NOCOLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(results(done.stdout))


def results(output):
    """Read `ok: [here] => {json}` and `fatal: [here]: FAILED! => {json}`, task by task."""
    for part in output.split("TASK [")[1:]:
        word, found, text = part.partition(" => {")
        if found:
            result, _ = json.JSONDecoder().raw_decode("{" + text)
            yield part.partition("]")[0], {"failed": "fatal: " in word, **result}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A directory with two backups: one is what its manifest says."""
    place = tmp_path_factory.mktemp("actions")
    for name, content in (("whole", b"rows"), ("torn", b"ro")):
        (place / f"{name}.dump").write_bytes(content)
        manifest = {"sha256": hashlib.sha256(b"rows").hexdigest()}
        (place / f"{name}.dump.manifest.json").write_text(json.dumps(manifest))
    return place


@pytest.fixture(scope="module")
def told(place):
    return play(place, tasks(place))


@pytest.fixture(scope="module")
def checked(place):
    """What the same play would do."""
    wanted = {
        "allowed": ("act", act(f"touch {place}/checked")),
        "looking": ("act", act(":", changes="false")),
        "refused": ("act", act(f"touch {place}/checked", risk="data")),
        "questions": ("ask", {"probes": QUESTIONS[:1]}),
        "lease": ("lease", {"state": "taken"}),
    }
    return play(place, wanted, "--check")


def test_a_step_above_the_allowance_is_refused_and_not_done(told, place):
    step = told["refused"]
    assert (step["failed"], step["changed"], step["verdict"]) == (True, False, "refused")
    assert step["reason"] == "Try: needs --allow data"
    assert not (place / "refused").exists()


def test_a_group_gives_the_allowance_to_a_whole_block(told):
    assert (told["allowed"]["changed"], told["allowed"]["output"].strip()) == (True, "did")


@pytest.mark.parametrize("name", ["changed", "unchanged"])
def test_an_expression_says_whether_a_step_changed_anything(told, name):
    assert (told[name]["rc"], told[name]["changed"]) == (0, name == "changed")


def test_a_failing_step_fails_no_task_and_is_no_change(told):
    step = told["failing"]
    assert (step["failed"], step["changed"], step["rc"]) == (False, False, 3)
    assert step["reason"] == "broken"
    assert step["ansible_facts"] == {"incident_step_failed": True}


def test_what_a_failing_step_says_that_it_did_is_a_change(told):
    assert (told["failing but changed"]["rc"], told["failing but changed"]["changed"]) == (3, True)


def test_a_step_ends_at_its_deadline(told):
    assert told["late"]["reason"] == "ended at its deadline of 0.5 s"


def test_a_step_may_refuse_itself(told):
    assert (told["never done"]["verdict"], told["never done"]["reason"]) == (
        "refused",
        "it is paused",
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no rung", "disk_space_full has no rung 'pray', but "),
        ("no card", "there is no card 'boredom', but application_not_responding, "),
        ("no evidence", "there is no card 'boredom'"),
        ("no operation", "there is no routine operation 'poem', but status, logs"),
        ("nothing to prove", "there is no routine operation 'poem'"),
        ("two steps", "mutually exclusive: incident|run"),
        ("no step", "one of the following is required: incident, run"),
        ("no question", "a probe or card is wrong: probe empty: run missing"),
        ("odd answers", "parse is 'poem'"),
        ("no incident", "there is no card 'boredom', but application_not_responding, "),
        ("wrong input", "wrong input: "),
        ("lease", "value of state must be one of: taken, left"),
    ],
)
def test_what_is_written_wrongly_fails_with_what_is_wrong(told, name, said):
    assert told[name]["failed"]
    assert said in told[name]["msg"]


def test_questions_are_answered_each_for_itself(told):
    found = told["questions"]["findings"]
    assert not told["questions"]["changed"]
    assert {id: finding["status"] for id, finding in found.items()} == {
        "well": "healthy",
        "half": "unhealthy",
        "ill": "unhealthy",
        "away": "unknown",
        "late": "unknown",
        "odd": "unknown",
        "given": "healthy",
    }
    assert (found["well"]["value"], found["well"]["unit"], found["half"]["value"]) == (
        4,
        "apples",
        2,
    )
    assert found["ill"]["reason"] == "no such thing"
    assert found["late"]["reason"] == "no answer within 0.5 s"


def test_a_value_of_the_inventory_is_data_for_the_shell(told):
    assert told["questions"]["findings"]["given"]["output"] == "a'b {{ $(id)"


def test_an_incident_is_told_and_fails_the_host_unless_that_is_not_wanted(told):
    lines = told["said"]["msg"]
    assert lines[:2] == ["incident", "SEV1 database_connection_failures: It is down"]
    assert lines[-1].endswith(
        "oncall.runbook.database_connection_failures --tags remediate -l here"
    )
    assert (told["said"]["verdict"], told["said"]["changed"]) == ("incident", False)
    assert (told["red"]["failed"], told["red"]["msg"]) == (True, "; ".join(lines))
    assert told["well"]["msg"] == ["healthy"]


def test_a_backup_is_fetched_whole_or_not_at_all(told, place):
    assert told["fetched"]["fetched"] == {"path": f"{place}/copies/here/whole.dump", "bytes": 4}
    assert "sha256 is not the one in its manifest" in told["torn"]["msg"]
    kept = {path.name for path in (place / "copies/here").iterdir()}
    assert kept == {"whole.dump", "whole.dump.manifest.json"}


def test_evidence_is_kept_with_a_manifest_for_its_owner_only(told, place):
    kept = told["kept"]["evidence"]
    folder = place / "evidence" / "here"
    manifest = json.loads((folder / "manifest.json").read_text())
    files = {path.name for path in folder.iterdir()} - {"manifest.json"}
    assert (kept["path"], kept["files"]) == (str(folder), len(files))
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in files:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() in json.dumps(manifest)


def test_what_cannot_be_looked_at_is_unknown_and_nothing_is_planned(told):
    looked = told["looked"]
    assert (looked["verdict"], looked["plan"], looked["changed"]) == ("unknown", [], False)
    assert looked["reason"] == f"no directory {NOWHERE} on this host: set stack_dir"
    part = looked["ansible_stats"]["data"]["runbook"]["hosts"]["here"]
    assert (part["verdict"], part["reason"]) == ("unknown", looked["reason"])


@pytest.mark.parametrize(
    ("name", "verdict", "reason"),
    [
        ("not proven", "not_fixed", f"no directory {NOWHERE} on this host: set stack_dir"),
        ("not done", "not_fixed", "broken"),
        ("refused itself", "refused", "away"),
    ],
)
def test_what_cannot_be_proven_is_not_fixed(told, name, verdict, reason):
    proof = told[name]
    assert (proof["verdict"], proof["reason"], proof["held"]) == (verdict, reason, False)


def test_a_host_is_taken_and_left_and_that_is_no_change(told):
    for name in ("taken", "left"):
        assert (told[name]["state"], told[name]["changed"]) == (name, False)


def test_check_mode_says_what_it_would_run_and_runs_nothing(checked, place):
    assert checked["allowed"]["msg"] == f"would run: touch {place}/checked"
    assert [checked[name]["changed"] for name in ("allowed", "looking", "refused")] == [
        True,
        False,
        False,
    ]
    assert not (place / "checked").exists()


@pytest.mark.parametrize(
    ("shown", "prepared"), [({}, "lift 4\n"), ({"shown": "-a\n+b"}, "-a\n+b\nlift 4\n")]
)
def test_the_difference_is_what_would_run_below_what_its_card_shows(shown, prepared):
    done = _would({"run": "lift 4", "changes": "true", **shown})
    assert done["diff"] == {"prepared": prepared}


def test_check_mode_refuses_and_asks_as_always(checked):
    assert checked["refused"]["verdict"] == "refused"
    assert checked["questions"]["findings"]["well"]["value"] == 4


def test_check_mode_takes_no_host(checked):
    assert (checked["lease"]["changed"], checked["lease"]["state"]) == (False, "taken")
