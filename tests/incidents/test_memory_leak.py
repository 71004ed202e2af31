"""What only `diagnose memory_leak` sees, because it watches for a while: growth."""

import json

LEAK = """
limit_backend 400m
in_backend "globalThis.leak = []; setInterval(() => leak.push(Buffer.alloc(1e6, 1)), 500)"
"""


def test_growth_is_found_by_watching_and_ended_by_a_restart(practice, runbook):
    practice.inject(LEAK)
    assert runbook("triage", "--format", "json").host()["verdict"] == "healthy"

    before = practice.identities()
    options = ["-e", json.dumps({"memory_leak_new_limit": "600m"}), "--format", "json"]
    planned = runbook("plan", "memory_leak", *options).host()
    backend = planned["findings"]["memory"]["value"]["containers"]["backend"]
    assert planned["root_causes"] == ["memory_leak"]
    assert backend["trouble"] == ["growing"]
    assert 40 < backend["growth"] < 240  # MiB a minute; 120 were asked for
    assert planned["findings"]["memory"]["value"]["affected"] == ["backend"]
    shown = {step["rung"]: step.get("shows", "") for step in planned["plan"]}["limit_memory"]
    assert "+  backend:\n+    mem_limit: 600m" in shown
    assert practice.identities() == before
    assert not practice.shell.file("/srv/school_mgmt/docker-compose.override.yml").exists

    cured = runbook("remediate", "memory_leak", "--yes", "--format", "json")
    assert [action["rung"] for action in cured.host()["actions"]] == ["restart_service"]
    assert cured.host()["verdict"] == "fixed"
