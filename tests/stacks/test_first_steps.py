"""From `pip install` to a right triage and a cure, as README says it: its recording."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from practice import KEYS, ROOT
from recording import Recording, same_but_for_the_moment
from test_shapes import ALL, start  # noqa: F401  (a fixture)

PICTURE = ROOT / "docs" / "first-steps.svg"
HOME = Path("/tmp/runbook-first-steps")
ADDRESS = "school.example.com"


@pytest.fixture
def checkout():
    """A copy of this checkout: what git tracks, or would. Its place is seen in the recording."""
    shutil.rmtree(HOME, ignore_errors=True)
    place = HOME / "runbook"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    for name in map(Path, filter(None, listed.decode().split("\0"))):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    yield place
    shutil.rmtree(HOME)


@pytest.fixture
def terminal(practice, checkout, tmp_path):
    """A terminal of somebody who has an empty environment, and ssh to a host of that name."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    config = tmp_path / "ssh_config"
    config.write_text(
        f"Host {ADDRESS}\n HostName 127.0.0.1\n Port {practice.port}\n User ops\n"
        f" IdentityFile {KEYS / 'id_ed25519'}\n IdentitiesOnly yes\n"
        f" UserKnownHostsFile {KEYS / 'known_hosts'}\n"
    )
    ours = {name: text for name, text in os.environ.items() if not name.startswith("RUNBOOK_")}
    changed = {
        "PATH": f"{tmp_path / 'venv' / 'bin'}:{os.environ['PATH']}",
        "XDG_STATE_HOME": str(HOME / ".local"),
        "ANSIBLE_SSH_COMMON_ARGS": f"-F {config}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    terminal = Recording(checkout, ours | changed)
    terminal.ssh = f"ssh -F {config} {ADDRESS}"
    return terminal


def test_the_first_steps_of_the_readme_lead_to_a_right_triage(
    request,
    practice,
    start,  # noqa: F811
    terminal,
):
    shape = ALL["proxy"]
    practice.run("docker rm -fv $(docker ps -aq)")  # the host has one stack, of another shape
    start("proxy", shape)
    assert terminal.type("pip install -qq .", shown="pip install .") == (0, "")
    status, said = terminal.type(f"runbook init ops@{ADDRESS}")
    assert status == 0, said
    status, said = terminal.type("runbook triage -i inventory.yml")
    assert (status, said.splitlines()[0]) == (0, f"{ADDRESS}: healthy")
    stop = "docker stop portal-store-1"
    terminal.type(f"{terminal.ssh} {stop}", shown=f"ssh {ADDRESS} {stop}")
    status, said = terminal.type("runbook triage -i inventory.yml")
    assert status == 3, said
    assert "SEV1 Database connection failures" in said
    # A person stopped it a moment ago: whoever did says so.
    status, said = terminal.type("runbook remediate -i inventory.yml --yes --take-over")
    assert (status, f"{ADDRESS}: fixed" in said) == (0, True), said
    status, said = terminal.type("runbook triage -i inventory.yml")
    assert (status, said.splitlines()[0]) == (0, f"{ADDRESS}: healthy")
    picture = terminal.picture()
    if request.config.getoption("--record"):
        PICTURE.write_text(picture)
    assert same_but_for_the_moment(PICTURE.read_text()) == same_but_for_the_moment(picture)
