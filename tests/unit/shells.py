"""The shells and awks that a host's words are tested in, and the programs that these run."""

import os
import shutil
import subprocess
from pathlib import Path

import yaml

# Of one run of the tests: RUNBOOK_TEST_SHELL, else the one that Debian has as /bin/sh.
SHELL = os.environ.get("RUNBOOK_TEST_SHELL", "dash").split()
# Every awk of this machine, of those that hosts have.
AWKS = [awk for awk in (["mawk"], ["busybox", "awk"], ["gawk"]) if shutil.which(awk[0])]
ROLES = Path(__file__).parents[2] / "roles"


def shells_of_roles():
    """What each card, the stack and the operations run their commands in, by the role's name."""
    for path in sorted(ROLES.glob("*/vars/main.yml")):
        role = path.parts[-3]
        if shell := yaml.safe_load(path.read_text()).get(f"{role}_shell"):
            yield role, shell
    for path in sorted(ROLES.glob("*/card.yml")):
        if shell := yaml.safe_load(path.read_text()).get("shell"):
            yield path.parent.name, shell


# Their texts, by the variable that holds each.
PROGRAMS = {
    name: (ROLES / file).read_text()
    for _, shell in shells_of_roles()
    for name, file in shell.get("files", {}).items()
}


def awk(program, text, *options, **environment):
    """Run one of those in every awk; return what all of them print and say, and the status."""
    ends = []
    for command in AWKS:
        done = subprocess.run(
            [*command, *options, PROGRAMS[program]],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", **environment},
        )
        ends.append((done.stdout, done.stderr, done.returncode))
    assert ends
    assert ends == ends[:1] * len(ends), AWKS
    return ends[0]
