"""How old the newest backup is, and when that is said."""

import os
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from shells import SHELL

ROLES = Path(__file__).parents[2] / "roles"
LIBRARIES = [
    "stack/files/stack.sh",
    "database/files/backups.sh",
    "backup_overdue/files/backup_age.sh",
]


def overdue(directory, hours, by=()):
    """What is said of the newest backup in a directory, to whoever asks."""
    words = "".join((ROLES / library).read_text() for library in LIBRARIES)
    return subprocess.run(
        [*by, *SHELL, "-c", f"{words}overdue_backup {hours}"],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "LC_ALL": "C",
            "STACK_DIR": str(directory),
            "STACK_BACKUP_DIR": str(directory),
            "DATABASE_NAME": "shop",
        },
    )


@pytest.fixture
def backups(tmp_path):
    """A directory, and a way to put backups there that are so many hours old."""

    def put(name, hours, database="shop"):
        path = tmp_path / name
        path.write_text("it")
        path.with_name(f"{name}.manifest.json").write_text(f'{{\n "database": "{database}"\n}}\n')
        os.utime(path, (then := time.time() - hours * 3600, then))
        return tmp_path

    put.directory = tmp_path
    return put


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (0, ""),
        (25, ""),
        (23, "the newest backup, b.sql.gz, is 24 h 0 m old\n"),
    ],
)
def test_the_newest_one_of_this_database_counts(backups, hours, said):
    backups("a.dump", 90)
    backups("b.sql.gz", 24)
    backups("other.dump", 1, database="other")
    done = overdue(backups.directory, hours)
    assert (done.stdout, done.stderr, done.returncode) == (said, "", 0)


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_none_at_all_is_overdue_where_one_is_expected(backups, place):
    directory = backups.directory / place
    assert overdue(directory, 24).stdout == f"there is no backup in {directory}\n"
    assert overdue(directory, 0).stdout == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_directory_that_cannot_be_read_is_unknown():
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        (Path(place) / "backups").mkdir(mode=0o700)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        done = overdue(Path(place) / "backups", 24, by=nobody)
    assert (done.returncode, done.stdout) == (69, "")
