"""What a command costs the machine that it runs on."""

import os
import subprocess
import time


def cost(command, given=b"", **options):
    """Run a command; its seconds of wall and of processor, and the peak memory of one process, MB.

    With all that it started and waited for.
    """
    begin = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, stdin=subprocess.PIPE, **quiet, **options) as process:
        process.stdin.write(given)
        process.stdin.close()
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def line(name, costs):
    """Say in a line what something cost."""
    wall, used, memory = costs
    return f"{name:12} {wall:6.1f} s, processor {used:6.2f} s, {memory:5.0f} MB"
