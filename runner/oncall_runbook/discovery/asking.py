"""Asks hosts which compose stacks are on them, in one round trip each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from oncall_runbook.discovery.stacks import Stack, stacks_of
from oncall_runbook.run import run_files
from oncall_runbook.run.conclusion import Job
from oncall_runbook.run.options import Options
from oncall_runbook.run.order import Order
from oncall_runbook.run.request import prepare
from oncall_runbook.run.session import Progress, Session


@dataclass(frozen=True)
class Found:
    """What was found on each host, or why nothing was; and how the run that asked ended."""

    stacks: Mapping[str, list[Stack]]
    failed: Mapping[str, str]
    exit_code: int


def ask(options: Options, progress: Callable[[bool], Progress]) -> Found:
    """Ask every host of the options' inventory which stacks it has; changes nothing."""
    began = time.time()
    order = Order("ops discover", None, options, operation="discover")
    run = run_files.new_id(began)
    where, request = prepare(options, run, order.playbook, {"operation_run": run})
    job = Job(run, order.command, None, began, str(where), options.limit)
    session = Session(job, request, progress)
    document = session.document(session.play(remediate=False))
    stacks: dict[str, list[Stack]] = {}
    failed: dict[str, str] = {}
    for host, state in document["hosts"].items():
        finding = (state.get("findings") or {}).get("discover", {})
        if finding.get("status") != "healthy":
            failed[host] = str(finding.get("reason") or state.get("reason") or "no answer")
            continue
        try:
            stacks[host] = stacks_of(finding["value"])
        except (ValueError, KeyError, TypeError) as error:
            failed[host] = f"what Docker said cannot be read: {error}"
    return Found(stacks, failed, int(document["exit_code"] or 0))
