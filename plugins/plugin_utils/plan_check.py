# GNU General Public License v3.0 or later (see LICENSE)
"""A plan that people agreed to: what has changed on a host since, and which rungs it allows."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Host = Mapping[str, Any]
Facts = dict[str, Any]
# A number that stands alone, with its unit: it moves while the trouble stays the same.
_FIGURE = re.compile(r"(?<![\w.:-])\d+(?:\.\d+)?(?:%|[kKMGT]?i?B|ms|s|min|h|d)?(?![\w:-]|\.\d)")
_LONGEST = 500
_SHOWN = 60
CHANGED = "changed since the plan"
_ELSEWHERE = {
    "address": "the inventory leads elsewhere now: address, user, connection or stack_dir",
    "inputs": "an input of the inventory, or of -e, has another value now",
}


@functools.cache
def hosts_of(path: str) -> Mapping[str, Host]:
    """Return the hosts of the plan in a file; raises ValueError for one that holds none."""
    try:
        hosts = json.loads(Path(path).read_text(encoding="utf-8"))["hosts"]
        return {str(name): dict(host) for name, host in hosts.items()}
    except (OSError, KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"incident_plan: {path} holds no plan") from error


def shape(value: Any) -> Any:
    """Return what of a finding's value a plan keeps: words, and no more of them than can be told.

    None for figures, which move, and for whole answers, of which conditions read a part.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.strip()[:_LONGEST]
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return [shape(each) for each in value]
    return None


def decided(judged: Mapping[str, Any]) -> dict[str, Facts]:
    """Return the findings that decided about the root causes: title, status, and `shape` of value.

    ``judged`` is what the action ``judge`` returns of a host.
    """
    incidents, findings = judged["incidents"], judged["findings"]
    because = (id for name in judged["root_causes"] for id in incidents[name].get("because") or [])
    return {
        id: {
            "title": str(findings[id].get("title") or id),
            "status": str(findings[id]["status"]),
            "value": shape(findings[id].get("value")),
        }
        for id in dict.fromkeys(because)
        if id in findings
    }


def changes(planned: Host | None, judged: Mapping[str, Any]) -> list[str]:
    """Return what is not as it was when a host was ``planned``, a line for each difference.

    A figure that moved is none, as long as it stays on its side of what is healthy.
    """
    if planned is None:
        return ["the host is not in the plan"]
    told = [
        *elsewhere(planned, judged["resolved"]),
        *_of_causes(planned["root_causes"], judged["root_causes"]),
    ]
    now = judged["findings"]
    then, deciding = planned["findings"], decided(judged)
    for id, was in then.items():
        told += _of_finding(was, deciding.get(id) or _as_decided(id, now.get(id)))
    for id in deciding.keys() - then.keys():
        told.append(f"{deciding[id]['title']}: {deciding[id]['status']}, and decides now")
    return told + _of_rungs(planned["plan"], judged["plan"])


def elsewhere(planned: Host | None, resolved: Mapping[str, str]) -> list[str]:
    """Return what the inventory says otherwise of a host than when it was ``planned``."""
    then = (planned or {}).get("resolved") or {}
    return [line for key, line in _ELSEWHERE.items() if then.get(key) != resolved[key]]


def bounded(
    steps: Sequence[Mapping[str, Any]], planned: Host | None, changed: Sequence[str]
) -> list[Facts]:
    """Return the steps of a plan, with those not allowed that nobody agreed to.

    That is none where the host has ``changed``, else those that were ``planned`` and allowed.
    """
    agreed = {_key(step) for step in (planned or {}).get("plan") or [] if step.get("allowed")}
    return [
        dict(step)
        if not step["allowed"] or (_key(step) in agreed and not changed)
        else {
            **step,
            "allowed": False,
            "spent": CHANGED if changed else f"{step['rung']} is not in the plan",
        }
        for step in steps
    ]


def reason(changed: Sequence[str]) -> str:
    """Return in one line why a host is refused that has changed."""
    return f"{CHANGED}: {'; '.join(changed)}"


def _key(step: Mapping[str, Any]) -> tuple[str, str]:
    return str(step.get("incident") or ""), str(step["rung"])


def _as_decided(id: str, finding: Mapping[str, Any] | None) -> Facts:
    known = finding or {"status": "unknown"}
    title, value = str(known.get("title") or id), shape(known.get("value"))
    return {"title": title, "status": str(known["status"]), "value": value}


def _of_causes(then: Sequence[str], now: Sequence[str]) -> list[str]:
    gone = [f"{name} is no root cause any more" for name in then if name not in now]
    return gone + [f"{name} is a root cause now" for name in now if name not in then]


def _of_finding(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    title = str(was.get("title") or now["title"])
    if was["status"] != now["status"]:
        return [f"{title}: {now['status']}, was {was['status']}"]
    if _words(was.get("value")) != _words(now["value"]):
        return [f"{title}: {_shown(now['value'])}, was {_shown(was.get('value'))}"]
    return []


def _of_rungs(then: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    before, after = ({_key(step): step for step in steps} for steps in (then, now))
    told = [f"rung {key[1]} does not fit any more" for key in before.keys() - after.keys()]
    told += [f"rung {key[1]} fits now, and did not" for key in after.keys() - before.keys()]
    for key in before.keys() & after.keys():
        for field in ("risk", "shows"):
            if before[key].get(field) != after[key].get(field):
                told.append(f"rung {key[1]}: {field} is another one now")
    return sorted(told)


def _words(value: Any) -> Any:
    """Return a value without the figures in its texts."""
    if isinstance(value, str):
        return _FIGURE.sub("#", value)
    return [_words(each) for each in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    text = ", ".join(value) if isinstance(value, list) else "none" if value is None else str(value)
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return (f"{line[:_SHOWN]}…" if len(line) > _SHOWN else line) or "nothing"
