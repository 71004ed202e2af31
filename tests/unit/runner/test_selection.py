"""Hosts that are chosen by what an earlier run said of them."""

import pytest

from oncall_runbook.errors import BadInputError, NothingMatchedError
from oncall_runbook.run import run_files
from oncall_runbook.run.conclusion import Job, opening
from oncall_runbook.run.selection import chosen, lasting

RUN = "20260101T000000Z-0001"
HOSTS = {
    "web1": {"verdict": "healthy", "root_causes": []},
    "web2": {"verdict": "incident", "root_causes": ["memory_leak"]},
    "web3": {"verdict": "not_fixed", "root_causes": ["disk_space_full"]},
    "db1": {"verdict": "unreachable", "root_causes": []},
    "db2": {"verdict": "fixed", "root_causes": []},
}


@pytest.fixture(autouse=True)
def one_run(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    cards = ("memory_leak", "disk_space_full", "clock_skewed")
    known = {"incidents": {name: {"confirmed": False} for name in cards}}
    empty = {"reason": "", "findings": {}, **known}
    ended = {"finished": "2026-01-01T00:00:01.000Z", "seconds": 1, "exit_code": 5}
    begun = opening(Job(RUN, "triage", None, 0.0, "x"))
    document = {**begun, **ended, "hosts": {n: {**empty, **host} for n, host in HOSTS.items()}}
    run_files.RunDirectory(RUN).save(document)


@pytest.mark.parametrize(
    ("limit", "hosts"),
    [
        ("@unhealthy:last", ["web2", "web3"]),
        (f"@unhealthy:{RUN}", ["web2", "web3"]),
        ("@unhealthy:20260101", ["web2", "web3"]),
        ("@unknown:last", ["db1"]),
        ("@healthy:last", ["db2", "web1"]),
        ("@fixed:last", ["db2"]),
        ("@memory_leak:last", ["web2"]),
        ("@unknown:last, @memory_leak:last", ["db1", "web2"]),
        ("@unhealthy:last,!web3", ["web2"]),
    ],
)
def test_a_run_chooses_hosts(limit, hosts):
    assert chosen(limit) == (None, tuple(hosts))


@pytest.mark.parametrize("limit", [None, "web*", "@hosts.txt", "@/srv/a:b.txt", "web:!db", "a,b"])
def test_what_ansible_knows_is_left_to_it(limit):
    assert chosen(limit) == (limit, ())
    assert lasting(limit) == limit


@pytest.mark.parametrize(
    "limit", ["@clock_skewed:last", "@locked:last", "@unhealthy:last,!web2,!web3"]
)
def test_a_choice_that_leaves_no_host_matches_nothing(limit):
    with pytest.raises(NothingMatchedError):
        chosen(limit)


@pytest.mark.parametrize("limit", ["@ill:last", "@unhealthy:last,web1"])
def test_a_choice_that_means_nothing_is_refused(limit):
    with pytest.raises(BadInputError):
        chosen(limit)


def test_a_run_that_is_not_there_is_named():
    with pytest.raises(NothingMatchedError, match="2099"):
        chosen("@unhealthy:2099")


def test_last_is_kept_as_the_run_that_it_was():
    assert lasting("@unhealthy:last,!web3") == f"@unhealthy:{RUN},!web3"
