"""One machine that plays a run: its connection, what it sends, and what becomes of its hosts."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path, PurePosixPath
from queue import SimpleQueue
from typing import IO, Any

from oncall_runbook.errors import RunbookError
from oncall_runbook.run import run_files
from oncall_runbook.run.connection import Connection, ProgramConnection
from oncall_runbook.run.engine import Request, Stop
from oncall_runbook.run.events import Event, Translator, told_event
from oncall_runbook.run.mesh import PREFIX, MeshConnection, node
from oncall_runbook.run.stream import (
    BEAT,
    BEAT_SECONDS,
    FILE,
    HANG_UP,
    SILENT_SECONDS,
    TOLD,
    Parcel,
)

_SSH = ("ssh", "-T", "-o", "BatchMode=yes")
_ALIVE = ("-o", f"ServerAliveInterval={BEAT_SECONDS}", "-o", "ServerAliveCountMax=6")
# Where pip and pipx put a user's programs: a login without a terminal often does not look there.
_WORKER = "PATH=$PATH:$HOME/.local/bin; exec runbook worker"
# For a machine to end what it started: see `processes.end`.
_PATIENCE_SECONDS = 15.0
# How ansible-runner puts it that a stream has ended.
_SILENCE = "Unexpected empty line"
UNREACHABLE_RC = 4
# Of a run that acts: what is said of a host once nothing more is done there.
_ENDS = ("fixed", "not_fixed", "refused", "locked")


@dataclass(frozen=True)
class Message:
    """What the thread of a link hands over: an event or status of ansible-runner, or its end."""

    link: Link
    data: Mapping[str, Any] | None


class _Lines:
    """Lines that a machine sends; those of its login shell before them are left out."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._begun = False
        self.heard = time.monotonic()

    def readline(self) -> bytes:
        while line := self._stream.readline():
            self.heard = time.monotonic()
            self._begun |= line.startswith(b'{"status"')
            if self._begun:
                return line
        return b""


