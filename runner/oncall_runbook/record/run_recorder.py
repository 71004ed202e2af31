"""Writes a run into the record of incidents while it is at work: opens an incident, and pages.

What a run has done stands in its own files first. It is noted as pending before it begins, and
written into the record from those files when it has ended: by itself or, where the store could not
be reached or the run was killed, by whoever comes next.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from importlib import import_module

from oncall_runbook.record import pending
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.options import Options

_PAGING_SECONDS = 60
_NEXT = "next: runbook incident escalate --due"


def check_incident(wanted: str, options: Options) -> None:
    """Raise NothingMatchedError unless there is the incident that a run shall stand in."""
    from oncall_runbook.record import records
    from oncall_runbook.record.store import Store

    if wanted != "new":
        with Store(options.store).read() as conn:
            records.find(conn, wanted)


class RunRecorder:
    """Writes one run into the record: into the incident `wanted`, `new` or any that is open."""

    def __init__(self, run: str, wanted: str | None, options: Options) -> None:
        """Note the run, and get ready for the store while ansible starts."""
        self._run = run
        self._options = options
        self._opens = wanted == "new"
        self._pager: subprocess.Popen[str] | None = None
        pending.add(run, wanted)
        ready = threading.Thread(target=import_module, args=("oncall_runbook.record.attach",))
        ready.daemon = True
        ready.start()

    def open_incident(self, host: str, state: HostState) -> int | None:
        """Open an incident for what was just found, if one is wanted and none is open there."""
        if not self._opens or not state.root_causes:
            return None
        self._opens = False
        from oncall_runbook.record import attach
        from oncall_runbook.record.store import Store

        record = Store(self._options.store)
        number = attach.open_incident_for(
            record, self._run, host, state.root_causes, state.incidents
        )
        if number is not None:
            self._page()
        return number

    def _page(self) -> None:
        """Let the first step of the ladder go out while the run goes on."""
        url, vault = self._options.store, self._options.vault_password_file
        where = ["-i", self._options.inventory] if self._options.inventory else []
        where += ["--vault-password-file", str(vault)] if vault else []
        self._pager = subprocess.Popen(
            # -P: what lies in the user's directory is never run in place of our own modules.
            [sys.executable, "-P", "-m", "oncall_runbook", "incident", "escalate", "--due", *where],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **({"RUNBOOK_STORE": url} if url else {})},
        )

    def finish(self) -> tuple[list[int], str]:
        """Write the run, and any before it that waits, into the record.

        Returns the incidents it stands in, and what those say who could not be told.
        """
        complaints = ""
        if self._pager is not None:
            try:
                _, complaints = self._pager.communicate(timeout=_PAGING_SECONDS)
            except subprocess.TimeoutExpired:
                self._pager.kill()
                complaints = f"paging took longer than {_PAGING_SECONDS} s; {_NEXT}"
            if self._pager.returncode and not complaints.strip():
                complaints = f"nobody was told: exit status {self._pager.returncode}; {_NEXT}"
        from oncall_runbook.record import attach
        from oncall_runbook.record.store import Store

        return attach.catch_up(Store(self._options.store)), complaints.strip()
