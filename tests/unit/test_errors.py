"""What counts as an error in the API's log: recorded lines, through the shell that reads them."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shells import SHELL

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "roles"
WORDS = f". {ROLES}/stack/files/stack.sh\n. {ROLES}/high_error_rate/files/errors.sh\n"
PROGRAM = (ROLES / "high_error_rate/files/errors.awk").read_text()
NOW = int(datetime(2026, 1, 19, 15, 10, tzinfo=UTC).timestamp())
TIME = "2026-01-19T15:09:30.123456789Z "
STAMP = "2026-01-19 15:09:30:30"
FRAMES = "    at Object.through (/app/lib/cache.js:40:11)\n    at /app/server.js:46:52\n"


def counted(log, **given):
    environment = {
        "ERRORS_AWK": PROGRAM,
        "NOW": NOW,
        "SINCE": NOW - 300,
        "LINES": 5000,
        "ERRORS_WINDOW_SECONDS": 300,
        "ERRORS_MINIMUM": 5,
        "ERRORS_MINIMUM_REQUESTS": 20,
        "ERRORS_FRESH_SECONDS": 60,
        **given,
    }
    done = subprocess.run(
        [*SHELL, "-c", f"{WORDS}\ncount_errors"],
        input=log if isinstance(log, bytes) else log.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", **{n: str(value) for n, value in environment.items()}},
    )
    if done.returncode:
        return done.returncode, done.stderr.decode()
    first, document = done.stdout.decode(errors="replace").splitlines()
    return first, json.loads(document)


def error(message, time=TIME, frames=""):
    """A line of winston's console as the engine hands it out, and the stack below it."""
    text = f"\x1b[31m{STAMP}\x1b[39m \x1b[31merror\x1b[39m: \x1b[31m{message}\n{frames}\x1b[39m"
    return "".join(f"{time}{line}\n" for line in text.splitlines())


FAULTS = {
    "TypeError: Cannot read properties of undefined (reading 'rows')": ("TypeError", "application"),
    "TypeError: database.query is not a function": ("TypeError", "application"),
    "ReferenceError: user is not defined": ("ReferenceError", "application"),
    "SyntaxError: missing ) after argument list": ("SyntaxError", "application"),
    "Error: Not found is what this said, in an Uncaught Exception": (
        "Uncaught exception",
        "application",
    ),
    "Uncaught Exception: Error: Connection terminated unexpectedly": ("Database", "database"),
    "INTERNAL_ERROR": ("INTERNAL_ERROR", "application"),
    "Error: the printer is on fire": ("Error", "application"),
    "Database query error: timeout exceeded when trying to connect": ("Database", "database"),
    'Database query error: relation "notices" does not exist': ("Database schema", "database"),
    'error: column "email" of relation "users" does not exist': ("Database schema", "database"),
    "Database connection failed: ECONNREFUSED": ("Database", "database"),
    "Error: Blockchain not initialized": ("Blockchain", "blockchain"),
    "Blockchain connection lost: the chain was replaced": ("Blockchain", "blockchain"),
    'Error: execution reverted: "unknown certificate"': ("Blockchain", "blockchain"),
    "Error: connect ECONNREFUSED 10.202.0.3:8545": ("Blockchain", "blockchain"),
}

ANSWERS = [
    "Error: Unauthorized. Please provide valid tokens.",
    "Error: Invalid credential",
    "Error: Not found",
    "Error: Certificate not found",
    "Error: Forbidden",
    "Error: Too many login attempts, please try again later.",
    "ValidationError: email must be a valid address",
    "SyntaxError: Unexpected token } in JSON at position 12",
    "JsonWebTokenError: invalid signature",
    "TokenExpiredError: jwt expired",
    "Error: name is required",
    "Error: Invalid csrf token",
    "Error: User does not exist",
    "Error: Role does not exist for user",
    "Error: Email already verified",
    "Error: You do not have permission to access to this resource - /api/v1/staffs",
    "Error: Your account is disabled",
    "NotFoundError: Resource not found",
]


