"""What people are told by, for real, on loopback: an HTTP server and an SMTP server."""

import http.server
import json
import socket
import threading
from email import message_from_bytes

from aiosmtpd.controller import Controller


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
