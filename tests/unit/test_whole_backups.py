"""When a file counts as a whole backup, without a database."""

import hashlib
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hostile import NAMES, directories
from hypothesis import given, settings
from hypothesis import strategies as st
from shells import SHELL

BACKUPS = Path(__file__).parents[2] / "roles/database/files/backups.sh"
TAIL = "\n".join(f"INSERT INTO users VALUES ({n});" for n in range(40))
DUMP = f"-- PostgreSQL database dump\n{TAIL}\n-- PostgreSQL database dump complete\n"


@pytest.fixture
def whole(tmp_path):
    """Ask whether a file is whole; ``commands`` are put in place of the host's."""

    def ask(path, **commands):
        for name, text in commands.items():
            command = tmp_path / "bin" / name
            command.parent.mkdir(exist_ok=True)
            command.write_text(f"#!/bin/sh\n{text}\n")
            command.chmod(0o755)
        return subprocess.run(
            [*SHELL, "-c", f'. {BACKUPS}; sh -c "$backup_is_whole" sh "$1"', "sh", path],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        )

    return ask


def backup(folder, name="school.dump", told=None):
    path = folder / name
    path.write_text(DUMP)
    sum = hashlib.sha256(DUMP.encode()).hexdigest() if told is None else told
    path.with_name(f"{name}.manifest.json").write_text(f'{{"sha256": "{sum}"}}')
    return path


@pytest.mark.parametrize("name", ["school.dump", "a b.sql", "back\\slash.dump", "new\nline.dump"])
def test_the_sum_in_the_manifest_proves_it(tmp_path, whole, name):
    assert whole(backup(tmp_path, name)).returncode == 0


def test_another_sum_does_not(tmp_path, whole):
    done = whole(backup(tmp_path, told="0" * 64))
    assert (done.returncode, done.stderr) == (
        1,
        "its sha256 is not the one in school.dump.manifest.json\n",
    )


@pytest.mark.parametrize(
    "broken",
    [
        "echo 'sha256sum: input/output error' >&2; exit 1",  # a disk that fails
        "exit 0",  # one that says nothing
        "echo '  -'",
        "exit 127",
    ],
)
@pytest.mark.parametrize("told", [None, ""])
def test_a_sum_that_cannot_be_computed_proves_nothing(tmp_path, whole, broken, told):
    done = whole(backup(tmp_path, told=told), sha256sum=broken)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        "unproven: its sha256 cannot be computed",
    )


def test_nor_does_a_file_that_cannot_be_read(tmp_path, whole):
    path = backup(tmp_path)
    path.unlink()
    path.mkdir()
    assert "unproven" in whole(path).stderr