@pytest.mark.parametrize("message", FAULTS)
def test_a_fault_counts_with_its_kind_and_part(message):
    _, found = counted(error(message) * 5, DETAILS=1)
    kind, part = FAULTS[message]
    assert (found["errors"], found["faults"], found["parts"]) == (5, 5, [part])
    assert [(k["kind"], k["part"], k["count"]) for k in found["kinds"]] == [(kind, part, 5)]


@pytest.mark.parametrize("message", ANSWERS)
def test_the_answer_to_a_wrong_request_is_no_fault(message):
    assert counted(error(message) * 300)[1]["errors"] == 0


@pytest.mark.parametrize("level", ["warn", "info", "debug", "http"])
def test_a_line_that_only_speaks_of_errors_is_none(level):
    line = f"{TIME}{STAMP} {level}: TypeError: no error at all, INTERNAL_ERROR\n"
    assert counted(line * 9)[1]["errors"] == 0


def at(second):
    """The engine's time of a line, so many seconds before now."""
    return datetime.fromtimestamp(NOW - second, UTC).strftime("%Y-%m-%dT%H:%M:%S.5Z ")


def row(seconds, message="TypeError: x", times=1):
    return "".join(error(message, at(second)) * times for second in seconds)


def test_errors_are_counted_by_the_seconds_in_which_they_came():
    """One failing request a second is a rate of 60 a minute at once, not after a whole window."""
    found = counted(row(range(12, 0, -1)))[1]
    assert (found["failing_seconds"], found["per_minute"], found["quiet_seconds"]) == (12, 60.0, 1)


def test_one_moment_of_many_errors_is_a_single_second():
    found = counted(row([4], times=80))[1]
    assert (found["faults"], found["failing_seconds"]) == (80, 1)


def test_a_row_that_ended_is_not_counted_with_the_one_that_began():
    found = counted(row([*range(200, 100, -1), 5, 4, 3]))[1]
    assert (found["faults"], found["failing_seconds"]) == (103, 3)


def test_the_share_of_failures_counts_from_the_first_of_them():
    """Fifteen seconds of failures do not drown in five minutes of requests that succeeded."""
    line = '10.0.0.1 - - [19/Jan/2026:15:{} +0000] "GET /x HTTP/1.1" {} 12 "-" "-"\n'
    moments = [(f"0{4 + s // 60 + 1}:{s % 60:02}", 200) for s in range(285)] * 4
    moments += [(f"09:{45 + s}", code) for s in range(15) for code in (500, 200)]
    log = "#requests\n" + "".join(line.format(*moment) for moment in moments)
    found = counted(log, ERRORS_ACCESS_LOG="/var/log/x")[1]
    assert (found["percent"], found["failing_seconds"]) == (50.0, 15)


# How the driver's error looks when the API prints it by console.log, without a time of its own.
DRIVER = """\
error: {message}
    at /app/node_modules/pg-pool/index.js:45:11
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at async processRequest (/app/src/utils/process-request.js:7:24)
    at async findAll (/app/src/modules/students/repository.js:80:22) {{
  length: 119,
  severity: 'ERROR',
  code: '{code}',
  detail: undefined,
  position: '190',
  routine: 'errorMissingColumn'
}}
"""


def driver(message, code, time=TIME):
    text = DRIVER.format(message=message, code=code)
    return "".join(f"{time}{line}\n" for line in text.splitlines())


def kinds_of(log, **given):
    found = counted(log, DETAILS=1, **given)[1]
    keys = ("kind", "sqlstate", "count", "where")
    return [tuple(kind[key] for key in keys) for kind in found["kinds"]], found


ANSWER_500 = "Error: An error occurred while processing your request. Please try again later."
COLUMN = "column p.class_name does not exist"


