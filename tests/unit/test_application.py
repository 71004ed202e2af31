"""How the application sees its database, cache and chain: application.js under this machine's
Node.js, against small servers on real sockets, and the shell functions around it."""

import json
import os
import socket
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from shells import SHELL

ROOT = Path(__file__).parents[2]
FILES = ROOT / "roles" / "stack" / "files"
CANARY = "canary-7f3a9c"
FACTS = {
    "role": "app",
    "database": "school",
    "standby": False,
    "read_only": False,
    "tables": [{"name": "users", "readable": True}, {"name": "audit", "readable": False}],
    "locked": [],
    "pool": {"sessions": 2, "active": 0, "in_transaction": 0, "stuck": 0},
}
HOLDER = {
    "name": "classes",
    "pid": 812,
    "granted": True,
    "state": "idle in transaction",
    "application": "psql",
    "seconds": 41,
}
# A driver of the application's own: it speaks lines of JSON, and else behaves as module pg does.
PG = """
const { EventEmitter } = require('events');
class Client extends EventEmitter {
  constructor(config) {
    super();
    const url = config.connectionString ? new URL(config.connectionString) : {};
    Object.assign(this, { host: url.hostname || config.host, port: Number(url.port || config.port),
      user: url.username || config.user, password: url.password || config.password,
      database: (url.pathname || '').slice(1) || config.database, stream: config.stream });
  }
  say(message) {
    return new Promise((done, fail) => {
      this.stream.once('error', fail);
      this.stream.once('data', (data) => {
        const { error, ...rest } = JSON.parse(data);
        if (!error) return done(rest);
        return fail(Object.assign(new Error(error.message), { code: error.code }));
      });
      this.stream.write(JSON.stringify(message) + '\\n');
    });
  }
  connect() {
    const { user, password, database } = this;
    return new Promise((done, fail) => {
      this.stream.once('error', fail);
      this.stream.connect(this.port, this.host, () => {
        this.say({ user, password, database }).then(done, fail);
      });
    });
  }
  async query(text) { return (await this.say({ text })).results; }
  async end() { this.stream.end(); }
}
module.exports = { Client };
"""


@contextmanager
def listening(answer):
    """A server on loopback that hands each line it gets to ``answer``; None for silence."""
    heard = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection, connection.makefile("r", newline="\n") as lines:
            for line in lines:
                heard.append(line.strip())
                said = answer(line.strip())
                if said == "":
                    return
                if said is not None:
                    connection.sendall(f"{said}\n".encode())

    def accept():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server.getsockname()[1], heard
    finally:
        server.close()


def database(facts=FACTS, connect=None, read=None):
    """What a database says: to a connection, to the question about facts, to a read of tables."""

    def answer(line):
        message = json.loads(line)
        if "text" not in message:
            return json.dumps(connect or {})
        if "pg_stat_user_tables" in message["text"]:
            return json.dumps({"results": [{"rows": []}, {"rows": [facts]}]})
        return json.dumps(read or {"results": []})

    return answer


