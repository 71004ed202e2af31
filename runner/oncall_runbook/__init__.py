"""The command `runbook`: a thin runner over ansible-runner for the collection oncall.runbook."""

__version__ = "0.1.0"
