"""One change at a time on a host: the lease, with real shells and real processes."""

import getpass
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, history, lock
from hypothesis import given
from hypothesis import strategies as st

MARKS = cards.ROLES / "stack/files/marks.sh"
STACK = MARKS.with_name("stack.sh")


@pytest.fixture
def name():
    name = f"/test/{uuid.uuid4()}"
    yield name
    held(name, 'rm -f "$lock_file" "${lock_file%.lock}".*')


def held(name, command="take_lock", owner="me", seconds=60, broken="", shell="sh", **how):
    text = lock.shell(name, "run-1", seconds, broken).replace(lock.owner(), owner)
    return subprocess.run(
        [shell, "-c", f"{text}\n{command}"], capture_output=True, text=True, check=False, **how
    )


def test_a_free_host_is_taken_and_renewed(name):
    assert held(name).returncode == 0
    assert held(name).returncode == 0


def test_another_is_told_who_holds_it(name):
    held(name)
    second = held(name, owner="you")
    assert second.returncode == lock.HELD
    assert "run-1" in str(lock.Lease.read(second.stderr))


def test_a_released_host_is_free(name):
    held(name)
    held(name, "release_lock")
    assert held(name, owner="you").returncode == 0


def test_an_abandoned_host_is_free_and_still_tells_its_last_step(name):
    step = "take_lock; note_step it; note_step_end 0"
    told = 'cut -f 6 "${lock_file%.lock}.step"'
    held(name, f"{step}; abandon_lock", owner="you")
    assert held(name, told).stdout == "it\n"
    assert held(name).returncode == 0
    held(name, "abandon_lock", owner="you")
    assert held(name, owner="you").returncode == lock.HELD


def test_only_the_holder_releases(name):
    held(name)
    held(name, "release_lock", owner="you")
    assert held(name, owner="you").returncode == lock.HELD


def test_a_lease_ends_by_itself(name):
    held(name, seconds=0)
    assert held(name, owner="you").returncode == 0


def test_a_dead_holder_is_passed_over(name):
    held(name, owner="dead")
    assert held(name, owner="you", broken="dead").returncode == 0


def test_of_many_at_once_one_gets_it(name):
    text = [lock.shell(name, "", 60).replace(lock.owner(), f"owner{n}") for n in range(12)]
    shells = [
        subprocess.Popen(["sh", "-c", f"{each}\ntake_lock"], stderr=subprocess.DEVNULL)
        for each in text
    ]
    assert sorted(shell.wait() for shell in shells) == [0] + [lock.HELD] * 11


def test_dead_and_living_owners_are_told_apart():
    gone = subprocess.Popen(["true"])
    gone.wait()
    space = lock.owner().rpartition(":")[0]
    assert lock.is_dead(f"{space}:{gone.pid}")
    assert not lock.is_dead(f"{space}:{os.getpid()}")
    assert not lock.is_dead(f"another-machine:{gone.pid}")
    assert not lock.is_dead("")
    assert not lock.is_dead(f"{space}:²")


@given(st.text())
def test_whatever_a_host_says_of_its_holder_is_read(text):
    lease = lock.Lease.read(text)
    assert str(lease)
    lock.is_dead(lease.owner)


def test_the_lease_is_in_memory(name):
    held(name)
    assert list(Path("/dev/shm").glob("runbook.*/*.lock"))


def test_a_change_leaves_its_mark_and_a_mere_lease_does_not(name):
    look = 'take_lock; release_lock; [ -e "${lock_file%.lock}.change" ]'
    assert held(name, look).returncode == 1
    assert held(name, f"note_change; {look}").returncode == 0


def test_a_lease_is_renewed_while_its_step_goes_on_and_no_longer(name):
    look = 'cut -d " " -f 2 "$lock_file"'
    step = f"take_lock; keeper=$(keep_lock); {look}; sleep 4.5; {look}"
    first, second = map(int, held(name, step, seconds=5).stdout.split())
    assert second >= first + 3
    before = held(name, look).stdout
    for _ in range(20):  # a renewal may have been on its way, on a machine with much to do
        time.sleep(3)
        now = held(name, look).stdout
        if now == before:
            return
        before = now
    pytest.fail("the lease is renewed for ever")