def view(tmp_path, module=True, deadline=10000, **environment):
    """Run the program as a container would, in a directory that has the module pg."""
    if module:
        (tmp_path / "node_modules" / "pg").mkdir(parents=True, exist_ok=True)
        (tmp_path / "node_modules" / "pg" / "index.js").write_text(PG)
    with (FILES / "application.js").open() as program:
        done = subprocess.run(
            ["node", "-", str(deadline)],
            stdin=program,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert CANARY not in done.stdout + done.stderr
    (line,) = done.stdout.splitlines()
    return json.loads(line)


def url(port, scheme="postgresql", host="127.0.0.1", path="/school"):
    return f"{scheme}://app:{CANARY}@{host}:{port}{path}"


def test_a_database_that_works(tmp_path):
    with listening(database()) as (port, heard):
        seen = view(tmp_path, DATABASE_URL=url(port))
    assert seen["way"] == "driver"
    assert seen["database"]["outcome"] == "works"
    assert seen["database"]["where"] == f"127.0.0.1:{port}"
    assert seen["database"]["pool"] == FACTS["pool"]
    assert seen["cache"] is seen["chain"] is None
    first, facts, read = map(json.loads, heard)
    assert first == {"user": "app", "password": CANARY, "database": "school"}
    # What a pooler's connection kept of ours, the application would have next.
    for question in (facts, read):
        assert "SET LOCAL lock_timeout" in question["text"]
        assert "SET lock" not in question["text"]
    assert "FROM users WHERE ctid" in read["text"]
    assert "audit" not in read["text"]


def test_another_database_is_asked_as_the_application_would(tmp_path):
    """Before a restored one is put in its place."""
    with listening(database()) as (port, heard):
        view(tmp_path, DATABASE_URL=url(port), APPLICATION_DATABASE="school_restore_1")
        named = {"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_NAME": "school"}
        view(tmp_path, **named, APPLICATION_DATABASE="school_restore_1")
    signed_in = [said for said in map(json.loads, heard) if "database" in said]
    assert [said["database"] for said in signed_in] == ["school_restore_1"] * 2


@pytest.mark.parametrize(
    "names",
    [
        ("DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD"),
        ("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"),
        ("DATABASE_HOST", "DATABASE_PORT", "DB_DATABASE", "DATABASE_USER", "DATABASE_PASSWORD"),
    ],
    ids=lambda names: names[0],
)
def test_settings_by_their_names(tmp_path, names):
    with listening(database()) as (port, heard):
        values = ["127.0.0.1", str(port), "school", "app", CANARY]
        seen = view(tmp_path, **dict(zip(names, values, strict=True)))
    assert seen["database"]["outcome"] == "works"
    assert json.loads(heard[0]) == {"user": "app", "password": CANARY, "database": "school"}


def test_a_password_in_a_file(tmp_path):
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    with listening(database()) as (port, heard):
        given = {"DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_USER": "app"}
        view(tmp_path, **given, DB_PASSWORD_FILE=str(tmp_path / "secret"))
    assert json.loads(heard[0])["password"] == CANARY


@pytest.mark.parametrize(
    ("code", "message", "outcome"),
    [
        ("28P01", f'password authentication failed for user "app" ({CANARY})', "wrong_password"),
        ("28000", 'role "app" is not permitted to log in', "wrong_password"),
        (None, "SASL: client password must be a string", "wrong_password"),
        ("3D000", 'database "school" does not exist', "no_database"),
        ("53300", "sorry, too many clients already", "no_session_left"),
        ("57P03", "the database system is starting up", "starting"),
        ("42501", "permission denied for schema public", "permission"),
        ("XX001", "invalid page in block 0 of relation base/5/16384", "error"),
        (None, "The server does not support SSL connections", "error"),
    ],
)
def test_why_a_connection_fails(tmp_path, code, message, outcome):
    refusal = {"error": {"code": code, "message": message}}
    with listening(database(connect=refusal)) as (port, _):
        seen = view(tmp_path, DATABASE_URL=url(port))["database"]
    assert seen["outcome"] == outcome
    assert seen["reason"].startswith(f"127.0.0.1:{port}: {message.replace(CANARY, '********')}")
    assert (code or "SQLSTATE") in seen["reason"] or code is None


@pytest.mark.parametrize(
    ("facts", "read", "outcome", "reason"),
    [
        ({"read_only": True}, {}, "read_only", "default_transaction_read_only"),
        ({"read_only": True, "standby": True}, {}, "read_only", "standby"),
        ({"tables": []}, {}, "error", "has no tables"),
        (
            {"tables": [{"name": "users", "readable": False}]},
            {},
            "permission",
            "role app may read no table",
        ),
        ({"locked": [HOLDER]}, {"code": "55P03"}, "lock", "table classes is locked by session 812"),
        ({}, {"code": "55P03"}, "lock", "a lock on users keeps reads waiting"),
        ({"locked": [HOLDER]}, {}, "works", "app reads school"),
        ({}, {"code": "XX001"}, "error", "SQLSTATE XX001"),
        ({}, {"code": "42501"}, "permission", "SQLSTATE 42501"),
    ],
)
def test_why_a_database_cannot_be_used(tmp_path, facts, read, outcome, reason):
    said = {"error": {"code": read["code"], "message": "it failed"}} if read else {"results": []}
    with listening(database({**FACTS, **facts}, read=said)) as (port, heard):
        seen = view(tmp_path, DATABASE_URL=url(port))["database"]
    assert seen["outcome"] == outcome
    assert reason in seen["reason"]
    if facts.get("locked"):
        assert "FROM classes WHERE ctid" in json.loads(heard[-1])["text"]
    if outcome == "lock" and facts:
        assert (seen["table"], seen["pid"], seen["seconds"]) == ("classes", 812, 41)


def test_what_lies_before_the_database(tmp_path):
    unknown = "x" * 64  # no label of a name is that long: no resolver is asked
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    refused = view(tmp_path, DATABASE_URL=url(port))["database"]
    assert (refused["outcome"], refused["code"]) == ("refused", "ECONNREFUSED")
    nowhere = view(tmp_path, DATABASE_URL=url(5432, host=unknown))["database"]
    assert nowhere["outcome"] == "no_name"
    assert f"cannot resolve the name {unknown} (ENOTFOUND)" in nowhere["reason"]
    with listening(lambda line: None) as (port, _):
        silent = view(tmp_path, deadline=500, DATABASE_URL=url(port))["database"]
    assert silent["outcome"] == "timed_out"
    assert "did not answer within" in silent["reason"]


def test_a_connection_that_is_never_made(tmp_path):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        address = url(full.getsockname()[1])
        seen = view(tmp_path, deadline=500, DATABASE_URL=address)["database"]
        for one in waiting:
            one.close()
    assert seen["outcome"] == "timed_out"
    assert "no connection to" in seen["reason"]


def test_without_driver_or_settings_it_is_missing(tmp_path):
    seen = view(tmp_path, module=False, DATABASE_URL=url(5432))
    assert (seen["way"], seen["missing"]) == ("none", "the container of the API has no module pg")
    seen = view(tmp_path)
    assert seen["way"] == "none"
    assert "no settings of a database" in seen["missing"]


@pytest.mark.parametrize(
    "settings",
    [
        {"DATABASE_URL": "mysql://app:p@127.0.0.1/shop"},
        {"DATABASE_URL": "file:./dev.db"},
        {"DATABASE_URL": "mongodb+srv://app@127.0.0.1/shop"},
        {"DB_HOST": "127.0.0.1", "DB_PORT": "3306"},
        {"DB_HOST": "127.0.0.1", "DB_CONNECTION": "mysql"},
    ],
)
def test_a_database_of_another_kind_is_not_asked(tmp_path, settings):
    seen = view(tmp_path, **settings)
    assert (seen["way"], seen.get("database")) == ("none", None)
    assert seen["missing"] == "the settings of the API name a database that is no PostgreSQL"


def test_a_cache_of_another_kind_is_not_asked(tmp_path):
    assert view(tmp_path, CACHE_URL="memcached://127.0.0.1:11211")["cache"] is None


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ("+PONG\r", "works"),
        ("-NOAUTH Authentication required.\r", "wrong_password"),
        ("-WRONGPASS invalid username-password pair or user is disabled.\r", "wrong_password"),
        ("-ERR AUTH <password> called without any password configured\r", "wrong_password"),
        ("-LOADING Redis is loading the dataset in memory\r", "starting"),
        ("-MISCONF Redis is configured to save RDB snapshots\r", "read_only"),
        ("-ERR max number of clients reached\r", "no_session_left"),
        ("-NOPERM User app has no permissions to run the 'ping' command\r", "works"),
        ("-ERR something else\r", "error"),
        ("", "error"),
        (None, "timed_out"),
    ],
)
def test_the_cache(tmp_path, says, outcome):
    with listening(lambda line: says if line == "PING" else None) as (port, heard):
        names = {"REDIS_ENABLED": "true", "REDIS_URL": f"redis://127.0.0.1:{port}"}
        seen = view(tmp_path, deadline=10000 if says is not None else 500, **names)["cache"]
    assert (seen["outcome"], seen["where"]) == (outcome, f"127.0.0.1:{port}")
    assert heard == ["*1", "$4", "PING"]


