"""What a look at a hundred hosts costs the control host, as a ratio against other ways to ask them.

Seconds of processor of the client alone, in one run on the same hosts: against a no-op `raw` task
of ansible with fifty forks, and against one OpenSSH process for each host that runs the same
script, fifty at a time. Run it when nothing else runs: make bench
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from practice import KEYS, ROOT

HOSTS = int(os.environ.get("RUNBOOK_BENCH_HOSTS", "100"))
AT_ONCE = 50
PLAY = "- {hosts: all, gather_facts: false, tasks: [{ansible.builtin.raw: 'true'}]}"


def cost(command, **options):
    """Run a command; return its seconds of wall and of processor, and its peak memory in MB."""
    begin, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=False, capture_output=True, **options)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - begin, used, after.ru_maxrss / 1024


@pytest.fixture(scope="module")
def samples(lights, tmp_path_factory):
    place = tmp_path_factory.mktemp("fleet")
    names = lights.names[:HOSTS]
    inventory = lights.inventory(place, names=names, card=False)
    (place / "noop.yml").write_text(PLAY)
    here = {**os.environ, "XDG_STATE_HOME": str(place / "state")}
    bin = Path(sys.executable).parent
    script = place / "script"
    # A script of the length of ours, which does as little as it does on such a host.
    script.write_text(f"cat /srv/school_mgmt/state\n: '{'x' * 350_000}'\n")
    addresses = "\n".join(lights.address(name) for name in names)
    ssh = f"ssh -i {KEYS}/id_ed25519 -o UserKnownHostsFile={place}/known_hosts"
    found = {
        "triage": cost([bin / "runbook", "triage", "-i", inventory], env=here, cwd=ROOT),
        "raw": cost(
            [bin / "ansible-playbook", "-f", str(AT_ONCE), "-i", inventory, place / "noop.yml"],
            env=here,
            cwd=place,
        ),
        "ssh": cost(
            ["xargs", f"-P{AT_ONCE}", "-I{}", "sh", "-c", f"{ssh} root@{{}} sh < {script}"],
            input=addresses.encode(),
        ),
    }
    for name, (wall, used, memory) in found.items():
        print(f"{name:7} {wall:6.1f} s, processor {used:6.2f} s, {memory:5.0f} MB")
    if report := os.environ.get("RUNBOOK_BENCH_REPORT"):
        Path(report).write_text(json.dumps({"hosts": HOSTS, **found}))
    return found


@pytest.mark.parametrize(("other", "share"), [("raw", 0.35), ("ssh", 0.6)])
def test_a_triage_of_many_hosts_costs_a_part_of_what_others_cost(samples, other, share):
    ratio = samples["triage"][1] / samples[other][1]
    print(f"triage of {HOSTS} hosts: {ratio:.2f} of {other} ({share})")
    assert ratio <= share
