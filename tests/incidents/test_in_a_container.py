"""The image of `ci/run-in-container`: a user without rights cures a host."""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from drill import the_stack_works
from practice import FIRST, HOST, KEYS, ROOT
from test_cancelled_jobs import lease
from test_runs import STOP_DATABASE, until

IMAGE = "runbook-lab/command"
LABEL = "runbook.lab.session"
SESSION = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
BASE = """\
FROM debian:trixie-slim
COPY authority.crt /usr/local/share/ca-certificates/
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates \\
 && rm -rf /var/lib/apt/lists/* /var/cache/apt
"""
USER = 23456
FLAGS = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
LIMITED = [*FLAGS, "--user", str(USER), "--network", "host", "--tmpfs", "/tmp"]


def docker(*words, check=True):
    return subprocess.run(
        ["docker", *map(str, words)], capture_output=True, text=True, check=check, timeout=300
    )


def known(what):
    """What the engine knows of the image; nothing where there is none."""
    return docker("image", "inspect", "--format", what, IMAGE, check=False).stdout.strip()


def base(place):
    """What it is built on: Debian, which trusts the authority of this machine's proxy, if any."""
    if not (authority := os.environ.get("NODE_EXTRA_CA_CERTS")):
        return "debian:trixie-slim"
    place.mkdir()
    shutil.copy(authority, place / "authority.crt")
    (place / "Dockerfile").write_text(BASE)
    docker("build", "--tag", f"{IMAGE}-base", place)
    return f"{IMAGE}-base"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image, built of this checkout by the first worker that needs it."""
    with (KEYS / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if known(f'{{{{index .Config.Labels "{LABEL}"}}}}') != SESSION:
            build(tmp_path_factory.mktemp("image"))
    return IMAGE


def build(place):
    """Build it; of one that was before only the layers that both have are kept."""
    before = known("{{.Id}}")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "DIST": str(place / "dist")}
    # Without BuildKit, which Debian's engine does not have, as the practice hosts' images.
    labels = [f"--label={label}" for label in ("runbook.lab=image", f"{LABEL}={SESSION}")]
    options = [f"--build-arg=BASE={base(place / 'base')}", *labels]
    image = [ROOT / "ci/run-in-container/build", IMAGE, *options]
    for command in ([ROOT / "tools/dist", place / "dist"], image):
        done = subprocess.run(
            command,
            env={**env, "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    if before not in ("", known("{{.Id}}")):
        docker("image", "rm", before, check=False)


@pytest.fixture
def mounts(tmp_path):
    """The options that mount what a run needs: all of it this user's, or readable."""
    work, state, ssh = (tmp_path / name for name in ("work", "state", "ssh"))
    for each in (work, state, ssh):
        each.mkdir()
    reached = {"ansible_host": "127.0.0.1", "ansible_port": 2200 + FIRST, "ansible_user": "ops"}
    quick = {"incident_pause_seconds": 1, "incident_hands_seconds": 0}
    hosts = {"all": {"hosts": {HOST: reached | quick}}}
    (work / "hosts.yml").write_text(yaml.safe_dump(hosts))
    for name in ("id_ed25519", "known_hosts"):
        shutil.copy(KEYS / name, ssh)
    for each in (state, ssh, *ssh.iterdir()):
        os.chown(each, USER, USER)
    there = {work: "/work:ro", state: "/state", ssh: "/home/runbook/.ssh:ro"}
    return {path.name: f"--volume={path}:{target}" for path, target in there.items()}


def test_a_user_without_rights_cures_a_host(practice, image, mounts):
    limited = [*LIMITED, *mounts.values(), image]

    def run(*arguments):
        return docker("run", "--rm", *limited, *arguments, "-i", "hosts.yml", check=False)

    practice.run(STOP_DATABASE)
    red = run("triage", "--format", "json")
    assert red.returncode == 3, red.stderr
    assert json.loads(red.stdout)["hosts"][HOST]["root_causes"] == ["database_connection_failures"]
    # Who stops the container cancels the run, which leaves the host before it ends: here between
    # two steps, as nothing would else give it back.
    name = f"runbook-lab-command-{os.getpid()}"
    cure = ("remediate", "--yes", "-i", "hosts.yml")
    docker("run", "--detach", "--name", name, *limited, *cure)
    try:
        until(lambda: "climb | Keep" in docker("logs", name).stderr)
        docker("stop", name)
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name).stdout == "130\n"
    finally:
        docker("rm", "--force", name)
    assert lease(practice) == ""
    cured = run("remediate", "--yes", "--format", "json")
    assert cured.returncode == 0, cured.stderr
    assert json.loads(cured.stdout)["hosts"][HOST]["verdict"] == "fixed"
    assert run("triage").returncode == 0
    the_stack_works(practice)


@pytest.mark.parametrize(
    ("left_out", "changed", "says"),
    [
        ("state", [], r"/state cannot be written by user 23456: .*"),
        ("ssh", [], r"no key for ssh: mount .* at /home/runbook/\.ssh, or set ANSIBLE_.*"),
        ("", ["--user", "34567"], r"/state cannot be written by user 34567: .*"),
        (
            "state",
            ["--user", "34567", "--tmpfs", "/state:mode=1777"],
            r"/home/runbook/\.ssh/id_ed25519 cannot be read by user 34567: .* --user 23456",
        ),
        ("", ["--env", "ANSIBLE_PRIVATE_KEY_FILE=/keys/id"], r"there is no file /keys/id: .*"),
        ("", ["--tmpfs", "/tmp:ro"], r"/tmp cannot be written: .* --tmpfs /tmp"),
    ],
)
def test_what_is_missing_is_one_line_and_wrong_usage(image, mounts, left_out, changed, says):
    given = [mount for name, mount in mounts.items() if name != left_out]
    done = docker("run", "--rm", *LIMITED, *given, *changed, image, "triage", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"runbook: {says}\n", done.stderr), done.stderr


@pytest.mark.parametrize("words", [["--version"], ["help"], ["list"], ["triage", "--help"]])
def test_what_reaches_no_host_needs_nothing(image, words):
    done = docker("run", "--rm", *FLAGS, "--user", "34567", image, *words)
    assert done.stdout
    assert done.stderr == ""
