"""The commands, with recorded events in place of ansible."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from recorded import SCHEMA, FakeEngine, document, run, steady

from oncall_runbook.commands import carry_out
from oncall_runbook.run import run_files
from oncall_runbook.run.engine import Outcome

DATABASE = {"title": "Database connection failures", "severity": "SEV1", "explained_by": []}
ERRORS = {
    "title": "High error rate",
    "severity": "SEV2",
    "explained_by": ["database_connection_failures"],
}
STEP = {
    "incident": "database_connection_failures",
    "rung": "restart_database",
    "title": "Restart the database",
    "risk": "restart",
    "allowed": True,
    "why": "it does not accept connections",
}
BROKEN = {
    "phase": "diagnose",
    "verdict": "incident",
    "root_causes": ["database_connection_failures"],
    "incidents": {
        "database_connection_failures": {"confirmed": True, **DATABASE},
        "high_error_rate": {"confirmed": True, **ERRORS},
    },
    "findings": {
        "database_accepts": {
            "title": "The database accepts connections",
            "status": "unhealthy",
            "value": 2,
            "ms": 41,
            "output": "\x1b[31mno response\n",
        },
        "redis": {"title": "Redis answers", "status": "unknown", "reason": "timed out", "ms": 5000},
        "disk": {"title": "Disk", "status": "healthy", "value": 3, "unit": "percent"},
    },
    "plan": [STEP],
}
WELL = {"phase": "diagnose", "verdict": "healthy", "findings": {"disk": {"status": "healthy"}}}
CURE = [
    ("probe", "ok", BROKEN),
    ("act", "ok", {**STEP, "changed": True, "seconds": 6.1}),
    (
        "probe",
        "ok",
        {
            **BROKEN,
            "phase": "settle",
            "rung": "restart_database",
            "incident": "database_connection_failures",
            "held": True,
        },
    ),
    ("probe", "ok", {**WELL, "phase": "verify", "verdict": "fixed"}),
]


def test_triage_as_text(fake: FakeEngine) -> None:
    fake.diagnosis = [
        ("db1", "probe", "ok", BROKEN),
        ("web1", "probe", "ok", WELL),
        ("web2", "", "unreachable", {"msg": "ssh: connect to host x port 22: Connection refused"}),
    ]
    result = run("triage")
    assert result.exit_code == 4
    assert steady(result.stdout) == (
        "db1: incident\n"
        "  SEV1 Database connection failures (database_connection_failures)\n"
        "       causes SEV2 High error rate\n"
        "  next: runbook plan -l db1 · 2 more findings: runbook runs show last\n"
        "web1: healthy\n"
        "web2: unreachable — refused: connect to host x port 22: Connection refused\n"
        "  next: runbook doctor -l web2\n"
        "run RUN · inventory local.yml · exit 4, N s\n"
    )


REFUSES = {"title": "The cache serves", "status": "unhealthy", "reason": "it refuses writes"}


def test_a_finding_that_no_card_covers_is_said_first(fake: FakeEngine) -> None:
    def told(state: dict[str, object]) -> dict[str, object]:
        findings = {**state["findings"], "cache": REFUSES}  # type: ignore[dict-item]
        return {**state, "findings": findings, "uncovered": ["cache"], "reason": "no card covers"}

    fake.diagnosis = [("db1", "probe", "ok", told(BROKEN)), ("web1", "probe", "ok", told(WELL))]
    result = run("triage")
    assert steady(result.stdout).splitlines()[:2] == [
        "db1: incident — no card covers",
        "  unhealthy  The cache serves: it refuses writes (no rung cures this)",
    ]
    assert steady(result.stdout).splitlines()[-3:-1] == [
        "web1: healthy — but for what no card covers and no rung cures:",
        "  unhealthy  The cache serves: it refuses writes",
    ]


def test_triage_as_json_is_one_document_and_the_record_of_the_run(
    fake: FakeEngine, tmp_path: Path
) -> None:
    fake.diagnosis = [("db1", "probe", "ok", BROKEN)]
    found = document(run("triage", "--format", "json"))
    assert found["hosts"]["db1"]["root_causes"] == ["database_connection_failures"]
    assert "plan" not in found["hosts"]["db1"]
    directory = tmp_path / "state/runbook/runs" / found["run"]
    kept = json.loads((directory / "run.json").read_text())
    jsonschema.validate(kept, SCHEMA)
    assert {key: kept[key] for key in found} == found
    (event,) = map(json.loads, (directory / "events.jsonl").read_text().splitlines())
    assert event == {
        "time": "1970-01-01T00:00:00.000Z",
        "host": "db1",
        "event": "ok",
        "phase": "diagnose",
        "task": "stem | Do it",
        "verdict": "incident",
        "changed": False,
        "seconds": None,
        "root_causes": ["database_connection_failures"],
        "findings": {"database_accepts": "unhealthy", "redis": "unknown", "disk": "healthy"},
        "values": {"disk": {"value": 3, "unit": "percent", "title": "Disk"}},
        "incidents": {
            "database_connection_failures": {**DATABASE, "explained_by": [], "evidence": None},
            "high_error_rate": {**ERRORS, "evidence": None},
        },
    }


def test_plan_tells_each_rung_and_whether_it_is_allowed(fake: FakeEngine) -> None:
    riskier = {**STEP, "title": "Recreate all", "risk": "outage", "allowed": False, "why": ""}
    fake.diagnosis = [("db1", "probe", "ok", {**BROKEN, "findings": {}, "plan": [STEP, riskier]})]
    result = run("plan")
    assert result.exit_code == 3
    assert (
        "  rung 1  Restart the database [restart] allowed\n"
        "       because it does not accept connections\n"
        "  rung 2, if that does not hold:  Recreate all [outage] needs --allow outage\n"
    ) in result.stdout


@pytest.mark.parametrize("command", ["plan", "remediate"])
def test_an_explained_incident_is_refused_and_its_cause_named(
    fake: FakeEngine, command: str
) -> None:
    fake.diagnosis = [("db1", "probe", "ok", BROKEN)]
    result = run(command, "high-error-rate")
    assert result.exit_code == 6
    assert result.stdout.startswith(
        "db1: refused — high_error_rate is explained by database_connection_failures; "
        f"next: runbook {command} database_connection_failures\n"
    )
    (request,) = fake.requests
    assert request.playbook == "oncall.runbook.triage_fleet"
    assert request.run_vars["incident_name"] == "high_error_rate"


def test_remediate_with_yes_runs_once_and_tells_what_it_did(fake: FakeEngine) -> None:
    fake.cure = [("db1", *step) for step in CURE]
    result = run("remediate", "--yes", "--allow", "outage")
    assert result.exit_code == 0
    assert steady(result.stdout) == (
        "db1: fixed\n"
        "  did  Restart the database: changed, N s, held\n"
        "run RUN · inventory local.yml · exit 0, N s\n"
    )
    (request,) = fake.requests
    assert (request.tags, request.playbook) == ("remediate", "oncall.runbook.triage_fleet")
    assert request.run_vars["incident_allow"] == "outage"
    assert Path(request.run_vars["incident_evidence_dir"]).is_absolute()
    for step in ("Restart the database: changed", "restart_database held", "db1: fixed"):
        assert step in result.stderr


def test_remediate_without_a_terminal_shows_the_plan_and_refuses(fake: FakeEngine) -> None:
    fake.diagnosis = [("db1", "probe", "ok", BROKEN), ("web1", "probe", "ok", WELL)]
    result = run("remediate", "--format", "json")
    hosts = document(result)["hosts"]
    assert (hosts["db1"]["verdict"], hosts["web1"]["verdict"]) == ("refused", "healthy")
    assert hosts["db1"]["reason"] == carry_out.NOT_CONFIRMED
    assert hosts["db1"]["plan"] == [STEP]
    assert hosts["db1"]["actions"] == []
    assert result.exit_code == 6
    assert [request.tags for request in fake.requests] == [None]


@pytest.mark.parametrize(
    ("answer", "code", "tags"),
    [
        ("y\n", 0, [None, "remediate"]),
        ("\n", 6, [None]),
        ("n\n", 6, [None]),
        ("", 130, [None]),
    ],
)
def test_remediate_on_a_terminal_asks_once(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, tags: list[str]
) -> None:
    monkeypatch.setattr(carry_out, "at_terminal", lambda: True)
    fake.diagnosis = [("db1", "probe", "ok", BROKEN)]
    fake.cure = [("db1", *step) for step in CURE]
    result = run("remediate", input=answer)
    assert result.exit_code == code
    assert [request.tags for request in fake.requests] == tags
    assert "rung 1  Restart the database [restart] allowed" in result.stderr
    assert result.stderr.count("Climb these rungs now? [y/N]") == 1
    assert run("runs", "show", "last").stdout.count(f"exit {code}") == 1


def test_remediate_does_not_ask_when_nothing_is_allowed(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry_out, "at_terminal", lambda: True)
    step = {**STEP, "risk": "data", "allowed": False}
    fake.diagnosis = [("db1", "probe", "ok", {**BROKEN, "plan": [step]})]
    result = run("remediate")
    assert result.exit_code == 6
    assert result.stdout.startswith("db1: refused — the plan needs --allow data\n")


def test_a_healthy_host_is_not_remediated(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carry_out, "at_terminal", lambda: True)
    fake.diagnosis = [("web1", "probe", "ok", WELL)]
    found = document(run("remediate", "--format", "json"))
    assert (found["hosts"]["web1"]["verdict"], found["hosts"]["web1"]["actions"]) == ("healthy", [])


@pytest.mark.parametrize(
    ("outcome", "code", "reason"),
    [
        (Outcome("timeout", 254, deadline_seconds=7), 124, "timed out after 7 s"),
        (Outcome("cancelled", 254), 130, "cancelled"),
        (Outcome(), 4, "the playbook did not judge this host"),
    ],
)
def test_a_host_without_a_verdict_is_unknown(
    fake: FakeEngine, outcome: Outcome, code: int, reason: str
) -> None:
    fake.diagnosis = [("db1", "probe", "start", {}), ("web1", "probe", "ok", WELL)]
    fake.outcome = outcome
    found = document(run("triage", "--timeout", "7", "--format", "json"))
    assert found["exit_code"] == code
    assert {host: state["verdict"] for host, state in found["hosts"].items()} == {
        "db1": "unknown",
        "web1": "healthy",
    }
    assert found["hosts"]["db1"]["reason"] == reason


@pytest.mark.parametrize(
    ("args", "variable", "timeout"),
    [((), None, None), (("--timeout", "7"), "9", 7), ((), "9", 9)],
)
def test_a_deadline_is_the_runs_own_only_where_it_was_given(
    fake: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    variable: str | None,
    timeout: int | None,
) -> None:
    if variable:
        monkeypatch.setenv("RUNBOOK_TIMEOUT", variable)
    run("triage", *args)
    assert fake.requests[0].timeout == timeout


def test_a_run_without_hosts_is_one_line_on_stderr(fake: FakeEngine) -> None:
    result = run("triage", "-i", "web1,", "-l", "nope")
    assert (result.exit_code, result.stdout, result.stderr) == (
        8,
        "",
        "runbook: no host matched in inventory web1, (option -i) with --limit nope; "
        "nothing was done\n",
    )


def test_a_full_disk_stops_no_diagnosis_but_every_remediation(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/full")
    fake.diagnosis = [("web1", "probe", "ok", WELL)]
    result = run("triage")
    assert (result.exit_code, result.stderr) == (
        0,
        "runbook: warning: /dev/full/runbook/runs cannot be written: Not a directory; "
        "this run is not recorded\n",
    )
    result = run("remediate", "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        "runbook: /dev/full/runbook/runs cannot be written: Not a directory; "
        "nothing was done, evidence needs it\n",
    )
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (
            ["diagnose", "database-conection"],
            2,
            "runbook: there is no card 'database-conection'; "
            "did you mean database_connection_failures?\n",
        ),
        (["show", "zzz"], 2, "runbook: there is no card 'zzz'; see: runbook list\n"),
        (["show", ""], 2, "runbook: there is no card ''; see: runbook list\n"),
        (
            ["triage", "-i", "nope.ini"],
            2,
            "runbook: inventory 'nope.ini' (option -i) does not exist; "
            "give a path, or 'host,' for one host\n",
        ),
        (
            ["triage", "-e", "@nope.yml"],
            2,
            "runbook: -e @nope.yml cannot be read; check the path\n",
        ),
        (["triage", "-l", ""], 2, "runbook: --limit is empty; leave it out, or name hosts\n"),
        (["runs", "show", "2020"], 8, "runbook: there is no run '2020'; see: runbook runs list\n"),
    ],
)
def test_bad_input_is_one_clear_line(
    fake: FakeEngine, args: list[str], code: int, said: str
) -> None:
    result = run(*args)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", said)
    assert fake.requests == []


@pytest.mark.parametrize(
    "args",
    [
        ["triage", "-f", "0"],
        ["triage", "--timeout", "x"],
        ["nope"],
        ["remediate", "--allow", "all"],
        ["triage", "surplus"],
    ],
)
def test_wrong_usage_is_click_s_own(fake: FakeEngine, args: list[str]) -> None:
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr


def test_options_come_from_the_environment_too(
    fake: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNBOOK_INVENTORY", "web1,")
    monkeypatch.setenv("RUNBOOK_LIMIT", "web*")
    monkeypatch.setenv("RUNBOOK_EXTRA_VARS", '{"act": 1, "diagnosis": 2}')
    monkeypatch.setenv("RUNBOOK_FORKS", "9")
    monkeypatch.setenv("RUNBOOK_FORMAT", "json")
    fake.diagnosis = [("web1", "probe", "ok", WELL)]
    assert document(run("triage"))["inventory"] == "web1, (RUNBOOK_INVENTORY)"
    (request,) = fake.requests
    assert (request.inventory, request.limit, request.forks) == (("web1,",), "web*", 9)
    assert [extra.text for extra in request.extra_vars] == ['{"act": 1, "diagnosis": 2}']


def test_list() -> None:
    assert run("list", "--help").exit_code == 0


def test_list_and_show(collection: Path) -> None:
    assert run("list").stdout == (
        "SEV1  database_connection_failures  Database connection failures\n"
        "SEV2  high_error_rate               High error rate\n"
    )
    shown = run("show", "Database-Connection-Failures").stdout
    assert "".join(line.rstrip() + "\n" for line in shown.splitlines()) == (
        "Database connection failures SEV1 (database_connection_failures)\n\n"
        "Symptoms\n  Cannot connect to database\n\n"
        "Explains\n  high_error_rate\n\n"
        "Asked of the host\n"
        "  containers: Containers of the project\n    healthy when rc == 0\n"
        "  database_accepts: The database accepts connections\n    healthy when rc == 0\n\n"
        "Confirmed when\n  not database_accepts.healthy\n\n"
        "Ladder, least invasive first\n"
        "  1. restart_database: Restart the database [restart]\n"
        "    when not database_accepts.healthy\n\n"
        "Inputs\n"
        "  database_connection_failures_limit_percent: 80\n"
        "    Sessions in use, in percent, from which on it is an incident.\n"
        "  database_connection_failures_wait_seconds: 60\n"
        "    Seconds to wait after a restart.\n\n"
        "For people, afterwards\n  Tell the team\n\n"
        "Limits\n  Does not restore a backup.\n"
    )


def test_show_as_json_resolves_shared_probes(collection: Path) -> None:
    card = json.loads(run("show", "database_connection_failures", "--format", "json").stdout)
    assert card["probes"] == [
        {
            "id": "containers",
            "title": "Containers of the project",
            "healthy": "rc == 0",
            "shared": True,
        },
        {
            "id": "database_accepts",
            "title": "The database accepts connections",
            "run": "pg_isready {{ braces }}",
            "healthy": "rc == 0",
        },
    ]
    assert next(item["name"] for item in card["inputs"]).endswith("_limit_percent")


def test_runs_list_and_show(fake: FakeEngine) -> None:
    assert run("runs", "list").stdout == "no runs; next: runbook triage\n"
    fake.diagnosis = [("db1", "probe", "ok", BROKEN)]
    shown = run("triage", "-v").stdout
    run("diagnose", "database-connection-failures")
    assert steady(run("runs", "list").stdout) == (
        "RUN  diagnose database_connection_failures  exit 3       db1: incident\n"
        "RUN  triage     exit 3       db1: incident\n"
    )
    runs = json.loads(run("runs", "list", "--format", "json").stdout)
    assert [found["command"] for found in runs] == ["diagnose", "triage"]
    assert run("runs", "show", runs[1]["run"]).stdout == shown
    last = json.loads(run("runs", "show", "last", "--format", "json").stdout)
    jsonschema.validate(last, SCHEMA)
    assert (last["command"], last["state"]) == ("diagnose", "finished")


def of_machine(*projects: str) -> list[str]:
    """What Docker says of projects of one API each."""
    api = {"service": "api", "image": "shop-api", "exposed": {"3000/tcp": {}}}
    return [json.dumps({**api, "project": p, "directory": f"/srv/{p}"}) for p in projects]


def test_the_one_stack_of_this_machine_needs_no_inventory(fake: FakeEngine) -> None:
    fake.stacks = of_machine("shop")
    fake.diagnosis = [("localhost", "probe", "ok", WELL)]
    result = run("triage", "-e", "ansible_port=22")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "runbook: no inventory: this machine's project shop in /srv/shop, backend api, "
        "no frontend, no database, no blockchain, no cache; runbook init writes it down\n"
    )
    (request,) = fake.requests
    found, given = (json.loads(extra.text) for extra in request.extra_vars)
    assert found["stack_services"]["backend"] == {"__ansible_unsafe": "api"}
    assert given == {"ansible_port": {"__ansible_unsafe": "22"}}


@pytest.mark.parametrize(
    ("stacks", "options"),
    [
        (None, ()),
        ([], ()),
        (of_machine("school_mgmt"), ()),
        (of_machine("school_mgmt", "shop"), ()),
        (of_machine("shop"), ("-e", "@own.yml")),
        (of_machine("shop"), ("-i", "localhost,")),
    ],
)
def test_a_stack_that_is_described_is_not_guessed(
    fake: FakeEngine,
    stacks: list[str] | None,
    options: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.yml").write_text("stack_dir: /srv/other\n")
    fake.stacks = stacks
    fake.diagnosis = [("localhost", "probe", "ok", WELL)]
    assert run("triage", *options).exit_code == 0
    (request,) = fake.requests
    assert not any("api" in extra.text for extra in request.extra_vars)


def test_of_several_stacks_none_is_chosen(fake: FakeEngine) -> None:
    fake.stacks = of_machine("shop", "blog")
    result = run("triage")
    assert (result.exit_code, fake.requests) == (2, [])
    assert result.stderr == (
        "runbook: several compose projects on this machine: blog in /srv/blog, shop in /srv/shop; "
        "runbook init writes an inventory of them: choose with -i and -l\n"
    )


def test_json_lines_are_events_as_they_come_and_then_the_document(fake: FakeEngine) -> None:
    told = {**BROKEN, "reason": "one line\u2028of a host"}
    fake.diagnosis = [("db1", "probe", "ok", told), ("web1", "probe", "ok", WELL)]
    result = run("triage", "--format", "jsonl")
    *events, last = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(e["host"], e["event"], e["verdict"]) for e in events] == [
        ("db1", "ok", "incident"),
        ("web1", "ok", "healthy"),
    ]
    jsonschema.validate(last, SCHEMA)
    assert last["hosts"].keys() == {"db1", "web1"}
    kept = run_files.runs_directory() / last["run"] / "events.jsonl"
    assert [json.loads(line) for line in kept.read_text().splitlines()] == events


def test_what_has_no_end_has_no_last_line(fake: FakeEngine) -> None:
    result = run("ops", "logs", "--follow", "--format", "jsonl")
    assert (result.exit_code, fake.requests) == (2, [])


@pytest.mark.parametrize("given", [("-i", "hosts.yml"), ("-l", "web1")])
def test_init_looks_at_no_inventory_and_says_so(given: tuple[str, str], fake: FakeEngine) -> None:
    result = run("init", *given)
    assert (result.exit_code, fake.requests) == (2, [])
    assert f"{given[0]} is for init --check" in result.stderr
