"""A connection to a machine that plays a run: what goes there, what comes, and why it ended."""

from __future__ import annotations

import contextlib
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import IO

# For a connection that has nothing more to say.
_GRACE_SECONDS = 3.0
_NOT_FOUND = 127
_KILLED = 128  # and the number of the signal
_SSH_FAILED = 255


class Connection(ABC):
    """Two streams to the worker of another machine, once they are open."""

    to_worker: IO[bytes]
    from_worker: IO[bytes]

    @abstractmethod
    def open(self) -> None:
        """Reach the worker; RunbookError or OSError where that cannot be."""

    @abstractmethod
    def kill(self) -> None:
        """End the connection, whatever it is at: from another thread too, and more than once."""

    @abstractmethod
    def why(self, said: str) -> str:
        """Return in a line why it ended early; `said` is what the worker said of it itself."""


class ProgramConnection(Connection):
    """A program that leads to the worker, as ssh does, or that is one."""

    def __init__(self, command: Sequence[str], errors: Path) -> None:
        """Take the command, and the file for what it says on standard error."""
        self._command, self._errors = command, errors
        self._process: subprocess.Popen[bytes] | None = None
        self._is_killed = False

    def open(self) -> None:
        """Start the program."""
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for us: the worker is asked to end
            )
        assert self._process.stdin and self._process.stdout
        self.to_worker, self.from_worker = self._process.stdin, self._process.stdout
        if self._is_killed:
            self._process.kill()

    def kill(self) -> None:
        """End the program, also one that is just being started."""
        self._is_killed = True
        if self._process:
            self._process.kill()

    def why(self, said: str) -> str:
        """Tell it from the program's exit status, and from its last line of standard error."""
        code = self._exit_status()
        lines = self._errors.read_text(errors="replace").strip().splitlines()
        last = lines[-1].strip() if lines else ""
        if code == _NOT_FOUND:
            return "runbook is not installed there, or not in the PATH of a login without terminal"
        if code == _SSH_FAILED:
            return last or "the connection was lost"
        if "No such command" in last:
            return "the oncall-runbook there is older: both machines need the same version"
        if code < 0 or code > _KILLED:
            return f"killed by signal {-code if code < 0 else code - _KILLED}"
        return said or last or f"its worker ended with {code}"

    def _exit_status(self) -> int:
        """Return how the program ended; one that does not end is made to."""
        assert self._process
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_GRACE_SECONDS)
        self.kill()
        return self._process.wait()