def test_the_cache_is_signed_in_to(tmp_path):
    says = {CANARY: "+OK\r", "PING": "+PONG\r"}
    with listening(says.get) as (port, heard):
        address = f"redis://app:{CANARY}@127.0.0.1:{port}/0"
        seen = view(tmp_path, REDIS_URL=address)["cache"]
    assert seen["outcome"] == "works", (seen, heard)
    assert heard == ["*3", "$4", "AUTH", "$3", "app", f"${len(CANARY)}", CANARY, "*1", "$4", "PING"]


def test_a_cache_that_is_switched_off_is_none(tmp_path):
    off = view(tmp_path, REDIS_ENABLED="false", REDIS_URL="redis://127.0.0.1:1")
    assert off["cache"] is None


class Node(BaseHTTPRequestHandler):
    """A node of a chain that answers what its server was given."""

    def do_POST(self):
        self.server.heard.append(self.rfile.read(int(self.headers["content-length"])))
        status, body = self.server.says
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("says", "outcome"),
    [
        ((200, '{"jsonrpc":"2.0","id":1,"result":"0x7a69"}'), "works"),
        ((401, "who are you?"), "wrong_password"),
        ((500, f"no, {CANARY}"), "error"),
        ((200, '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}'), "error"),
    ],
    ids=str,
)
def test_the_chain(tmp_path, says, outcome):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    server.says, server.heard = says, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    names = {"BLOCKCHAIN_NETWORK": "sepolia", "LOCALHOST_RPC_URL": "http://127.0.0.1:1"}
    address = f"http://127.0.0.1:{port}/v3/{CANARY}"
    seen = view(tmp_path, **names, SEPOLIA_RPC_URL=address, API_KEY=CANARY)["chain"]
    server.shutdown()
    server.server_close()
    assert (seen["outcome"], seen["where"]) == (outcome, f"127.0.0.1:{port}")
    assert seen.get("chain_id") == (31337 if outcome == "works" else None)
    assert [json.loads(body)["method"] for body in server.heard] == ["eth_chainId"]


