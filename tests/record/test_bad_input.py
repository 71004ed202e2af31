"""What is wrong is said in one line, with the right exit code, and nothing is lost or sent."""

import resource
import time
from contextlib import contextmanager
from urllib.parse import unquote

import children
import pytest
import servers
import sqlalchemy
from click.testing import CliRunner
from test_attach import keep, run

from oncall_runbook import clock
from oncall_runbook.commands.cli import cli
from oncall_runbook.errors import BadInputError
from oncall_runbook.record import (
    addresses,
    attach,
    escalation,
    incident_document,
    outbox,
    pending,
    records,
    run_recorder,
)
from oncall_runbook.record import store as stores
from oncall_runbook.record.store import StoreError
from oncall_runbook.record.tables import incidents
from oncall_runbook.run.options import Options

CANARY = "canarybird"


@pytest.fixture
def url(tmp_path):
    """Most of this is the same on either store."""
    return f"sqlite:///{tmp_path / 'incidents.db'}"


@pytest.fixture
def quick(tmp_path, url):
    """Run the command within this process; for what reads no inventory."""

    def run(*arguments, store=url):
        found = {"XDG_STATE_HOME": str(tmp_path / "state"), "RUNBOOK_STORE": store}
        done = CliRunner().invoke(cli, [str(word) for word in arguments], env=found)
        assert isinstance(done.exception, SystemExit | None), done.exception
        return done.exit_code, done.stdout, done.stderr

    return run


def opened(store, **facts):
    facts = {"title": "Down", "severity": "SEV1", "reason": "a test", **facts}
    with store.write() as conn:
        return records.open_incident(conn, author="ann", at=clock.now(), **facts)


def count(store):
    with store.read() as conn:
        return conn.execute(sqlalchemy.select(sqlalchemy.func.count(incidents.c.id))).scalar()


def document(store, number=1):
    with store.read() as conn:
        return incident_document.document(conn, number)


def one_line(done, code, *words):
    """The command's last word: one line, this exit code."""
    found, out, err = (
        done if isinstance(done, tuple) else (done.returncode, done.stdout, done.stderr)
    )
    assert (found, out) == (code, ""), out + err
    (line,) = err.splitlines()
    assert line.startswith("runbook: "), line
    assert [word for word in words if word not in line] == [], line
    return line


