"""What the page on a run of many hosts shows: a heat map of hosts and cards, grouped by root cause.

A host stands in the group of its gravest root cause, or of its verdict where it has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

from oncall_runbook.documents import JUDGED
from oncall_runbook.pages import run_page
from oncall_runbook.pages.wording import words
from oncall_runbook.run.verdict import rank
from oncall_runbook.text import brief
from oncall_runbook.text.words import clean, finding_line

if TYPE_CHECKING:
    from oncall_runbook.documents import HostDocument, JudgedCard, RunDocument

_UNFOLDED = 60  # hosts that are seen at first; of more, those of small groups, which are exceptions
_WHOLE = 50  # hosts of which all is told: a page must not grow with the fleet
_WHY = 300  # characters of why a host is as it is
_TOLD = ("unhealthy", "unknown")  # findings that are told; the others are counted
# What a cell says, the class that draws it, and what it means. Without style the word is seen.
CELLS = {
    "cause": ("is-cause", "root cause"),
    "yes": ("is-yes", "confirmed, explained by a root cause"),
    "unknown": ("is-unknown", "could not be judged"),
    "gone": ("is-gone", "was there before, and is gone"),
    "no": ("is-no", "excluded"),
    "n/a": ("is-na", "not applicable: the stack has no such part"),
    "—": ("is-none", "not judged"),
}


@dataclass(frozen=True)
class Choice:
    """What hosts can be filtered by: a verdict or a root cause; `key` stands for it in classes."""

    key: str
    name: str
    title: str
    hosts: int


@dataclass(frozen=True)
class Row:
    """A host: its verdict, its root causes, why, and what its cells say."""

    number: int  # of the host within the run
    name: str
    state: HostDocument
    verdict: str
    causes: tuple[str, ...]
    why: str
    cells: tuple[str, ...]
    whole: bool = False  # whether all is told of it

    @property
    def group(self) -> str:
        """What it is grouped by."""
        return self.causes[0] if self.causes else self.verdict


@dataclass(frozen=True)
class Group:
    """Hosts with the same gravest root cause; of those without one, with the same verdict."""

    title: str
    severity: str
    rows: tuple[Row, ...]
    limit: str  # chooses hosts like these of this run: see run/selection.py
    unfolded: bool = False

    @property
    def well(self) -> bool:
        """Whether there is nothing to say of any of them but that it is healthy."""
        return all(brief.is_well(row.state) for row in self.rows)

    @property
    def ended_well(self) -> bool:
        """Whether each of them is healthy, or was cured."""
        return all(row.state["verdict"] in brief.ENDED_WELL for row in self.rows)

    @property
    def causes(self) -> list[str]:
        """The root causes that any of them has."""
        return list(dict.fromkeys(chain.from_iterable(row.causes for row in self.rows)))

    @property
    def verdicts(self) -> Counter[str]:
        """How many hosts have which verdict."""
        return Counter(row.verdict for row in self.rows)

    @property
    def named(self) -> str:
        """The first of them by name, and how many more there are."""
        return brief.some_names([row.name for row in self.rows])

    @property
    def judged(self) -> bool:
        """Whether anything was judged on any of them."""
        return any(set(row.cells) - {"—"} for row in self.rows)


def context(run: RunDocument) -> dict[str, object]:
    """Return what the page is made from."""
    cards = _cards(run)
    columns = _columns(run, cards)
    rows = [_row(n, *host, run, columns) for n, host in enumerate(run["hosts"].items(), 1)]
    verdicts = _choices("v", (row.verdict for row in rows), words)
    causes = _choices(
        "c", chain.from_iterable(row.causes for row in rows), titles := _titles(cards)
    )
    groups = _marked(_groups(rows, cards, titles))
    told = [(row, _host(row.state)) for group in groups for row in group.rows if row.whole]
    return {
        "run": run,
        "common": [brief.common(n, len(hosts)).plain for n, hosts in run["common_causes"].items()],
        "choices": {"Verdict": verdicts, "Root cause": causes},
        "verdict_keys": {choice.name: choice.key for choice in verdicts},
        "cause_keys": {choice.name: choice.key for choice in causes},
        "unmatched": _unmatched(rows, verdicts, causes),
        "columns": [titles(name) for name in columns],
        "left_out": [titles(name) for name in cards if name not in columns],
        "cells": CELLS,
        "legend": _legend(groups),
        "groups": groups,
        "told": told,
        "ill": sum(len(group.rows) for group in groups if not group.well),
    }


def _cards(run: RunDocument) -> dict[str, JudgedCard]:
    """Return every card that was judged on any host, as the first that was says it."""
    known: dict[str, JudgedCard] = {}
    for state in run["hosts"].values():
        for name, judged in brief.known_cards(state).items():
            known.setdefault(name, judged)
        for name in brief.root_causes(state):
            known.setdefault(name, JUDGED)
    return known


def _titles(cards: Mapping[str, JudgedCard]) -> Callable[[str], str]:
    return lambda name: clean(cards[name].get("title")) or words(name)


def _columns(run: RunDocument, cards: Mapping[str, JudgedCard]) -> list[str]:
    """Return the cards that are not excluded on every host, those first that most hosts have."""
    said = Counter((name, _cell(name, state)) for state in run["hosts"].values() for name in cards)
    weights = {
        name: [said[name, word] for word in ("cause", "yes", "gone", "unknown")] for name in cards
    }
    return sorted((n for n in cards if any(weights[n])), key=lambda n: weights[n], reverse=True)


def _cell(card: str, state: HostDocument) -> str:
    """Return what is known of a card on a host, as a word of `CELLS`."""
    judged = state["incidents"].get(card)
    before = (state["diagnosis"] or {}).get("incidents", {}).get(card, JUDGED)
    if card in state["root_causes"]:
        return "cause"
    if judged is None:
        return "—"
    if judged.get("confirmed"):
        return "yes"
    if judged.get("confirmed") is None:
        return "unknown"
    if before.get("confirmed"):
        return "gone"
    return "n/a" if judged.get("not_applicable") else "no"


def _row(
    number: int, name: str, state: HostDocument, run: RunDocument, columns: Sequence[str]
) -> Row:
    cells = tuple(_cell(card, state) for card in columns)
    return Row(
        number,
        name,
        state,
        brief.verdict(state, run),
        tuple(brief.root_causes(state)),
        _why(state),
        cells,
    )


def _why(state: HostDocument) -> str:
    """Return why a host is as it is: its reason, what decides its root causes, what was done."""
    found = state if state["root_causes"] else (state["diagnosis"] or {})
    causes = [
        brief.why_of(found["incidents"].get(root, JUDGED)) for root in brief.root_causes(state)
    ]
    uncovered = [finding_line(id, state["findings"].get(id, {})) for id in state["uncovered"]]
    done = [f"did: {clean(step['title']) or step['rung']}" for step in state["actions"] or []]
    reason = ": ".join(filter(None, (state["unreachable"], state["reason"])))
    return clean(" · ".join(filter(None, (reason, *uncovered, *causes, *done))), _WHY)


def _choices(kind: str, names: Iterable[str], titles: Callable[[str], str]) -> list[Choice]:
    """Return what hosts can be filtered by, with the number of hosts, most of them first."""
    found = Counter(names).most_common()
    return [
        Choice(f"{kind}{n}", name, titles(name), count) for n, (name, count) in enumerate(found)
    ]


def _unmatched(
    rows: Sequence[Row], verdicts: Sequence[Choice], causes: Sequence[Choice]
) -> list[tuple[str, str]]:
    """Return the verdicts and root causes, by their keys, that no host has together."""
    there = {(row.verdict, cause) for row in rows for cause in row.causes}
    return [(v.key, c.key) for v in verdicts for c in causes if (v.name, c.name) not in there]


def _groups(
    rows: Sequence[Row], cards: Mapping[str, JudgedCard], titles: Callable[[str], str]
) -> list[Group]:
    """Return the hosts in groups, the largest first; later what was cured, last what is well."""
    found: dict[tuple[str, bool], list[Row]] = {}
    for row in rows:
        found.setdefault((row.group, brief.is_well(row.state)), []).append(row)
    groups = []
    for (about, _), members in found.items():
        ordered = tuple(sorted(members, key=lambda row: (rank(row.state["verdict"]), row.causes)))
        caused = bool(members[0].causes)
        title = titles(about) if caused else words(about) + _but(members[0].state)
        severity = cards[about].get("severity", "") if caused else ""
        current = caused and any(about in row.state["root_causes"] for row in members)
        limit = about if current else members[0].state["verdict"]
        groups.append(Group(title, severity, ordered, limit))
    return sorted(groups, key=lambda group: (group.well, group.ended_well, -len(group.rows)))


def _but(state: HostDocument) -> str:
    """Return what has to be said beside a verdict that is healthy."""
    aside = state["verdict"] == "healthy" and state["uncovered"]
    return ", but for what no card covers" if aside else ""


def _marked(groups: Sequence[Group]) -> list[Group]:
    """Mark what is unfolded at first, and of which hosts all is told: of each group some."""
    ill = [group.rows for group in groups if not group.well]
    in_turn = (row for rows in zip_longest(*ill) for row in rows if row)
    whole = {row.number for row in islice(in_turn, _WHOLE)}
    seen = brief.EACH if sum(map(len, ill)) > _UNFOLDED else _UNFOLDED
    return [
        replace(
            group,
            rows=tuple(replace(row, whole=row.number in whole) for row in group.rows),
            unfolded=not group.well and len(group.rows) <= seen,
        )
        for group in groups
    ]


def _legend(groups: Sequence[Group]) -> list[str]:
    """Return the words that the cells of the map say, in the order of `CELLS`."""
    mapped = [row for group in groups if group.judged and not group.well for row in group.rows]
    said = {cell for row in mapped for cell in row.cells}
    return [word for word in CELLS if word in said]


def _host(state: HostDocument) -> dict[str, object]:
    """Return what is told of one host: of its findings those that are not well."""
    ill = {id: f for id, f in state["findings"].items() if f["status"] in _TOLD}
    return run_page.host_context({**state, "findings": ill})
