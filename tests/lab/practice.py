"""A practice host as tests see it, and what a finished `runbook` left."""

import hmac
import json
import os
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote

import jsonschema
import testinfra
import yaml

ROOT = Path(__file__).parents[2]
LAB = ROOT / "tests" / "lab" / "lab"
WORDS = ROOT / "tests" / "lab" / "words.sh"
COMPOSE = ROOT / "tests" / "lab" / "stack" / "docker-compose.yml"
# The stack without its cache and its blockchain; the API is not told of them either.
SMALLER = r"""
cd /srv/school_mgmt
sudo sed -i -e '/^  redis:$/,/^$/d' -e '/^  blockchain:$/,/^$/d' \
    -e '/REDIS_\|BLOCKCHAIN_\|LOCALHOST_RPC/d' \
    -e '/^      redis:$/,+1d' -e '/^      blockchain:$/,+1d' docker-compose.yml
docker compose up -d --remove-orphans --wait --wait-timeout 60 2>&1
"""
# A new version of the API, which ends at once, again and again.
BROKEN_DEPLOYMENT = """
cd /srv/school_mgmt
sudo sed -i 's|container_name: school_mgmt_backend|&\\n    command: ["false"]|' docker-compose.yml
docker compose up -d --no-deps backend 2>&1
until [ "$(docker inspect -f {{.RestartCount}} school_mgmt_backend)" -ge 4 ]; do sleep 0.3; done
"""
INVENTORY = Path(os.environ.get("RUNBOOK_LAB_INVENTORY", ROOT / "inventory" / "lab.yml"))
KEYS = ROOT / ".lab"
# The number of the host that tests break: somebody else may be at work on the ones before it, and
# every worker of pytest-xdist has one of its own. The one after those is for tests that need two.
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
FIRST = int(os.environ.get("RUNBOOK_LAB_FIRST", "1")) + WORKER
SECOND = FIRST - WORKER + int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
HOST = f"runbook-lab-{FIRST}"
BOTH = {"RUNBOOK_LIMIT": f"{HOST},runbook-lab-{SECOND}"}
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "runner" / "oncall_runbook" / "schema" / "run.schema.json").read_text())
)


@dataclass(frozen=True)
class Ran:
    """A finished `runbook`: exit code, both streams, and its JSON document."""

    code: int
    stdout: str
    stderr: str

    @cached_property
    def document(self):
        document = json.loads(self.stdout)
        SCHEMA.validate(document)
        assert document["exit_code"] == self.code
        return document

    def host(self, name=HOST):
        return self.document["hosts"][name]


def ctrl_c(process):
    """End a command as its operator would; it says so."""
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130


def lose_the_connection(process):
    """Break the connection of a command to the first host; it says so."""
    subprocess.run(["pkill", "-KILL", "-f", f"ssh .*Port={2200 + int(HOST[-1])}"], check=False)
    assert process.wait(60) == 4


def play(*arguments):
    """Run plain ansible-playbook on practice hosts."""
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", INVENTORY, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def session():
    """A session's token, signed as the API of a practice host signs them."""
    settings = yaml.safe_load(COMPOSE.read_text())["services"]["backend"]["environment"]

    def encoded(data):
        return urlsafe_b64encode(data).rstrip(b"=")

    content = {"id": 1, "role": 1, "exp": int(time.time()) + 600}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, content)]
    text = b".".join(map(encoded, parts))
    secret = settings["JWT_ACCESS_TOKEN_SECRET"].encode()
    return b".".join([text, encoded(hmac.digest(secret, text, "sha256"))]).decode()


