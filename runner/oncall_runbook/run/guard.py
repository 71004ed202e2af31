"""Watches over a worker: whoever kills it leaves nothing of its run behind."""

from __future__ import annotations

import os
import signal
import sys
import traceback

from oncall_runbook.run import engine, processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def guarded(run: str) -> int:
    """Play the run that comes on standard input in a process of its own; return its exit status.

    Should somebody kill that process, what it started is ended, and its private files are removed;
    the status is 128 and the number of the signal.
    """
    child = os.fork()
    if not child:
        _work(run)
    for number in _SIGNALS:
        signal.signal(number, lambda number, _: os.kill(child, number))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code < 0:
        processes.end(run)
        engine.sweep()
    return code if code >= 0 else 128 - code


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
