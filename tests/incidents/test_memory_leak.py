"""What only `diagnose memory_leak` sees, because it watches for a while: growth."""

import json

import pytest

LEAK = """
limit_backend 400m
in_backend "globalThis.leak = []; setInterval(() => leak.push(Buffer.alloc(1e6, 1)), 500)"
sleep 20  # until what its start left is collected
"""


@pytest.fixture
def leaking(practice):
    practice.inject(LEAK)
    return practice


def test_growth_is_found_by_watching_and_ended_by_a_restart(leaking, runbook):
    assert runbook("triage", "--format", "json").host()["verdict"] == "healthy"

    watched = runbook("diagnose", "memory_leak", "--format", "json").host()
    backend = watched["findings"]["memory"]["value"]["containers"]["backend"]
    assert watched["root_causes"] == ["memory_leak"]
    assert backend["trouble"] == ["growing"]
    assert 40 < backend["growth"] < 240  # MiB a minute; 120 were asked for
    assert watched["findings"]["memory"]["value"]["affected"] == ["backend"]

    cured = runbook("remediate", "memory_leak", "--yes", "--format", "json")
    assert [action["rung"] for action in cured.host()["actions"]] == ["restart_service"]
    assert cured.host()["verdict"] == "fixed"


def test_the_plan_shows_the_override_file_as_a_diff(leaking, runbook):
    options = ["-e", json.dumps({"memory_leak_new_limit": "600m"}), "--format", "json"]
    before = leaking.identities()
    steps = runbook("plan", "memory_leak", *options).host()["plan"]
    shown = {step["rung"]: step.get("shows", "") for step in steps}["limit_memory"]
    assert "+  backend:\n+    mem_limit: 600m" in shown
    assert leaking.identities() == before
    assert not leaking.shell.file("/srv/school_mgmt/docker-compose.override.yml").exists
