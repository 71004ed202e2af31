# GNU General Public License v3.0 or later (see LICENSE)
"""From findings to a verdict: which incidents are there, what causes what, what would help."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .findings import UNAVAILABLE, Evaluate, Finding

Card = Mapping[str, Any]
Incident = dict[str, Any]

# Risks in ascending order; an allowance includes what is below it.
RISKS = ("restart", "outage", "data")


def allows(allowance: str, risk: str) -> bool:
    """Tell whether ``allowance`` covers ``risk``; raises ValueError for a word outside RISKS."""
    return RISKS.index(risk) <= RISKS.index(allowance)


def concerned(cards: Mapping[str, Card], name: str | None) -> dict[str, Card]:
    """Return the cards that decide about ``name``: its own and all that may explain it."""
    if name is None:
        return dict(cards)
    wanted, found = {name}, set[str]()
    while wanted != found:
        found = set(wanted)
        wanted |= {other for other, card in cards.items() if found & set(card["explains"])}
    return {other: card for other, card in cards.items() if other in wanted}


def probes_of(cards: Iterable[Card], shared: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """Return every probe that ``cards`` ask for, each once, and before it the one it is read from.

    A card's own probes get its ``shell``, the words they are written in. Raises KeyError for an
    unknown id.
    """
    asked: dict[str, Any] = {}

    def add(probe: Any, card: Card) -> None:
        own = not isinstance(probe, str)
        probe = {"shell": card.get("shell"), **probe} if own else {"id": probe, **shared[probe]}
        if (source := probe.get("of")) and source not in asked:
            add(source, card)
        asked.setdefault(probe["id"], probe)

    for card in cards:
        for probe in card["probes"]:
            add(probe, card)
    return list(asked.values())


def holds(
    expression: str, findings: Mapping[str, Finding], evaluate: Evaluate
) -> tuple[bool | None, str]:
    """Tell whether ``expression`` over ``findings`` is true, whatever the unknown ones would say.

    With unknown findings it is evaluated twice, with all of them taken as healthy and as not;
    where the two differ, or one cannot be evaluated, the answer is None. Also returns the error.
    """
    answers = set()
    unsure = any(finding["status"] == "unknown" for finding in findings.values())
    for assumed in (True, False) if unsure else (True,):
        names = {
            id: {**finding, "healthy": assumed} if finding["status"] == "unknown" else finding
            for id, finding in findings.items()
        }
        try:
            answers.add(bool(evaluate(expression, names)))
        except Exception as error:
            return None, str(error)
    return (answers.pop(), "") if len(answers) == 1 else (None, "")


def judge(
    cards: Mapping[str, Card], findings: Mapping[str, Finding], evaluate: Evaluate
) -> dict[str, Incident]:
    """Return every incident of ``cards``: confirmed (true, false, null), and what explains it."""
    incidents: dict[str, Incident] = {}
    for name, card in cards.items():
        confirmed, error = holds(card["confirmed"], findings, evaluate)
        incidents[name] = {
            "title": card["title"],
            "severity": card["severity"],
            "confirmed": confirmed,
            "explained_by": [],
            "evidence": _evidence(card["confirmed"], findings) if confirmed else "",
            "reason": error or _unknown(card, findings) if confirmed is None else "",
        }
    for name, incident in incidents.items():
        own_cause = cards[name].get("independent_when", "false")
        if incident["confirmed"] and not holds(own_cause, findings, evaluate)[0]:
            incident["explained_by"] = [
                other
                for other, card in cards.items()
                if incidents[other]["confirmed"] and _explains(card, name, findings, evaluate)
            ]
    return incidents


def _explains(
    card: Card, name: str, findings: Mapping[str, Finding], evaluate: Evaluate
) -> bool | None:
    """Tell whether ``card`` explains the incident ``name``, under its condition if it has one."""
    condition = card.get("explains_when", {}).get(name, "true")
    return name in card["explains"] and holds(condition, findings, evaluate)[0]


def unfinished(
    cards: Mapping[str, Card],
    incidents: Mapping[str, Incident],
    before: Mapping[str, Incident],
    findings: Mapping[str, Finding],
    evaluate: Evaluate,
) -> list[str]:
    """Return the incidents that are gone, but whose ladder is climbed on ``until`` more is won."""
    return [
        name
        for name, card in cards.items()
        if "until" in card
        and before[name]["confirmed"]
        and incidents[name]["confirmed"] is False
        and holds(card["until"], findings, evaluate)[0] is False
    ]


def _unknown(card: Card, findings: Mapping[str, Finding]) -> str:
    """Return why ``card`` cannot be judged: the probes that are unknown, grouped by reason."""
    asked = [p if isinstance(p, str) else p["id"] for p in card["probes"]]
    groups: dict[str, list[str]] = {}
    for id in asked:
        if findings[id]["status"] == "unknown":
            groups.setdefault(findings[id]["reason"], []).append(id)
    return "; ".join(
        reason if len(ids) == len(asked) else f"{', '.join(ids)}: {reason}"
        for reason, ids in groups.items()
    )


def root_causes(incidents: Mapping[str, Incident]) -> list[str]:
    """Return the confirmed incidents that no other explains, the gravest severity first."""
    causes = [n for n, i in incidents.items() if i["confirmed"] and not i["explained_by"]]
    return sorted(causes, key=lambda name: str(incidents[name]["severity"]))


def plan(
    names: Sequence[str],
    cards: Mapping[str, Card],
    findings: Mapping[str, Finding],
    evaluate: Evaluate,
    allowance: str,
) -> list[dict[str, Any]]:
    """Return the rungs of ``names`` whose condition certainly holds now, in ladder order."""
    return [
        {
            "incident": name,
            "rung": rung["rung"],
            "title": rung["title"],
            "risk": rung["risk"],
            "allowed": allows(allowance, rung["risk"]),
            "why": _why(rung["when"], findings),
            **({"shows": str(findings[rung["shows"]]["value"])} if "shows" in rung else {}),
        }
        for name in names
        for rung in cards[name]["ladder"]
        if holds(rung["when"], findings, evaluate)[0]
    ]


def _why(condition: str, findings: Mapping[str, Finding]) -> str:
    return "; ".join(describe(finding) for finding in _named(condition, findings)) or condition


def _evidence(condition: str, findings: Mapping[str, Finding]) -> str:
    """Return in one line which findings speak for ``condition``: those that are unhealthy."""
    named = _named(condition, findings)
    return "; ".join(describe(found) for found in named if found["status"] == "unhealthy")


def _named(condition: str, findings: Mapping[str, Finding]) -> list[Finding]:
    words = set(re.findall(r"\w+", condition))
    return [finding for id, finding in findings.items() if id in words]


def describe(finding: Finding) -> str:
    """Return one line for people: title, status, and the value or the reason."""
    value = finding["value"]
    told = [f"{finding['title']}: {finding['status']}"]
    if isinstance(value, int | float):
        told.append(f"({value:g} {finding['unit']})".replace(" )", ")"))
    elif isinstance(value, str) and 0 < len(value) <= 60 and "\n" not in value:
        told.append(f"({value})")
    if finding["reason"]:
        told.append(f"- {finding['reason']}")
    return " ".join(told)


def verdict(
    subjects: Sequence[str],
    incidents: Mapping[str, Incident],
    steps: Sequence[Mapping[str, Any]],
    before: Mapping[str, Incident] | None = None,
    acted: bool = False,
) -> tuple[str, str]:
    """Return the host's verdict over ``subjects`` and its reason in one line.

    ``steps`` is the plan now. After a remediation ``before`` holds the incidents from before
    it, and ``acted`` tells whether any rung was climbed since.
    """
    present = [name for name in subjects if incidents[name]["confirmed"]]
    unsure = [name for name in subjects if incidents[name]["confirmed"] is None]
    if not present and unsure:
        return "unknown", "; ".join(dict.fromkeys(incidents[n]["reason"] for n in unsure))
    if before is None:
        return ("incident" if present else "healthy"), ""
    if not present:
        was = any(before[name]["confirmed"] for name in subjects)
        return ("fixed" if was and acted else "healthy"), ""
    return _remaining(present, incidents, steps, acted)


def looked(seen: Finding, steps: Sequence[Mapping[str, Any]], refused: str) -> dict[str, str]:
    """Return verdict and reason of an operation that has only looked yet."""
    if seen["status"] != "healthy":
        word = "unknown" if seen["status"] == "unknown" else "incident"
        return {"verdict": word, "reason": seen["reason"]}
    if refused:
        return {"verdict": "refused", "reason": refused}
    if steps and not any(step["allowed"] for step in steps):
        return {"verdict": "refused", "reason": f"needs --allow {steps[0]['risk']}"}
    return {"verdict": "healthy", "reason": ""}


def done(did: Mapping[str, Any], proof: Finding) -> tuple[str, str]:
    """Return verdict and reason of an operation from what its step said, and its proof."""
    if did.get("rc") == UNAVAILABLE:
        return "refused", str(did.get("reason", ""))
    if did.get("rc") != 0:
        return "not_fixed", str(did.get("reason", ""))
    if proof["status"] != "healthy":
        return "not_fixed", str(proof["reason"])
    return "fixed", ""


def _remaining(
    present: Sequence[str],
    incidents: Mapping[str, Incident],
    steps: Sequence[Mapping[str, Any]],
    acted: bool,
) -> tuple[str, str]:
    causes = [cause for name in present for cause in incidents[name]["explained_by"]]
    if all(incidents[name]["explained_by"] for name in present):
        return "refused", f"explained by {', '.join(dict.fromkeys(causes))}: remediate that"
    blocked = [f"{s['rung']} needs --allow {s['risk']}" for s in steps if not s["allowed"]]
    if acted:
        return "not_fixed", "; ".join(["every allowed rung that fits was climbed", *blocked])
    if blocked:
        return "refused", blocked[0]
    return "not_fixed", "no rung of the ladder cures this: the findings say what is wrong"
