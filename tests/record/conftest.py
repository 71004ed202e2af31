"""Fixtures for the incident record: both kinds of store, and what people are told by, for real."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import children
import pytest
import servers
import yaml

from oncall_runbook import clock
from oncall_runbook.record import escalation, incident_document, outbox, records
from oncall_runbook.record.policy import parse
from oncall_runbook.record.store import Store

ROOT = Path(__file__).parents[2]
ROLES = ["on_call_engineer", "team_lead", "engineering_manager", "cto", "ceo"]
ROLES += ["database_admin", "infrastructure"]


@pytest.fixture(scope="session")
def postgresql():
    """A real PostgreSQL server."""
    with servers.postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    """URL of an empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'incidents.db'}"
    return request.getfixturevalue("postgresql").database()


@pytest.fixture
def store(url):
    return Store(url)


@pytest.fixture
def at(monkeypatch):
    """Set the clock: `at(minutes)` after the time the test began, and it stands still."""
    start = clock.now()

    def move(minutes):
        monkeypatch.setattr(clock, "now", lambda: start + round(minutes * clock.MINUTE))
        return clock.now()

    move(0)
    return move


@pytest.fixture
def inventory(tmp_path, receiver):
    """Write an inventory whose people are reached by the receiver; arguments replace variables."""

    def write(**variables):
        told = {
            role: {
                "title": role.replace("_", " ").title(),
                "name": f"Some {role}",
                "phone": f"+1 555 01{number:02}",
                "notify": [receiver.address(role)],
            }
            for number, role in enumerate(ROLES)
        }
        facts = {"ansible_connection": "local", "response_contacts": told, **variables}
        path = tmp_path / "inventory.yml"
        hosts = {"web1": None, "web2": None}
        path.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": facts}}))
        return path

    return write


@pytest.fixture
def command(tmp_path, url, inventory):
    """Run the real command; `background=True` returns the process at once."""

    def run(*arguments, background=False, env=None, check=True, path=None):
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RUNBOOK_")},
            "XDG_STATE_HOME": str(tmp_path / "state"),
            "RUNBOOK_STORE": url,
            "RUNBOOK_INVENTORY": str(path or inventory()),
            "RUNBOOK_AUTHOR": "ann",
            **(env or {}),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "oncall_runbook", *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            # Whoever runs the tests may ignore Ctrl-C, and its children would, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        if background:
            return process
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0 or not check, out + err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    return run


class Known:
    """Policies that need no inventory to be read: the defaults, with people who can be told."""

    def __init__(self, receiver, **changes):
        defaults = yaml.safe_load((ROOT / "roles/response/defaults/main.yml").read_text())
        told = {name.removeprefix("response_"): value for name, value in defaults.items()}
        told["contacts"] = {
            role: {"title": role, "phone": "+1 555 0100", "notify": [receiver.address(role)]}
            for role in ROLES
        }
        self.policy = parse({**told, **changes})

    def prepare(self, hosts):
        pass

    def find(self, hosts):
        return self.policy

    of = find


@pytest.fixture
def people(receiver):
    return Known(receiver)


class Record:
    """An incident in the store, and what is done with it, at the time that `at` has set."""

    def __init__(self, store, people):
        self.store = store
        self.people = people
        with store.write() as conn:
            self.id = records.open_incident(
                conn,
                title="Database connection failures",
                severity="SEV1",
                reason="the card says so",
                author="ann",
                at=clock.now(),
                card="database_connection_failures",
                of_hosts=["web1"],
            )

    def escalate(self):
        """What cron does every minute."""
        escalation.due(self.store, self.people)
        return outbox.deliver(self.store, self.people)

    def do(self, function, *arguments, **named):
        with self.store.write() as conn:
            return function(conn, self.id, *arguments, **named)

    def ack(self):
        return self.do(records.acknowledge, "ann", clock.now())

    @property
    def document(self):
        return self.do(incident_document.document)

    def states(self):
        return [message["state"] for message in self.document["messages"]]


@pytest.fixture
def record(at, store, people):
    return Record(store, people)


@pytest.fixture
def facts(receiver):
    """What the role `response` would tell to a process of children.py: people who can be told."""
    contacts = children.told()["contacts"]
    for role, contact in contacts.items():
        contact["notify"] = [receiver.address(role)]
    return children.told(contacts=contacts)
