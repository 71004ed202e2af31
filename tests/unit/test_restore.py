"""What a restored database lacks that the code of the API names, without a database."""

import os
import subprocess
from pathlib import Path

import pytest
from shells import SHELL

ROLES = Path(__file__).parents[2] / "roles"
WORDS = """
. $ROLES/stack/files/stack.sh
. $ROLES/database/files/backups.sh
columns_of() { printf '%s\\n' "$1"; }
container() { echo api; }
docker() { shift 3; cd "$CODE" && "$@"; }
lacking "$PRESENT" "$RESTORED"
"""
PRESENT = """\
public.users
public.users.id
public.users.last_login
public.leaves
public.leaves.id
public.leaves.days"""


def lines(*names):
    return "\n".join(line for line in PRESENT.splitlines() if not line.startswith(names))


@pytest.mark.parametrize(
    ("restored", "expected"),
    [
        (PRESENT, ""),
        (f"{PRESENT}\npublic.more\npublic.more.id", ""),
        (lines("public.users.last_login"), "column public.users.last_login"),
        (lines("public.leaves"), "table public.leaves"),
        (lines("public.leaves.days"), ""),
        ("", "table public.leaves\ntable public.users"),
    ],
)
def test_only_what_the_code_names_is_missed(tmp_path, restored, expected):
    (tmp_path / "node_modules" / "orm").mkdir(parents=True)
    (tmp_path / "node_modules" / "orm" / "index.js").write_text("days")
    (tmp_path / "users.js").write_text("query('SELECT last_login FROM users JOIN leaves ON true')")
    done = subprocess.run(
        [*SHELL, "-c", WORDS],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "ROLES": str(ROLES),
            "CODE": str(tmp_path),
            "PRESENT": PRESENT,
            "RESTORED": restored,
            "STACK_DIR": "/",
        },
    )
    assert done.stdout.strip() == expected
