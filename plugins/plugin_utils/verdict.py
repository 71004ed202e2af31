# GNU General Public License v3.0 or later (see LICENSE)
"""From findings to a verdict: which incidents are there, what causes what, what would help."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from .conditions import Answer, Variable, names_in
from .conditions import judge as answer
from .findings import CONTAINERS, UNAVAILABLE, Finding, lacks_part

Card = Mapping[str, Any]
Incident = dict[str, Any]

# Risks in ascending order; an allowance includes what is below it.
RISKS = ("restart", "outage", "data")
# Two answers of one pass that came this many milliseconds apart may be of different states.
AGED_MS = 700
# That many questions of a pass may be late by chance.
LATE_AT_MOST = 2


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


def late(findings: Mapping[str, Finding]) -> set[str]:
    """Return the ids of one or two questions that were not answered in time, to be asked again.

    More of them are no chance: then the host, or its Docker daemon, does not answer.
    """
    found = {id for id, finding in findings.items() if finding.get("late") and "of" not in finding}
    return found if len(found) <= LATE_AT_MOST else set()


def disagreeing(
    pairs: Iterable[Mapping[str, Any]], findings: Mapping[str, Finding], variable: Variable
) -> set[str]:
    """Return the ids of the questions whose answers do not fit each other, to be asked again.

    Each of ``pairs`` names two ``findings`` about one thing, and the condition under which they
    contradict (``when``). They do not fit either when one is well and the other ill, and the one
    answered so much later that the first may be of a state that is gone.
    """
    again: set[str] = set()
    for pair in pairs:
        ids = [id for id in pair["findings"] if id in findings]
        if len(ids) < len(pair["findings"]):
            continue
        if answer(pair["when"], findings, variable).truth or _aged(*(findings[id] for id in ids)):
            again |= {str(findings[id].get("of", id)) for id in ids}
    return again


def _aged(one: Finding, other: Finding) -> bool:
    apart = {one["status"], other["status"]} == {"healthy", "unhealthy"}
    return apart and abs(one["ms"] - other["ms"]) > AGED_MS


def applicable(cards: Mapping[str, Card], absent: Container[str]) -> dict[str, Card]:
    """Return those of ``cards`` that are about no part which is ``absent`` from the stack."""
    return {name: card for name, card in cards.items() if card.get("part") not in absent}


def judge(
    cards: Mapping[str, Card],
    findings: Mapping[str, Finding],
    variable: Variable,
    absent: Container[str] = (),
) -> dict[str, Incident]:
    """Return every incident of ``cards``: confirmed (true, false, null), and what explains it.

    Of one that cannot be judged, ``may_come_of`` holds what would explain it. ``because`` holds the
    ids of the findings that confirm it, or that keep it from being judged; of one that is confirmed
    ``evidence`` says them in words, and ``why`` the one that decides. One about a part that is
    ``absent`` from the stack is not there, and ``not_applicable`` says why.
    """
    incidents: dict[str, Incident] = {}
    for name, card in cards.items():
        if (part := card.get("part")) in absent:
            incidents[name] = _not_applicable(card, str(part))
            continue
        told = answer(card["confirmed"], findings, variable)
        because = _because(told, findings)
        sentences = _sentences(because, findings) if told.truth else []
        incidents[name] = {
            "title": card["title"],
            "severity": card["severity"],
            "confirmed": told.truth,
            "explained_by": [],
            "because": because,
            "why": next(iter(sentences), ""),
            "evidence": "; ".join(sentences),
            "reason": _unknown(told, findings) if told.truth is None else "",
        }
    for name, incident in incidents.items():
        causes = [
            other
            for other, card in cards.items()
            if incidents[other]["confirmed"] and _explains(card, name, findings, variable)
        ]
        own_cause = cards[name].get("independent_when", "false")
        if incident["confirmed"] is None:
            incident["may_come_of"] = causes
        elif incident["confirmed"] and not answer(own_cause, findings, variable).truth:
            incident["explained_by"] = causes
    return incidents


def _not_applicable(card: Card, part: str) -> Incident:
    return {
        "title": card["title"],
        "severity": card["severity"],
        "confirmed": False,
        "explained_by": [],
        "because": [],
        "why": "",
        "evidence": "",
        "reason": "",
        "not_applicable": lacks_part(part),
    }


def _explains(
    card: Card, name: str, findings: Mapping[str, Finding], variable: Variable
) -> bool | None:
    """Tell whether ``card`` explains the incident ``name``, under its condition if it has one."""
    condition = card.get("explains_when", {}).get(name, "true")
    return name in card["explains"] and answer(condition, findings, variable).truth


def unfinished(
    cards: Mapping[str, Card],
    incidents: Mapping[str, Incident],
    before: Mapping[str, Incident],
    findings: Mapping[str, Finding],
    variable: Variable,
) -> list[str]:
    """Return the incidents that are gone, but whose ladder is climbed on ``until`` more is won."""
    return [
        name
        for name, card in cards.items()
        if "until" in card
        and before[name]["confirmed"]
        and incidents[name]["confirmed"] is False
        and answer(card["until"], findings, variable).truth is False
    ]


def _unsure(incidents: Sequence[Incident], findings: Mapping[str, Finding]) -> str:
    """Return why none of ``incidents`` can be judged, what they have in common said once."""
    asked = dict.fromkeys(id for incident in incidents for id in incident["because"])
    grouped = _grouped(asked, findings)
    rest = [i["reason"] for i in incidents if not _grouped(i["because"], findings)]
    return "; ".join(dict.fromkeys([*grouped, *rest]))


def _grouped(ids: Iterable[str], findings: Mapping[str, Finding]) -> list[str]:
    """Return the reasons of those of ``ids`` that are unknown, each behind what it is true of.

    What keeps more than two from being known is true of the host, or of a part of it.
    """
    groups: dict[str, list[str]] = {}
    for id in ids:
        if findings[id]["status"] == "unknown":
            groups.setdefault(findings[id]["reason"], []).append(str(findings[id]["title"]))
    return [
        reason if len(titles) > 2 else f"{', '.join(titles)}: {reason}"
        for reason, titles in groups.items()
    ]


def _unknown(told: Answer, findings: Mapping[str, Finding]) -> str:
    """Return why a card cannot be judged: the probes that are unknown, grouped by reason."""
    reasons = _grouped(told.because, findings)
    if told.lacks:
        known = [id for id in told.because if findings[id]["status"] != "unknown"]
        asked = ", ".join(str(findings[id]["title"]) for id in known)
        reasons.append(f"{asked}: {told.lacks}" if asked else told.lacks)
    return "; ".join(reasons)


def root_causes(incidents: Mapping[str, Incident]) -> list[str]:
    """Return the confirmed incidents that no other explains, the gravest severity first."""
    causes = [n for n, i in incidents.items() if i["confirmed"] and not i["explained_by"]]
    return sorted(causes, key=lambda name: str(incidents[name]["severity"]))


def plan(
    names: Sequence[str],
    cards: Mapping[str, Card],
    findings: Mapping[str, Finding],
    variable: Variable,
    allowance: str,
    spent: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Return the rungs of ``names`` whose condition certainly holds now, in ladder order.

    ``spent`` says why not to climb one of them, by incident and rung; a whole ladder, by incident
    and ``""``; or any, by ``""`` twice.
    """
    return [
        {
            "incident": name,
            "rung": rung["rung"],
            "title": rung["title"],
            "risk": rung["risk"],
            "allowed": allows(allowance, rung["risk"]) and not over,
            **({"spent": over} if over else {}),
            "costs": rung.get("costs", ""),
            "why": "; ".join(_sentences(_because(told, findings), findings)) or rung["when"],
            **({"shows": str(findings[rung["shows"]]["value"])} if "shows" in rung else {}),
        }
        for name in names
        for rung in cards[name]["ladder"]
        if (told := answer(rung["when"], findings, variable)).truth
        for keys in [(("", ""), (name, ""), (name, rung["rung"]))]
        for over in [next((spent[key] for key in keys if key in spent), "")]
    ]


