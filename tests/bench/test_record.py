"""With 10,000 incidents the record is as quick as with none: whole commands, on either store.

The bounds are absolute, as asked for. Run it when nothing else runs: make bench
"""

import os
import resource
import statistics
import subprocess
import sys
import time

import pytest
import servers

from oncall_runbook import clock
from oncall_runbook.record.store import Store
from oncall_runbook.record.tables import entries, hosts, incidents, items, messages, steps

INCIDENTS, OPEN = 10_000, 300
ROUNDS = 7
LIST, DUE = 0.5, 1.0  # seconds
KINDS = ("opened", "run", "finding", "rung", "finding", "verdict", "acknowledged", "note")
LADDER = ((0, "on_call_engineer"), (30, "engineering_manager"))
AUTHORS = ("ann", "bob", "eve")


def incident(number, now):
    """One of a record of three years: the newest are open, the others resolved and reviewed."""
    is_open = number > INCIDENTS - OPEN
    opened = now - (INCIDENTS - number) * 160 * clock.MINUTE - clock.HOUR
    done = opened + 40 * clock.MINUTE
    return {
        "id": number,
        "title": f"Database connection failures of service {number % 40}",
        "card": "database_connection_failures",
        "severity": f"SEV{1 + number % 4}",
        "severity_reason": "the card of database_connection_failures says so",
        "severity_by_person": False,
        "status": "identified" if is_open else "reviewed",
        "impact": "half of the users cannot log in",
        "owner": AUTHORS[number % 3],
        "began": opened - 5 * clock.MINUTE,
        "detected": opened,
        "opened": opened,
        "acknowledged": opened + 3 * clock.MINUTE,
        "acknowledged_by": AUTHORS[number % 3],
        "mitigated": None if is_open else done - 5 * clock.MINUTE,
        "resolved": None if is_open else done,
        "armed": True,
        "response_due": opened + 5 * clock.MINUTE,
        "update_minutes": 60,
        "update_due": now + clock.DAY if is_open else None,
        "review_hours": 48,
        "review_state": "none" if is_open else "closed",
        "review_due": None if is_open else done + 2 * clock.DAY,
        "root_cause": None if is_open else "a connection pool without a limit " * 5,
        "resolution": None if is_open else "database restarted",
        "prevention": None if is_open else "an alert on connections, and a limit " * 5,
    }


def parts(row):
    """What belongs to an incident: by table, rows."""
    number, opened = row["id"], row["opened"]
    times = [opened + n * 4 * clock.MINUTE for n in range(len(KINDS))]
    yield (
        entries,
        [
            {
                "incident": number,
                "at": at,
                "kind": kind,
                "author": row["owner"],
                "text": f"{kind}: root cause database_connection_failures; database is exited",
                "data": {"values": {"read_time": {"value": 151, "unit": "ms"}}},
            }
            for at, kind in zip(times, KINDS, strict=True)
        ],
    )
    yield hosts, [{"incident": number, "host": f"web{(number + n) % 60}"} for n in range(2)]
    yield (
        items,
        [
            {
                "incident": number,
                "text": f"alert on {what}",
                "owner": row["owner"],
                "deadline": clock.text(opened + 14 * clock.DAY)[:10],
                "done": None if number % 10 == 0 else row["resolved"],
            }
            for what in ("sessions in use", "disks")
        ],
    )
    facts = {"incident": number, "note": "", "sent": None}
    yield (
        steps,
        [
            {
                **facts,
                "position": position,
                "after_minutes": after,
                "due": opened + after * clock.MINUTE,
                "roles": [role],
                "state": "stopped" if position else "sent",
            }
            for position, (after, role) in enumerate(LADDER)
        ],
    )
    yield (
        messages,
        [
            {
                "incident": number,
                "key": f"step:{number}:{role}",
                "kind": kind,
                "role": role,
                "channel": "mailtos://smtp.school.test",
                "fingerprint": "0123456789abcdef",
                "subject": f"[{row['severity']}] #{number} {row['title']}: nobody acknowledged it",
                "body": "What is known of it. " * 30,
                "state": "sent",
                "attempts": 1,
                "next_at": opened,
                "created": opened,
                "sent": opened,
                "error": "",
            }
            for role, kind in ((LADDER[0][1], "page"), ("team_lead", "update"))
        ],
    )


def fill(url):
    store, now = Store(url), clock.now()
    rows = [incident(number, now) for number in range(1, INCIDENTS + 1)]
    found = {}
    for row in rows:
        for table, some in parts(row):
            found.setdefault(table, []).extend(some)
    with store.write() as conn:
        conn.execute(incidents.insert(), rows)
        for table, some in found.items():
            conn.execute(table.insert(), some)
    return sum(map(len, found.values())) + INCIDENTS


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request, tmp_path_factory):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('record')}/incidents.db"
        return
    with servers.postgresql() as server:
        yield server.database()


@pytest.fixture(scope="module")
def full(url):
    count = fill(url)
    print(f"\n{url.partition(':')[0]}: {INCIDENTS} incidents, {OPEN} open, {count} rows")
    return url


def measure(url, tmp_path, *arguments):
    """The median of a command's seconds, and of those it used a core; and what it printed."""
    walls, cores = [], []
    settings = {"RUNBOOK_STORE": url, "XDG_STATE_HOME": str(tmp_path)}
    for _ in range(ROUNDS):
        before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "oncall_runbook", "incident", *arguments],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        walls.append(time.perf_counter() - begin)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cores.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    wall, core = statistics.median(walls), statistics.median(cores)
    print(f"\nincident {' '.join(arguments)}: {wall:.2f} s, {core:.2f} s of a core", end="")
    return wall, done


def test_list(full, tmp_path):
    wall, done = measure(full, tmp_path, "list")
    assert len(done.stdout.splitlines()) == 1 + OPEN + 50
    assert wall < LIST


def test_nothing_due(full, tmp_path):
    wall, done = measure(full, tmp_path, "escalate", "--due")
    assert (done.stdout, done.stderr) == ("", "")
    assert wall < DUE
