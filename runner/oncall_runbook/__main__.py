"""`python -m oncall_runbook` is the command `runbook`."""

from oncall_runbook.cli import main

main()
