"""How long a triage takes, as a ratio against what it replaces, alternating in one run.

Against the source runbook's own diagnosis commands for all seven incidents, typed one after another
in a shell on the host; against these as tasks of a play; and against a play with a single no-op
`raw` task, through ansible-runner as well. Run it when nothing else runs: make bench
"""

import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from practice import INVENTORY, KEYS, ROOT

ROUNDS = 9
WARM_UP = 2

# The source runbook's sections 1 to 7, with `docker compose` where the host has no v1, and without
# the command that never ends (node --expose-gc … setInterval).
COMMANDS = """
docker compose ps
curl -I http://localhost:5007/health
curl -I http://localhost
docker logs school_mgmt_backend --tail=50
docker logs school_mgmt_frontend --tail=50
docker stats --no-stream
docker ps | grep postgres
docker exec school_mgmt_db pg_isready -U postgres
docker logs school_mgmt_backend | grep "database"
docker exec school_mgmt_db psql -U postgres -d school_mgmt \\
  -c "SELECT count(*) FROM pg_stat_activity;"
curl http://localhost:5007/api/v1/students
docker exec school_mgmt_db psql -U postgres -d school_mgmt -c \\
  "SELECT query, calls, total_time, mean_time
   FROM pg_stat_statements
   ORDER BY mean_time DESC
   LIMIT 10;"
docker stats --no-stream
docker exec school_mgmt_db iostat -x 1 5
docker logs school_mgmt_blockchain --tail=50
curl -X POST http://localhost:8545 \\
  -H "Content-Type: application/json" \\
  -d '{"jsonrpc":"2.0","method":"eth_blockNumber","params":[],"id":1}'
docker exec school_mgmt_blockchain ls -la deployments/
docker logs school_mgmt_backend --tail=200 | grep -i error
docker logs school_mgmt_backend | grep "HTTP" | awk '{print $9}' | sort | uniq -c | sort -rn
docker logs school_mgmt_backend | grep "Error:" | tail -20
df -h
docker system df
du -h / | sort -rh | head -20
du -sh /var/log/*
du -sh backend/logs/*
docker stats --no-stream
docker exec school_mgmt_backend curl http://localhost:5007/heapdump
"""
TYPED = f"cd /srv/school_mgmt\n{COMMANDS}true\n"
# The same as a play: a task for each command, of which one may go over several lines. By `raw`, as
# the practice hosts have no Python, and shell would take longer.
TASKS = [
    {"ansible.builtin.raw": f"cd /srv/school_mgmt\n{command}", "failed_when": False}
    for command in re.split(r"\n(?=curl|d[fou]\w* )", COMMANDS.strip())
]

NOOP = """
import sys, tempfile, ansible_runner
playbook, inventory = sys.argv[1:]
with tempfile.TemporaryDirectory(dir="/dev/shm") as private:
    run = ansible_runner.run(private_data_dir=private, playbook=playbook, inventory=inventory,
                             limit="runbook-lab-1", quiet=True)
sys.exit(run.rc)
"""


def seconds(command, **options):
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, **options)
    return time.perf_counter() - begin


def beside(state):
    """An environment in which ansible-playbook is found, beside our Python."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "XDG_STATE_HOME": str(state)}


@pytest.fixture(scope="module")
def samples(first_host, tmp_path_factory):
    """Seconds of each way, alternating, without the first rounds."""
    first_host.reset()
    noop = tmp_path_factory.mktemp("noop") / "noop.yml"
    noop.write_text("- hosts: all\n  gather_facts: false\n  tasks:\n    - raw: 'true'\n")
    state = str(tmp_path_factory.mktemp("state"))
    identity = ["-i", KEYS / "id_ed25519", "-o", "IdentitiesOnly=yes"]
    known = ["-o", f"UserKnownHostsFile={KEYS / 'known_hosts'}"]
    mux = ["-o", "ControlMaster=auto", "-o", f"ControlPath={state}/mux", "-o", "ControlPersist=60"]
    ways = {
        "typed": ["ssh", "-q", *identity, *known, *mux, "-p", "2201", "ops@127.0.0.1", TYPED],
        "noop": [sys.executable, "-c", NOOP, noop, INVENTORY],
        "triage": [
            *(sys.executable, "-m", "oncall_runbook", "triage"),
            *("-i", INVENTORY, "-l", "runbook-lab-1", "--format", "json"),
        ],
    }
    environment = beside(state)
    taken = {way: [] for way in ways}
    for _ in range(WARM_UP + ROUNDS):
        for way, command in ways.items():
            taken[way].append(seconds([str(part) for part in command], cwd=ROOT, env=environment))
    return {way: values[WARM_UP:] for way, values in taken.items()}


def ratio(samples, other):
    """The median of the rounds' own ratios: what else the machine does hits both of a round."""
    of_rounds = [mine / its for mine, its in zip(samples["triage"], samples[other], strict=True)]
    mine, its = (statistics.median(samples[way]) for way in ("triage", other))
    print(f"\ntriage {mine:.2f} s, {other} {its:.2f} s: {statistics.median(of_rounds):.2f}")
    return statistics.median(of_rounds)


def test_against_the_commands_typed_by_hand(samples):
    assert ratio(samples, "typed") <= 0.14


def test_against_a_play_that_does_nothing(samples):
    assert ratio(samples, "noop") <= 1.35


def test_against_the_commands_as_tasks_of_a_play(samples, tmp_path):
    """Once: it takes half a minute."""
    play = tmp_path / "tasks.yml"
    play.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": TASKS}]))
    tasks = seconds([sys.executable, "-c", NOOP, play, INVENTORY], cwd=ROOT, env=beside(tmp_path))
    mine = statistics.median(samples["triage"])
    print(f"\ntriage {mine:.2f} s, {len(TASKS)} tasks {tasks:.2f} s: {mine / tasks:.2f}")
    assert mine / tasks <= 0.1
