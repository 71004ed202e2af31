"""Which containers are the stack's, whatever others are called and labelled; without an engine."""

import os
import subprocess
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from shells import PROGRAMS, SHELL

ROLES = Path(__file__).parents[2] / "roles"
MARK = "runbook0123456789abcdef"
OWN = ["False", "/usr", "aaa backend shop", "Up 1 minute", "data", "0.0.0.0:80->80/tcp", "api"]
# What docker ps prints of a container: its labels and mounts as they are, each behind the mark.
DOCKER = 'docker() { printf "%s\\n" "$LISTED"; }\n'
# A label of several lines, of which the second would be a container of the stack.
TRAP = "\nFalse\t/usr\tvictim backend shop\tUp 1 minute\t\t\tx"
TEXTS = st.one_of(
    st.just(TRAP),
    st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
    st.lists(st.sampled_from([TRAP, "\n", "\t", MARK[:7], "False", "/usr", "shop"])).map("".join),
)


def listed(*lines):
    done = subprocess.run(
        [*SHELL, "-c", f". {ROLES}/stack/files/stack.sh\n{DOCKER}containers"],
        capture_output=True,
        check=True,
        env={
            **os.environ,
            **PROGRAMS,
            "LC_ALL": "C",
            "STACK_DIR": "/usr",
            "RUNBOOK_CHANNEL": MARK,
            "LISTED": "\n".join(f"{MARK}{line}" for line in lines),
        },
    )
    return done.stdout.decode().splitlines()


def test_a_container_of_the_stack_is_listed():
    assert listed("\t".join(OWN)) == ["aaa backend shop Up 1 minute\tdata\t,80,"]


@settings(max_examples=300, deadline=None)
@given(others=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), max_size=4))
def test_no_label_of_another_container_makes_one_of_the_stack(others):
    foreign = [
        "\t".join(["False", "/other" + place, f"bbb {service} {project}", "Up", "", "", "other"])
        for place, service, project in others
    ]
    assert listed(*foreign, "\t".join(OWN), *foreign) == listed("\t".join(OWN))