# --- the shell around it -------------------------------------------------------------------------


def shell(command, stdin="", **environment):
    known = dict.fromkeys(("STACK_READ_PATH", "STACK_READ_BODY", "STACK_READ_PROVES"), "") | {
        "STACK_DIR": "/",
        "STACK_BACKEND_URL": "http://localhost:1",
        "STACK_HEALTH_PATH": "/health",
        "DATABASE_SETTINGS_AWK": (FILES / "settings.awk").read_text(),
    }
    done = subprocess.run(
        [*SHELL, "-c", f". {FILES}/stack.sh\n. {FILES}/application.sh\n{command}"],
        input=stdin,
        capture_output=True,
        text=True,
        env={**os.environ, **known, **environment},
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        (
            "DATABASE_URL=postgresql://app:p%40ss%2Fw@db:6543/school?sslmode=disable\nDB_HOST=x\n",
            "PGHOST=db\nPGPORT=6543\nPGUSER=app\nPGPASSWORD=p@ss/w\nPGDATABASE=school",
        ),
        (
            "DATABASE_URL=postgres://app@db/school\n",
            "PGHOST=db\nPGPORT=5432\nPGUSER=app\nPGPASSWORD=\nPGDATABASE=school",
        ),
        (
            "DB_HOST=db\nDB_NAME=school\nDB_USER=app\nDB_PASSWORD=a=b\n",
            "PGHOST=db\nPGPORT=5432\nPGUSER=app\nPGPASSWORD=a=b\nPGDATABASE=school",
        ),
        ("PATH=/bin\n", ""),
        ("DATABASE_URL=mysql://app:p@db/shop\n", ""),
        (
            "DATABASE_URL=mysql://app:p@db/shop\nPG_URL=postgresql+asyncpg://app:p@pg/shop\n",
            "PGHOST=pg\nPGPORT=5432\nPGUSER=app\nPGPASSWORD=p\nPGDATABASE=shop",
        ),
        ("DB_CONNECTION=mysql\nDB_HOST=db\n", ""),
        ("DB_HOST=db\nDB_PORT=3306\n", ""),
    ],
)
def test_settings_for_the_client(environment, expected):
    assert shell("database_settings", environment) == expected


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("1\n1", "works"),
        ("", "works"),
        (
            'psql: error: could not translate host name "postgres" to address: x\nstatus=2',
            "no_name",
        ),
        (
            'psql: error: connection to server at "postgres" (172.18.0.2), port 5432 failed:'
            " Connection refused\n\tIs the server running on that host?\nstatus=2",
            "refused",
        ),
        (
            'psql: error: connection to server at "postgres" (172.18.0.2), port 5432 failed:'
            ' FATAL:  password authentication failed for user "app"\nstatus=2',
            "wrong_password",
        ),
        ('psql: error: FATAL:  role "app" does not exist\nstatus=2', "wrong_password"),
        ('psql: error: FATAL:  database "school" does not exist\nstatus=2', "no_database"),
        ("psql: error: FATAL:  sorry, too many clients already\nstatus=2", "no_session_left"),
        ("psql: error: FATAL:  the database system is starting up\nstatus=2", "starting"),
        ("psql: error: timeout expired\nstatus=2", "timed_out"),
        ("status=124", "timed_out"),
        (
            "psql:<stdin>:4: ERROR:  42501: permission denied for table users\nstatus=3",
            "permission",
        ),
        (
            "psql:<stdin>:4: ERROR:  55P03: canceling statement due to lock timeout\nstatus=3",
            "lock",
        ),
        ("read_only\n1", "read_only"),
        ("no_tables", "no_tables"),
        ("psql:<stdin>:4: ERROR:  XX001: invalid page in block 0\nstatus=3", "error"),
        ("OCI runtime exec failed: exec: psql: not found\nstatus=127", "unknown"),
    ],
)
def test_what_the_client_says(said, outcome):
    assert shell('client_outcome "$SAID"', SAID=said) == outcome


