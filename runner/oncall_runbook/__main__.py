"""`python -m oncall_runbook` is the command `runbook`."""

from oncall_runbook.commands.cli import main

main()