def test_the_first_error_of_a_chain_is_the_cause():
    chain = driver(COLUMN, "42703") + error(ANSWER_500)
    chain += error("TypeError: Cannot read properties of undefined (reading 'rows')")
    kinds, found = kinds_of(chain * 6)
    assert kinds == [("Database schema", "42703", 6, "utils/process-request.js:7")]
    assert (found["errors"], found["parts"], found["restart_may_help"]) == (6, ["database"], False)
    assert found["kinds"][0]["example"] == COLUMN


def test_one_error_of_the_schema_is_told_in_full():
    """It fails whenever it is asked for: a rate says nothing of how seldom that was."""
    first, found = counted(driver("column p.class_name does not exist", "42703"), DETAILS=0)
    assert (found["schema_errors"], found["failing_seconds"]) == (1, 1)
    assert first == "1"
    assert counted(error("TypeError: x"), DETAILS=0)[1]["schema_errors"] == 0
    noted = error("Database query error") + error('error: column "title" does not exist')
    assert counted(noted, DETAILS=0)[1]["schema_errors"] == 1
    assert counted(noted, SINCE=NOW + 1, DETAILS=0)[1]["schema_errors"] == 0


def test_a_type_error_on_its_own_is_no_shadow():
    log = driver(COLUMN, "42703", at(60)) + row(range(40, 20, -1))
    kinds, found = kinds_of(log)
    told = [kind[:3] for kind in kinds]
    assert told == [("TypeError", None, 20), ("Database schema", "42703", 1)]
    assert found["restart_may_help"]


def test_requests_that_fail_side_by_side_are_paired():
    log = (driver(COLUMN, "42703") * 3 + error(ANSWER_500) * 3) * 2
    assert counted(log)[1]["errors"] == 6


def test_a_transaction_that_was_aborted_before_is_a_consequence():
    log = error("error: cannot execute UPDATE in a read-only transaction")
    log += error("error: current transaction is aborted, commands ignored until end of block")
    kinds, found = kinds_of(log * 5)
    assert kinds == [("Database read-only", "25006", 5, "")]
    assert "read-only" in found["advice"]


STATES = {
    "42703": (COLUMN, "Database schema", False),
    "42P01": ('relation "notices" does not exist', "Database schema", False),
    "42501": ("permission denied for table users", "Database permission", False),
    "23505": (
        'duplicate key value violates unique constraint "users_email_key"',
        "Database constraint",
        False,
    ),
    "25006": ("cannot execute INSERT in a read-only transaction", "Database read-only", False),
    "2200H": (
        'nextval: reached maximum value of sequence "users_id_seq"',
        "Database sequence",
        False,
    ),
    "28P01": ('password authentication failed for user "postgres"', "Database credentials", False),
    "3D000": ('database "school_mgmt" does not exist', "Database missing", False),
    "40P01": ("deadlock detected", "Database deadlock", False),
    "53100": (
        "could not extend file: No space left on device",
        "Database resources",
        False,
    ),
    "53200": ("out of shared memory", "Database resources", False),
    "53300": ("sorry, too many clients already", "Database sessions", True),
    "57014": ("canceling statement due to statement timeout", "Database wait", False),
    "57P01": ("terminating connection due to administrator command", "Database", True),
    "XX001": ("invalid page in block 0 of relation base/16384/16385", "Database damage", False),
}


@pytest.mark.parametrize("code", STATES)
def test_the_databases_error_class_says_whether_a_restart_can_help(code):
    message, kind, helps = STATES[code]
    for log in (driver(message, code), error(f"error: {message}")):
        kinds, found = kinds_of(log * 5)
        assert [told[:3] for told in kinds] == [(kind, code, 5)]
        assert (found["parts"], found["restart_may_help"]) == (["database"], helps)


def test_the_summary_begins_with_the_cause_and_says_what_does_not_help():
    summary, _ = counted(driver(COLUMN, "42703") * 5, DETAILS=1)
    assert summary.startswith(f"5 x {COLUMN} [SQLSTATE 42703] (utils/process-request.js:7): ")
    assert "deployment or migration; no restart helps" in summary


