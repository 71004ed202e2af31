"""What memory is judged by, of readings that were seen, and the override file that limits it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from shells import PROGRAMS, SHELL, awk

ROLES = Path(__file__).parents[2] / "roles"
LIBRARIES = ("stack/files/stack.sh", "stack/files/compose.sh", "memory_leak/files/memory.sh")
PARTS = ("backend", "frontend", "database", "blockchain")
ROLES_OF_SERVICES = {f"STACK_{part.upper()}": part for part in PARTS} | {"STACK_CACHE": "redis"}
MARK = "# Memory limits set in an incident (oncall.runbook.memory_leak)."
# A file of ours of which people have changed parts since.
CHANGED = f"""\
{MARK}
# Ask before you change this.
services:
  backend:  # the API
    mem_limit: 256m
    # twice what it needs
    environment:
      MODE: production
    memswap_limit: 256m
  redis:
    mem_limit: 64m
    memswap_limit: 64m

networks:
  default:
    name: shop
"""
# An engine with containers without and with a limit, and a compose that finds a file broken.
ENGINE = """
project() { :; }
containers() { printf 'a1 backend shop\\nb2 redis shop\\nc3 pdf shop\\n'; }
state_of() { echo running; }
wait_for() { :; }
docker() {
    case $* in
    "compose version") ;;
    *" config") echo "name: ${compose_override:+${BROKEN:-}}" ;;
    *.HostConfig*) case $* in *a1) echo 0 0 ;; *) echo 67108864 134217728 ;; esac ;;
    update*) echo "$*" >>"$STACK_DIR/told"; case $* in *"$FAILS") return 1 ;; esac ;;
    esac
}
"""


@pytest.fixture
def stack(tmp_path):
    (tmp_path / "compose.yml").write_text("services:\n  backend:\n  redis:\n")
    return tmp_path


def run(stack, command, **environment):
    words = "\n".join(f". {ROLES / library}" for library in LIBRARIES)
    return subprocess.run(
        [*SHELL, "-c", f"{words}\n{ENGINE}\n{command}"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            **PROGRAMS,
            **ROLES_OF_SERVICES,
            **{"STACK_DIR": str(stack), "FAILS": "nothing"},
            **environment,
        },
    )


def override(stack):
    return stack / "compose.override.yml"


def told(stack):
    path = stack / "told"
    return path.read_text().splitlines() if path.exists() else []


def test_the_first_limit_makes_the_file(stack):
    done = run(stack, "limit_memory 512m backend redis")
    assert done.returncode == 0, done.stderr
    limits = {"mem_limit": "512m", "memswap_limit": "512m"}
    assert yaml.safe_load(override(stack).read_text()) == {
        "services": {"backend": limits, "redis": limits}
    }
    assert [line.rpartition(" ")[2] for line in told(stack)] == ["a1", "b2"]


def test_what_people_wrote_there_stays(stack):
    override(stack).write_text(CHANGED)
    override(stack).chmod(0o640)
    assert run(stack, "limit_memory 512m backend pdf").returncode == 0
    text = override(stack).read_text()
    kept = [line for line in CHANGED.splitlines() if "256m" not in line]
    assert [line for line in text.splitlines() if line in kept] == kept
    limits = {"mem_limit": "512m", "memswap_limit": "512m"}
    was = yaml.safe_load(CHANGED)["services"]
    document = yaml.safe_load(text)
    assert document["services"] == {**was, "backend": {**was["backend"], **limits}, "pdf": limits}
    assert document["networks"] == {"default": {"name": "shop"}}
    assert override(stack).stat().st_mode & 0o777 == 0o640


def test_twice_is_once(stack):
    override(stack).write_text(CHANGED)
    run(stack, "limit_memory 512m backend redis")
    once = override(stack).read_text()
    run(stack, "limit_memory 512m backend redis")
    assert override(stack).read_text() == once


@pytest.mark.parametrize("target", ["elsewhere.yml", "nothing.yml"])
def test_no_link_is_followed_or_replaced(stack, target):
    elsewhere = stack / "elsewhere.yml"
    elsewhere.write_text(CHANGED)
    override(stack).symlink_to(stack / target)
    link = "override_file() { echo $STACK_DIR/compose.override.yml; }\n"
    done = run(stack, f"{link} limit_memory 512m backend")
    assert done.returncode != 0
    assert "is a link to another file" in done.stderr
    assert (override(stack).is_symlink(), elsewhere.read_text()) == (True, CHANGED)
    assert told(stack) == []


@pytest.mark.parametrize("text", ["services:\n  backend:\n    mem_limit: 1g\n", ""])
def test_a_file_of_somebody_else_is_left_alone(stack, text):
    override(stack).write_text(text)
    assert run(stack, "limit_memory 512m backend").returncode != 0
    assert (override(stack).read_text(), told(stack)) == (text, [])


def test_a_file_that_would_say_something_else_is_left_alone(stack):
    override(stack).write_text(CHANGED)
    done = run(stack, "limit_memory 512m backend", BROKEN="1")
    assert "only a person can change" in done.stderr
    assert (override(stack).read_text(), told(stack)) == (CHANGED, [])


def test_several_services_are_limited_all_or_none(stack):
    override(stack).write_text(CHANGED)
    done = run(stack, "limit_memory 512m redis backend", FAILS="512m a1")
    assert done.returncode != 0
    assert override(stack).read_text() == CHANGED
    assert told(stack) == [
        "update --memory 512m --memory-swap 512m b2",
        "update --memory 512m --memory-swap 512m a1",
        "update --memory 67108864 --memory-swap 134217728 b2",
    ]
    assert [path.name for path in stack.iterdir() if "override" in path.name] == [
        override(stack).name
    ]


def test_who_had_no_limit_gets_all_that_the_host_has(stack):
    done = run(stack, "limit_memory 512m backend redis", FAILS="512m b2")
    assert done.returncode != 0
    back = told(stack)[-1].split()
    assert int(back[2]) > 2**28
    assert back[3:] == ["--memory-swap", "-1", "a1"]


@pytest.mark.parametrize("changed", [CHANGED, f"{MARK}\nservices:\n  redis:\n    mem_limit: 64m\n"])
def test_without_its_limits_the_file_says_the_rest(stack, changed):
    override(stack).write_text(changed)
    document = yaml.safe_load(changed)
    for service in document["services"].values():
        service.pop("mem_limit")
        service.pop("memswap_limit", None)
    document["services"] = {name: keys for name, keys in document["services"].items() if keys}
    assert yaml.safe_load(run(stack, "unlimited_override").stdout) == document


# Readings in MiB: what the API of a practice host held, a second apart. Twenty are a window; it
# watches for up to two more when it cannot tell.
LEAK = [float(round(80 + 1.93 * second, 1)) for second in range(60)]


def collected(at, freed, readings=LEAK):
    return [held - (freed if second >= at else 0) for second, held in enumerate(readings)]


def growth(tmp_path, readings):
    """What memory_samples prints of a container that held this much, MiB a minute; or None."""
    group, shelf = tmp_path / "group", tmp_path / "shelf"
    for path in (group, shelf):
        path.mkdir()
    (group / "memory.stat").write_text("inactive_file 0\nactive_file 0\nslab_reclaimable 0\n")
    (group / "memory.max").write_text("max\n")
    for second, held in enumerate(readings):
        (shelf / str(second)).write_text(f"{int(held * 2**20)}\n")
    (tmp_path / "second").write_text("0\n")
    (group / "memory.current").write_text((shelf / "0").read_text())
    # It passes a second at once.
    (tmp_path / "sleep").write_text(f"""#!/bin/sh
