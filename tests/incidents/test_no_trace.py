"""Fifty triages of a healthy host leave it as it was: logs, limiter, sessions, rows, keys."""

import json
import time

import yaml
from practice import INVENTORY

LOGIN = """curl -s -m 20 -i http://localhost:5007/api/v1/auth/login \
    -H 'Content-Type: application/json' \
    -d '{"username": "admin@school.example", "password": "lab-password"}' | tr -d '\\r'"""
WRITES = """SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables"""
SESSIONS = """SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
    AND pid <> pg_backend_pid()"""
# What a cache may be asked without a trace.
READS = {
    "dbsize",
    "quit",
    "ping",
    "info",
    "config|get",
    "auth",
    "hello",
    "client|setinfo",
    "select",
    "command|docs",
}


def sign_in(practice):
    """Status of a login, and how many more the limiter allows."""
    head, _, _ = practice.run(LOGIN).partition("\n\n")
    status, *lines = head.splitlines()
    fields = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), int(fields["ratelimit-remaining"])


def logs(practice):
    """Bytes that API, database and cache have logged, to Docker and to files of their own.

    A checkpoint is due to the login before, some minutes later.
    """
    count = "docker logs school_mgmt_{} 2>&1 | grep -v 'LOG:  checkpoint' | wc -c"
    told = {name: practice.run(count.format(name)) for name in ("backend", "db", "redis")}
    files = practice.run("docker exec school_mgmt_backend sh -c 'wc -c /app/logs/*'")
    return {**told, "files": files}


def cache(practice):
    """Keys of the cache, and how often it was told to do more than answer."""
    said = practice.run("docker exec school_mgmt_redis redis-cli INFO commandstats").splitlines()
    counts = dict(line.removeprefix("cmdstat_").split(":", 1) for line in said if ":" in line)
    asked = {name: text for name, text in counts.items() if name not in READS}
    return practice.run("docker exec school_mgmt_redis redis-cli DBSIZE"), asked


def settled(look):
    """What ``look`` sees once it sees the same three times in a row: counters are late."""
    seen = [look()]
    while seen[-3:] != [seen[-1]] * 3:
        assert len(seen) < 30, seen[-2:]
        time.sleep(1)
        seen.append(look())
    return seen[-1]


def test_fifty_triages_leave_no_trace(practice, runbook, tmp_path):
    writes = practice.query(WRITES)
    status, remaining = sign_in(practice)
    assert status == 200
    for _ in range(30):  # a session that is idle again tells of its writes ten seconds later
        if practice.query(WRITES) != writes:
            break
        time.sleep(1)
    known = yaml.safe_load(INVENTORY.read_text())["school_mgmt"]["vars"]
    hosts = {f"glance-{number}": {"ansible_port": practice.port} for number in range(50)}
    ssh = {key: str(text).replace("{{ inventory_dir }}", str(INVENTORY.parent))
           for key, text in known.items()}  # fmt: skip
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(json.dumps({"all": {"hosts": hosts, "vars": ssh}}))

    before = settled(lambda: (logs(practice), cache(practice), practice.query(WRITES)))
    sessions = int(practice.query(SESSIONS))
    environment = {"RUNBOOK_INVENTORY": str(inventory), "RUNBOOK_LIMIT": "all"}
    ran = runbook("triage", "--forks", "3", "--format", "json", env=environment)
    told = {name: host["verdict"] for name, host in ran.document["hosts"].items()}
    assert told == dict.fromkeys(hosts, "healthy")

    after = settled(lambda: (logs(practice), cache(practice), practice.query(WRITES)))
    assert after == before
    assert int(practice.query(SESSIONS)) <= sessions
    assert sign_in(practice) == (200, remaining - 1)
