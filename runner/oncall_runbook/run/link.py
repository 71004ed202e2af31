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
from oncall_runbook.run.engine import Request, Stop
from oncall_runbook.run.events import Event, Translator, told_event
from oncall_runbook.run.stream import BEAT_SECONDS, FILE, SILENT_SECONDS, TOLD, Parcel

_SSH = ("ssh", "-T", "-o", "BatchMode=yes")
_ALIVE = ("-o", f"ServerAliveInterval={BEAT_SECONDS}", "-o", "ServerAliveCountMax=6")
# Where pip and pipx put a user's programs: a login without a terminal often does not look there.
_WORKER = "PATH=$PATH:$HOME/.local/bin; exec runbook worker"
# For a machine to end what it started: see `processes.end`.
_PATIENCE_SECONDS = 15.0
# For a connection that has nothing more to say.
_GRACE_SECONDS = 3.0
# How ansible-runner puts it that a stream has ended.
_SILENCE = "Unexpected empty line"
_NOT_FOUND = 127
_KILLED = 128  # and the number of the signal
_SSH_FAILED = 255
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
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self._relay = self.stop.relay(self.on_event)
        self.translator = Translator(self._note, self.on_output, self.request.secrets)

    def begin(self, parcel: Parcel, packed: Path, heard: SimpleQueue[Message]) -> None:
        """Start the machine's worker, and hand the run over to it."""
        self.place.mkdir()
        own = replace(parcel, hosts=list(self.request.hosts))
        with (self.place / "stderr").open("wb") as errors:
            process = subprocess.Popen(
                self._command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for us: the worker is asked to end
            )
        assert process.stdin and process.stdout
        self._process, self._to, self._lines = process, process.stdin, _Lines(process.stdout)
        threading.Thread(target=self._carry, args=(own, packed, heard), daemon=True).start()

    def _command(self) -> list[str]:
        if not self.name:  # a worker on this machine
            return [sys.executable, "-m", "oncall_runbook", "worker", self.request.run]
        command = f"exec sh -c '{_WORKER} {self.request.run}'"
        return [*_SSH, *_ALIVE, "--", self.name, command]

    def _carry(self, parcel: Parcel, packed: Path, heard: SimpleQueue[Message]) -> None:
        """Hand the run over, and read what comes; in a thread of its own."""
        streaming: Any = import_module("ansible_runner.streaming")

        def take(data: Mapping[str, Any], **_: Any) -> bool:
            heard.put(Message(self, data))
            return False

        with contextlib.suppress(OSError):  # it ended before it had all, and says why
            streaming.Transmitter(
                _output=self._to, private_data_dir=str(packed), **asdict(parcel)
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
        heard.put(Message(self, None))

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
            with contextlib.suppress(OSError):
                self._to.write(b"\n")
                self._to.flush()
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
        with contextlib.suppress(OSError):
            self._to.close()

    def kill(self) -> None:
        """End the connection, whatever it is at."""
        if self._process:
            self._process.kill()

    def _ended(self) -> None:
        """Say of each host that the machine was not done with what became of it."""
        self.is_open = False
        self.hang_up()
        code = self._exit_status()
        if self.rc is not None or self.stop.status != "finished":
            return
        self._said = self._why(code)
        self.rc = UNREACHABLE_RC
        hosts = self.request.hosts or _named_hosts(self.request)
        for host in hosts:
            if not self._judged.get(host):
                told = {"msg": f"through {self.name or 'this machine'}: {self._said}"}
                self._note(Event("unreachable", time.time(), host, "", result=told))
        if not hosts:
            self.rc = 1

    def _exit_status(self) -> int:
        """Return how the connection ended; one that does not end is made to."""
        if not self._process:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_GRACE_SECONDS)
        self.kill()
        return self._process.wait()

    def _why(self, code: int) -> str:
        """Return in a line why the machine ended before it was done."""
        said = (self.place / "stderr").read_text(errors="replace").strip().splitlines()
        last = said[-1].strip() if said else ""
        if self._given_up:
            return self._given_up
        if code == _NOT_FOUND:
            return "runbook is not installed there, or not in the PATH of a login without terminal"
        if code == _SSH_FAILED:
            return last or "the connection was lost"
        if "No such command" in last:
            return "the oncall-runbook there is older: both machines need the same version"
        if code < 0 or code > _KILLED:
            return f"killed by signal {-code if code < 0 else code - _KILLED}"
        return self._said or last or f"its worker ended with {code}"

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
