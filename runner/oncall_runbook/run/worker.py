"""The far end of `--through`: plays a run that another machine hands over on standard input.

What comes and goes is ansible-runner's stream of a worker. Besides ansible's events it carries two
of ours: what one process told of a host, and a file of evidence, before the step that follows it.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_runner.streaming import Worker
from ansible_runner.utils.streaming import unstream_dir

from oncall_runbook import __version__
from oncall_runbook.errors import RunbookError
from oncall_runbook.run import engine, processes
from oncall_runbook.run.engine import Request, Stop
from oncall_runbook.run.events import Told
from oncall_runbook.run.stream import BEAT_SECONDS, FILE, HANG_UP, SILENT_SECONDS, TOLD, Parcel

# What fails, or looks unreachable, where a run is ended.
_ENDED = ("runner_on_failed", "runner_on_unreachable")


def work(run: str) -> int:
    """Play the run that comes on standard input; its events go to standard output."""
    with engine.private_directory() as private:
        # What passes through a file is secret too, and this is in memory.
        tempfile.tempdir = str(private)
        return RunbookWorker(run, private).run()


class RunbookWorker(Worker):
    """A worker of ansible-runner that plays as the command itself does."""

    def __init__(self, run: str, private: Path) -> None:
        """Take the stream from standard input, and answer on standard output."""
        super().__init__(private_data_dir=str(private), keepalive_seconds=BEAT_SECONDS)
        self._run = run
        self._private = private
        self._stop = Stop(run, None)
        self._heard = time.monotonic()
        self._is_gone = False

    def run(self) -> int:
        """Play what is handed over, tell how it ended, and return an exit status."""
        self._begin_keepalive()  # type: ignore[no-untyped-call]
        self._say("starting", version=__version__)
        try:
            parcel = self._receive()
            threading.Thread(target=self._listen, daemon=True).start()
            with engine.signals(self._stop), _secret(parcel.vault_password) as password:
                rc = self._play(parcel, parcel.request(self._private, password))
        except (RunbookError, OSError, ValueError) as error:
            self._say("error", job_explanation=str(error))
            rc = None
        else:
            if why := self._why_over():
                self._say("canceled", job_explanation=why)
            else:
                self._say("failed" if rc else "successful", rc=rc)
        with contextlib.suppress(OSError):
            self.finished_callback(None)
        return 0 if rc is not None else 1

    def _receive(self) -> Parcel:
        """Read what is handed over, up to its end; refuse what another version sends."""
        given: dict[str, Any] = {}
        while True:
            line = self._input.readline()
            data = json.loads(line) if line else {}
            if "kwargs" in data:
                given = data["kwargs"]
            elif "zipfile" in data:
                unstream_dir(self._input, data["zipfile"], str(self._private))
            elif "eof" in data:
                return Parcel.read(given)
            else:
                raise ValueError("what was to be done never came whole")

    def _play(self, parcel: Parcel, request: Request) -> int:
        told = Told(engine.told_in(self._private), lambda said: self._send(TOLD, told=said))

        def handle(event: Mapping[str, Any]) -> bool:
            if self._why_over() and event.get("event") in _ENDED:
                return False  # by us: that says nothing of the host
            self._send_evidence(event, parcel)
            with contextlib.suppress(OSError):
                self.event_handler(event)
            return False

        def cancel() -> bool:
            told.read()
            if not self._why_over():
                return False
            processes.end(self._run)
            return True

        rc = engine.play(request, self._private, handle, cancel)
        told.read()
        if self._why_over():
            processes.end(self._run)
        return rc

    def _send_evidence(self, event: Mapping[str, Any], parcel: Parcel) -> None:
        """Send the files that an event says were kept, which then names the place over there."""
        result = (event.get("event_data") or {}).get("res") or {}
        if not parcel.evidence or not isinstance(result, dict) or result.get("phase") != "evidence":
            return
        kept = Path(str(result["evidence"]["path"]))
        for path in sorted(kept.iterdir()):
            self._send(FILE, name=f"{kept.name}/{path.name}", text=path.read_bytes().decode())
        result["evidence"]["path"] = str(Path(parcel.evidence) / kept.name)

    def _send(self, event: str, **data: Any) -> None:
        """Send an event of our own, in the form of ansible-runner's."""
        with contextlib.suppress(OSError):
            self.event_handler({"event": event, "counter": 1, "uuid": uuid.uuid4().hex, **data})

    def _say(self, status: str, **data: Any) -> None:
        with contextlib.suppress(OSError):
            self.status_handler({"status": status, **data}, None)

    def _listen(self) -> None:
        """Hear from time to time that the other end is there, until it is gone or hangs up."""
        while (heard := self._input.read1()) and HANG_UP not in heard:
            self._heard = time.monotonic()
        self._is_gone = True

    def _why_over(self) -> str:
        """Return why the run must end before its time; nothing, while it may go on."""
        if self._is_gone:
            return "the other end is gone"
        if time.monotonic() > self._heard + SILENT_SECONDS:
            return f"it heard nothing of this machine for {SILENT_SECONDS} s"
        return "its worker was told to end" if self._stop.due() else ""


@contextlib.contextmanager
def _secret(text: str | None) -> Iterator[Path | None]:
    """Give a text the name of a file that is in no file system and ends with this process."""
    if text is None:
        yield None
        return
    descriptor = os.memfd_create("runbook")
    os.fchmod(descriptor, 0o600)  # Ansible would run what may be run
    os.write(descriptor, text.encode())
    try:
        yield Path(f"/proc/{os.getpid()}/fd/{descriptor}")
    finally:
        os.close(descriptor)
