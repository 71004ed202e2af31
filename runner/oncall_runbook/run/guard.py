"""Watches over a worker: whoever kills it leaves nothing of its run behind."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import traceback

from oncall_runbook.errors import BadInputError
from oncall_runbook.run import engine, processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


_RUN = re.compile(rb"[\w-]{1,64}")


def guarded() -> int:
    """Play the run that comes on standard input in a process of its own; return its exit status.

    Its id comes first, in a line of its own. Should somebody kill that process, what it started is
    ended, and its private files are removed; that is said on standard output, and the status is 128
    and the number of the signal.
    """
    run = _run_of_stream()
    child = os.fork()
    if not child:
        _work(run)
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: os.kill(child, number))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        processes.end(run)
        engine.sweep()
        killed = {"status": "error", "job_explanation": f"killed by signal {-code}"}
        with contextlib.suppress(OSError):
            os.write(sys.stdout.fileno(), json.dumps(killed).encode() + b"\n")
    return code if code >= 0 else 128 - code


def _run_of_stream() -> str:
    """Read the id of the run, and nothing that comes behind it; BadInputError where none comes."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(sys.stdin.fileno(), 1)):
        line += byte
    if not _RUN.fullmatch(line.removesuffix(b"\n")):
        raise BadInputError("standard input is no run that another machine hands over")
    return line.decode().strip()


def _work(run: str) -> None:
    """Be the worker, and end with it."""
    code = 1
    try:
        from oncall_runbook.run.worker import work

        code = work(run)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
