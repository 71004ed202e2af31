"""A run as workflow commands of GitHub Actions: annotations, at most ten, the gravest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oncall_runbook.documents import JUDGED
from oncall_runbook.run.verdict import rank
from oncall_runbook.text import brief
from oncall_runbook.text.words import clean, finding_line, incident_name, word

if TYPE_CHECKING:
    from oncall_runbook.documents import JudgedCard, RunDocument
    from oncall_runbook.text.brief import Group

_MOST = 10  # of each kind GitHub shows no more for a step
_TITLE, _MESSAGE = 200, 1000  # characters
_DATA = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY = str.maketrans({":": "%3A", ",": "%2C"})


def report(run: RunDocument) -> str:
    """Return a run as workflow commands, one in a line; of a run that is well there is none."""
    said = [*_errors(run), *_warnings(run)]
    if len(said) > _MOST:
        left = len(said) - _MOST + 1
        more = f"{left} more are told by: runbook runs show {run['run']}"
        said = [*said[: _MOST - 1], _command("warning", "Not all is told here", more)]
    return "".join(f"{line}\n" for line in said)


def _errors(run: RunDocument) -> list[str]:
    """Return what fails the run: its own error, a common cause, then hosts in groups."""
    told = [("The run failed", run["error"])] if run["error"] else []
    for name, hosts in run["common_causes"].items():
        told.append(("Common cause", brief.common(name, len(hosts)).plain))
    ill = {
        host: state
        for host, state in run["hosts"].items()
        if state["verdict"] not in brief.ENDED_WELL
    }
    for group in sorted(brief.grouped(ill, run), key=_gravity):
        told.append((_title(group), _message(group)))
    return [_command("error", title, message) for title, message in told]


def _warnings(run: RunDocument) -> list[str]:
    """Return what is to be said of hosts whose verdict is healthy all the same."""
    return [
        _command("warning", "Covered by no card", f"{host}: {finding_line(id, finding)}")
        for host, state in run["hosts"].items()
        if state["verdict"] in brief.ENDED_WELL
        for id in state["uncovered"]
        for finding in [state["findings"].get(id, {})]
    ]


def _gravity(group: Group) -> tuple[int, str, int]:
    """Return what hosts are ordered by: the exit code, the severity, how many they are."""
    severities = [card["severity"] for card in _roots(group).values() if card["severity"]]
    return rank(group.first["verdict"]), min(severities, default="~"), -len(group.names)


def _roots(group: Group) -> dict[str, JudgedCard]:
    known = brief.known_cards(group.first)
    return {root: known.get(root, JUDGED) for root in group.first["root_causes"]}


def _title(group: Group) -> str:
    roots = [incident_name(name, card).plain for name, card in _roots(group).items()]
    return f"{', '.join(roots) or word(group.verdict).plain}: {group.count}"


def _message(group: Group) -> str:
    told = f"{brief.some_names(group.names)}: {word(group.verdict).plain}"
    return " — ".join((told, *group.reasons))


def _command(kind: str, title: str, message: str) -> str:
    named = clean(title, _TITLE).translate(_DATA).translate(_PROPERTY)
    return f"::{kind} title={named}::{clean(message, _MESSAGE).translate(_DATA)}"
