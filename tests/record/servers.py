"""Real servers on loopback: what people are told by, and a PostgreSQL for the record."""

import contextlib
import http.server
import json
import os
import secrets
import socket
import subprocess
import threading
import time
from email import message_from_bytes
from pathlib import Path

import sqlalchemy
from aiosmtpd.controller import Controller

IMAGE = "school_mgmt/postgres"  # the lab's; `make lab-up` builds it
SCHEMA = Path(__file__).parents[1] / "lab/stack/database"


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Receiver:
    """A real HTTP server on loopback that notes what it is sent."""

    def __init__(self):
        self.got = []
        self.answer = 200
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path.strip("/"), json.loads(body)))
                self.send_response(receiver.answer)
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def address(self, name):
        return f"json://127.0.0.1:{self.port}/{name}"

    def names(self):
        return [name for name, _ in self.got]

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Mailbox:
    """Takes what a real SMTP server is given."""

    def __init__(self):
        self.got = []

    async def handle_DATA(self, _server, _session, envelope):
        mail = message_from_bytes(envelope.content)
        self.got.append((envelope.rcpt_tos, mail))
        return "250 OK"

    def serve(self):
        server = Controller(self, hostname="127.0.0.1", port=free_port())
        server.start()
        self.url = f"mailto://127.0.0.1:{server.port}?from=runbook@school.test&smtp=127.0.0.1"
        self.close = server.stop


class PostgreSQL:
    """A server of our own, in a container of the lab's image, and databases in it."""

    def __init__(self, port, password):
        self.address = f"127.0.0.1:{port}"
        self._url = f"postgresql://postgres:{password}@{self.address}"
        self._engine = sqlalchemy.create_engine(
            f"{self._url}/postgres".replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT"
        )

    def wait(self):
        for _ in range(240):
            with contextlib.suppress(sqlalchemy.exc.OperationalError):
                return self._engine.connect().close()
            time.sleep(0.25)
        raise AssertionError("PostgreSQL does not start")

    def database(self):
        """URL of a new, empty database."""
        name = f"record_{secrets.token_hex(4)}"
        with self._engine.connect() as connection:
            connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        return f"{self._url}/{name}"


@contextlib.contextmanager
def postgresql():
    """Run a server for as long as it is used."""
    name, port = f"runbook-record-{os.getpid()}", free_port()
    how = {"USER": "postgres", "DB": "school_mgmt", "PASSWORD": secrets.token_hex(8)}
    options = ["-p", f"127.0.0.1:{port}:5432"]
    for place, script in enumerate(("tables.sql", "seed.sql"), 1):
        options += ["-v", f"{SCHEMA / script}:/docker-entrypoint-initdb.d/0{place}-{script}:ro"]
    options += [word for k, v in how.items() for word in ("-e", f"POSTGRES_{k}={v}")]
    begin = ["docker", "run", "-d", "--rm", "--name", name, *options, IMAGE]
    started = subprocess.run(begin, capture_output=True, text=True, check=False)
    assert started.returncode == 0, f"no PostgreSQL for the tests: make lab-up; {started.stderr}"
    try:
        server = PostgreSQL(port, how["PASSWORD"])
        server.wait()
        yield server
    finally:
        subprocess.run(["docker", "rm", "-fv", name], capture_output=True, check=True)
