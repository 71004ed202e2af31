"""What the shell reads of a database that is full or has ended: recorded lines, its own words."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from shells import PROGRAMS, SHELL, awk

ROLES = Path(__file__).parents[2] / "roles"
LIBRARIES = [ROLES / "stack" / "files" / "stack.sh", ROLES / "database" / "files" / "database.sh"]


def said(command, text="", **environment):
    """Both streams of a word of ours over recorded text."""
    script = "\n".join([*(f". {path}" for path in LIBRARIES), command])
    done = subprocess.run(
        [*SHELL, "-c", script],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **PROGRAMS, "STACK_DIR": "/srv/school_mgmt", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


TITLES = """\
PID   ELAPSED COMMAND
593   517     postgres
601   517     postgres: checkpointer
611   5       postgres: postgres school_mgmt 10.202.0.5(47014) idle
612   700     postgres: blue: app school_mgmt 10.202.0.6(47015) idle in transaction (aborted)
613   1       postgres: postgres school_mgmt [local] SELECT
614   1       postgres: walsender replicator 10.202.0.9(5000) streaming 0/1
615   2       postgres: app school_mgmt fd00::5(40000) startup waiting
"""


def test_titles_of_processes_say_whose_sessions_there_are():
    out, _ = said("sessions_of_titles", TITLES)
    assert [line.split("\t") for line in out.splitlines()] == [
        ["10.202.0.5", "postgres", "", "idle", "5"],
        ["10.202.0.6", "app", "", "idle in transaction", "700"],
        ["local", "postgres", "", "active", "1"],
        ["fd00::5", "app", "", "active", "2"],
    ]


def test_connections_of_a_network_say_it_where_titles_do_not(tmp_path):
    net = tmp_path / "net"
    net.mkdir()
    head = "  sl  local_address rem_address   st tx_queue\n"
    established = "   0: 0400CA0A:1538 0500CA0A:B7A6 01 0\n"
    listening = "   1: 00000000:1538 00000000:0000 0A 0\n"
    elsewhere = "   2: 0400CA0A:C000 0500CA0A:1538 01 0\n"
    (net / "tcp").write_text(head + established + listening + elsewhere)
    mapped = f"   0: {'0' * 16}FFFF00000400CA0A:1538 {'0' * 16}FFFF00000600CA0A:0001 01 0\n"
    (net / "tcp6").write_text(head + mapped)
    # /proc/PID/net, for a process that is nowhere else
    out, _ = said(f"sessions_of_network ../{tmp_path}")
    assert [line.split("\t")[0] for line in out.splitlines()] == ["10.202.0.5", "10.202.0.6"]


PEERS = """\
10.202.0.5\taaa\t/school_mgmt_backend\tschool_mgmt\tbackend
10.202.0.1\thost
10.202.0.7\tbbb\t/reports_1\treports\tweb
10.202.0.8\tccc\t/tool\t\t
"""


def held(rows, **environment):
    text = "".join("\t".join(map(str, row)) + "\n" for row in rows)
    given = {"OURS": "aaa\nddd", "PEERS": PEERS, "STACK_BACKEND": "backend", "HOST_CLIENTS": ""}
    out, told = said("name_holders", text, **{**given, **environment})
    first, rest = out.split("\n", 1)
    return json.loads("{" + first + "}"), json.loads(rest), told.strip()


def test_the_holder_is_named_with_what_its_sessions_do():
    idle = [("10.202.0.5", "postgres", "node", "idle", 720)] * 95
    other = [("local", "postgres", "psql", "active", 3)] * 2
    holder, holders, told = held([*other, *idle])
    assert (holder["service"], holder["sessions"], holder["half"]) == ("backend", 95, True)
    assert told == (
        "97 sessions: 95 idle of the API's container school_mgmt_backend (postgres, node),"
        " oldest 12 min; 2 active of the database's own container (postgres, psql), oldest 3 s"
    )
    assert [h["sessions"] for h in holders] == [95, 2]


def test_who_holds_all_sessions_is_said_in_the_line_that_says_why_nobody_gets_one():
    rows = [("10.202.0.5", "postgres", "", "idle", 1)] * 3
    _, _, told = held(rows, REFUSED="sorry, too many clients already")
    assert told.startswith("sorry, too many clients already: 3 sessions: 3 idle of the API's")


def test_a_full_server_says_why_where_nobody_can_tell_who_holds_it():
    full = '{"sessions_percent": 100, "crowded" : true, "blocked": null}'
    details = "session_holders() { :; }; activity_details"
    _, told = said(f"answer=$ANSWER; refused='too many'; {details}", ANSWER=full)
    assert told == "too many\n"


def test_of_replicas_the_one_that_holds_is_meant():
    peers = "10.202.0.5\taaa\t/api_1\tshop\tbackend\n10.202.0.6\tddd\t/api_2\tshop\tbackend\n"
    rows = [("10.202.0.5", "app", "", "idle", 1)] * 2 + [("10.202.0.6", "app", "", "idle", 1)] * 9
    assert held(rows, PEERS=peers)[0]["container"] == "ddd"
    _, told = said(
        'docker() { [ "$1" != restart ] || echo "$@" >&2; }; serves() { :; }\n'
        'session_holders() { echo "$HELD"; echo "[]"; }\n'
        "wait_for() { :; }; restart_holder 5",
        HELD=json.dumps(held(rows, PEERS=peers)[0])[1:-1],
    )
    assert told == "restart ddd\n"


LEAVES = """
docker() { [ "$1" != inspect ] || echo '10.202.0.5 '; }
session_holders() {
    echo '"service": "backend", "container": "aaa", "sessions": 97, "half": true'
    echo []
}
state_of() { echo running; }
sleep() { :; }
"""


def test_what_a_restarted_holder_left_behind_is_ended_where_a_session_can_be_had():
    out, told = said(
        LEAVES
        + "serves() { [ -e $SEEN ]; }\n"
        + 'database_query() { : >$SEEN; echo "$1" >&3; printf "7\\n8\\n"; }\n'
        + 'SEEN=$(mktemp -u); { restart_holder 5; } 3>&2; rm "$SEEN"',
    )
    assert out == "restarted backend\nit held 97 sessions\nended 2 sessions that it left behind\n"
    assert "client_addr = ANY (string_to_array(trim('10.202.0.5 ')" in told


def test_nobody_waits_for_sessions_that_a_restart_did_not_end(tmp_path):
    words = "date() { echo . >>$CLOCK; wc -l <$CLOCK; }\nserves() { return 1; }\n"
    full = "database_query() { echo 'FATAL: sorry, too many clients already'; return 2; }\n"
    out, told = said(
        LEAVES + words + full + '(restart_holder 600); echo "status $?"',
        CLOCK=str(tmp_path / "clock"),
    )
    assert told.startswith("its sessions are still there: their statements run on")
    assert out.endswith("status 1\n")


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("10.202.0.7", "container reports_1 of project reports"),
        ("10.202.0.8", "container tool, of no project"),
        ("10.202.0.1", "this host, or who comes through it"),
        ("203.0.113.9", "203.0.113.9, no container here"),
    ],
)
def test_who_is_not_ours_is_named_and_has_no_service(address, who):
    holder, _, _ = held([(address, "app", "", "idle", 1)] * 9)
    assert (holder["service"], holder["who"]) == ("", who)


def test_no_holder_has_half_of_what_many_share():
    rows = [(f"203.0.113.{n}", "app", "", "idle", 1) for n in range(9)]
    assert held(rows)[0]["half"] is False


ENDS = {
    "2026-11-25 20:47:46.416 UTC [1] FATAL:  database files are incompatible with server\n"
    "2026-11-25 20:47:46.416 UTC [1] DETAIL:  The data directory was initialized by another\n": (
        "FATAL:  database files are incompatible with server"
        " (The data directory was initialized by another)"
    ),
    "2026-11-25 20:47:46 UTC [9] FATAL:  the database system is starting up\n"
    "2026-11-25 20:47:47 UTC [1] PANIC:  could not write to file: No space left on device\n"
    "2026-11-25 20:47:48 UTC [9] FATAL:  terminating connection due to administrator command\n": (
        "PANIC:  could not write to file: No space left on device"
    ),
    "1:M 25 Nov 2026 20:00:00.001 * Server initialized\n"
    "1:M 25 Nov 2026 20:00:00.002 # Bad file format reading the append only file\n": (
        "Bad file format reading the append only file"
    ),
    "1:M 25 Nov 2026 20:00:00.002 # Can't open or create append-only dir: Permission denied\n": (
        "Can't open or create append-only dir: Permission denied"
    ),
    "node:internal/modules/cjs/loader:1\n  throw err;\n\nError: Cannot find module 'x.js'\n"
    "    at Module._load (node:internal/modules/cjs/loader:9:2)\n  code: 'MODULE_NOT_FOUND',\n": (
        "Error: Cannot find module 'x.js'"
    ),
    "/app/server.js:1\nthrow new Error('no fonts');\n      ^\n\nError: no fonts\n"
    "    at Object.<anonymous>\n": "Error: no fonts",
    '2026/11/25 20:00:00 [emerg] 1#1: unknown directive "lisen"\n': (
        '2026/11/25 20:00:00 [emerg] 1#1: unknown directive "lisen"'
    ),
    "2026-11-25 20:00:00.001 UTC [88] ERROR:  relation does not exist\n"
    "2026-11-25 20:00:00.002 UTC [88] LOG:  could not receive data from client: reset by peer\n"
    "2026-11-25 20:00:00.003 UTC [88] FATAL:  connection to client lost\n"
    "2026-11-25 20:00:00.004 UTC [89] FATAL:  terminating connection due to idle timeout\n"
    "2026-11-25 20:00:00.005 UTC [90] ERROR:  canceling statement due to user request\n"
    "2026-11-25 20:00:00.006 UTC [91] FATAL:  password authentication failed for user x\n"
    '2026-11-25 20:00:00.007 UTC [91] DETAIL:  Role "x" does not exist.\n'
    '2026-11-25 20:00:00.008 UTC [92] FATAL:  database "x" does not exist\n': "",
    # What ends another program may be a session of its own.
    "psql: error: connection failed: FATAL:  password authentication failed for user x\n": (
        "psql: error: connection failed: FATAL:  password authentication failed for user x"
    ),
    "all is well\n": "",
}


@pytest.mark.parametrize("log", ENDS)
def test_a_log_names_why_its_process_ended(log):
    assert said("cause_of_end", log)[0].strip() == ENDS[log]


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("reading settings\nREPORT_DB is empty\n\n", "REPORT_DB is empty"),
        ("dial tcp 10.0.0.1:5432: connect: connection refused\nbye\n", "connection refused"),
        # A heading names nothing; what stands below it does.
        (
            "2026-11-28 03:02:35:235 \x1b[31merror\x1b[39m: \x1b[31mSettings refused:\x1b[39m\n"
            "2026-11-28 03:02:35:235 \x1b[31merror\x1b[39m: \x1b[31m  - SECRET is too short\x1b[39m"
            "\n"
            "error: see the refused example\n",
            "error: Settings refused: SECRET is too short",
        ),
    ],
)
def test_the_last_line_stands_for_a_cause_in_words_that_nobody_knows(log, cause):
    assert said("cause_of_end 1", log)[0].strip().endswith(cause)
    assert said("cause_of_end 0", log)[0].strip().endswith(cause) == ("refused" in cause)


def ended(place, inspected, logged, since="*"):
    """Why a container ended, of which docker says that, and which logged that since then."""
    docker = place / "docker"
    docker.write_text(
        f"#!/bin/sh\ncase $1,$3 in\ninspect,*State*) printf '{inspected}' ;;\n"
        f"logs,{since}) echo '{logged}' ;;\nesac\n"
    )
    docker.chmod(0o755)
    out, _ = said("why_ended a", PATH=f"{place}:{os.environ['PATH']}")
    return out.strip()


@pytest.mark.parametrize(
    ("inspected", "told"),
    [
        ("0 false", "exit status 0"),
        ("1 false", "exit status 1: FATAL:  lock file exists"),
        ("0 true", "ended for want of memory: FATAL:  lock file exists"),
        # Started again meanwhile, it has forgotten its end; its log has not.
        ("running false", "FATAL:  lock file exists"),
        # What its environment holds could not be asked: then no word of its log is said.
        ("", "exit status unknown"),
    ],
)
def test_an_end_without_an_error_has_no_cause_in_a_log(tmp_path, inspected, told):
    inspected = inspected and f"{inspected} 0 2026-01-19T15:05:42Z \\036DB_PASSWORD=hunter22\\n"
    assert ended(tmp_path, inspected, "FATAL:  lock file exists") == told


@pytest.mark.parametrize(
    ("restarts", "told"),
    [(3, "exit status 1: Bye: KEY is short"), (0, "exit status 1: Error: KEY is short")],
)
def test_what_was_said_before_docker_noted_the_start_names_the_cause(tmp_path, restarts, told):
    """Measured: of a program that ends at once all words are up to 26 ms older than its start."""
    inspected = f"1 false {restarts} 2026-01-19T15:05:42.1Z \\036A=b\\n"
    log = told.removeprefix("exit status 1: ")
    # As docker does it: only what is not older than it was asked for.
    assert ended(tmp_path, inspected, log, since=1768835141) == told


def test_the_last_words_of_the_run_before_are_no_cause(tmp_path):
    inspected = "1 false 0 2026-01-19T15:05:42.1Z \\036A=b\\n"
    log = "stopping, as I was told"
    assert ended(tmp_path, inspected, log, since=1768835141) == "exit status 1"


def test_of_what_was_never_started_no_second_before_is_asked(tmp_path):
    inspected = "127 false 0 0001-01-01T00:00:00Z \\036A=b\\n"
    log = "invalid value for since"
    assert ended(tmp_path, inspected, log, since="-*") == "exit status 127"


def test_a_cause_is_said_without_what_the_environment_hides(tmp_path):
    inspected = "1 false 0 2026-01-19T15:05:42Z \\036A=b\\nDB_PASSWORD=hunter22\\n"
    log = "FATAL:  refused hunter22"
    assert ended(tmp_path, inspected, log) == "exit status 1: FATAL:  refused ********"


def test_a_warning_before_an_answer_stays_out_of_it():
    talk = "talk() { echo 'WARNING:  collation version mismatch' >&2; echo '{}'; return 3; }"
    out, _ = said(f'{talk}; apart talk; echo "$?|$answer|$complaint"')
    assert out == "3|{}|WARNING:  collation version mismatch\n"


def test_who_answers_nothing_has_no_answer():
    out, _ = said(
        'talk() { echo refused >&2; return 3; }; apart talk; echo "$?|$answer|$complaint"'
    )
    assert out == "3||refused\n"


def test_the_reason_of_a_complaint_is_its_error():
    complaint = (
        "WARNING:  collation\nDETAIL:  x\npsql: error: connection failed: FATAL:  sorry, too many"
        " clients already\nHINT:  y\n"
    )
    assert said(f"reason_in '{complaint}'")[0] == "sorry, too many clients already\n"


REFUSALS = {
    "FATAL:  sorry, too many clients already": '"sessions_percent": 100',
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute": (
        '"sessions_percent": 100'
    ),
    'FATAL:  too many connections for role "app"': '"sessions_percent": 100',
    'FATAL:  database "school_mgmt" does not exist': "there is no database school_mgmt",
    'FATAL:  password authentication failed for user "postgres"': '"error": "password auth',
    'FATAL:  database "x" is not currently accepting connections': '"error": "database',
    "FATAL:  terminating connection due to administrator command": "unknown",
    "FATAL:  the database system is starting up": "unknown",
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_server_that_lets_nobody_in_says_what_is_wrong(refusal):
    # A server that accepts connections, which is what pg_isready says of a full one as well.
    ready = "inside() { echo '/run/postgresql:5432 - accepting connections'; }"
    warned = f"WARNING:  collation\npsql: error: connection failed: {refusal}"
    out, _ = said(
        f'{ready}; complaint=$COMPLAINT; (database_refuses; echo "$answer") || echo unknown',
        COMPLAINT=warned,
        DATABASE_NAME="school_mgmt",
        DATABASE_READ_ALL="0",
        STACK_DATABASE="postgres",
        DATABASE_USER="postgres",
    )
    assert REFUSALS[refusal] in out


# Logs whose lines are none, as a disk without room or another program leaves them.
TORN = {
    "": "",
    "\n \n\t\n": "",
    "\x1b[31mError: red\x1b[0m": "Error: red",
    "FATAL:  a\nDETAIL:": "FATAL:  a ()",
    "DETAIL:  of nothing\nbye": "",
    f"Error: {'x' * 900}": f"Error: {'x' * 293}",
    "Error: the first\nError: the last": "Error: the first",
    "fatal: the first\nfatal: the last": "fatal: the last",
}


@pytest.mark.parametrize("log", [*ENDS, *TORN])
def test_a_log_is_read_alike_by_every_awk(log):
    told, err, status = awk("STACK_CAUSE_AWK", log, "-v", "or_last=0")
    assert (told.removesuffix("\n"), err, status) == ({**ENDS, **TORN}[log], "", 0)