class Practice:
    """A practice host, seen from inside over ssh, by its own means and never by our output."""

    def __init__(self, number):
        self.name = f"runbook-lab-{number}"
        self.port = 2200 + number
        self.shell = testinfra.get_host(
            f"ssh://ops@127.0.0.1:{self.port}",
            ssh_identity_file=str(KEYS / "id_ed25519"),
            ssh_extra_args=f"-o IdentitiesOnly=yes -o UserKnownHostsFile={KEYS / 'known_hosts'}",
            controlpath=str(KEYS / f"{self.name}.socket"),  # a login costs a tenth of a second
        )

    def run(self, command):
        """Run a shell command as the user ops; it must succeed."""
        done = self.shell.run(command)
        assert done.rc == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def inject(self, commands):
        """Break what a fault or near miss breaks, in words of words.sh, within five minutes."""
        script = quote(f"{WORDS.read_text()}\n{commands}")
        self.run(f"timeout -k 5 300 bash -c {script}")

    def ssh_command(self):
        """The ssh command that runs a shell script from its standard input on the host."""
        options = ["-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={KEYS / 'known_hosts'}"]
        target = ["-p", str(self.port), "ops@127.0.0.1", "sh"]
        return ["ssh", "-q", "-i", str(KEYS / "id_ed25519"), *options, *target]

    def reset(self):
        subprocess.run([LAB, "reset", self.name], check=True, capture_output=True, text=True)

    def query(self, statement):
        return self.run(
            f'docker exec school_mgmt_db psql -X -A -t -U postgres -d school_mgmt -c "{statement}"'
        ).strip()

    def status(self, url, *options):
        """HTTP status of a request from the host; 0 without an answer."""
        options = " ".join(options)
        done = self.shell.run(f"curl -s -m 10 -o /dev/null -w '%{{http_code}}' {options} {url}")
        return int(done.stdout or 0)

    def report(self):
        """HTTP status of a student's report: the API reads the database and calls the PDF service.

        Nobody logs in for it: that is limited, and writes.
        """
        return self.status(
            "http://localhost:5007/api/v1/students/17/report",
            f"-H 'Authorization: Bearer {session()}'",
        )

    def has_certificate(self, certificate="CERT-2025-0001"):
        """Whether the API, if it answers, finds the certificate on the chain past the cache."""
        return '"valid":true' in self.shell.run(_verify(certificate)).stdout

    def containers(self, project="school_mgmt"):
        """Id and start time of a project's containers: any touch changes one of them."""
        return self.run(
            "docker inspect --format '{{.Name}} {{.Id}} {{.State.Status}} {{.State.StartedAt}}"
            " {{len .NetworkSettings.Networks}}'"
            f" $(docker ps -aq --filter label=com.docker.compose.project={project}) | sort"
        )

    def identities(self):
        """Name and id of every container; other than start times they survive a restart policy."""
        return self.run("docker ps -a --no-trunc --format '{{.Names}} {{.ID}}' | sort")

    def data(self):
        """Everything that must not be lost: row counts, contents, volumes, certificates."""
        every_table = (
            "SELECT format('SELECT %L, count(*), md5(string_agg(t::text, ''|'' ORDER BY t::text))"
            " FROM %I t', relname, relname) FROM pg_stat_user_tables WHERE schemaname = 'public'"
            " ORDER BY relname \\gexec"
        )
        contract = '"0x5FbDB2315678afecb367f032d93F642f64180aa3", "latest"'
        looks = {
            "rows": f"echo {quote(every_table)} | docker exec -i school_mgmt_db"
            " psql -XAt -v ON_ERROR_STOP=1 -U postgres -d school_mgmt",
            "volumes": "docker volume ls -q | sort",
            "contract": _rpc("eth_getCode", contract),
            "certificate": f"{{ {_verify('CERT-2025-0001')} || true; }}",
        }
        answers = self.run(" && printf '\\0' && ".join(looks.values())).split("\0")
        found = dict(zip(looks, answers, strict=True))
        return {**found, "certificate": '"valid":true' in found["certificate"]}

    def rpc(self, method, parameters=""):
        return self.run(_rpc(method, parameters))


def _rpc(method, parameters):
    """The command that asks a host's node."""
    body = f'{{"jsonrpc":"2.0","id":1,"method":"{method}","params":[{parameters}]}}'
    return f"curl -s -m 10 http://localhost:8545 -d '{body}'"


def _verify(certificate):
    """The command that asks the API for a certificate, past the cache."""
    return (
        "curl -s -m 10 http://localhost:5007/api/v1/certificates/verify"
        f" -H 'Content-Type: application/json' -d '{{\"certificateId\": \"{certificate}\"}}'"
    )