def next_rung(
    ladder: Sequence[Mapping[str, Any]],
    steps: Iterable[Mapping[str, Any]],
    last: tuple[str, str] | None = None,
) -> Mapping[str, Any]:
    """Return the first rung of ``ladder`` after the ``last`` climbed that a plan's ``steps`` allow.

    ``last`` is an incident and its rung; nobody climbs down again. Empty where none is left.
    """
    places = [(rung["incident"], rung["rung"]) for rung in ladder]
    rest = ladder[places.index(last) + 1 :] if last else ladder
    allowed = {(step["incident"], step["rung"]) for step in steps if step["allowed"]}
    return next((rung for rung in rest if (rung["incident"], rung["rung"]) in allowed), {})


def _because(told: Answer, findings: Mapping[str, Finding]) -> list[str]:
    """Return which findings decided: of these, those that are unhealthy, if any is."""
    ill = [id for id in told.because if findings[id]["status"] == "unhealthy"]
    return ill if told.truth and ill else list(told.because)


def _sentences(because: Iterable[str], findings: Mapping[str, Finding]) -> list[str]:
    """Return what the findings ``because`` say, each reason once, the one that decides first.

    What all containers are like is said of none in particular, where there is more to say.
    """
    told = sorted(because, key=lambda id: id == CONTAINERS)
    said: dict[str, str] = {}
    for id in told:
        one = sentence(findings[id])
        said.setdefault(findings[id]["reason"] or one, one)
    return [*said.values()]