@pytest.mark.parametrize(
    ("text", "code"), [(DUMP, 0), (DUMP[: len(DUMP) // 2], 1), ("", 1), (DUMP[-60:], 1)]
)
def test_a_dump_without_a_manifest_is_whole_by_its_end(tmp_path, whole, text, code):
    path = tmp_path / "school.sql"
    path.write_text(text)
    assert whole(path).returncode == code


def test_of_another_format_nothing_here_can_tell(tmp_path, whole):
    path = tmp_path / "school.dump"
    path.write_text(DUMP)
    assert whole(path).returncode == 3


PRUNE = f"""
. {BACKUPS}
in_backups() {{ "$@"; }}
prove() {{ true; }}
mib() {{ echo "$1 B"; }}
server_statement() {{ :; }}
backup_files
prune_backups >&2
"""


@settings(max_examples=300)
@given(names=st.sets(NAMES, max_size=4), outside=NAMES)
def test_whatever_files_are_called_only_backups_are_listed_and_go(names, outside):
    with directories() as (folder, other):
        precious = other / os.fsdecode(outside + b".dump")
        # A path that is another file's, if it is taken for lines.
        trap = Path(f"{folder}/a\n0\t1\t{precious}")
        trap.parent.mkdir(parents=True)
        backups = [folder / os.fsdecode(b"_" + name + b".dump") for name in names]
        for path in [precious, trap, *backups]:
            path.write_text("x")
            os.utime(path, (1_600_000_000, 1_600_000_000))
            with suppress(OSError):  # a name that is too long for it
                Path(f"{path}.manifest.json").write_text('{\n "database": "school"\n}\n')
        # What has no manifest may be anybody's.
        mine = {p for p in backups if Path(f"{p}.manifest.json").exists()}
        done = subprocess.run(
            [*SHELL, "-c", PRUNE],
            capture_output=True,
            check=True,
            env={
                **os.environ,
                **{"STACK_BACKUP_DIR": str(folder), "BACKUP_KEEP": "0", "BACKUP_DAYS": "7"},
                "DATABASE_NAME": "school",
            },
        )
        listed = {line.split(b"\t", 2)[2] for line in done.stdout.splitlines()}
        plain = {p for p in backups if not any(b < 32 or b == 127 for b in os.fsencode(p))}
        assert listed == {os.fsencode(path) for path in plain}
        assert precious.exists()
        assert trap.exists()
        assert {path for path in backups if path.exists()} == {*backups} - (plain & mine)


OLD = (1_600_000_000, 1_600_000_000)


def old_backup(path, of=None):
    path.parent.mkdir(exist_ok=True)
    path.write_text(DUMP)
    os.utime(path, OLD)
    if of:
        path.with_name(f"{path.name}.manifest.json").write_text(f'{{\n "database": "{of}"\n}}\n')
    return path


def left(folder, **settings):
    """What a prune that keeps one backup leaves, and what would be restored."""
    done = subprocess.run(
        [*SHELL, "-c", PRUNE.replace("backup_files\n", "routine_backups\n")],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            **{"STACK_BACKUP_DIR": str(folder), "BACKUP_KEEP": "1", "BACKUP_DAYS": "7"},
            "DATABASE_NAME": "school",
            **settings,
        },
    )
    names = {path.name for path in folder.rglob("*") if path.suffix in (".dump", ".gz")}
    return names, {Path(line.split("\t")[2]).name for line in done.stdout.splitlines()}


def test_another_databases_backups_neither_count_nor_go(tmp_path):
    for number in (1, 2):
        old_backup(tmp_path / f"school-{number}.dump", "school")
        old_backup(tmp_path / f"library-{number}.dump", "library")
    for number in (1, 2, 3):
        os.utime(old_backup(tmp_path / f"new-{number}.dump", "library"))
    names, usable = left(tmp_path)
    others = {f"library-{n}.dump" for n in (1, 2)} | {f"new-{n}.dump" for n in (1, 2, 3)}
    assert names >= others
    assert len(names & {"school-1.dump", "school-2.dump"}) == 1
    assert usable == {"school-1.dump", "school-2.dump"}


def test_what_lies_elsewhere_or_has_no_manifest_stays(tmp_path):
    for number in (1, 2):
        old_backup(tmp_path / f"nightly-{number}.sql.gz")
        old_backup(tmp_path / "other" / f"copy-{number}.dump", "school")
    everything = {f"nightly-{n}.sql.gz" for n in (1, 2)} | {f"copy-{n}.dump" for n in (1, 2)}
    assert left(tmp_path) == (everything, everything)


def test_the_site_says_which_of_its_own_are_meant(tmp_path):
    for number in (1, 2):
        old_backup(tmp_path / f"nightly-{number}.sql.gz")
        old_backup(tmp_path / f"weekly-{number}.sql.gz")
        old_backup(tmp_path / f"nightly-{number}.dump", "library")
    names, _ = left(tmp_path, BACKUP_PATTERN="nightly-*")
    assert len(names & {"nightly-1.sql.gz", "nightly-2.sql.gz"}) == 1
    assert len(names) == 5


@pytest.mark.parametrize("told", ["x[$(echo run >&2)]", "1 + 1", "-5", ""])
def test_what_a_server_says_is_not_computed_with(tmp_path, told):
    words = """
        unknown() { echo "$*"; exit 69; }
        server_statement() { printf '%s\\n' "$TOLD"; }
        in_backups() { "$@"; }
        as_root() { "$@"; }
        drop_scratch() { :; }
        (backup_estimate)
        (manifest "$1" "server=$TOLD" 1)
        (may_be_restored "$1")
        (verify_deep "$1")"""
    path = old_backup(tmp_path / "school-1.dump")
    done = subprocess.run(
        ["bash", "-c", f". {BACKUPS}\n{words}", "bash", path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "STACK_BACKUP_DIR": str(tmp_path), "DATABASE_NAME": "s", "TOLD": told},
    )
    assert "run" not in done.stderr.split(), done.stderr


@pytest.mark.parametrize("told", ["x[$(id >&2)]", "1 + 1", "-5", ""])
def test_what_a_manifest_says_is_not_computed_with(tmp_path, told):
    path = old_backup(tmp_path / "school-1.dump")
    manifest = f'{{\n "database_bytes": {told},\n "rows": {told},\n "bytes": {told}\n}}\n'
    path.with_name(f"{path.name}.manifest.json").write_text(manifest)
    words = """
        as_root() { "$@"; }
        restore_estimate "$1"; not_suddenly_small "$1" "$1"
        told_number "$1" rows || echo none"""
    done = subprocess.run(
        ["bash", "-c", f". {BACKUPS}\n{words}", "bash", path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "STACK_BACKUP_DIR": str(tmp_path)},
    )
    estimate = len(DUMP) * 8 + 67108864
    assert (done.stdout, done.stderr) == (f"{estimate}\nnone\n", "")