@pytest.mark.parametrize(("times", "seconds"), [(1, 0.2), (300, 0)])
def test_who_renews_a_lease_ends_when_told_with_what_it_started(name, times, seconds):
    once = f'keeper=$(keep_lock); sleep {seconds}; kill "$keeper"; echo "$keeper"'
    kept = {**os.environ, "KEPT": name}
    step = f"take_lock; for n in $(seq {times}); do {once}; done; sleep 0.2"
    for keeper in held(name, step, seconds=3155, env=kept).stdout.split():
        with suppress(OSError):  # a zombie, where nobody waits for orphans, has no command line
            assert Path(f"/proc/{keeper}/cmdline").read_text() == ""
    time.sleep(1.5)  # its own clock lives up to a second longer
    search = ["grep", "-lsF", f"KEPT={name}", *map(str, Path("/proc").glob("[0-9]*/environ"))]
    assert subprocess.run(search, capture_output=True, check=False).stdout == b""


def looked(name):
    """What a look tells of a run that has not left the host; its times are of no matter."""
    look = f"STACK_DIR={name}; . {MARKS}; unheard_step"
    return re.sub(r"\d+ s", "N s", held(name, look, owner="you").stdout)


def test_a_look_tells_of_a_step_until_its_run_has_heard_of_its_end(name):
    assert looked(name) == ""
    going = f"take_lock; note_step 'Take it\tdown'; STACK_DIR={name}; unheard_step"
    said = "Take it down (run {}), begun N s ago, {}\n"
    note = f"{getpass.getuser()}@{platform.node()} run-1"
    assert re.sub(r"\d+ s", "N s", held(name, going).stdout) == said.format(note, "goes on")
    assert looked(name) == said.format(note, "was ended halfway")
    held(name, "take_lock; note_step 'Take it down'; note_step_end 4")
    assert looked(name) == said.format(note, "ended N s ago, with exit status 4")
    held(name, "release_lock", owner="you")
    assert looked(name) != ""
    held(name, "take_lock; release_lock")
    assert looked(name) == ""


@pytest.mark.parametrize("line", ["", "1", "1\tx[$(id >&2)]\t-\t-\tme\tit", "1\t2\t3-4\t0\tme\tit"])
def test_a_note_that_is_none_is_not_computed_with(name, line):
    held(name, "take_lock; note_step it")
    spoil = f"printf '%s\\n' '{line}' >\"${{lock_file%.lock}}.step\""
    done = held(name, f"{spoil}; STACK_DIR=$lock_name; unheard_step", shell="bash")
    assert (done.stdout, done.stderr) == ("a note of a run that cannot be read\n", "")


