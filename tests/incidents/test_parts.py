"""Stacks that lack parts which cards know: no trouble, once the inventory says so."""

import json

import pytest
from practice import BROKEN_DEPLOYMENT, SMALLER

PARTS = ["backend", "frontend", "database", "blockchain", "cache"]


def without(*parts):
    """The option that says which parts a stack does not have."""
    return "-e", json.dumps({"stack_services": dict.fromkeys(parts, "")})


def names_of(practice):
    return [line.split()[0] for line in practice.identities().splitlines()]


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_the_inventory_leaves_empty_is_not_asked(practice, runbook, part):
    seen = runbook("triage", *without(part), "--format", "json")
    host = seen.host()
    assert (seen.code, host["verdict"]) == (0, "healthy"), host["reason"]
    unasked = [said for said in host["findings"].values() if said["status"] == "not_applicable"]
    judged = [each for each in host["incidents"].values() if "not_applicable" in each]
    assert unasked + judged, "nothing was left out"
    assert not [said for said in unasked if said["command"]]
    assert not [id for id, said in host["findings"].items() if said["status"] == "unknown"]


def test_a_smaller_stack_is_healthy_and_its_faults_are_cured(practice, runbook):
    practice.run(SMALLER)
    assert runbook("triage", "--format", "json").host()["verdict"] != "healthy"
    lacking = without("cache", "blockchain")
    seen = runbook("triage", *lacking, "--format", "json").host()
    assert (seen["verdict"], seen.get("uncovered", [])) == ("healthy", [])
    chain = seen["incidents"]["blockchain_service_unavailable"]
    assert chain["confirmed"] is False
    assert chain["not_applicable"] == "this stack has no blockchain, says stack_services"
    alone = runbook("diagnose", "blockchain-service-unavailable", *lacking, "--format", "json")
    assert (alone.code, alone.host()["reason"]) == (0, chain["not_applicable"])
    practice.run("docker stop -t 5 school_mgmt_db")
    cured = runbook("remediate", "--yes", *lacking, "--format", "json").host()
    assert [step["rung"] for step in cured["actions"]] == ["start_database"]
    assert cured["verdict"] == "fixed"
    assert practice.report() == 200


def test_no_step_of_ours_brings_up_what_a_smaller_stack_lacks(practice, runbook):
    """Words for steps get empty names there, which compose might take for all services."""
    practice.run(SMALLER)
    lacking = without("cache", "blockchain")
    ops = ["ops", "restart", "--yes", *lacking, "--format", "json"]
    restarted = runbook(*ops, "database", "backend")
    assert restarted.host()["verdict"] == "fixed", restarted.host()["reason"]
    refused = runbook(*ops, "cache")
    assert (refused.code, refused.host().get("actions", [])) == (6, [])
    practice.run(BROKEN_DEPLOYMENT)
    before = names_of(practice)
    quick = ["-e", "incident_settle_seconds=2", "--format", "json"]
    tried = runbook("remediate", "--yes", "--allow", "outage", *lacking, *quick).host()
    assert [step["rung"] for step in tried["actions"]] == ["recreate_application", "restart_stack"]
    assert names_of(practice) == before
    database = "docker inspect -f '{{.State.Running}}' school_mgmt_db"
    assert practice.run(database).strip() == "true"
