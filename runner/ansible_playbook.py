"""Runs as ansible-playbook, but with a garbage collector that suits a process of some seconds.

Usage: python -P ansible_playbook.py ARGUMENTS-OF-ANSIBLE-PLAYBOOK

Python's own settings look through all of ansible again and again while it is imported, and once
more at its end: a fifth of a second of each run, measured on Python 3.11 with ansible-core 2.19.
"""

import atexit
import gc
import sys
from importlib import import_module
from typing import Any

_ALLOCATIONS = 100_000  # between two collections; the default is 700

if __name__ == "__main__":
    gc.set_threshold(_ALLOCATIONS)
    atexit.register(gc.freeze)  # what the system takes back anyhow need not be looked through

    ansible: Any = import_module("ansible.cli.playbook")
    sys.argv[0] = "ansible-playbook"
    sys.exit(ansible.main())
