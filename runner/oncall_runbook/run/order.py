"""What the user wants done; and rebuilding the order of an interrupted run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oncall_runbook.errors import BadInputError, NothingMatchedError
from oncall_runbook.run import plan_file, run_files
from oncall_runbook.run.conclusion import finished_hosts
from oncall_runbook.run.inventory import Inventory
from oncall_runbook.run.options import Options
from oncall_runbook.run.plan_file import PlanFile
from oncall_runbook.run.selection import lasting, of_plan
from oncall_runbook.run.sources import catalog_for, inventory_of
from oncall_runbook.run.verdict import CANCELLED, TIMEOUT

if TYPE_CHECKING:
    from oncall_runbook.documents import OrderDocument, RunDocument


@dataclass(frozen=True)
class Order:
    """What the user wants done."""

    command: str
    card: str | None  # the one it is about; none for all of them, and for an operation
    options: Options
    allow: str = "restart"
    yes: bool = False
    operation: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)  # of the operation
    acts: bool = False
    record: str | None = None  # the incident record to stand in: its number, or `new`
    asks: bool = True  # before it acts, unless it is told `yes`
    take_over: bool = False  # what somebody is at work on
    rollout: Mapping[str, Any] = field(default_factory=dict)  # inputs: how it goes through hosts
    out: Path | None = None  # the file that its plan is written to
    plan: PlanFile | None = None  # the one that it carries out
    resumes: str | None = None  # the run whose unfinished hosts it is for

    @property
    def playbook(self) -> str:
        """The playbook by its full name."""
        if self.command == "watch":
            return "oncall.runbook.watch"
        return f"oncall.runbook.{f'ops_{self.operation}' if self.operation else 'triage_fleet'}"

    def kept(self, where: Inventory) -> OrderDocument:
        """Return what a run's document keeps of it, from which `rebuild_order` makes it anew.

        Variables and allowances are never kept, nor what was looked for.
        """
        return {
            "inventory": where.sources[0] if self.options.inventory else None,
            "limit": lasting(self.options.limit),
            "through": self.options.through,
            "operation": self.operation,
            "inputs": dict(self.inputs) if self.acts else {},
            "acts": self.acts,
            "asks": self.asks,
            "extra_vars": bool(self.options.extra_vars),
            **({"plan": list(self.plan.hosts)} if self.plan else {}),
        }


def under_plan(order: Order, path: Path, hours: int | None, allow: str | None) -> Order:
    """Return an order to carry out the plan in a file, and nothing else.

    Raises BadInputError for a file or a wish that does not fit it, and RefusedError for a plan that
    is too old: than its own limit, or than ``hours``. ``allow`` is what was given, if anything was.
    """
    plan = plan_file.read(path)
    document, catalog = plan.document, catalog_for(order.options)
    if order.card not in (None, document["incident"]):
        raise BadInputError(f"{order.card} and --plan: the plan itself says for what it is")
    plan_file.check_age(document, hours, time.time())
    allowed = plan_file.allowance(document, allow)
    hosts = of_plan(plan.hosts, inventory_of(order.options), order.options.limit)
    plan_file.check_cards(document, catalog)
    name = document["incident"] and catalog.resolve(document["incident"])
    return replace(order, card=name, allow=allowed, plan=replace(plan, hosts=hosts))


def rebuild_order(run: RunDocument, options: Options) -> Order:
    """Rebuild the order of an interrupted run, for the hosts that it did not finish.

    `options` say how it is done now. Raises BadInputError when it cannot be given again, and
    NothingMatchedError when nothing of it is left to do.
    """
    kept, name = run.get("order"), run["run"]
    if run["state"] == "running":
        raise BadInputError(f"run {name} is still at work; runbook runs cancel {name} ends it")
    if not kept:
        raise BadInputError(f"run {name} does not tell what was ordered; give its command again")
    if (kept["operation"] or run["command"] == "watch") and not kept["acts"]:
        raise BadInputError(f"run {name} only looked; give its command again: {run['command']}")
    if kept["extra_vars"] and not options.extra_vars:
        raise BadInputError(f"run {name} had variables, which are not kept; give them again: -e …")
    done = finished_hosts(run)
    stopped = run["exit_code"] in (None, CANCELLED, TIMEOUT)
    if run["hosts"] and not stopped and len(done) == len(run["hosts"]):
        raise NothingMatchedError(f"run {name} has finished all its hosts; nothing is left to do")
    return Order(
        run["command"],
        run["incident"],
        replace(
            options,
            inventory=_same_inventory(run),
            inventory_from=f"run {name}",
            limit=_without(kept["limit"], done),
            through=options.through or kept.get("through"),
        ),
        operation=kept["operation"],
        inputs=kept["inputs"],
        acts=kept["acts"],
        asks=kept["asks"],
        plan=_same_plan(run, options, done),
        resumes=name,
    )


def _same_inventory(run: RunDocument) -> str | None:
    """Return the inventory that a run was given; where it found one itself, it must be the same."""
    given: str | None = run["order"]["inventory"]
    if given is None and str(now := inventory_of(Options())) != run["inventory"]:
        raise BadInputError(f"run {run['run']} used inventory {run['inventory']}; now it is {now}")
    return given


def _same_plan(run: RunDocument, options: Options, done: list[str]) -> PlanFile | None:
    """Return the plan that a run carried out, for the hosts that it did not finish."""
    if "plan" not in run["order"]:
        return None
    plan = plan_file.read(run_files.plan_path(run["run"]))
    plan_file.check_age(plan.document, None, time.time())
    plan_file.check_cards(plan.document, catalog_for(options))
    return replace(plan, hosts=tuple(host for host in run["order"]["plan"] if host not in done))


def _without(limit: str | None, done: list[str]) -> str | None:
    """Return a limit that leaves hosts out."""
    if not done:
        return limit
    from ansible.inventory.manager import split_host_pattern

    split: Callable[[str], list[str]] = split_host_pattern
    patterns = split(limit) if limit else ["all"]
    return ",".join([*patterns, *(f"!{host}" for host in done)])