@pytest.mark.parametrize(
    "why",
    [
        "getaddrinfo EAI_AGAIN pdf-service",
        "getaddrinfo ENOTFOUND mailer",
        "connect ECONNREFUSED 10.1.1.9:8080",
        "connect EHOSTUNREACH 10.1.1.9:8080",
        "connect ETIMEDOUT 10.1.1.9:8080",
    ],
)
def test_no_restart_of_the_api_brings_another_service_back(why):
    times = [f"2026-01-19T15:09:{second}.1Z " for second in range(48, 60)]
    both = [
        error(f"Error calling PDF service: {why}", time)
        + error("Failed to generate PDF report", time)
        for time in times
    ]
    summary, found = counted("".join(both), DETAILS=1)
    assert (found["errors"], found["restart_may_help"]) == (12, False)
    assert "it does not reach another service" in summary
    twice = [
        error(f"Error calling PDF service: {why}", time) * 2
        + error("Failed to generate PDF report", time) * 2
        for time in times
    ]
    assert counted("".join(twice))[1]["errors"] >= 12


def test_a_text_that_only_the_log_in_the_container_has_is_read_there():
    entry = {"level": "error", "message": "Database query error", "timestamp": STAMP}
    entries = [{**entry, "error": COLUMN, "query": "SELECT"}] * 5
    fields = "#fields\n" + "".join(json.dumps(e) + "\n" for e in entries) + "#log\n"
    log = error("Database query error") * 5
    assert counted(log)[0] == "1 bare"
    kinds, _ = kinds_of(fields + log)
    assert kinds == [("Database schema", "42703", 5, "")]
    assert counted(fields + log)[0] == "1"


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("Error getting cache", []),
        ("Redis reconnection failed after 10 attempts", []),
        ("\u274c Failed to initialize blockchain", ["blockchain"]),
        ("Error issuing certificate", ["blockchain"]),
        ("Error verifying certificate", ["blockchain"]),
        ("Unexpected error on idle client", ["database"]),
        ("Error: certificate has expired", ["application"]),
        ("Error: Unable to add new notice", ["application"]),
    ],
)
def test_messages_of_the_real_api_point_to_their_part(message, part):
    assert counted(error(message) * 5)[1]["parts"] == part


def test_names_stay_readable_and_numbers_go():
    named = {
        'violates constraint "user_profiles_class_name_section_name_fkey_2"': None,
        'index "idx_2024" of school_mgmt_backend-1 and school-mgmt-db-1': None,
        "connect ECONNREFUSED 10.202.0.3:5432": "connect ECONNREFUSED <address>:5432",
        "CERT-2025-0001 of 4711 users": "CERT-#-# of # users",
    }
    for text, shown in named.items():
        found = counted(error(f"Error: {text}") * 5, DETAILS=1)[1]
        assert found["kinds"][0]["example"] == (shown or text)


