"""A plan as a file: written by `plan --out`, carried out by `remediate --plan`, and no further."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from oncall_runbook import __version__
from oncall_runbook.clock import timestamp
from oncall_runbook.errors import BadInputError, RefusedError
from oncall_runbook.run.conclusion import Job
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.rollout import Rules
from oncall_runbook.run.verdict import Verdict

if TYPE_CHECKING:
    from oncall_runbook.cards.catalog import Catalog
    from oncall_runbook.documents import Facts, JudgedCard, PlanDocument, PlannedHost

RISKS = ("restart", "outage", "data")
_LONGEST_BYTES = 64 * 2**20
_HOUR = 3600
# Clocks of two machines may differ by that many seconds.
_AHEAD = 300


@dataclass(frozen=True)
class PlanFile:
    """A plan that is to be carried out: what it says, its text, and for which of its hosts."""

    document: PlanDocument
    text: str
    hosts: tuple[str, ...] = ()


def made(
    job: Job, states: Mapping[str, HostState], allow: str, catalog: Catalog, now: float
) -> PlanDocument:
    """Return what was found and planned as the document of a plan, with its digest."""
    names = {name for state in states.values() for name in state.root_causes}
    told: dict[str, Any] = {
        "schema": 1,
        "kind": "plan",
        "version": __version__,
        "run": job.run,
        "made": timestamp(now),
        "hours": Rules.of(states).plan_hours,
        "author": job.author,
        "inventory": job.inventory,
        "incident": job.card,
        "allow": allow,
        "cards": {name: _card_digest(catalog, name) for name in sorted(names)},
        "hosts": {host: _host(state) for host, state in sorted(states.items())},
    }
    return cast("PlanDocument", {**told, "digest": _digest(told)})


def _host(state: HostState) -> PlannedHost:
    verdict = state.verdict or Verdict.UNKNOWN
    return {
        "verdict": verdict.value,
        "reason": state.reason,
        "resolved": dict(state.resolved),
        "root_causes": list(state.root_causes),
        "incidents": {name: _in_short(state.incidents.get(name, {})) for name in state.root_causes},
        "findings": {id: dict(finding) for id, finding in state.decided.items()},
        "plan": list(state.plan),
    }


def _in_short(judged: Facts) -> JudgedCard:
    kept = ("title", "severity", "because", "why")
    return cast("JudgedCard", {name: judged[name] for name in kept if name in judged})


def read(path: Path) -> PlanFile:
    """Return the plan in a file, for all of its hosts.

    Raises BadInputError for a file that holds no plan, or another than was written there.
    """
    said = f"--plan {path}"
    try:
        data = _content(path)
    except OSError as error:
        raise BadInputError(f"{said} cannot be read: {error.strerror}") from error
    try:
        found = json.loads(text := data.decode())
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{said} is damaged: it is no JSON document") from error
    if not isinstance(found, dict) or found.get("kind") != "plan":
        raise BadInputError(f"{said} holds no plan; write one: runbook plan --out FILE")
    if found.get("schema") != 1 or found.get("version") != __version__:
        version = "".join(c for c in str(found.get("version"))[:20] if c.isprintable())
        raise BadInputError(f"{said} was made by runbook {version}, and this is {__version__}")
    if found.pop("digest", None) != (digest := _digest(found)):
        raise BadInputError(f"{said} was changed after it was made; make it anew")
    plan = cast("PlanDocument", {**found, "digest": digest})
    try:
        _check(plan)
        _time(plan)
    except ValueError as error:
        line = " ".join(str(error).split())[:200]
        raise BadInputError(f"{said} holds no plan: {line}") from error
    return PlanFile(plan, text, tuple(plan["hosts"]))


def _content(path: Path) -> bytes:
    # Of a pipe or a device a reader would wait.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return file.read(_LONGEST_BYTES)


def check_age(plan: PlanDocument, hours: int | None, now: float) -> None:
    """Raise RefusedError for a plan that is older than its limit, or than fewer ``hours``."""
    limit = plan["hours"]
    if hours is not None and hours > limit:
        raise BadInputError(f"--plan-age {hours}: this plan may be {limit} hours old, and no older")
    age = now - _time(plan)
    if age < -_AHEAD:
        raise RefusedError(f"the plan is of {plan['made']}, and that is still to come; set clocks")
    if age > (hours or limit) * _HOUR:
        raise RefusedError(
            f"the plan is {age / _HOUR:.1f} hours old, and may be {hours or limit}; make it anew"
        )


def _time(plan: PlanDocument) -> float:
    return datetime.fromisoformat(plan["made"]).timestamp()


def check_cards(plan: PlanDocument, catalog: Catalog) -> None:
    """Raise RefusedError where a card of the plan is not the one that it was made from."""
    for name, digest in plan["cards"].items():
        if name not in catalog.files or _card_digest(catalog, name) != digest:
            raise RefusedError(f"card {name} is another one than the plan was made from")


def allowance(plan: PlanDocument, given: str | None) -> str:
    """Return what may be done: what the plan allows, or less where that was ``given``."""
    if given is None:
        return plan["allow"]
    if RISKS.index(given) > RISKS.index(plan["allow"]):
        raise BadInputError(f"--allow {given}: the plan allows {plan['allow']}, and no more")
    return given


def _card_digest(catalog: Catalog, name: str) -> str:
    return _digest(catalog.card(name))


def _digest(facts: Facts) -> str:
    """Return the checksum of a document, whatever its order and blanks in a file."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _check(plan: Facts) -> None:
    import fastjsonschema

    text = (Path(__file__).parents[1] / "schema/plan.schema.json").read_text(encoding="utf-8")
    fastjsonschema.compile(json.loads(text))(plan)
