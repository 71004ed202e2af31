"""`runbook watch` on a practice host: trouble comes and goes, a host goes away and comes back."""

import contextlib
import json
import signal
import socket
import threading
import time

import pytest
from practice import HOST, KEYS

TEN_SESSIONS = """
    for i in 1 2 3 4 5 6 7 8 9 10; do
        psql -U postgres -d school_mgmt -c "SELECT pg_sleep(600)" >/dev/null 2>&1 &
    done
    wait"""


class Relay:
    """A port of this machine that leads to a host's sshd, and can be cut."""

    def __init__(self, port):
        self._to, self._open = ("127.0.0.1", port), []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()

    def _serve(self, listening):
        while True:
            try:
                one, _ = listening.accept()
                other = socket.create_connection(self._to)
            except OSError:
                return
            self._open += [one, other]
            for ends in ((one, other), (other, one)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    @staticmethod
    def _carry(source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            end.close()

    def cut(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open = []

    def mend(self):
        self._socket = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._socket,), daemon=True).start()


class Watch:
    """A watch at work: the lines that it has printed so far."""

    def __init__(self, process):
        self.lines = []
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self._process.stderr:
            self.lines.append(line)

    def wait_for(self, text, seconds=90):
        """Wait until a new line has this text; return it."""
        seen, end = len(self.lines), time.monotonic() + seconds
        while time.monotonic() < end:
            for line in self.lines[seen:]:
                if text in line:
                    return line
            assert self._process.poll() is None, self.lines
            time.sleep(0.1)
        raise AssertionError(f"no line with {text!r} in {self.lines[seen:]}")

    def end(self, number=None):
        """Let it end, by a signal if one is given; return exit code and what it printed."""
        if number:
            self._process.send_signal(number)
        printed = self._process.stdout.read()
        return self._process.wait(90), printed


@pytest.fixture
def watch(practice, start):
    """Watch the host, a look a second, as somebody who has no terminal."""
    return lambda *words: Watch(start("watch", "--every", 1, *words))


def sessions(line):
    """The percentage of sessions in a line of a watch."""
    return float(line.split("Client sessions in use, of those clients may have: ")[1].split()[0])


def test_trouble_is_seen_to_come_and_go_and_nothing_is_left(practice, watch):
    one = watch("--until", "healthy")
    line = one.wait_for("healthy")
    assert "Memory of the host in use: " in line
    assert ": unknown" not in one.wait_for("healthy"), "a glance tells every figure"
    practice.run(f"docker exec -d school_mgmt_db sh -c '{TEN_SESSIONS}'")
    quiet = sessions(line)
    end = time.monotonic() + 20
    while sessions(one.wait_for("healthy")) < quiet + 9:
        assert time.monotonic() < end, "ten sessions more are not seen at a glance"
    practice.run("docker stop -t 5 school_mgmt_db")
    assert "database_connection_failures" in one.wait_for("incident")
    practice.run("docker start school_mgmt_db")
    one.wait_for("healthy")
    code, printed = one.end()
    assert (code, printed.splitlines()[0]) == (0, f"{HOST}: healthy")
    # What counts the seconds of a look ends within one.
    left = "sudo grep -lsF RUNBOOK_CHANNEL= /proc/[0-9]*/environ"
    practice.run(f"for i in 1 2 3 4 5; do {left} || exit 0; sleep 1; done; false")


def test_a_host_that_goes_away_is_shown_so_and_comes_back(practice, watch):
    relay = Relay(practice.port)
    way = {
        "ansible_port": relay.port,
        "ansible_ssh_common_args": (
            f"-o UserKnownHostsFile={KEYS / 'known_hosts'} -o ControlPath=none"
            f" -o HostKeyAlias=[127.0.0.1]:{practice.port}"
        ),
    }
    one = watch("-e", json.dumps(way))
    one.wait_for("healthy")
    relay.cut()
    assert "refused" in one.wait_for("unreachable")
    relay.mend()
    one.wait_for("healthy")
    code, printed = one.end(signal.SIGINT)
    assert (code, printed.splitlines()[0]) == (130, f"{HOST}: healthy")
