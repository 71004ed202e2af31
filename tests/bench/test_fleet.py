"""What a look at a hundred hosts costs the control host, as a ratio against other ways to ask them.

Seconds of processor of the client alone, in one run on the same hosts: against a no-op `raw` task
of ansible with fifty forks, against one OpenSSH process for each host that runs the same
script, fifty at a time. What pyinfra takes for one short command, fifty at a time, is shown beside
it, and is less: it judges nothing, and starts no Ansible. Run it when nothing else runs: make bench
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from costs import cost, line
from practice import KEYS, ROOT

HOSTS = int(os.environ.get("RUNBOOK_BENCH_HOSTS", "100"))
AT_ONCE = 50
PYINFRA = "3.10.0"
PLAY = "- {hosts: all, gather_facts: false, tasks: [{ansible.builtin.raw: 'true'}]}"


@pytest.fixture(scope="module")
def pyinfra():
    """The command `pyinfra`, in an environment of its own: it wants other libraries than we."""
    place = ROOT / ".venv" / "bench"
    if not (place / PYINFRA).exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        words = ["install", "--quiet", "--disable-pip-version-check", f"pyinfra=={PYINFRA}"]
        subprocess.run([place / "bin" / "pip", *words], check=True)
        (place / PYINFRA).touch()
    return place / "bin" / "pyinfra"


@pytest.fixture(scope="module")
def samples(lights, pyinfra, tmp_path_factory):
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
            given=addresses.encode(),
        ),
    }
    login = {
        "ssh_user": "root",
        "ssh_key": f"{KEYS}/id_ed25519",
        "ssh_known_hosts_file": f"{place}/known_hosts",
    }
    (place / "hosts.py").write_text(f"hosts = ({addresses.split()}, {login})\n")
    words = ["-y", "--parallel", str(AT_ONCE), place / "hosts.py", "exec", "--", "true"]
    found["pyinfra"] = cost([pyinfra, *words], cwd=place)
    for name, costs in found.items():
        print(line(name, costs))
    if report := os.environ.get("RUNBOOK_BENCH_REPORT"):
        Path(report).write_text(json.dumps({"hosts": HOSTS, **found}))
    return found


@pytest.mark.parametrize(("other", "share"), [("raw", 0.35), ("ssh", 0.6)])
def test_a_triage_of_many_hosts_costs_a_part_of_what_others_cost(samples, other, share):
    ratio = samples["triage"][1] / samples[other][1]
    print(f"triage of {HOSTS} hosts: {ratio:.2f} of {other} ({share})")
    assert ratio <= share
