"""The shells that a host's words are tested in; `make test` goes through them all."""

import os

# Of one run of the tests: RUNBOOK_TEST_SHELL, else the one that Debian has as /bin/sh.
SHELL = os.environ.get("RUNBOOK_TEST_SHELL", "dash").split()
