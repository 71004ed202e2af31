"""`python -m runner` is the command `runbook`."""

from runner.cli import main

main()
