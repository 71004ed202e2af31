"""What keeps a run, and says where it cannot: its own directory, and the record of incidents."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, cast

from oncall_runbook.errors import BadInputError, NothingMatchedError, RunbookError
from oncall_runbook.record import run_recorder
from oncall_runbook.record.run_recorder import RunRecorder
from oncall_runbook.run import run_files
from oncall_runbook.run.conclusion import Job, opening
from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.journal import entry, worth_keeping
from oncall_runbook.run.order import Order
from oncall_runbook.run.run_files import RunDirectory
from oncall_runbook.text.output import say_aside

if TYPE_CHECKING:
    from oncall_runbook.documents import RunDocument


def check_incident(order: Order) -> None:
    """Refuse a run for an incident that is not there; one that cannot be looked for may go on."""
    if order.record is None:
        return
    try:
        run_recorder.check_incident(order.record, order.options)
    except (BadInputError, NothingMatchedError):
        raise
    except RunbookError as error:
        _warn(f"{error}; the run goes on, and is recorded later")


class RunKeeper:
    """Keeps one run; whatever fails there, the run goes on."""

    def __init__(self, order: Order, job: Job) -> None:
        """Open the run's directory, and note the run for the record if one is kept or wanted."""
        self._directory = _directory(order, job)
        recorded = bool(order.record) or run_files.incidents_kept(order.options.store)
        self._recorder: RunRecorder | None = None
        if self._directory and recorded:
            self._recorder = RunRecorder(job.run, order.record, order.options)

    def note(self, event: Event, state: HostState) -> None:
        """Keep an event in the journal; open an incident for what it found, if one is wanted."""
        self._open_incident(event.host, state)
        if self._directory and worth_keeping(event):
            try:
                self._directory.event(entry(event))
            except OSError as error:
                self._directory = None
                _warn(f"the run is no longer recorded: {error.strerror}")

    def so_far(self, document: RunDocument) -> None:
        """Keep what a run has done so far: should it be killed, that is not done again."""
        if self._directory:
            with contextlib.suppress(OSError):  # its end will say so
                ended = {"finished": None, "seconds": None, "exit_code": None}
                self._directory.save(cast("RunDocument", {**document, **ended}))

    def finish(self, final: RunDocument) -> None:
        """Keep the document of a run that has ended, and write the run into the record."""
        self._save(final)
        self._write_into_record()

    def _open_incident(self, host: str, state: HostState) -> None:
        if self._recorder is None or not state.root_causes:
            return
        try:
            if number := self._recorder.open_incident(host, state):
                say_aside(f"opened incident {number}")
        except (RunbookError, OSError) as error:
            _warn(f"{error}; the run goes on, and is recorded later")

    def _save(self, final: RunDocument) -> None:
        if self._directory is None:
            return
        try:
            self._directory.save(final)
        except OSError as error:
            _warn(f"the run could not be recorded: {error.strerror}")
        self._directory.close()

    def _write_into_record(self) -> None:
        if self._recorder is None:
            return
        try:
            numbers, complaints = self._recorder.finish()
        except (RunbookError, OSError) as error:
            _warn(f"{error}; the run is recorded later")
            return
        for line in complaints.splitlines():
            _warn(line.removeprefix("runbook: "))
        for number in numbers:
            say_aside(f"in incident {number}; see: runbook incident show {number}")


def _directory(order: Order, job: Job) -> RunDirectory | None:
    """Open the run's directory; a diagnosis can do without it, a remediation cannot."""
    try:
        directory = RunDirectory(job.run)
        directory.save(opening(job))
        if order.plan:
            directory.keep_plan(order.plan.text)
    except OSError as error:
        where = f"{run_files.runs_directory()} cannot be written: {error.strerror}"
        if order.acts:
            raise RunbookError(f"{where}; nothing was done, evidence needs it") from error
        _warn(f"{where}; this run is not recorded")
        return None
    return directory


def _warn(text: str) -> None:
    say_aside(f"warning: {text}")