COMMANDS = {
    "show": (),
    "ack": (),
    "update": ("--note", "x"),
    "resolve": (),
    "escalate": ("--to", "cto"),
    "review": (),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_incident_that_is_none(quick, store, name):
    one_line(quick("incident", name, "9", *COMMANDS[name]), 8, "no incident 9", "incident list")
    one_line(quick("incident", name, "last", *COMMANDS[name]), 8, "there is no incident")
    for odd in ("", "9x", "#", "²", "99999999999999999999"):
        one_line(quick("incident", name, odd, *COMMANDS[name]), 8, "there is no incident")


@pytest.mark.parametrize("name", ["ack", "update", "resolve"])
def test_an_incident_that_is_resolved(quick, store, name):
    number = opened(store)
    with store.write() as conn:
        records.resolve(conn, number, "ann", clock.now())
    before = document(store)
    one_line(quick("incident", name, number, *COMMANDS[name]), 6, "was resolved at", "open a new")
    assert document(store) == before


def test_a_resolved_incident_pages_nobody(command, store, receiver):
    number = opened(store)
    with store.write() as conn:
        records.resolve(conn, number, "ann", clock.now())
    for more in ((), ("--to", "cto")):
        done = command("incident", "escalate", number, *more, check=False)
        one_line(done, 6, "was resolved at")
    assert receiver.got == []


def test_a_severity_that_is_none(quick, store):
    code, out, err = quick("incident", "open", "Down", "--severity", "SEV9")
    assert (code, out) == (2, "")
    assert "'SEV9' is not one of" in err
    assert count(store) == 0


def test_a_severity_that_the_inventory_lacks(command, store, inventory, receiver):
    only = {"SEV1": {"title": "Down", "response_minutes": 5, "goes_to": ["cto"]}}
    path = inventory(response_severities=only)
    done = command("incident", "open", "Slow", "--severity", "SEV3", path=path, check=False)
    one_line(done, 2, "incident 1 is open", "no severity 'SEV3'", "response_severities has SEV1")
    assert count(store) == 1
    assert receiver.got == []


def test_an_incident_that_is_wrong_holds_up_no_other(store, receiver):
    facts = children.told()
    facts["severities"].pop("SEV3")
    facts["contacts"]["on_call_engineer"]["notify"] = [receiver.address("on_call_engineer")]
    policies = children.Known(facts)
    opened(store, title="Slow", severity="SEV3")
    opened(store, title="Down")
    with pytest.raises(BadInputError, match="no severity 'SEV3'"):
        escalation.due(store, policies)
    outbox.deliver(store, policies)
    assert [body["title"] for _, body in receiver.got] == [
        "[SEV1] #2 Down: nobody acknowledged it for 0 s"
    ]


def test_a_contact_without_an_address_is_to_be_called(command, store, inventory, receiver):
    people = {"on_call_engineer": {"title": "Engineer", "name": "Ann", "phone": "+1 555 0199"}}
    opened(store)
    done = command(
        "incident", "escalate", "--due", path=inventory(response_contacts=people), check=False
    )
    one_line(done, 4, "Engineer (Ann) was not told (", "no address", "call +1 555 0199")
    assert [message["state"] for message in document(store)["messages"]] == ["failed"]
    again = command("incident", "escalate", "--due")
    assert (again.stdout, again.stderr) == ("", "")  # said once


WRONG = {
    "a step without a time": (
        {"response_escalation": {"SEV1": [{"to": ["cto"]}]}},
        "response_escalation: SEV1: after_minutes is None",
    ),
    "a step before the beginning": (
        {"response_escalation": {"SEV1": [{"after_minutes": -5, "to": ["cto"]}]}},
        "response_escalation: SEV1: after_minutes is -5",
    ),
    "a ladder that is a text": (
        {"response_escalation": {"SEV1": "soon"}},
        "response_escalation: SEV1 is no list",
    ),
    "contacts in a list": ({"response_contacts": ["cto"]}, "response_contacts"),
    "a severity of its own": (
        {"response_severities": {"SEV0": {"response_minutes": 1, "goes_to": []}}},
        "'SEV0' is none of SEV1",
    ),
    "a variable that is none": ({"response_mail_url": "{{ nowhere }}"}, "nowhere"),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_inventory_that_is_wrong(command, store, inventory, receiver, case):
    variables, why = WRONG[case]
    opened(store)
    done = command("incident", "escalate", "--due", path=inventory(**variables), check=False)
    one_line(done, 2, why)
    assert receiver.got == []
    command("incident", "escalate", "--due")  # with the inventory mended
    assert receiver.names() == ["on_call_engineer"]


def test_a_template_that_is_wrong_keeps_the_incident(command, store, inventory, receiver, tmp_path):
    own = tmp_path / "templates"
    own.mkdir()
    (own / "page.txt.j2").write_text("{{ incident.title }}\n{% if %}\n")
    path = inventory(response_templates=str(own))
    done = command("incident", "open", "Down", "--severity", "SEV1", path=path, check=False)
    one_line(done, 2, "incident 1 is open", f"template {own}/page.txt.j2, line 2", "mend it")
    assert receiver.got == []
    (own / "page.txt.j2").write_text("{{ incident.title }} it is\n")
    command("incident", "escalate", "--due", path=path)
    assert [body["message"] for _, body in receiver.got] == ["Down it is"]


def test_a_store_that_another_holds(quick, store, url, monkeypatch):
    monkeypatch.setattr(stores, "_BUSY_SECONDS", 0.2)
    opened(store)
    with store.write():
        one_line(quick("incident", "ack", 1), 1, "incidents.db cannot be used: database is locked")
        code, out, _ = quick("incident", "list")  # who only reads need not wait
        assert (code, "Down" in out) == (0, True)
    assert quick("incident", "ack", 1)[0] == 0


def test_a_store_that_another_holds_for_a_moment(quick, store):
    opened(store)
    ready = children.context.Event()
    holder = children.start(children.hold, str(store.url), 1, ready)
    assert ready.wait(60)
    assert quick("incident", "ack", 1)[0] == 0
    children.end(holder)


def test_a_disk_that_is_full(quick, store, tmp_path):
    opened(store)
    before = document(store)
    with only_files_of((tmp_path / "incidents.db").stat().st_size):
        text = "x" * 200_000
        one_line(quick("incident", "review", 1, "--root-cause", text), 1, "cannot be used: ")
    assert document(store) == before
    assert quick("incident", "ack", 1)[0] == 0


@contextmanager
def only_files_of(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_store_where_none_can_be(quick, tmp_path):
    (tmp_path / "file").write_text("no database at all, " * 100)
    store = f"sqlite:///{tmp_path}/file"
    one_line(quick("incident", "list", store=store), 1, f"{store} cannot be used", "not a database")
    store = f"sqlite:///{tmp_path}/file/incidents.db"
    one_line(quick("incident", "list", store=store), 1, f"{store} cannot be used")


def test_a_store_of_a_newer_version(quick, store):
    opened(store)
    with store.write() as conn:
        conn.execute(sqlalchemy.text("UPDATE alembic_version SET version_num = '9999'"))
    one_line(quick("incident", "list"), 1, "newer runbook", "upgrade")
    with store.write() as conn:
        assert conn.scalar(sqlalchemy.text("SELECT version_num FROM alembic_version")) == "9999"


@pytest.mark.parametrize(
    "store",
    [
        "nonsense",
        "mysql://host/name",
        f"postgresql://ann:{CANARY}@host:port/name",
        f"postgresql://ann:{CANARY}@[::1/name",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_a_store_that_is_no_url(quick, store):
    line = one_line(
        quick("incident", "list", store=store), 2, "--store", "postgresql://", "sqlite:"
    )
    assert CANARY not in line


def test_a_store_that_is_down_keeps_its_password(quick):
    port = servers.free_port()
    for given in (f"ann:{CANARY}@127.0.0.1:{port}/x", f"ann@127.0.0.1:{port}/x?password={CANARY}"):
        line = one_line(quick("incident", "list", store=f"postgresql://{given}"), 1, f":{port}/x")
        assert CANARY not in line


def test_a_wrong_password_is_not_told(quick, postgresql):
    host = postgresql.address
    for given in (
        f"postgres:{CANARY}@{host}/postgres",
        f"postgres@{host}/postgres?password={CANARY}",
    ):
        line = one_line(
            quick("incident", "list", store=f"postgresql://{given}"), 1, "authentication"
        )
        assert CANARY not in line


def test_a_run_while_the_store_is_down_is_recorded_later(store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    facts, events = run(1, "not_fixed")
    down = Options(store=f"postgresql://127.0.0.1:{servers.free_port()}/x")
    attended = run_recorder.RunRecorder(facts["run"], "new", down)
    keep(facts, events)
    with pytest.raises(StoreError, match="cannot be used"):
        attended.finish()
    assert count(store) == 0
    assert attach.catch_up(store) == [1]
    assert document(store)["runs"] == [facts["run"]]
    assert list(pending.notes()) == []


AT = "2026-11-24T03:00:00.000Z"
TIMES = {
    "30m": "2026-11-24T03:30:00.000Z",
    "-1h30m": "2026-11-24T01:30:00.000Z",
    "03:05": "2026-11-23T21:35:00.000Z",  # in the zone of the test, 5:30 before UTC
    "2026-11-24T03:05": "2026-11-23T21:35:00.000Z",
    "2026-11-24T03:05Z": "2026-11-24T03:05:00.000Z",
    "2026-11-24T03:05+01:00": "2026-11-24T02:05:00.000Z",
    "2026-11-24": "2026-11-23T18:30:00.000Z",
}


@pytest.fixture
def india(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("given", TIMES)
def test_times_with_and_without_a_zone(india, given):
    now = clock.parse(AT, 0)
    assert clock.text(clock.parse(given, now)) == TIMES[given]


@pytest.mark.parametrize(
    "given", ["soon", "", "24:00", "3:5", "30", "2026-11-31", "5x", "0001-01-01"]
)
def test_a_time_that_is_none(quick, store, given):
    with pytest.raises(BadInputError, match="is no time; write 30m"):
        clock.parse(given, clock.now())
    done = quick("incident", "open", "Down", "--severity", "SEV1", "--eta", given)
    one_line(done, 2, "is no time; write 30m")
    assert count(store) == 0


def test_a_time_without_a_zone_is_the_machines(command, store):
    zone = {"TZ": "Asia/Kolkata"}
    arguments = ("open", "Down", "--severity", "SEV4", "--eta", "2026-11-24T03:05")
    command("incident", *arguments, env=zone)
    assert document(store)["eta"] == "2026-11-23T21:35:00.000Z"


def test_addresses_stand_nowhere(command, store, inventory, receiver, tmp_path):
    secret = f"{CANARY}path"
    token = f"{CANARY}user:{CANARY}pass@127.0.0.1:{{}}/{secret}?+X-Token={CANARY}token"
    closed = servers.free_port()
    people = {
        "on_call_engineer": {
            "title": "Engineer",
            "phone": "+1 555 0199",
            "notify": [f"json://{token.format(port)}" for port in (receiver.port, closed)],
        },
        "cto": {"title": "CTO", "notify": [f"{CANARY}:raw"]},
    }
    path = inventory(response_contacts=people)
    said = []
    for answer, arguments in (
        (200, ("open", "Down", "--severity", "SEV1", "--host", "web1")),
        (500, ("escalate", "1")),
        (500, ("escalate", "1", "--to", "cto")),
        (200, ("update", "1", "--note", "a look", "--send")),
        (200, ("escalate", "--due", "--dry-run")),
        (200, ("show", "1")),
        (200, ("show", "1", "--format", "json")),
        (200, ("list", "--html", tmp_path / "state/overview.html")),
    ):
        receiver.answer = answer
        done = command("incident", *arguments, path=path, check=False)
        said.append(done.stdout + done.stderr)
    said += [command("contacts", *more, path=path).stdout for more in ((), ("--format", "json"))]
    assert [name for name in receiver.names() if name.startswith(secret)]  # it was in use
    assert "apprise cannot read this" in "".join(said)
    told = "".join(said) + str([body for _, body in receiver.got])
    assert "Traceback" not in told
    assert "not told" in told
    assert CANARY not in told
    files = [tmp_path / "incidents.db", *(tmp_path / "state").rglob("*")]
    assert [file for file in files if file.is_file() and CANARY.encode() in file.read_bytes()] == []


@pytest.mark.parametrize(
    "address",
    [
        f"json://{CANARY}user:{CANARY}pass@127.0.0.1/{CANARY}path?+X-Token={CANARY}token",
        f"mailtos://{CANARY}user:{CANARY}%20pass@smtp.school.test?from={CANARY}from",
        f"slack://{CANARY}a/{CANARY}b/{CANARY}c",
        f"tgram://123456:{CANARY}/98765",
        f"{CANARY}:raw",
        f"json://[127.0.0.1/{CANARY}",
    ],
)
def test_what_a_service_says_of_an_address_is_masked(address):
    said = f"2026-11-24 03:05:00,123 - ERROR - cannot reach {address}: {unquote(address).upper()}"
    told = addresses.without_secrets(said, address)
    assert told.startswith("cannot reach ")
    assert CANARY not in told.lower()
    assert CANARY not in addresses.channel(address)
