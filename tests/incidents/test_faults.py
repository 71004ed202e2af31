"""Faults, pairs of faults, and what only looks like one, each on a practice host."""

import pytest
from drill import FAULTS, NEAR_MISSES, walk_through

PAIRS = []


def by_name(drills):
    return pytest.mark.parametrize("drill", [pytest.param(d, id=d.name) for d in drills])


@by_name(FAULTS.values())
def test_a_fault_is_found_and_cured_or_honestly_reported(practice, runbook, matrix, drill):
    matrix(drill, *walk_through(drill, practice, runbook))


@by_name(PAIRS)
def test_two_faults_at_once(practice, runbook, matrix, drill):
    matrix(drill, *walk_through(drill, practice, runbook))


@by_name(NEAR_MISSES.values())
def test_what_only_looks_like_an_incident(practice, runbook, matrix, drill):
    practice.inject(drill.inject)
    before = practice.containers()
    for command in (["triage"], ["remediate", "--yes"]):
        ran = runbook(*command, *drill.options)
        host = ran.host()
        assert (ran.code, host["verdict"], host["root_causes"]) == (0, "healthy", []), host
        assert {incident["confirmed"] for incident in host["incidents"].values()} == {False}
        assert host.get("actions", []) == []
        for id, status in drill.findings.items():
            assert host["findings"][id]["status"] == status
    assert practice.containers() == before
    matrix(drill, ran.document["seconds"])
