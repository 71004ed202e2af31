"""Every fault: break it, find it, plan, cure or say why not, look at the host, and again."""

from pathlib import Path

import pytest
import yaml

FAULTS = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "faults").glob("*.yml"))
}
CODES = {"fixed": 0, "not_fixed": 5}


@pytest.fixture(params=FAULTS)
def fault(request):
    return FAULTS[request.param]


@pytest.fixture
def options(fault):
    extra = fault.get("extra_vars", {})
    return [f"-e{key}={value}" for key, value in extra.items()] + ["--format", "json"]


def test_a_fault_is_found_and_cured_or_honestly_reported(practice, runbook, fault, options):
    before = practice.data()
    practice.run(fault["inject"])

    found = runbook("triage", *options)
    assert found.host()["root_causes"] == [fault["root_cause"]]
    assert (found.code, found.host()["verdict"]) == (3, "incident")

    broken = practice.identities()
    planned = runbook("plan", *options)
    assert planned.code == 3
    rungs = [step["rung"] for step in planned.host()["plan"] if step["allowed"]]
    assert rungs[:1] == fault["rungs"][:1]
    assert practice.identities() == broken

    cured = runbook("remediate", "--yes", *options)
    host = cured.host()
    assert [action["rung"] for action in host["actions"]] == fault["rungs"], host
    assert (cured.code, host["verdict"]) == (CODES[fault["ends"]], fault["ends"])
    if fault["ends"] == "fixed":
        assert host["actions"][-1]["held"]
        the_stack_works(practice)
        assert practice.data() == before
    else:
        assert host["reason"]

    # What is broken still may restart by its own policy; what is cured may not move at all.
    seen = practice.containers if fault["ends"] == "fixed" else practice.identities
    after = seen()
    again = runbook("remediate", "--yes", *options)
    assert again.host()["actions"] == []
    assert again.host()["verdict"] == ("healthy" if fault["ends"] == "fixed" else "not_fixed")
    assert seen() == after


def the_stack_works(practice):
    """On the host itself, at four levels: containers, /health, a read of the database, the page."""
    states = practice.run("docker ps -a --format '{{.Names}} {{.State}}'").split()
    assert states[1::2] == ["running"] * 5
    assert practice.status("http://localhost:5007/health") == 200
    assert practice.login() == 401
    assert practice.status("http://localhost") == 200
