"""Fixtures for runs over many hosts."""

import pytest


@pytest.fixture
def fleet(runbook, tmp_path):
    """Run the command against the inventory of this test, directly unless it says otherwise."""

    def run(*words, **env):
        here = {"RUNBOOK_INVENTORY": str(tmp_path / "hosts.yml"), "RUNBOOK_LIMIT": "all", **env}
        return runbook(*words, "--format", "json", env=here)

    return run