def sentence(finding: Finding) -> str:
    """Return why a finding is as it is, with the figure; where it has no reason, what was asked."""
    value, unit, reason = finding["value"], finding["unit"], finding["reason"]
    answer = ""
    if isinstance(value, bool) or value is None:
        answer = "" if finding["status"] == "healthy" else "no"
    elif isinstance(value, int | float):
        answer = f"{value:g}" if isinstance(value, float) else str(value)
        answer = f"{answer} {unit}".strip()
    elif isinstance(value, str):
        answer = value.strip().partition("\n")[0]
    if not reason:
        return f"{finding['title']}: {answer}" if answer else str(finding["title"])
    # Words and statuses are a protocol's: the reason says the same in ours.
    is_figure = isinstance(value, int | float) and not isinstance(value, bool) and unit
    told = is_figure and "status" not in unit and answer not in reason
    return f"{reason} ({answer})" if told else str(reason)


def describe(finding: Finding) -> str:
    """Return what was asked, and the answer: title, status, and the value or the reason."""
    value, reason = finding["value"], finding["reason"]
    told = [f"{finding['title']}: {finding['status']}"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        told.append(f"({value:g} {finding['unit']})".replace(" )", ")"))
    elif isinstance(value, str) and 0 < len(value) <= 60 and "\n" not in value:
        told.append(f"({value})")
    elif isinstance(value, str):  # where there is no reason the value is it
        reason = reason or value.strip().partition("\n")[0]
    if reason:
        told.append(f"- {reason}")
    return " ".join(told)


def verdict(
    subjects: Sequence[str],
    incidents: Mapping[str, Incident],
    findings: Mapping[str, Finding],
    steps: Sequence[Mapping[str, Any]],
    before: Mapping[str, Incident] | None = None,
    acted: bool = False,
) -> tuple[str, str]:
    """Return the host's verdict over ``subjects`` and its reason in one line.

    ``steps`` is the plan now. After a remediation ``before`` holds the incidents from before
    it, and ``acted`` tells whether any rung was climbed since: ``fixed`` then takes fresh proof.
    """
    present = [name for name in subjects if incidents[name]["confirmed"]]
    unsure = [name for name in subjects if incidents[name]["confirmed"] is None]
    if not present and unsure:
        return "unknown", _unsure([incidents[name] for name in unsure], findings)
    if before is None:
        return ("incident" if present else "healthy"), ""
    if present:
        return _remaining(present, incidents, steps, acted)
    was = [name for name in subjects if before[name]["confirmed"]]
    if not (was and acted):
        return "healthy", ""
    doubts = unproven(was, before, findings)
    return ("unknown", f"not proven: {'; '.join(doubts)}") if doubts else ("fixed", "")


def uncovered(
    cards: Mapping[str, Card],
    probes: Iterable[Mapping[str, Any]],
    incidents: Mapping[str, Incident],
    findings: Mapping[str, Finding],
) -> list[str]:
    """Return the unhealthy findings that no confirmed incident is made of or looks at.

    Nothing cures them, but people must hear of them. Left out are circumstances (``circumstance``
    of a probe), which say more about an incident and are no trouble by themselves; a card's own
    probes may say that its incident covers them (``covered``). Of several that are read from one
    answer, the first stands for all.
    """
    present = [name for name in incidents if incidents[name]["confirmed"]]
    because = {id for name in present for id in incidents[name]["because"]}
    said = {findings[id].get("of", id) for id in because}
    looked_at = {
        id for name in present for text in _conditions(cards[name]) for id in names_in(text)
    }
    shared = {id for card in cards.values() for id in card["probes"] if isinstance(id, str)}
    looked_at |= shared.intersection(id for name in present for id in _asked(cards[name]))
    own = [probe for name in present for probe in cards[name]["probes"] if isinstance(probe, dict)]
    looked_at |= {probe["id"] for probe in own if probe.get("covered")}
    found: dict[str, str] = {}
    for probe in probes:
        id, source = probe["id"], probe.get("of", probe["id"])
        ill = findings[id]["status"] == "unhealthy" and not probe.get("circumstance")
        if ill and id not in looked_at and source not in said:
            found.setdefault(source, id)
    return [*found.values()]


def _asked(card: Card) -> list[str]:
    return [probe if isinstance(probe, str) else str(probe["id"]) for probe in card["probes"]]


def _conditions(card: Card) -> list[str]:
    rungs = [rung["when"] for rung in card["ladder"]]
    return [card["confirmed"], card.get("independent_when", "false"), *rungs]


def unproven(
    names: Iterable[str], before: Mapping[str, Incident], findings: Mapping[str, Finding]
) -> list[str]:
    """Return in words which findings leave open whether the incidents ``names`` are gone.

    Those that confirmed one ``before`` must be known and healthy now: one that went quiet proves
    nothing.
    """
    proofs = dict.fromkeys(id for name in names for id in before[name]["because"])
    return [describe(findings[id]) for id in proofs if findings[id]["status"] != "healthy"]


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
    blocked = [
        s.get("spent") or f"{s['rung']} needs --allow {s['risk']}"
        for s in steps
        if not s["allowed"]
    ]
    blocked = [*dict.fromkeys(blocked)]
    if acted:
        return "not_fixed", "; ".join(["every allowed rung that fits was climbed", *blocked])
    if blocked:
        return "refused", blocked[0]
    return "not_fixed", "no rung of the ladder cures this: the findings say what is wrong"