def test_a_dead_holder_whose_step_goes_on_is_not_passed_over(name):
    step = lock.shell(name, "run-1", 60).replace(lock.owner(), "dead")
    going = subprocess.Popen(
        [
            "sh",
            "-c",
            f"{step}\ntake_lock; note_step 'Take it down'; echo; read -r _; note_step_end 0",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    going.stdout.readline()
    second = held(name, owner="you", broken="dead")
    assert second.returncode == lock.HELD
    assert "run-1" in str(lock.Lease.read(second.stderr))
    going.communicate(b"\n")
    assert held(name, owner="you", broken="dead").returncode == 0


def test_what_a_run_did_is_kept_on_disk_and_in_memory_for_those_after_it(tmp_path):
    noted = "take_lock; note_rung high_error_rate restart; note_rung high_error_rate restart held"
    look = f"STACK_DIR=$lock_name; . {MARKS}; history_of_runs"
    forget = 'rm -f "$lock_file" "${lock_file%.lock}.history"'
    held(str(tmp_path), noted)
    told = held(str(tmp_path), look).stdout.splitlines()
    assert [line.split("\t")[1:] for line in told[1:]] == [
        ["run-1", "high_error_rate", "restart", ""],
        ["run-1", "high_error_rate", "restart", "held"],
    ]
    assert int(told[0]) >= int(told[1].split("\t")[0])
    look_at_all = f"STACK_DIR=$lock_name; . {STACK}; . {MARKS}; notes_here"
    notes = json.loads(held(str(tmp_path), look_at_all).stdout)
    assert (notes["hold"], notes["step"]) == ("", "")
    climbed = history.read(notes["history"])[1]
    assert [(c.run, c.rung, c.held) for c in climbed] == [("run-1", "restart", True)]
    # A reboot of the host, and then a disk without room.
    held(str(tmp_path), forget)
    assert held(str(tmp_path), look).stdout.splitlines()[1:] == told[1:]
    (tmp_path / ".runbook-history").unlink()
    (tmp_path / ".runbook-history").symlink_to("/dev/full")
    held(str(tmp_path), noted)
    assert len(held(str(tmp_path), look).stdout.splitlines()) == 3
    held(str(tmp_path), forget)


def test_a_history_stays_short(tmp_path):
    held(str(tmp_path), "n=0; while [ $n -lt 450 ]; do note_rung card rung$n; n=$((n + 1)); done")
    lines = (tmp_path / ".runbook-history").read_text().splitlines()
    assert 200 <= len(lines) <= 400
    assert lines[-1].split("\t")[3] == "rung449"
    held(str(tmp_path), 'rm -f "${lock_file%.lock}.history"')


OPERATIONS = cards.ROLES / "operation/files/operations.sh"
HOLD = f'. {OPERATIONS}; as_root() {{ sudo -n "$@"; }}; STACK_DIR=$lock_name'


def kept_away(stack, command, **how):
    return held(str(stack), f"{HOLD}; {command}", **how)


def soon(seconds=60):
    return int(time.time()) + seconds


def test_a_hold_keeps_every_change_away_until_it_is_lifted(tmp_path):
    done = kept_away(tmp_path, f"set_hold {soon()} me@here 'a\tb\nc \"quoted\" $(id) \\n\\c'")
    assert done.stdout == f"kept in {tmp_path}/.runbook-hold\n", done.stderr
    for owner in ("me", "you"):
        refused = held(str(tmp_path), owner=owner)
        assert refused.returncode == 77
        said = refused.stderr.strip()
        assert said.startswith("refused: on hold until ")
        assert said.endswith('by me@here: a b c "quoted" $(id) \\n\\c')
    given_back = held(str(tmp_path), "lock_despite_hold=yes; take_lock && release_lock")
    assert given_back.returncode == 0
    assert kept_away(tmp_path, "lift_hold").stdout == "lifted\n"
    assert held(str(tmp_path), 'take_lock && rm -f "$lock_file"').returncode == 0


def test_a_hold_ends_by_itself(tmp_path):
    kept_away(tmp_path, f"set_hold {soon(-1)} me@here why")
    assert held(str(tmp_path), 'take_lock && rm -f "$lock_file"').returncode == 0


@pytest.mark.parametrize("text", ["", "soon\tme\twhy\n", "99999999999\tme\twhy\n", None, 0])
def test_a_hold_that_cannot_be_read_is_one(tmp_path, text):
    file = tmp_path / ".runbook-hold"
    if text is None:
        file.mkdir()
    elif text == 0:
        file.symlink_to("/nonexistent")
    else:
        file.write_text(text)
    refused = held(str(tmp_path))
    assert refused.returncode == 77
    assert "cannot be read" in refused.stderr


def test_where_the_disk_has_no_room_a_hold_is_in_memory(tmp_path):
    no_room = "mv() { return 1; }; sh() { return 1; }; as_root() { return 1; }"
    # Only what writes to memory may.
    words = f"{no_room}; set_hold {soon()} me@here why"
    words = words.replace(
        "sh() { return 1; }",
        'sh() { case $4 in /dev/shm/*) command sh "$@" ;; *) return 1 ;; esac; }',
    )
    done = kept_away(tmp_path, words)
    assert "in memory until the host reboots" in done.stdout
    assert held(str(tmp_path)).returncode == 77
    kept_away(tmp_path, "lift_hold")
    assert held(str(tmp_path), 'take_lock && rm -f "$lock_file"').returncode == 0


def test_every_path_to_a_stack_is_the_same_stack(tmp_path):
    stack, link = tmp_path / "stack", tmp_path / "link"
    stack.mkdir()
    link.symlink_to(stack)
    held(f"{stack}/")
    assert held(str(link), owner="you").returncode == lock.HELD
    held(str(stack), 'rm -f "$lock_file"')


# --- what others may do to it -----------------------------------------------------------------

GROUP = 54321  # of the engine's socket
ONE, OTHER, STRANGER = ({"user": n, "group": n, "extra_groups": g} for n, g in
                        ((54001, [GROUP]), (54002, [GROUP]), (54003, [])))  # fmt: skip
PLACE = Path(f"/dev/shm/runbook.{GROUP}")


@pytest.fixture
def engine(tmp_path_factory):
    """A socket that a group owns, as the engine's; nothing listens there."""
    if os.geteuid() != 0:  # `make test` is: it starts an engine
        pytest.skip("root alone starts processes of other users")
    folder = Path(tempfile.mkdtemp(prefix="engine", dir="/tmp"))
    folder.chmod(0o755)
    path = folder / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    os.chown(path, 0, GROUP)
    yield {**os.environ, "DOCKER_HOST": f"unix://{path}"}
    shutil.rmtree(folder)
    if PLACE.is_symlink() or not PLACE.is_dir():
        PLACE.unlink(missing_ok=True)
    else:
        shutil.rmtree(PLACE)


def test_two_users_of_the_engine_share_one_lease(name, engine):
    assert held(name, env=engine, **ONE).returncode == 0
    second = held(name, owner="you", env=engine, **OTHER)
    assert (second.returncode, "run-1" in second.stderr) == (lock.HELD, True)
    held(name, "release_lock", env=engine, **ONE)
    assert held(name, owner="you", env=engine, **OTHER).returncode == 0
    assert held(name, owner="root", env=engine).returncode == lock.HELD


def test_who_may_not_use_the_engine_may_neither_take_nor_read_it(name, engine):
    held(name, env=engine, **ONE)
    stranger = held(name, owner="you", env=engine, **STRANGER)
    assert stranger.returncode == lock.NONE
    assert stranger.stderr.splitlines()[-1].startswith(lock.NO_LEASE)
    seen = held(name, f"cat {PLACE}/*; rm -rf {PLACE}", env=engine, **STRANGER)
    assert seen.stdout == ""
    assert held(name, owner="you", env=engine, **OTHER).returncode == lock.HELD


@pytest.mark.parametrize("shell", ["dash", "bash"])
@pytest.mark.parametrize(
    "trap",
    [
        f"mkdir -m 777 {PLACE}",
        f"mkfifo -m 666 {PLACE}",
        f"ln -s /tmp {PLACE}",
        f"mkdir -m 2770 {PLACE}",  # of the stranger's own group
        f": >{PLACE}",
    ],
)
def test_what_a_stranger_put_there_ends_it_at_once_with_the_reason(name, engine, trap, shell):
    subprocess.run(["sh", "-c", trap], check=True, **STRANGER)
    for who in (ONE, {}):
        done = held(name, shell=shell, env=engine, timeout=5, **who)
        assert done.returncode == lock.NONE
        assert str(PLACE) in done.stderr.splitlines()[-1]


def test_a_lease_that_somebody_keeps_locked_is_not_waited_for_without_end(name, engine):
    keep = 'take_lock; exec 8>>"$lock_file"; flock 8; echo ready; sleep 60'
    text = lock.shell(name, "run-1", 60)
    with subprocess.Popen(
        ["sh", "-c", f"{text}\n{keep}"],
        stdout=subprocess.PIPE,
        env=engine,
        start_new_session=True,
    ) as keeper:
        keeper.stdout.readline()
        done = held(name, env=engine, timeout=30)
        os.killpg(keeper.pid, signal.SIGKILL)
    assert done.returncode == lock.NONE
    assert "another process keeps" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "you 99999999999 for ever",  # longer than any lease
        "you 9999999999999999999999 for ever",
        "you soon x",
        "you",
        "",
        "\x1b[2J \x00 x",
    ],
)
def test_a_line_that_is_no_lease_holds_nobody_up(name, engine, line):
    held(name, "take_lock; release_lock", env=engine)
    (file,) = PLACE.glob("*.lock")
    file.write_text(line)
    assert held(name, env=engine).returncode == 0