read -r second <{tmp_path}/second
second=$((second + 1))
echo "$second" >{tmp_path}/second
read -r held <{shelf}/$second
echo "$held" >{group}/memory.current
""")
    (tmp_path / "sleep").chmod(0o755)
    done = run(
        tmp_path,
        f"echo a1 backend {group} Up 5 hours | memory_samples 20 600 4",
        PATH=f"{tmp_path}:{os.environ['PATH']}",
    )
    grows = done.stdout.splitlines()[1].split()[9]
    return None if grows == "-" else float(grows) / 2**20


@pytest.mark.parametrize(
    "readings",
    [LEAK[:20], *(collected(at, freed)[:20] for at in (1, 4, 9, 13, 16, 19) for freed in (6, 9))],
)
def test_a_leak_that_is_collected_once_grows_still(tmp_path, readings):
    assert 60 < growth(tmp_path, readings) < 150


# What a start has left is collected late, and is more than the leak took: seen of a practice host.
@pytest.mark.parametrize("freed", [30, 45])
@pytest.mark.parametrize("at", range(2, 20))
def test_after_a_deep_fall_it_is_watched_on(tmp_path, at, freed):
    assert 100 < growth(tmp_path, collected(at, freed)) < 130


# And what was served before in two steps: seen where the API had been busy.
@pytest.mark.parametrize("first", [5, 13, 19])
@pytest.mark.parametrize("second", [21, 22, 30, 38])
def test_after_two_deep_falls_it_is_watched_on_once_more(tmp_path, first, second):
    assert 100 < growth(tmp_path, collected(second, 20.8, collected(first, 31.5))) < 130


WARMING = [80 + 30 * (1 - 0.7**second) for second in range(60)]


@pytest.mark.parametrize(
    "readings",
    [
        [80.0] * 20,
        [80.0] * 15 + [40.0] * 45,
        *([80 + second % 20 * 3 for second in range(at, at + 60)] for at in range(1, 20)),
        # Collected less often: it holds no more than it ever did.
        *([80 + second % 25 * 3 for second in range(at, at + 60)] for at in range(11, 25)),
        [80 + second % 6 * 5 for second in range(60)],  # collected every six seconds
        collected(6, 9, collected(13, 9)),  # twice: it goes up and down
        collected(12, 22, collected(30, 22, collected(48, 22))),  # most of what it took
        WARMING,
        collected(15, 3, WARMING),
        [80 + 0.1 * second for second in range(60)],
    ],
)
def test_what_goes_up_and_down_or_becomes_slower_does_not_grow(tmp_path, readings):
    assert growth(tmp_path, readings) is None


MIB = 2**20
HOST = f"host {8000 * MIB} {4000 * MIB} 0 0"
NAMES = "name id up used working held limit swap kills growth processes most suspect"
QUIET = f"backend b1 1 {90 * MIB} {80 * MIB} {70 * MIB} {400 * MIB} 0 0 - 11 0 0"


def judged(tmp_path, *lines, host=HOST, kills="", restarts="", wanted="0"):
    """What memory_state prints of these readings, and what it says."""
    done = run(
        tmp_path,
        f"""memory_groups() {{ :; }}
        memory_samples() {{ printf '%s\\n' "$SAMPLES"; }}
        memory_kills() {{ printf '%s\\n' "$KILLED"; }}
        last_change() {{ echo 0; }}
        containers() {{ echo b1 backend shop; }}
        docker() {{ printf '%s\\n' "$RESTARTED"; }}
        memory_override_change() {{ shift; echo "limits $*"; }}
        memory_state 0 600 4 90 95 60 {wanted}""",
        SAMPLES="\n".join([host, *lines]),
        KILLED=kills,
        RESTARTED=restarts,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr.strip()


def changed(line, **fields):
    now = zip(NAMES.split(), line.split(), strict=True)
    return " ".join(str(fields.get(name, value)) for name, value in now)


def test_a_service_within_its_limit_is_no_trouble(tmp_path):
    state, said = judged(tmp_path, QUIET)
    assert (state["containers"]["backend"]["trouble"], state["affected"], said) == ([], [], "")
    assert state["containers"]["backend"]["percent"] == 17.5
    assert (state["fullest"], state["soonest"], state["kills"]) == (17.5, None, 0)


def test_one_at_its_limit_is_restarted_and_may_be_widened(tmp_path):
    full = changed(QUIET, held=380 * MIB)
    state, said = judged(tmp_path, full, wanted="600m")
    assert state["containers"]["backend"]["trouble"] == ["full"]
    assert (state["restart"], state["widen"]) == (["backend"], ["backend"])
    assert state["override"] == "limits backend\n"
    assert said.startswith("backend: full: 380.0 MiB of 400.0")
    assert judged(tmp_path, full, wanted="300m")[0]["widen"] == []  # less than it has


@pytest.mark.parametrize(("growth", "trouble"), [(1, []), (10, ["growing"])])
def test_who_grows_is_trouble_when_its_limit_is_near(tmp_path, growth, trouble):
    state, _ = judged(tmp_path, changed(QUIET, growth=growth * MIB))
    backend = state["containers"]["backend"]
    assert (backend["growth"], backend["minutes"]) == (growth, 330 / growth)
    assert (backend["trouble"], state["soonest"]) == (trouble, 330 / growth)


def test_without_a_limit_the_host_is_the_limit(tmp_path):
    state, _ = judged(tmp_path, changed(QUIET, limit=0, growth=100 * MIB))
    assert state["containers"]["backend"]["minutes"] == 40
    assert state["containers"]["backend"]["limit"] is None


def test_a_kill_counts_once_however_many_tell_of_it(tmp_path):
    killed = changed(QUIET, kills=1, suspect=2)
    told = "b1 1700000000 docker\nb1 1700000000 kernel"
    state, _ = judged(tmp_path, killed, kills=told, restarts="b1 0 false")
    backend = state["containers"]["backend"]
    assert (backend["kills"], backend["sources"]) == (1, ["docker", "kernel"])
    assert (backend["trouble"], state["restart"]) == (["killed"], ["backend"])


def test_what_its_policy_has_restarted_is_not_restarted_again(tmp_path):
    killed = changed(QUIET, suspect=2)
    state, _ = judged(tmp_path, killed, kills="b1 1700000000 docker", restarts="b1 1 false")
    assert (state["containers"]["backend"]["trouble"], state["restart"]) == (["killed"], [])


def test_what_a_person_started_anew_after_a_kill_is_well(tmp_path):
    killed = changed(QUIET, suspect=1)
    state, _ = judged(tmp_path, killed, kills="b1 1700000000 docker", restarts="b1 0 false")
    assert state["containers"]["backend"]["trouble"] == []


def test_the_node_is_named_apart_since_its_chain_is_in_memory(tmp_path):
    state, _ = judged(tmp_path, changed(QUIET, name="blockchain", held=399 * MIB))
    assert (state["restart"], state["chain"]) == ([], ["blockchain"])


def test_of_a_crowded_host_who_holds_most_is_named(tmp_path):
    crowded = f"host {8000 * MIB} {200 * MIB} 0 0"
    state, _ = judged(tmp_path, changed(QUIET, held=4000 * MIB, limit=0), QUIET, host=crowded)
    assert state["host"]["percent"] == 97.5
    assert state["affected"] == ["backend"]


def test_who_may_start_no_more_processes_is_named(tmp_path):
    state, _ = judged(tmp_path, changed(QUIET, processes=99, most=100))
    assert state["cramped"] == ["backend"]
    assert "99 of the 100 processes" in state["cramped_why"]


LIMITS = "    mem_limit: 512m\n    memswap_limit: 512m\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", f"services:\n  redis:\n{LIMITS}"),
        ("\n# none\n", f"\n# none\nservices:\n  redis:\n{LIMITS}"),
        ("services:\n", f"services:\n  redis:\n{LIMITS}"),
        ("services:", f"services:\n  redis:\n{LIMITS}"),
        (
            "services:\n  redis:\n    mem_limit: 1g\n    image: x\nvolumes:\n",
            f"services:\n  redis:\n{LIMITS}    image: x\nvolumes:\n",
        ),
        (
            "services:\n  redis-2:\n    mem_limit: 1g\nvolumes:\n  redis:\n",
            f"services:\n  redis-2:\n    mem_limit: 1g\n  redis:\n{LIMITS}volumes:\n  redis:\n",
        ),
        # A torn line is kept as it is.
        ("services:\n  redis:\n    mem_lim", f"services:\n  redis:\n{LIMITS}    mem_lim\n"),
    ],
)
def test_limits_are_set_alike_by_every_awk(text, told):
    how = ("-v", "limit=512m", "-v", "new= redis ")
    assert awk("MEMORY_OVERRIDE_AWK", text, *how) == (told, "", 0)