@pytest.mark.parametrize(
    ("code", "proves", "outcome"),
    [
        ("200", "", "works"),
        ("200", "401", "unknown"),
        ("401", "200, 401", "works"),
        ("401", "[200, 401]", "works"),
        *((code, "", "unknown") for code in ("302", "400", "401", "404", "405", "422", "429")),
        ("500", "", "error"),
        ("503", "", "error"),
        ("503", "503", "works"),
        ("000", "", "refused"),
    ],
)
def test_what_a_named_route_proves(code, proves, outcome):
    said = shell(
        f"http() {{ echo {code}; }}\nroute_view",
        STACK_READ_PATH="/api/v1/ready",
        STACK_READ_PROVES=proves,
    )
    told = json.loads(said.removeprefix("route "))
    assert (told["outcome"], told["status"]) == (outcome, int(code))


def test_without_a_named_route_none_is_asked():
    assert shell("http() { echo 200; }\nroute_view") == ""


@pytest.mark.parametrize(
    ("files", "room"),
    [
        ({"memory.max": "max", "memory.current": "9", "memory.stat": "inactive_file 0"}, True),
        (
            {
                "memory.max": "300000000",
                "memory.current": "280000000",
                "memory.stat": "anon 3\ninactive_file 100000000",
            },
            True,
        ),
        (
            {
                "memory.max": "300000000",
                "memory.current": "280000000",
                "memory.stat": "inactive_file 1000",
            },
            False,
        ),
        (
            {
                "memory.limit_in_bytes": "9223372036854771712",
                "memory.usage_in_bytes": "280000000",
                "memory.stat": "total_inactive_file 0",
            },
            True,
        ),
        (
            {
                "memory.limit_in_bytes": "300000000",
                "memory.usage_in_bytes": "280000000",
                "memory.stat": "total_inactive_file 0",
            },
            False,
        ),
        ({}, True),
    ],
)
def test_nothing_is_asked_where_memory_is_short(tmp_path, files, room):
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    words = f"leaves_memory {tmp_path} && echo room || echo none"
    assert shell(words) == ("room" if room else "none")


@pytest.mark.parametrize(
    ("limit", "time"),
    [("max 100000", True), ("3000 100000", False), ("25000 100000", True), ("200000 100000", True)],
)
def test_nothing_is_asked_where_processor_time_is_short(tmp_path, limit, time):
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    words = f"leaves_time {tmp_path} && echo time || echo none"
    assert shell(words) == ("time" if time else "none")
