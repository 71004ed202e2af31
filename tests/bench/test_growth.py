"""How a triage grows with its hosts and cards: time, and the memory of the control host.

Each host answers at once what a practice host in good order has answered, so that the figures are
those of the control host. Run it when nothing else runs: make bench. RUNBOOK_BENCH_GROWTH=1,10,5000
chooses the numbers of hosts.
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from costs import cost, line
from light import recorded_answer
from practice import INVENTORY, ROOT

CARDS, ROUNDS = (0, 10, 50), 5
# A card of one's own: a question to the host, and a step.
CARD = """
title: The state {n} of something
severity: SEV3
symptoms: [It is not as it was]
explains: []
probes:
  - id: state_{n}
    title: State {n} is there
    run: cat /etc/hostname
    healthy: value != ''
confirmed: state_{n}.status == 'unhealthy'
ladder:
  - rung: mend_{n}
    title: Mend it
    risk: restart
    costs: nothing
    when: state_{n}.status == 'unhealthy'
    run: 'true'
checklist: [Who changed it?]
"""
HOSTS = [int(n) for n in os.environ.get("RUNBOOK_BENCH_GROWTH", "1,10,100,1000").split(",")]
RUNBOOK = Path(sys.executable).parent / "runbook"


@pytest.fixture(scope="module")
def samples(first_host, lights, tmp_path_factory):
    first_host.reset()
    place = tmp_path_factory.mktemp("growth")
    here = {**os.environ, "XDG_STATE_HOME": str(place / "state")}
    asked = [RUNBOOK, "triage", "-i", INVENTORY, "-l", "runbook-lab-1", "--format", "json"]
    seen = subprocess.run(asked, env=here, cwd=ROOT, capture_output=True, check=False).stdout
    lights.answer(recorded_answer(json.loads(seen)["hosts"]["runbook-lab-1"]))
    inventory = yaml.safe_load(lights.inventory(place, card=False).read_text())
    addresses = [lights.address(name) for name in lights.names]
    found = {}
    for number in HOSTS:
        inventory["all"]["hosts"] = {
            f"h{n}": {"ansible_host": addresses[n % len(addresses)]} for n in range(number)
        }
        (place / "hosts.yml").write_text(yaml.safe_dump(inventory))
        state = place / f"state-{number}"
        words = [
            RUNBOOK,
            "triage",
            "-i",
            place / "hosts.yml",
            "-e",
            "clock_skewed_limit_seconds=86400",
        ]
        found[number] = cost(words, env={**here, "XDG_STATE_HOME": str(state)}, cwd=ROOT)
        written = sum(path.stat().st_size for path in state.rglob("*") if path.is_file())
        print(line(f"{number} hosts", found[number]), f"{written / 1e6:6.1f} MB written")
        (kept,) = state.glob("runbook/runs/*/run.json")
        verdicts = [host["verdict"] for host in json.loads(kept.read_text())["hosts"].values()]
        assert verdicts == ["healthy"] * number
    if report := os.environ.get("RUNBOOK_BENCH_REPORT"):
        Path(report).write_text(json.dumps(found))
    return found


def test_a_triage_grows_as_its_hosts_do(samples):
    """A host more costs no more than another one did: of thousands as of a hundred."""
    start = samples[min(HOSTS)][1]
    each = {n: (samples[n][1] - start) / n for n in HOSTS if n >= 100}
    print({n: f"{1000 * seconds:.1f} ms a host" for n, seconds in each.items()})
    assert max(each.values()) <= 1.25 * each[min(each)]


def test_a_fleet_needs_little_memory(samples):
    assert max(memory for _wall, _used, memory in samples.values()) < 400


def test_a_triage_grows_as_its_cards_do(first_host, tmp_path):
    """A card more costs no more than another one did, on one host: of fifty as of ten."""
    first_host.reset()
    found = {}
    for number in CARDS:
        cards = tmp_path / f"cards-{number}"
        cards.mkdir()
        for n in range(number):
            (cards / f"something_{n}.yml").write_text(CARD.format(n=n))
        state = {"XDG_STATE_HOME": str(tmp_path / f"state-{number}")}
        words = [RUNBOOK, "triage", "-i", INVENTORY, "-l", first_host.name, "--cards", cards]
        costs = [cost(words, env={**os.environ, **state}, cwd=ROOT) for _ in range(ROUNDS)]
        found[number] = [statistics.median(each) for each in zip(*costs, strict=True)]
        print(line(f"{number} cards", found[number]))
        kept = sorted(Path(state["XDG_STATE_HOME"]).glob("runbook/runs/*/run.json"))
        (host,) = json.loads(kept[-1].read_text())["hosts"].values()
        assert sum(id.startswith("state_") for id in host["findings"]) == number
    each = {n: (found[n][1] - found[0][1]) / n for n in CARDS if n}
    print({n: f"{1000 * seconds:.1f} ms a card" for n, seconds in each.items()})
    assert max(each[50], 0) <= 1.25 * max(each[10], 0.001)