@dataclass
class Link:
    """One machine at work, and what is known of it."""

    name: str
    request: Request
    stop: Stop
    on_event: Callable[[Event], None]
    on_output: Callable[[str], None]
    place: Path
    rc: int | None = None
    is_open: bool = True
    _said: str = ""
    _given_up: str = ""
    _judged: dict[str, bool] = field(default_factory=dict)  # whether that was all
    _hung_up: float | None = None
    _beat: float = 0.0

    def __post_init__(self) -> None:
        self._connection = self._connection_to_it()
        self._relay = self.stop.relay(self.on_event)
        self.translator = Translator(self._note, self.on_output, self.request.secrets)

    def begin(self, parcel: Parcel, packed: Path, heard: SimpleQueue[Message]) -> None:
        """Start the machine's worker, and hand the run over to it."""
        self.place.mkdir()
        own = replace(parcel, hosts=list(self.request.hosts))
        threading.Thread(target=self._carry, args=(own, packed, heard), daemon=True).start()

    def _connection_to_it(self) -> Connection:
        if self.name.startswith(PREFIX):
            return MeshConnection(node(self.name))
        command = [*_SSH, *_ALIVE, "--", self.name, f"exec sh -c '{_WORKER}'"]
        if not self.name:  # a worker on this machine
            command = [sys.executable, "-m", "oncall_runbook", "worker"]
        return ProgramConnection(command, self.place / "stderr")

    def _carry(self, parcel: Parcel, packed: Path, heard: SimpleQueue[Message]) -> None:
        """Reach the machine, hand the run over, and read what comes; in a thread of its own."""
        try:
            self._connection.open()
            self._exchange(parcel, packed, heard)
        except (OSError, RunbookError) as error:
            self._given_up = str(error)
        finally:
            heard.put(Message(self, None))

    def _exchange(self, parcel: Parcel, packed: Path, heard: SimpleQueue[Message]) -> None:
        streaming: Any = import_module("ansible_runner.streaming")
        self._lines = _Lines(self._connection.from_worker)

        def take(data: Mapping[str, Any], **_: Any) -> bool:
            heard.put(Message(self, data))
            return False

        with contextlib.suppress(OSError):  # it ended before it had all, and says why
            to_worker = self._connection.to_worker
            to_worker.write(f"{parcel.run}\n".encode())
            streaming.Transmitter(
                _output=to_worker, private_data_dir=str(packed), **asdict(parcel)
            ).run()
            self._beat = time.monotonic()
        processor = streaming.Processor(
            _input=self._lines,
            quiet=True,
            settings={},
            private_data_dir=str(self.place),
            event_handler=take,
            status_handler=take,
        )
        # What is not asked for is not unpacked: it could be put anywhere.
        processor.artifacts_callback = lambda _: None
        try:
            processor.run()
        except Exception as error:  # whatever else it may be that it sent
            take({"status": "error", "job_explanation": f"what it sent cannot be read: {error}"})

    def take(self, message: Message) -> None:
        """Take what the machine sent; RunbookError where that is not what a worker sends."""
        if message.data is None:
            self._ended()
            return
        try:
            self._heard(message.data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RunbookError(f"{self.name} sent what no worker does: {error!r}") from error

    def _heard(self, data: Mapping[str, Any]) -> None:
        if "status" in data:
            said = str(data.get("job_explanation") or "")
            self._said = self._said or ("" if said.startswith(_SILENCE) else said)
            self.rc = data.get("rc") if isinstance(data.get("rc"), int) else self.rc
        elif data.get("event") == TOLD:
            self._note(told_event(data["told"], self.request.secrets))
        elif data.get("event") == FILE:
            self._keep(str(data["name"]), str(data["text"]))
        else:
            self.translator.handle(dict(data))

    def _note(self, event: Event) -> None:
        """Remember whether a host needs nothing more, and hand the event on."""
        is_lost = event.kind in ("failed", "unreachable") and not event.ignored
        if is_lost or event.result.get("verdict"):
            self._judged[event.host] = is_lost or self._is_done(event)
        self._relay(event)

    def _is_done(self, event: Event) -> bool:
        """Tell whether nothing more is done on a host after it was judged."""
        if not self.request.tags or event.result.get("phase") == "verify":
            return True
        verdict = event.result["verdict"]
        return verdict in _ENDS or (verdict == "healthy" and not event.result.get("plan"))

    def _keep(self, name: str, text: str) -> None:
        """Keep a file of evidence below this run's directory, and nowhere else."""
        path = PurePosixPath(name)
        base = str(self.request.run_vars.get("incident_evidence_dir") or "")
        if not base or len(path.parts) != 2 or path.is_absolute() or ".." in path.parts:
            raise RunbookError(f"{self.name} sent a file that was not asked for: {name!r}")
        target = Path(base, *path.parts)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_files.write_text_atomically(target, text)

    def beat(self) -> None:
        """Let the machine know that somebody is here; give up one that is not heard of."""
        now = time.monotonic()
        if self._hung_up is not None and now > self._hung_up + _PATIENCE_SECONDS:
            self.kill()
        elif self._beat and now > self._beat + BEAT_SECONDS and self._hung_up is None:
            self._beat = now
            self._send(BEAT)
            if now > self._lines.heard + SILENT_SECONDS:
                self._given_up = f"nothing was heard of it for {SILENT_SECONDS} s"
                self.kill()

    def hang_up(self) -> None:
        """Tell the machine to end what it started: nobody is here any more."""
        if self._hung_up is not None:
            return
        self._hung_up = time.monotonic()
        if not self._beat:  # it has nothing to end yet, and may read for long
            self.kill()
        else:
            self._send(HANG_UP)

    def _send(self, what: bytes) -> None:
        with contextlib.suppress(OSError):
            self._connection.to_worker.write(what)
            self._connection.to_worker.flush()

    def kill(self) -> None:
        """End the connection, whatever it is at."""
        self._connection.kill()

    def _ended(self) -> None:
        """Say of each host that the machine was not done with what became of it."""
        self.is_open = False
        self.hang_up()
        why = self._given_up or self._connection.why(self._said)
        if self.rc is not None or self.stop.status != "finished":
            return
        self._said = why
        self.rc = UNREACHABLE_RC
        hosts = self.request.hosts or _named_hosts(self.request)
        for host in hosts:
            if not self._judged.get(host):
                told = {"msg": f"through {self.name or 'this machine'}: {self._said}"}
                self._note(Event("unreachable", time.time(), host, "", result=told))
        if not hosts:
            self.rc = 1

    def error(self) -> str:
        """Return why ansible, or the machine, ended as it did."""
        return self._said or self.translator.error()


def _named_hosts(request: Request) -> tuple[str, ...]:
    """Return the hosts of a request by this machine's own reading of the inventory; maybe none."""
    words = [word for source in request.inventory for word in ("-i", source)]
    words += ["--limit", request.limit] if request.limit else []
    if request.vault_password_file:
        words += ["--vault-password-file", str(request.vault_password_file)]
    asked = subprocess.run(
        [sys.executable, "-P", "-m", "ansible", "adhoc", "all", "--list-hosts", *words],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    _count, *names = asked.stdout.splitlines() or [""]
    return tuple(name.strip() for name in names) if asked.returncode == 0 else ()
