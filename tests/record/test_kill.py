"""A kill at any moment loses no message, and sends none twice."""

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import children
import pytest
from sqlalchemy import select

from oncall_runbook import clock
from oncall_runbook.record import records
from oncall_runbook.record.store import Store
from oncall_runbook.record.tables import entries, messages, steps

INCIDENTS = 2  # in each round, each with three steps due
STEPS = 3
AGE = 11 * clock.MINUTE  # SEV1 tells somebody after 0, 5 and 10 minutes
KILLS = {"sqlite": 50, "postgresql": 20}  # of the work alone
COMMANDS = {"sqlite": 10, "postgresql": 5}


@pytest.fixture
def chance():
    seed = time.time_ns()
    print(f"\nseed {seed}")
    return random.Random(seed)


@pytest.fixture
def hesitant(receiver, chance, monkeypatch):
    """The receiver, which notes at once what it is sent, and sometimes answers late."""

    def answer(_):
        time.sleep(chance.choice((0, 0, 0.02, 0.1)))
        return 200

    monkeypatch.setattr(type(receiver), "answer", property(answer), raising=False)
    return receiver


def open_some(store, number):
    at = clock.now() - AGE
    for each in range(INCIDENTS):
        facts = {"title": f"round {number}.{each}", "severity": "SEV1", "reason": "a test"}
        with store.write() as conn:
            records.open_incident(conn, **facts, author="ann", at=at, of_hosts=["web1"])


def rows(store, table, *where):
    with store.read() as conn:
        return conn.execute(select(table).where(*where)).all()


def unfinished(store):
    waiting = (steps.c.state == "waiting") & (steps.c.due <= clock.now())
    return rows(store, messages, messages.c.state == "queued") or rows(store, steps, waiting)


def judge(store, receiver, opened, capsys):
    """Every message was received once; those that nobody knows of at most once, and are marked."""
    time.sleep(0.5)  # what killed processes had handed over is still being read
    got = Counter((role, body["title"]) for role, body in receiver.got)
    written = rows(store, messages)
    by_state = {state: [m for m in written if m.state == state] for state in ("sent", "unknown")}
    with capsys.disabled():
        unsure = [got[m.role, m.subject] for m in by_state["unknown"]]
        print(f"\n{len(written)} messages, {len(unsure)} unknown, of which {sum(unsure)} received")
    assert len(written) >= opened * STEPS
    assert {m.state for m in written} <= {"sent", "unknown"}
    assert [m.subject for m in by_state["sent"] if got[m.role, m.subject] != 1] == []
    assert [m.subject for m in by_state["unknown"] if got[m.role, m.subject] > 1] == []
    assert set(got) <= {(m.role, m.subject) for m in written}
    told = Counter(
        (entry.incident, entry.data["role"])
        for entry in rows(store, entries, entries.c.kind == "message")
        if entry.data["state"] == "unknown" and "sent or not" in entry.text
    )
    assert told == Counter((m.incident, m.role) for m in by_state["unknown"])


def wait(chance, life, receiver, is_alive):
    """Wait for some moment in the life of a process; every other time, one while it sends."""
    if chance.random() < 0.5:
        until = time.monotonic() + chance.uniform(0, life)
        while is_alive() and time.monotonic() < until:
            time.sleep(0.002)
        return
    enough = len(receiver.got) + chance.randint(1, INCIDENTS * STEPS)
    while is_alive() and len(receiver.got) < enough:
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.1))


def test_kills_of_the_work(url, facts, hesitant, chance, capsys):
    store, kind = Store(url), url.partition(":")[0]
    children.end(children.start(children.page, url, facts))
    open_some(store, 0)
    begin = time.monotonic()
    children.end(children.start(children.page, url, facts))
    life = time.monotonic() - begin
    kills = rounds = 0
    while kills < KILLS[kind]:  # a process that ended before was not killed
        rounds += 1
        open_some(store, rounds)
        process = children.start(children.page, url, facts)
        wait(chance, life, hesitant, process.is_alive)
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        assert process.exitcode in (0, -signal.SIGKILL)
    while unfinished(store):
        children.end(children.start(children.page, url, facts))
    children.end(children.start(children.page, url, facts))
    with capsys.disabled():
        print(f"\n{kind}: {kills} kills of a process of {life:.2f} s")
    judge(store, hesitant, (rounds + 1) * INCIDENTS, capsys)
    assert rows(store, messages, messages.c.state == "unknown")  # kills while it was sending


def test_kills_of_the_command(url, command, hesitant, tmp_path, chance, capsys):
    store, kind = Store(url), url.partition(":")[0]
    open_some(store, 0)
    begin = time.monotonic()
    command("incident", "escalate", "--due")
    life = time.monotonic() - begin
    for number in range(1, COMMANDS[kind] + 1):
        open_some(store, number)
        process = command("incident", "escalate", "--due", background=True)
        wait(chance, life, hesitant, lambda at_work=process: at_work.poll() is None)
        process.kill()
        process.communicate(timeout=60)
    while unfinished(store):
        command("incident", "escalate", "--due", check=False)
    assert command("incident", "escalate", "--due").stderr == ""
    with capsys.disabled():
        print(f"\n{kind}: {COMMANDS[kind]} kills of a command of {life:.2f} s")
    judge(store, hesitant, (COMMANDS[kind] + 1) * INCIDENTS, capsys)
    assert left(f"XDG_STATE_HOME={tmp_path}/state") == []


def left(setting):
    """The processes of killed commands that still run ten seconds later."""
    for _ in range(100):
        found = [path for path in Path("/proc").glob("[0-9]*") if setting in environment(path)]
        if not found:
            break
        time.sleep(0.1)
    return [(path / "cmdline").read_bytes() for path in found]


def environment(process):
    try:
        return os.fsdecode((process / "environ").read_bytes()).split("\0")
    except OSError:
        return []
