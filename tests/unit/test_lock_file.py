"""What `make setup` installs: every release named with its hashes, and all that is asked for."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text()
LOCKED = {
    match["name"]: match
    for match in re.finditer(
        r"^(?P<name>[a-z0-9.-]+)==(?P<version>\S+)[^\n]*\n(?P<hashes>(    --hash=\S+( \\)?\n)*)",
        LOCK,
        re.MULTILINE,
    )
}


def asked_for():
    """What pyproject.toml asks for, with all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for text in sum(extras, project["dependencies"])]


def test_every_release_has_its_hashes():
    lines = [line for line in LOCK.splitlines() if line and line[0] not in " #"]
    assert len(lines) >= len(LOCKED) > 50
    assert all("==" in line and line.endswith("\\") for line in lines)
    assert all("--hash=sha256:" in release["hashes"] for release in LOCKED.values())


def test_all_that_is_asked_for_is_there_in_a_release_that_will_do():
    for wanted in asked_for():
        if wanted.name != "oncall-runbook":
            release = LOCKED[re.sub(r"[_.]", "-", wanted.name).lower()]
            assert wanted.specifier.contains(release["version"]), wanted
