"""From the name of a host to a right triage: `runbook init`, and no edit of what it writes."""

import json

import pytest
import yaml
from practice import KEYS, SMALLER

SECRETS = ("lab-database-password", "lab-access-token-secret", "re_lab_resend_key")


@pytest.fixture
def way(practice):
    """The options with which a practice host is reached by its address alone."""
    wanted = {
        "ansible_port": practice.port,
        "ansible_user": "ops",
        "ansible_ssh_private_key_file": str(KEYS / "id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={KEYS / 'known_hosts'}",
    }
    return "127.0.0.1", ["-e", json.dumps(wanted)]


@pytest.mark.parametrize("changed", ["", SMALLER], ids=["all parts", "no cache and no chain"])
def test_a_healthy_host_is_healthy_with_what_init_writes(practice, runbook, way, tmp_path, changed):
    practice.run(changed or "true")
    address, options = way
    path = tmp_path / "inventory.yml"
    before = practice.containers()
    made = runbook("init", address, "--output", path, *options)
    assert made.code == 0, made.stderr
    assert practice.containers() == before
    text = path.read_text()
    assert not [secret for secret in SECRETS if secret in text + made.stdout + made.stderr]
    (known,) = yaml.safe_load(text)["all"]["hosts"].values()
    parts = {"backend": "backend", "frontend": "frontend", "database": "postgres"}
    others = {"blockchain": "blockchain", "cache": "redis"}
    lacking = dict.fromkeys(others, "")
    assert known["stack_services"] == {**parts, **(lacking if changed else others)}
    ours = {"RUNBOOK_INVENTORY": str(path), "RUNBOOK_LIMIT": "all"}
    seen = runbook("triage", *options, "--format", "json", env=ours)
    (host,) = seen.document["hosts"].values()
    assert (seen.code, host["verdict"], host.get("uncovered", [])) == (0, "healthy", []), host
    practice.run("docker stop -t 5 school_mgmt_db")
    ill = runbook("triage", *options, "--format", "json", env=ours)
    (host,) = ill.document["hosts"].values()
    assert (ill.code, host["root_causes"]) == (3, ["database_connection_failures"])
    assert runbook("init", address, "--output", path, *options).code == 2