CHANGED = f". {MARKS}; STACK_DIR=$lock_name; last_change"


@pytest.mark.parametrize(("age", "believed"), [(10, True), (100_000, True), (-60, False)])
def test_a_change_that_is_still_to_come_is_none(name, engine, age, believed):
    then = int(time.time()) - age
    held(name, f'note_change; touch -d @{then} "${{lock_file%.lock}}.change"', env=engine)
    assert int(held(name, CHANGED, env=engine).stdout) == (then if believed else 0)


def test_nor_is_one_of_a_stranger(name, engine):
    held(name, "note_change", env=engine, **ONE)
    key = next(PLACE.glob("*.change")).name
    shutil.rmtree(PLACE)
    PLACE.mkdir(mode=0o777)
    os.chown(PLACE, *(STRANGER[who] for who in ("user", "group")))
    (PLACE / key).touch()
    assert held(name, CHANGED, env=engine).stdout == "0\n"


def test_a_lease_that_was_held_lately_is_seen_after_its_end(name, engine):
    look = f". {MARKS}; STACK_DIR=$lock_name; just_changed"
    assert held(name, look, env=engine).returncode == 1
    assert held(name, f"take_lock; release_lock; {look}", env=engine).returncode == 0
    age = 'touch -d "4 minutes ago" "$lock_file"'
    assert held(name, f"take_lock; {age}; {look}", env=engine).returncode == 1
