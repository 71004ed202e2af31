"""Processes of the tests: each does one piece of the real work, and may be killed at it.

They are forked from a process that has imported everything, so that one costs a hundredth of what
the command costs to begin.
"""

import functools
import multiprocessing
import os
import time
from multiprocessing import forkserver
from pathlib import Path

import apprise
import psycopg  # noqa: F401  for the processes that are forked
import pytest
import yaml
from sqlalchemy.dialects import postgresql, sqlite  # noqa: F401

from oncall_runbook import clock
from oncall_runbook.record import attach, escalation, outbox, policy, records
from oncall_runbook.record.policy_reader import Policies
from oncall_runbook.record.store import Store
from oncall_runbook.run import run_files
from oncall_runbook.run.options import Options

DEFAULTS = Path(__file__).parents[2] / "roles/response/defaults/main.yml"
context = multiprocessing.get_context("forkserver")
apprise.Apprise().add("json://127.0.0.1/")  # loads its services, for all that are forked


def start(work, *arguments):
    """Let a new process do `work`, a function of this module."""
    _get_ready()
    process = context.Process(target=work, args=arguments)
    process.start()
    return process


def end(*processes):
    """Wait until processes have ended by themselves, and well."""
    for process in processes:
        process.join(120)
        assert process.exitcode == 0


def at_once(work, *arguments):
    """Let a process for each of several lists of arguments do the same work at the same time."""
    gate = context.Barrier(len(arguments))
    end(*[start(through, gate, work, *each) for each in arguments])


def through(gate, work, *arguments):
    gate.wait(60)
    work(*arguments)


@functools.cache
def _get_ready():
    """Start the process that the others are forked from."""
    context.set_forkserver_preload(["pytest", "children"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent))
        forkserver.ensure_running()


def told(**variables):
    """What the role `response` tells of an inventory with these variables."""
    facts = yaml.safe_load(DEFAULTS.read_text())
    return {name.removeprefix("response_"): value for name, value in facts.items()} | variables


class Known(Policies):
    """A policy that is known already: no inventory is read."""

    def __init__(self, facts):
        super().__init__(Options())
        self.known = policy.parse(facts)

    def prepare(self, hosts):
        pass

    def find(self, hosts):
        return self.known


# What the processes do.


def page(url, facts):
    """`runbook incident escalate --due`, but for the inventory."""
    store, policies = Store(url), Known(facts)
    escalation.due(store, policies)
    outbox.deliver(store, policies)


def migrate(url):
    Store(url)


def add_entries(url, incident, name, count):
    store = Store(url)
    for number in range(count):
        with store.write() as conn:
            records.get_open(conn, incident)
            records.write(conn, incident, clock.now(), "note", name, f"{name} {number}")
            records.add_hosts(conn, incident, [f"{name}-{number}", f"of-all-{number}"])


def change_field(url, incident, name, field, count):
    """Change one field again and again, each time on what was read in the same transaction."""
    store = Store(url)
    for _ in range(count):
        with store.write() as conn:
            before = getattr(records.get_open(conn, incident), field) or ""
            records.change(conn, incident, name, clock.now(), **{field: f"{before}{name}"})


def open_incidents(url, name, count):
    store = Store(url)
    for number in range(count):
        facts = {"title": f"{name} {number}", "severity": "SEV4", "reason": "a test"}
        with store.write() as conn:
            records.open_incident(
                conn, **facts, author=name, at=clock.now(), of_hosts=[f"{name}-{number}", "shared"]
            )


def acknowledge(url, incident, name):
    with Store(url).write() as conn:
        records.acknowledge(conn, incident, name, clock.now())


def catch_up(url, state):
    os.environ["XDG_STATE_HOME"] = state
    attach.catch_up(Store(url))


def open_for_run(url, run, causes):
    attach.open_incident_for(Store(url), run, "web1", causes, {})


def attach_run(url, state, run):
    os.environ["XDG_STATE_HOME"] = state
    directory = run_files.runs_directory() / run
    document, events = run_files.load(directory), run_files.events(directory)
    attach.attach(Store(url), document, events, "new")


def hold(url, seconds, ready):
    """Hold the store so that nobody else can write."""
    with Store(url).write():
        ready.set()
        time.sleep(seconds)
