"""`runbook doctor`, with recorded events in place of ansible."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import Result
from recorded import run

from oncall_runbook.run import engine
from oncall_runbook.run.engine import Outcome, Request
from oncall_runbook.run.events import Event

SCHEMA = json.loads((Path(engine.__file__).parents[1] / "schema/doctor.schema.json").read_text())
CANARY = "canary-in-a-coal-mine"
HEAVY = {"ansible", "ansible_runner", "rich", "yaml", "jinja2", "sqlalchemy", "apprise"}
AT = 1_790_000_000.0  # when the answer came; the host was asked half a second before
WHOLE = {"file": "a.dump", "age": 3600}
SEVERITY = {"title": "", "response_minutes": 5, "goes_to": ["sre"]}
LEVELS = ("SEV1", "SEV2", "SEV3", "SEV4")


def finding(value: object, status: str = "healthy", **more: Any) -> dict[str, Any]:
    return {"status": status, "value": value, "ms": 100, "reason": "", "output": "", **more}


def failed(status: str, reason: str, **more: Any) -> dict[str, Any]:
    return finding(None, status, reason=reason, **more)


def backup(**more: Any) -> dict[str, Any]:
    whole = {"directory": "/srv/b", "count": 1, "newest": WHOLE, "proven": WHOLE, "wrong": ""}
    return finding({**whole, **more})


def part(outcome: str = "works", reason: str = "") -> dict[str, Any]:
    return {"outcome": outcome, "reason": reason, "ms": 9}


def view(way: str = "driver", **more: Any) -> dict[str, Any]:
    """How an application sees what it depends on."""
    seen = {"way": way, "database": part(), "cache": part(), "chain": None, "route": None}
    return {**seen, **more}


WELL = {
    "doctor": finding(f"{AT - 0.2:.3f}"),
    "docker": finding("28.1"),
    "compose": finding("v2 2.30"),
    "stack": finding("/srv/app/compose.yml\tapp\t5"),
    "application": finding(view()),
    "disks": finding("90\n20\t3\t900\t1\t2\t3\t0\t/"),
    "backup": backup(),
    "root": finding("ops", output="ops\n"),
    "tools": finding(""),
}


def policy(**more: Any) -> dict[str, Any]:
    """What the role `response` tells, with everything in order."""
    return {
        "severities": dict.fromkeys(LEVELS, SEVERITY),
        "contacts": {"sre": {"title": "SRE", "notify": [f"jsons://hooks.invalid/{CANARY}"]}},
        "escalation": {name: [{"after_minutes": 0, "to": ["sre"]}] for name in LEVELS},
        "stale_hours": 24,
        "mail_url": "",
        "review_hours": 48,
        "review_severities": ["SEV1"],
        "templates": "",
        **more,
    }


class Recorded:
    """Plays what hosts answer, and what the inventory says of people."""

    def __init__(self) -> None:
        self.began = AT - 0.5
        self.hosts: dict[str, dict[str, Any]] = {"db1": WELL}
        self.other: list[tuple[str, Any, dict[str, Any]]] = []
        self.people: dict[str, Any] = {}
        self.outcome = Outcome()
        self.requests: list[Request] = []

    def run(self, request: Request, on_event: Callable[[Event], None], _output: object) -> Outcome:
        self.requests.append(request)
        if request.playbook.endswith(".response"):
            for host in [*self.hosts, *(host for host, _, _ in self.other)]:
                told = self.people.get(host, policy())
                kind: Any = "failed" if isinstance(told, str) else "ok"
                on_event(Event(kind, AT, host, "Tell", "", {"msg": told}))
            return Outcome()
        for host, findings in self.hosts.items():
            on_event(Event("start", self.began, host, "look", "", {}))
            result = {"phase": "diagnose", "operation": "doctor", "verdict": "healthy"}
            on_event(Event("ok", AT, host, "look", "probe", {**result, "findings": findings}))
        for host, end, result in self.other:
            on_event(Event(end, AT, host, "look | Ask the host", "probe", result))
        return self.outcome


@pytest.fixture
def recorded(collection: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    found = Recorded()
    monkeypatch.setattr(engine, "run", found.run)
    return found


def checks(result: Result) -> list[dict[str, Any]]:
    found = json.loads(result.stdout)
    jsonschema.validate(found, SCHEMA)
    assert found["exit_code"] == result.exit_code
    assert CANARY not in result.stdout + result.stderr
    for check in found["checks"]:
        assert (check["status"] == "ok") == (not check["next"]), check
    return list(found["checks"])


def doctor(*args: str) -> tuple[int, list[dict[str, Any]]]:
    result = run("doctor", "--format", "json", *args)
    return result.exit_code, checks(result)


def of(found: list[dict[str, Any]], name: str) -> list[tuple[str, str]]:
    return [(check["status"], check["text"]) for check in found if check["check"] == name]


def test_all_is_well(recorded: Recorded) -> None:
    code, found = doctor("-i", "db1,")
    assert (code, {check["status"] for check in found}) == (0, {"ok"})
    here = "inventory software ssh run_directory store contacts"
    there = "reach clock docker compose stack application disk backup root tools"
    assert [check["check"] for check in found if check["host"] is None] == here.split()
    assert [check["check"] for check in found if check["host"] == "db1"] == there.split()
    assert of(found, "inventory") == [("ok", "db1, (option -i): 1 host")]
    assert [request.playbook.rpartition(".")[2] for request in recorded.requests] == [
        "ops_doctor",
        "response",
    ]
    assert not any(request.tags for request in recorded.requests)


def test_people_read_it_by_host_with_what_to_do_next(recorded: Recorded) -> None:
    recorded.hosts = {"db1": {**WELL, "compose": finding("v1 1.29")}}
    recorded.other = [
        ("db2", "unreachable", {"msg": "ssh: connect to host db2 port 22: Connection refused"})
    ]
    result = run("doctor", "-i", "db1,db2,")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert result.exit_code == 4
    assert lines[0] == "this machine"
    assert lines[lines.index("db1") + 1 :] == [
        "  ok       reach          answers",
        "  ok       clock          as this machine's, within 3 s",
        "  ok       docker         Docker 28.1",
        "  warning  compose        docker-compose 1.29, which gets no updates since 2023",
        "                          next: install the package docker-compose-plugin there",
        "  ok       stack          /srv/app/compose.yml, project app, 5 containers",
        "  ok       application    its own driver, in its container, says: database works, cache"
        " works; not seen: routes behind a session",
        "  ok       disk           /: 20 % of bytes and 3 % of inodes used, 900 MiB left",
        "  ok       backup         a.dump, 1 h old, is whole",
        "  ok       root           ops may use sudo",
        "  ok       tools          all that probes and rungs need",
        "db2",
        "  unknown  reach          cannot be reached (refused): connect to host db2 port 22:"
        " Connection refused",
        "                          next: is it up, and does sshd listen where ansible_port says?",
        "15 ok, 1 warning, 1 unknown · exit 4",
    ]


DENIED = "permission denied while trying to connect to the Docker daemon socket"
FULL = "90\n20\t3\t900\t1\t2\t3\t0\t/\n{}\t{}\t5\t1\t2\t3\t0\t/srv"
UNKNOWN = part("unknown", "no module pg")
UNSEEN: dict[str, Any] = {"cache": UNKNOWN, "chain": UNKNOWN, "missing": "no module pg"}
ON_HOSTS = {
    "docker hangs": ("docker", failed("unhealthy", "Docker did not answer within 5 s"), 1, "bad"),
    "docker forbidden": ("docker", failed("unhealthy", DENIED), 1, "bad"),
    "no compose": ("compose", failed("unhealthy", "neither"), 1, "bad"),
    "compose v1": ("compose", finding("v1 1.29"), 0, "warning"),
    "no stack": ("stack", failed("unhealthy", "no directory /x on this host"), 1, "bad"),
    "docker silent": ("stack", failed("unknown", "docker did not answer"), 4, "unknown"),
    "never started": ("stack", finding("/srv/app/compose.yml\t\t0"), 1, "bad"),
    "application unasked": ("application", failed("unknown", "it is paused"), 4, "unknown"),
    "no application": ("application", failed("unknown", "it has no container"), 4, "unknown"),
    "no database": ("application", finding(view(database=part("refused", "no"))), 1, "bad"),
    "by the client": ("application", finding(view("client", **UNSEEN)), 0, "warning"),
    "a route proves it": ("application", finding(view("client", **UNSEEN, route=part())), 0, "ok"),
    "a route fails": ("application", finding(view(route=part("error", "500"))), 1, "bad"),
    "by nobody": ("application", finding(view("none", **UNSEEN, database=UNKNOWN)), 0, "warning"),
    "bytes at the limit": ("disks", finding(FULL.format(90, 1)), 1, "bad"),
    "inodes at the limit": ("disks", finding(FULL.format(1, 90)), 1, "bad"),
    "bytes near it": ("disks", finding(FULL.format(80, 1)), 0, "warning"),
    "not near it": ("disks", finding(FULL.format(79, 79)), 0, "ok"),
    "no backup": ("backup", backup(count=0, newest=None, proven=None), 1, "bad"),
    "none whole": ("backup", backup(proven=None, wrong="cut short"), 1, "bad"),
    "newest broken": ("backup", backup(wrong="cut short"), 0, "warning"),
    "old backup": ("backup", backup(proven={"file": "a", "age": 26 * 3600 + 1}), 0, "warning"),
    "not so old": ("backup", backup(proven={"file": "a", "age": 26 * 3600}), 0, "ok"),
    "backup too large": ("backup", failed("unknown", "no answer within 120 s"), 4, "unknown"),
    "no sudo": (
        "root",
        failed("unhealthy", "a password is required", output="ops\n"),
        1,
        "bad",
    ),
    "tool missing": ("tools", finding("flock\ncurl or wget"), 1, "bad"),
}


@pytest.mark.parametrize("case", ON_HOSTS)
def test_what_is_wrong_on_a_host(recorded: Recorded, case: str) -> None:
    name, answer, code, status = ON_HOSTS[case]
    recorded.hosts = {"db1": {**WELL, name: answer}}
    ended, found = doctor("-i", "db1,")
    wrong = [check for check in found if check["status"] != "ok"]
    assert ended == code
    assert [check["status"] for check in wrong] == ([] if status == "ok" else [status])
    assert {check["check"] for check in wrong} <= {name.replace("disks", "disk")}


CLOCKS = {
    "in step": (AT - 0.2, 0.1, "ok"),
    "a slow answer is no skew": (AT - 30, 30.0, "ok"),
    "ahead": (AT + 2.5, 0.1, "2 s ahead"),
    "ahead by little": (AT + 1.8, 0.1, "ok"),
    "ahead behind a slow answer": (AT - 20, 30.0, "10 s ahead"),
    "behind": (AT - 3603, 0.1, "1 h behind"),
    "behind by little": (AT - 2.4, 0.1, "ok"),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_a_clock_is_wrong_only_beyond_what_the_question_took(recorded: Recorded, case: str) -> None:
    seen, slowest, expected = CLOCKS[case]
    slow = finding("", ms=slowest * 1000)
    recorded.hosts = {"db1": {**WELL, "doctor": finding(f"{seen:.2f}"), "tools": slow}}
    recorded.began = AT - slowest - 0.5
    ((status, text),) = of(doctor("-i", "db1,")[1], "clock")
    assert expected in (status, text.partition(" of this")[0].partition(" this")[0])


def test_a_host_whose_clock_tells_whole_seconds(recorded: Recorded) -> None:
    recorded.hosts = {"db1": {**WELL, "doctor": finding(f"{AT - 3:.0f}")}}
    assert of(doctor("-i", "db1,")[1], "clock")[0][0] == "ok"


UNREACHABLE = {
    "Connection refused": ("refused", "ansible_port"),
    "Permission denied (publickey)": ("key", "ansible_user"),
    "Could not resolve hostname db2": ("name", "DNS"),
    "Connection timed out": ("timed out", "firewall"),
    "kex_exchange_identification": ("other", "runbook doctor -l db2 -vvv"),
}


@pytest.mark.parametrize("said", UNREACHABLE)
def test_a_host_that_cannot_be_reached_says_why(recorded: Recorded, said: str) -> None:
    word, better = UNREACHABLE[said]
    recorded.other = [("db2", "unreachable", {"msg": f"Failed to connect: {said}"})]
    code, found = doctor("-i", "db1,db2,")
    (reach,) = [check for check in found if check["host"] == "db2"]
    assert (code, reach["check"], reach["status"]) == (4, "reach", "unknown")
    assert f"({word})" in reach["text"]
    assert better in reach["next"]


def test_what_is_bad_outweighs_a_host_that_cannot_be_reached(recorded: Recorded) -> None:
    recorded.hosts = {"db1": {**WELL, "tools": finding("flock")}}
    recorded.other = [("db2", "unreachable", {"msg": "Connection refused"})]
    assert doctor("-i", "db1,db2,")[0] == 1


def test_a_host_without_what_a_question_needs(recorded: Recorded) -> None:
    lost = {"phase": "diagnose", "operation": "doctor", "verdict": "unknown"}
    reason = "sh: 1: base64: not found"
    unasked = {name: failed("unknown", reason) for name in WELL}
    recorded.hosts = {}
    recorded.other = [("db1", "ok", {**lost, "reason": reason, "findings": unasked})]
    code, found = doctor("-i", "db1,")
    assert (code, of(found, "clock")) == (4, [])
    assert of(found, "reach") == [("unknown", f"does not answer as it should: {reason}")]


@pytest.mark.parametrize(("status", "told"), [("unhealthy", 0), ("unknown", 1)])
def test_without_a_stack_nothing_is_said_of_its_application(
    recorded: Recorded, status: str, told: int
) -> None:
    lost = {name: failed(status, "nothing there") for name in ("stack", "application")}
    recorded.hosts = {"db1": {**WELL, **lost}}
    assert len(of(doctor("-i", "db1,")[1], "application")) == told


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ("api", [("ok", "as the containers are")]),
        (
            "server",
            [("warning", "there is no service api for backend: it may be server (serves port 80)")],
        ),
    ],
)
def test_where_an_inventory_and_its_host_differ(
    recorded: Recorded, service: str, said: list[tuple[str, str]]
) -> None:
    parts = dict.fromkeys(["frontend", "database", "blockchain", "cache"], "")
    stated = {"directories": ["/srv/app"], "services": {"backend": "api", **parts}}
    stated |= {"addresses": {}, "urls": {}}
    one = {"project": "app", "directory": "/srv/app", "service": service, "exposed": {"80/tcp": {}}}
    seen = {"discover": finding([json.dumps(one)]), "settings": finding(stated)}
    recorded.hosts = {"db1": {**WELL, **seen}}
    code, found = doctor("-i", "db1,")
    assert (code, of(found, "settings")) == (0, said)


def test_what_is_not_applicable_is_not_checked(recorded: Recorded) -> None:
    recorded.hosts = {"db1": {**WELL, "backup": failed("not_applicable", "there is no database")}}
    code, found = doctor("-i", "db1,")
    assert (code, of(found, "backup")) == (0, [])


def test_no_host_matched(recorded: Recorded) -> None:
    recorded.hosts, recorded.outcome = {}, Outcome(no_hosts=True)
    code, found = doctor("-i", "db1,", "-l", "nobody")
    assert code == 8
    ((status, text),) = of(found, "inventory")
    assert (status, "--limit nobody" in text) == ("bad", True)
    assert len(recorded.requests) == 1


def test_an_inventory_that_cannot_be_read(recorded: Recorded, tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("]")
    recorded.hosts = {}
    recorded.outcome = Outcome(rc=1, error="Unable to parse inventory source: line 1")
    code, found = doctor("-i", str(path))
    assert (code, of(found, "inventory")[0][0]) == (8, "bad")
    assert "line 1" in of(found, "inventory")[0][1]


@pytest.mark.parametrize("wrong", [("-i", "gone.yml"), ("-l", " "), ("--store", CANARY)])
def test_wrong_usage(recorded: Recorded, wrong: tuple[str, str]) -> None:
    result = run("doctor", *wrong)
    assert (result.exit_code, recorded.requests, result.stdout) == (2, [], "")
    assert CANARY not in result.stderr


@pytest.mark.parametrize(("status", "code"), [("timeout", 124), ("cancelled", 130)])
def test_a_run_that_was_ended(recorded: Recorded, status: Any, code: int) -> None:
    recorded.outcome = Outcome(status)
    assert doctor("-i", "db1,")[0] == code
    assert len(recorded.requests) == 1


def test_software_that_is_too_old_or_missing(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "ansible-runner":
            raise metadata.PackageNotFoundError(name)
        return "2.16.3" if name == "ansible-core" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr("platform.python_version", lambda: "3.9.1")
    code, found = doctor("-i", "db1,")
    assert code == 1
    assert of(found, "software") == [
        ("bad", "Python 3.9.1 is not >=3.11"),
        ("bad", "ansible-core 2.16.3 is not <2.23,>=2.19"),
        ("bad", "ansible-runner is not installed"),
    ]
    better = [check["next"] for check in found if check["check"] == "software"]
    assert better[1] == "pip install 'ansible-core<2.23,>=2.19'"


def test_an_ssh_client_is_missed_only_by_a_host_that_uses_it(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert of(doctor("-i", "db1,")[1], "ssh") == [("ok", "no ssh client, and no host needed one")]
    said = "Unable to execute ssh command line on a controller: No such file or directory: b'ssh'"
    recorded.other = [("db2", "failed", {"msg": said})]
    code, found = doctor("-i", "db1,db2,")
    assert (code, of(found, "ssh")) == (1, [("bad", "no ssh client, which db2 needs")])


def test_a_run_directory_that_cannot_be_written(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    code, found = doctor("-i", "db1,")
    ((status, text),) = of(found, "run_directory")
    assert (code, status) == (1, "bad")
    assert "cannot be written: Not a directory" in text


@pytest.mark.parametrize(("mib", "status"), [(10, "bad"), (400, "warning"), (600, "ok")])
def test_room_for_runs(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, mib: int, status: str
) -> None:
    usage = shutil.disk_usage("/")._replace(free=mib * 1024**2)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert of(doctor("-i", "db1,")[1], "run_directory")[0][0] == status


def test_a_store_that_works(recorded: Recorded, tmp_path: Path) -> None:
    code, found = doctor("-i", "db1,", "--store", f"sqlite:///{tmp_path}/s.db")
    assert code == 0
    assert "can be written" in of(found, "store")[0][1]
    assert of(found, "outbox") == [("ok", "no message waits")]


def test_a_store_that_is_none(recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("no database at all" * 100)
    code, found = doctor("-i", "db1,", "--store", f"sqlite:///{tmp_path}/s.db")
    assert (code, of(found, "store")[0][0], of(found, "outbox")) == (1, "bad", [])


def test_a_store_that_can_only_be_read(
    recorded: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oncall_runbook.record import store

    url = f"sqlite:///{tmp_path}/s.db"
    store.Store(url)
    monkeypatch.setattr(store, "_BUSY_SECONDS", 0)
    holder = sqlite3.connect(tmp_path / "s.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # whoever reads is let in
    try:
        code, found = doctor("-i", "db1,", "--store", url)
    finally:
        holder.close()
    assert (code, of(found, "store")[0][0]) == (1, "bad")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{CANARY}@127.0.0.1:1/incidents",
        f"postgresql://user@127.0.0.1:1/incidents?password={CANARY}",
        f"postgresql://user@127.0.0.1:1/incidents?password={CANARY}%40x%20y",
    ],
)
def test_the_password_of_a_store_is_never_told(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("RUNBOOK_STORE", url)
    code, found = doctor("-i", "db1,")
    ((status, text),) = of(found, "store")
    assert (code, status) == (1, "bad")
    assert "127.0.0.1" in text
    assert CANARY not in run("doctor", "-i", "db1,").output


def test_messages_that_were_not_sent(recorded: Recorded, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/s.db"
    doctor("-i", "db1,", "--store", url)
    now = 2**42  # so far ahead that it is not due
    with sqlite3.connect(tmp_path / "s.db") as store:
        for number, (state, due) in enumerate(
            [("queued", now), ("queued", 0), ("failed", 0), ("unknown", 0), ("sent", 0)]
        ):
            store.execute(
                "INSERT INTO messages (incident, key, kind, role, channel, fingerprint, subject,"
                " body, state, attempts, next_at, created, error) VALUES (1, ?, 'page', 'sre', '',"
                " '', ?, '', ?, 0, ?, 0, '')",
                (str(number), CANARY, state, due),
            )
    code, found = doctor("-i", "db1,", "--store", url)
    assert (code, of(found, "outbox")) == (
        0,
        [
            (
                "warning",
                "messages: 1 should have been sent long ago, 1 waiting to be sent,"
                " 1 not sent, for good, 1 sent or not, nobody knows",
            )
        ],
    )


def test_contacts_that_are_nobody_yet_are_a_warning(recorded: Recorded) -> None:
    people = {"sre": {"title": "SRE", "email": "oncall@company.com"}}
    recorded.people = {"db1": policy(contacts=people)}
    code, found = doctor("-i", "db1,")
    (check,) = [check for check in found if check["check"] == "contacts"]
    assert (code, check["status"]) == (0, "warning")
    assert "db1: response_contacts: sre is a placeholder (oncall@company.com)" in check["text"]
    assert check["next"] == "say who it is, in response_contacts of the inventory"


def test_a_ladder_that_reaches_nobody_is_bad_and_told_once_for_several_hosts(
    recorded: Recorded,
) -> None:
    recorded.hosts = {f"db{number}": WELL for number in range(1, 7)}
    hole = policy()
    del hole["escalation"]["SEV4"]
    recorded.people = {f"db{number}": hole for number in range(1, 6)}
    code, found = doctor("-i", "db1,")
    text = "response_escalation has no step for SEV4: nobody would be told"
    assert (code, of(found, "contacts")) == (1, [("bad", f"db1, db2, db3 and 2 more: {text}")])
    recorded.people["db6"] = hole
    assert of(doctor("-i", "db1,")[1], "contacts") == [("bad", f"all 6 hosts: {text}")]


def test_contacts_that_cannot_be_read_at_all(recorded: Recorded) -> None:
    recorded.people = {"db1": policy(contacts={"sre": "me"})}
    code, found = doctor("-i", "db1,")
    assert (code, of(found, "contacts")[0][0]) == (1, "bad")
    assert "sre is no mapping" in of(found, "contacts")[0][1]
    recorded.people = {"db1": "'pager' is undefined"}
    assert "'pager' is undefined" in of(doctor("-i", "db1,")[1], "contacts")[0][1]


@pytest.mark.parametrize(
    ("address", "named"),
    [
        (f"nosuch://{CANARY}@server", "a nosuch:// address"),
        (f"slack://{CANARY}", "a slack:// address"),
        (CANARY, "an address without kind://"),
        (f"{CANARY}-which-is-long-enough://x", "an address without kind://"),
    ],
)
def test_an_address_that_cannot_be_read_is_told_by_role_and_kind_alone(
    recorded: Recorded, address: str, named: str, capfd: pytest.CaptureFixture[str]
) -> None:
    notify = [f"jsons://hooks.invalid/{CANARY}", address]
    recorded.people = {"db1": policy(contacts={"sre": {"title": "SRE", "notify": notify}})}
    code, found = doctor("-i", "db1,")
    text = f"db1: sre: address 2, {named}, cannot be read by apprise"
    assert (code, of(found, "addresses")) == (1, [("bad", text)])
    assert CANARY not in run("doctor", "-i", "db1,").output
    assert CANARY not in "".join(capfd.readouterr())


def test_a_mail_server_that_cannot_be_read_keeps_its_password(recorded: Recorded) -> None:
    people = {"sre": {"title": "SRE", "email": "sre@corp.invalid"}}
    recorded.people = {"db1": policy(contacts=people, mail_url=f"mailx://u:{CANARY}@smtp.invalid")}
    code, found = doctor("-i", "db1,")
    assert (code, of(found, "addresses")[0][0]) == (1, "bad")


def test_help_imports_nothing_heavy() -> None:
    child = (
        "import sys; from oncall_runbook.commands.doctor_command import doctor\n"
        "try: doctor(['--help'])\nexcept SystemExit as end: assert end.code == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True)
    assert "Exit codes: 0 all is well" in done.stdout
    assert HEAVY.isdisjoint(done.stderr.split())