def test_no_answer_to_a_wrong_request_is_shown_as_a_reason(tmp_path):
    """The lines that a failed probe shows as its reason pass the same sieve."""
    lines = [*(f"{STAMP} error: {answer}" for answer in ANSWERS), f"error: {COLUMN}"]
    (tmp_path / "log").write_text("".join(f"{TIME}{line}\n" for line in lines))
    engine = f"""
container() {{ echo id; }}
without_secrets() {{ cat; }}
docker() {{ case $1 in logs) cat {tmp_path}/log ;; *) echo ;; esac; }}
complaints backend rror:"""
    done = subprocess.run(
        [*SHELL, "-c", WORDS + engine],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == f"error: {COLUMN}\n"


def test_the_stack_says_where_and_is_no_error_of_its_own():
    _, found = counted(error("TypeError: x", frames=FRAMES) * 6, DETAILS=1)
    assert found["errors"] == 6
    assert found["kinds"][0]["where"] == "lib/cache.js:40"


def test_a_query_that_fails_is_logged_twice_and_counts_once():
    twice = error('Database query error: relation "x" does not exist') + error(
        'error: relation "x" does not exist', frames=FRAMES.replace("cache", "database")
    )
    _, found = counted(twice * 7, DETAILS=1)
    assert found["errors"] == 7
    assert [kind["where"] for kind in found["kinds"]] == ["lib/database.js:40"]


def test_the_cache_is_told_apart_because_the_api_works_without():
    _, found = counted(error("Redis client error: connect ECONNREFUSED 10.1.1.1:6379") * 10)
    assert (found["errors"], found["cache_errors"], found["parts"]) == (0, 10, [])


def test_what_is_older_than_the_window_or_the_last_change_is_past():
    assert counted(error("TypeError: x", "2026-01-19T15:04:59.9Z ") * 9)[1]["errors"] == 0
    assert counted(error("TypeError: x") * 9, SINCE=NOW - 20)[1]["errors"] == 0
    first, found = counted(error("TypeError: x") * 9, SINCE=NOW - 60)
    assert (first, found["per_minute"], found["quiet_seconds"]) == ("1", 18.0, 30)


def test_few_errors_ask_for_no_details():
    assert counted(error("TypeError: x") * 4)[0] == "0"
    assert counted(error("TypeError: x") * 5)[0] == "1"


def test_an_operator_names_further_answers():
    log = error("Error: The term is over") * 9
    assert counted(log)[1]["errors"] == 9
    assert counted(log, ERRORS_IGNORE="term (is|was) over")[1]["errors"] == 0


def test_examples_hold_nothing_of_a_person():
    token = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4"
    text = f"Error: cannot mail jane.doe+x@example.org, number 4711, {token}"
    uuid = "123e4567-e89b-12d3-a456-426614174000"
    log = error(f"{text} of {uuid}") + error(text + " of 12") + error(text) * 3
    _, found = counted(log, DETAILS=1)
    told = json.dumps(found["kinds"])
    assert not re.search(r"jane|4711|Zm9v|426614174000", told)
    assert found["kinds"][0]["example"] == "cannot mail <email>, number #, <token>"
    assert all(len(kind["example"]) <= 120 for kind in found["kinds"])


def test_json_lines_and_what_node_itself_prints_are_understood():
    message = "TypeError: x\n    at f (/app/a/b.js:1:2)"
    line = {"level": "error", "message": message, "timestamp": STAMP}
    pino = {"level": 50, "time": "2026-01-19T15:09:30.1Z", "msg": "ReferenceError: y"}
    answer = {**line, "message": "Error: gone", "status": 410}
    log = "".join(TIME + json.dumps(entry) + "\n" for entry in (line, pino, answer))
    crash = f"{TIME}/app/server.js:1\n{TIME}throw new Error()\n{TIME}^\n{TIME}\n{TIME}Error: dead\n"
    _, found = counted(log + crash + f"{TIME}    at f (/app/c/d.js:3:4)\n", DETAILS=1)
    kinds = {kind["kind"]: kind["where"] for kind in found["kinds"]}
    assert kinds == {"TypeError": "a/b.js:1", "ReferenceError": "", "Error": "c/d.js:3"}
    assert counted((json.dumps(line) + "\n") * 3)[1]["errors"] == 3


REQUESTS = {
    "combined": '::1 - - [19/Jan/2026:15:09:30 +0000] "GET {path} HTTP/1.1" {code} 12 "-" "curl"',
    "common": '10.0.0.1 - - [19/Jan/2026:16:09:30 +0100] "GET {path} HTTP/1.1" {code} 12',
    "console": STAMP + ' http: ::1 - - "GET {path} HTTP/1.1" {code} 3ms',
    "tiny": STAMP + " http: GET {path} {code} 12 - 3.1 ms",
    "short": STAMP + " http: ::1 - GET {path} HTTP/1.1 {code} 12 - 3.1 ms",
    "json": '{{"timestamp":"2026-01-19T15:09:30Z","method":"GET","url":"{path}","status":{code}}}',
    "winston": '{{"level":"http","timestamp":"'
    + STAMP
    + '","message":"::1 - - \\"GET {path} HTTP/1.1\\" {code} 3ms"}}',
}


def requests(form, codes):
    return "".join(
        REQUESTS[form].format(path=f"/api/v1/students/{number}?q=1", code=code) + "\n"
        for number, code in enumerate(codes)
    )


@pytest.mark.parametrize("form", REQUESTS)
def test_requests_are_counted_in_every_declared_format(form):
    log = "#requests\n" + requests(form, [200, 304, 401, 404] * 10 + [500, 502, 503, 504, 500])
    _, found = counted(log, ERRORS_ACCESS_LOG="/var/log/x", DETAILS=1)
    assert (found["requests"], found["failed"], found["percent"]) == (45, 5, 11.1)
    assert found["source"] == "5xx of 45 requests in /var/log/x"
    assert found["routes"][0] == {"route": "500 GET /api/v1/students/#", "count": 2}
    assert found["faults"] == 5


def test_too_few_requests_make_no_percentage():
    log = "#requests\n" + requests("combined", [500] * 19)
    found = counted(log, ERRORS_ACCESS_LOG="/var/log/x")[1]
    assert (found["percent"], found["faults"], found["requests"]) == (None, 0, 19)
    assert found["source"] == "error lines of the API, too few requests are logged"


def test_old_requests_are_past():
    log = "#requests\n" + requests("combined", [500] * 50).replace("15:09:30", "15:01:00")
    assert counted(log, ERRORS_ACCESS_LOG="/var/log/x")[1]["requests"] == 0


def test_requests_in_the_apis_own_log_are_counted_unless_another_is_named():
    log = "".join(TIME + line + "\n" for line in requests("console", [500] * 25).splitlines())
    found = counted(log)[1]
    assert found["source"] == "5xx of 25 requests in the log of the API"
    assert counted(log, ERRORS_ACCESS_LOG="/var/log/x")[1]["requests"] == 0


def test_a_log_that_cannot_be_read_is_unknown_with_its_reason():
    assert counted(error("TypeError: x") + "#failed no such file\n") == (69, "no such file\n")


def told(onset_minutes, started_minutes, created_minutes):
    def at(minutes):
        return datetime.fromtimestamp(NOW - minutes * 60, UTC).strftime("%Y-%m-%dT%H:%M:%S.0Z")

    moments = [onset_minutes - n for n in range(onset_minutes)]
    log = "".join(error("TypeError: x", at(minutes) + " ") for minutes in moments)
    given = {"CREATED": at(created_minutes), "STARTED": at(started_minutes), "IMAGE": at(90)}
    summary, found = counted(log, DETAILS=1, LINES=50000, **given)
    assert found["onset"] in summary
    return found["onset"], found["after_start_seconds"]


@pytest.mark.parametrize(
    ("onset", "started", "created", "text", "after"),
    [
        (12, 12, 12, "since the deployment 12 minutes ago (image made 2 hours ago)", 0),
        (12, 12, 4000, "since the start of the API 12 minutes ago", 0),
        (12, 300, 4000, "for 12 minutes; the API was started 5 hours ago", 17280),
        (12, 3, 4000, "for 12 minutes, through the restart 3 minutes ago", 0),
    ],
)
def test_the_onset_is_compared_with_deployment_and_start(onset, started, created, text, after):
    assert told(onset, started, created) == (text, after)


def test_frames_of_the_engine_do_not_matter():
    """A length of 266 or 2600 has the byte of a line's end in it."""
    start = f"{TIME}{STAMP} error: TypeError: ".encode()
    lines = [start.ljust(size - 1, b"x") + b"\n" for size in (120, 266, 300, 522, 2600)]
    framed = [b"\x01\x00\x00\x00" + len(line).to_bytes(4, "big") + line for line in lines]
    assert counted(b"".join(framed))[1]["errors"] == 5


# An engine whose log has a torn line: whoever asks for more than its last 500 lines gets an error.
TORN = """
container() { echo id; }
last_change() { echo 0; }
without_secrets() { cat; }
docker() {
    case $* in
    logs*) [ "$6" -le "$readable" ] && cat "$log" || { echo "error from daemon"; return 1; } ;;
    *) echo 2026-01-19T15:00:00Z 2026-01-19T15:00:00Z image ;;
    esac
}
"""


@pytest.mark.parametrize("readable", [50000, 5000, 500, 50, 5, 4])
def test_a_torn_line_costs_no_details(tmp_path, readable):
    log = tmp_path / "log"
    now = datetime.now(UTC).isoformat()[:19]
    log.write_text(error("TypeError: x is not a function", f"{now}.123456789Z ", FRAMES) * 6)
    done = subprocess.run(
        [*SHELL, "-c", f"{WORDS}\n{TORN}\nbackend_errors"],
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "ERRORS_AWK": PROGRAM,
            "log": str(log),
            "readable": str(readable),
            "ERRORS_WINDOW_SECONDS": "300",
            "ERRORS_MINIMUM": "5",
        },
    )
    if readable < 5:
        assert done.returncode == 69
        assert "cannot be read" in done.stderr
    else:
        found = json.loads(done.stdout)
        assert (found["faults"], found["kinds"][0]["where"]) == (6, "lib/cache.js:40")


