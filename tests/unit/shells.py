"""The shells that a host's words are tested in, and the programs that these run."""

import os
from pathlib import Path

import yaml

# Of one run of the tests: RUNBOOK_TEST_SHELL, else the one that Debian has as /bin/sh.
SHELL = os.environ.get("RUNBOOK_TEST_SHELL", "dash").split()
ROLES = Path(__file__).parents[2] / "roles"


def shells_of_roles():
    """What each card, the stack and the operations run their commands in, by the role's name."""
    for path in sorted(ROLES.glob("*/vars/main.yml")):
        held, role = yaml.safe_load(path.read_text()), path.parts[-3]
        shell = held.get(f"{role}_shell", held.get(f"{role}_card", {}).get("shell"))
        if shell:
            yield role, shell


# Their texts, by the variable that holds each.
PROGRAMS = {
    name: (ROLES / file).read_text()
    for _, shell in shells_of_roles()
    for name, file in shell.get("files", {}).items()
}
