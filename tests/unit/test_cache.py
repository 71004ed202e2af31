"""What the cache says of itself, and what it refuses: recorded answers, through the shell."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from shells import PROGRAMS, SHELL, awk

ROLES = Path(__file__).parents[2] / "roles"
WORDS = f". {ROLES}/stack/files/stack.sh\n. {ROLES}/high_response_times/files/cache.sh\n"
# The engine, and the cache behind it: what INFO answers, and how (CURL: its exit status), what is
# told of its configuration and its directory, its log, the state of its process.
ENGINE = """
container() { echo id; }
curl() { printf '%s\\nseconds:0.001' "$INFO"; return "$CURL"; }
api_environment() { printf '%s\\n' "$SETTINGS"; }
docker() {
    case "$*" in
    *INFO*) echo "$INSIDE${REDISCLI_AUTH:+ as $REDISCLI_AUTH}"; [ -n "$INSIDE" ] ;;
    exec*) printf '%s\\n' "$DETAILS" ;;
    logs*) printf '%s\\n' "$LOG" ;;
    top*) printf 'PID STAT COMMAND\\n1 %s redis-server *:6379\\n' "$STAT" ;;
    inspect*) echo "$PAUSED" ;;
    esac
}
cache_activity 1000
"""
WELL = """# Memory
used_memory:1000
maxmemory:2000
maxmemory_policy:allkeys-lru
loading:0
rdb_last_bgsave_status:ok
aof_last_write_status:ok
evicted_keys:3
keyspace_hits:9
keyspace_misses:1
role:master
db0:keys=4,expires=0,avg_ttl=0"""
SNAPSHOT = WELL.replace("bgsave_status:ok", "bgsave_status:err")
OWNER = (
    "stop-writes-on-bgsave-error\nyes\nsave\n3600 1\n"
    "drwxr-xr-x 2 root root 4096 Nov 25 20:00 /data\n"
    "dr-xr-xr-x 9 redis redis 0 Nov 25 20:00 /proc/1"
)
LOG = "1:M 25 Nov * Background saving\n70:C 25 Nov # Failed opening the RDB file: Permission denied"


def activity(info=WELL, curl=0, **given):
    names = dict.fromkeys(("INSIDE", "DETAILS", "LOG", "SETTINGS"), "")
    names |= {"STAT": "Ssl", "PAUSED": "false", "INFO": info, "CURL": str(curl)}
    names |= {"STACK_CACHE_URL": "redis://localhost:6379"}
    done = subprocess.run(
        [*SHELL, "-c", WORDS + ENGINE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **PROGRAMS, **names, **given},
    )
    return json.loads(done.stdout), done.stderr


def test_a_cache_that_does_all_that_is_asked_of_it():
    found, why = activity()
    assert (found["answers"], found["refuses"], found["hangs"], why) == (True, "", "", "")
    assert (found["used_percent"], found["evicts"], found["hit_percent"]) == (50.0, True, 90.0)


REFUSALS = {
    "append only file": (WELL.replace("write_status:ok", "write_status:err"), "writes", "MISCONF"),
    "replica": (
        WELL.replace("role:master", "role:slave\nmaster_host:10.0.0.9\nmaster_port:6379"),
        "writes",
        "replica of 10.0.0.9:6379",
    ),
    "no replica": (f"{WELL}\nmin_slaves_good_slaves:0", "writes", "NOREPLICAS"),
    "loading": (WELL.replace("loading:0", "loading:1"), "everybody", "LOADING"),
    "full of clients": ("-ERR max number of clients reached", "clients", "maxclients"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_it_refuses_is_said_by_its_own_status(name):
    info, refuses, reason = REFUSALS[name]
    found, why = activity(info)
    assert found["refuses"] == refuses
    assert reason in why


def test_failing_snapshots_are_told_with_their_cause():
    found, why = activity(SNAPSHOT, DETAILS=OWNER, LOG=LOG)
    assert found["refuses"] == "writes"
    assert "refuses writes (MISCONF)" in why
    assert '"Failed opening the RDB file: Permission denied"' in why
    assert "/data belongs to root:root, the server runs as redis" in why


@pytest.mark.parametrize("setting", ["error\nno\nsave\n3600 1", "error\nyes\nsave\n\n/data"])
def test_failing_snapshots_that_stop_no_writes_are_not_called_so(setting):
    found, why = activity(SNAPSHOT, DETAILS=setting)
    assert (found["refuses"], "MISCONF" in why) == ("snapshots", False)


@pytest.mark.parametrize(
    ("inside", "reason"),
    [
        ("NOAUTH Authentication required.", "does not have (NOAUTH)"),
        ("WRONGPASS invalid username-password pair", "refuses the password"),
    ],
)
def test_a_password_is_tried_as_the_api_has_it(inside, reason):
    settings = "REDIS_URL=redis://default:open@sesame@redis:6379"
    found, why = activity("-NOAUTH Authentication required.", INSIDE=inside, SETTINGS=settings)
    assert (found["refuses"], reason in why) == ("api", True)
    found, _ = activity("-NOAUTH Authentication required.", INSIDE=WELL, SETTINGS=settings)
    assert (found["refuses"], found["answers"]) == ("", True)


def test_a_cache_that_is_gone_is_not_said_to_hang():
    found, why = activity("", curl=7)
    assert (found["refuses"], found["hangs"], found["answers"]) == ("gone", "", False)
    assert "does not run" in why


HANGS = {
    "paused": {"PAUSED": "true"},
    "stopped": {"STAT": "Tsl"},
    "busy": {"STAT": "Rsl"},
    "disk": {"STAT": "Dsl"},
    "asleep": {"STAT": "Ssl"},
}


@pytest.mark.parametrize("word", HANGS)
def test_why_a_cache_answers_nothing(word):
    found, why = activity("", curl=28, **HANGS[word])
    assert (found["hangs"], found["refuses"], found["answers"]) == (word, "", False)
    assert why.startswith("it answers nothing")
    assert why.endswith("; requests that use it wait for it\n")


def test_a_script_without_end_is_told_by_its_word():
    assert activity("-BUSY Redis is busy running a script.", curl=28)[0]["hangs"] == "script"


@pytest.mark.parametrize(
    ("policy", "expires", "evicts"),
    [("noeviction", 4, False), ("volatile-lru", 0, False), ("volatile-lru", 4, True)],
)
def test_whether_it_gives_up_keys(policy, expires, evicts):
    info = WELL.replace("allkeys-lru", policy).replace("expires=0", f"expires={expires}")
    assert activity(info)[0]["evicts"] is evicts


ANSWERS = {
    # what cache_info prints, and what the cache refuses by it; with an empty word nothing
    WELL: "",
    WELL.replace("\n", "\r\n"): "",
    # What is torn, or another's text, says nothing of what else there is.
    f"{WELL}\nused_memory": "",
    f"{WELL}\nx:loading:1\ndb1:keys=BUSY NOAUTH\nexecutable:/max number of clients": "",
    f"{WELL}\naof_last_write_status:err\r": "writes",
    "": "silent",
    "\n\n": "silent",
    "\x00\xff:\x1b[2J:": "silent",
    "used_memor": "silent",
    "-ERR unknown command": "silent",
    "Error response from daemon: Container 1a is paused": "silent",
    "-BUSY Redis is busy running a script.\nfailed:": "silent",
    "Error response from daemon: No such container\nfailed:": "gone",
    "-LOADING Redis is loading the dataset in memory": "everybody",
    "NOPERM this user has no permissions to run the 'info' command": "api",
    SNAPSHOT: "snapshot",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_every_answer_is_read_alike_by_every_awk(answer):
    out, err, status = awk("CACHE_REFUSAL_AWK", answer, "-F", ":")
    word = ANSWERS[answer]
    assert (out.split(" ")[0], err, status) == (word, "", 1 if word else 0)