@settings(max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.text(alphabet=st.characters(codec="utf-8")),
            st.sampled_from([error('TypeError: \\ " \t'), "{", '{"level":"error","message":"'])
            | st.just("#"),
            st.text().map(lambda text: TIME + text),
            st.text().map(lambda text: error(text)),
            st.binary().map(lambda data: data.decode("latin-1")),
        ),
        max_size=20,
    )
)
def test_whatever_is_logged_the_answer_is_json(lines):
    log = "\n".join(line for line in lines if not line.startswith("#failed"))
    for details in ("", 1):
        _, found = counted(log.encode(errors="replace"), DETAILS=details)
        assert found["errors"] >= 0


# Images as docker tells of them: id, made, how it starts, its names, and for whom compose built it.
NOW_RUNNING = "now\t2026-03\tnode\tshop/api:latest \t{}\n"
OLDER = "{}\t2026-0{}\t{}\t{}\t{}\n"


def previous(*images, built="shop/api"):
    """Which image a roll-back would take."""
    docker = """docker() {
        case $* in
        *'.Config.Image'*) echo now shop/api:latest ;;
        'images '*) echo x ;;
        *) printf '%s' "$LISTED" ;;
        esac
    }"""
    listed = NOW_RUNNING.format(built) + "".join(OLDER.format(*image) for image in images)
    done = subprocess.run(
        [*SHELL, "-c", f"{WORDS}\n{docker}\nprevious_image a1 previous"],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "LISTED": listed},
    )
    return done.stdout.strip()


def test_the_newest_that_is_older_and_of_the_same_service_is_the_one_before():
    assert previous(("a", 1, "node", "", "shop/api"), ("b", 2, "node", "", "shop/api")) == "b"


@pytest.mark.parametrize(
    "other",
    [
        ("b", 2, "node", "", "blog/api"),
        ("b", 2, "node", "", "shop/worker"),
        ("b", 2, "node", "", "/"),
        ("b", 2, "node", "shop/other:1 ", "shop/api"),
        ("b", 2, "python", "", "shop/api"),
        ("b", 4, "node", "", "shop/api"),
    ],
)
def test_what_may_be_anothers_is_no_image_to_roll_back_to(other):
    assert previous(("a", 1, "node", "", "shop/api"), other) == "a"


def test_what_compose_did_not_build_is_told_by_name_and_start():
    assert previous(("a", 1, "node", "", "/"), ("b", 2, "node", "", "blog/api"), built="/") == "a"
