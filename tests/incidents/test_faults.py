"""Faults, pairs of faults, and what only looks like one, each on a practice host."""

import pytest
from drill import FAULTS, NEAR_MISSES, make, options, side_by_side, together, walk_through

# Two troubles, two root causes, whatever one of them could have explained.
PAIRS = [
    together(
        "database_stopped+blockchain_paused",
        ["database_connection_failures", "blockchain_service_unavailable"],
        ["start_database", "start_blockchain"],
    ),
    together(
        "database_paused+frontend_stopped",
        ["database_connection_failures", "application_not_responding"],
        ["start_database", "start_application"],
    ),
    together(
        "frontend_stopped+lock_held_by_statement",
        ["application_not_responding", "high_response_times"],
        ["start_application", "cancel_blocking_statements"],
    ),
    together(
        "cache_full+backend_stopped",
        ["application_not_responding", "high_response_times"],
        ["start_application", "drop_cache_keys"],
    ),
    together(
        "cache_hung+frontend_stopped",
        ["application_not_responding", "high_response_times"],
        ["start_application", "resume_cache"],
    ),
    together(
        "disk_full_deleted_file+frontend_stopped",
        ["disk_space_full", "application_not_responding"],
        ["restart_holder", "start_application"],
    ),
    together(
        "disk_full_images+blockchain_client_lost",
        ["disk_space_full", "blockchain_service_unavailable"],
        ["remove_unused_images", "restart_backend"],
    ),
    # One step cures both: the process that leaks is the one that lost its client.
    together(
        "blockchain_client_lost+memory_leak_backend",
        ["memory_leak", "blockchain_service_unavailable"],
        ["restart_service"],
    ),
    together(
        "bad_deployment_rolled_back+blockchain_paused",
        ["blockchain_service_unavailable", "high_error_rate"],
        ["start_blockchain", "roll_back_image"],
    ),
]


def by_name(drills):
    return pytest.mark.parametrize("drill", [pytest.param(d, id=d.name) for d in drills])


@by_name(FAULTS.values())
def test_a_fault_is_found_and_cured_or_honestly_reported(practice, runbook, matrix, drill, request):
    record = request.config.getoption("--record")
    matrix(drill, *walk_through(drill, practice, runbook, record=record))


@by_name(PAIRS)
def test_two_faults_at_once(practice, runbook, matrix, drill):
    matrix(drill, *walk_through(drill, practice, runbook))


@pytest.mark.parametrize(
    "drills", side_by_side(NEAR_MISSES.values()), ids=lambda group: "+".join(d.name for d in group)
)
def test_what_only_looks_like_an_incident(practice, runbook, matrix, drills):
    make(practice, drills)
    # What belongs to others may restart by its own policy.
    before = practice.containers(), practice.identities()
    # It looks as a triage does, and would do what it should not.
    ran = runbook("remediate", "--yes", *options(*drills))
    host = ran.host()
    assert (ran.code, host["verdict"], host["root_causes"]) == (0, "healthy", []), host
    assert {incident["confirmed"] for incident in host["incidents"].values()} == {False}
    assert host["actions"] == []
    for drill in drills:
        for id, status in drill.findings.items():
            assert host["findings"][id]["status"] == status, drill.name
        practice.run(drill.still)
    assert (practice.containers(), practice.identities()) == before
    for drill in drills:
        matrix(drill, ran.document["seconds"])
