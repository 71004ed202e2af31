"""What is wrong with a host, in as few lines as are enough: what, why, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from oncall_runbook.text.words import clean, finding_line, incident_name, word

if TYPE_CHECKING:
    from oncall_runbook.documents import HostDocument, JudgedCard, RunDocument

# How many hosts are told one by one; more are grouped by what is wrong with them.
EACH = 10
# Verdicts after which nothing is left to do.
ENDED_WELL = ("healthy", "fixed")
# How many names stand in a line before the rest is counted.
_NAMES = 4
# How long the sentence may be that decides, in characters.
_WHY = 300


def verdict(state: HostDocument, document: RunDocument) -> str:
    """Return the word for a host: an operation is done, or had nothing to do, and cures nothing."""
    said = str(state["verdict"])
    if not (document.get("order") or {}).get("operation"):
        return said
    planned = "planned" if state.get("plan") else "nothing_to_do"
    return {"fixed": "done", "not_fixed": "not_done", "healthy": planned}.get(said, said)


def is_well(state: HostDocument) -> bool:
    """Tell whether there is nothing to say of a host but that it is healthy."""
    told = state.get("uncovered") or state.get("actions") or state.get("plan")
    return state.get("verdict") == "healthy" and not told


def common(name: str, hosts: int) -> Text:
    """Return what is to be thought of first where so many hosts have one root cause."""
    told = f"{hosts} hosts have {name}: look first for what they have in common, as "
    return Text(f"{told}network, registry, deployment, certificate", "bold red")


@dataclass(frozen=True)
class Group:
    """Hosts with one verdict and the same root causes, those before a cure where none is left.

    Unreachable ones are those with the same trouble.
    """

    verdict: str
    about: tuple[str, ...]
    names: tuple[str, ...]
    first: HostDocument  # one stands for all

    @property
    def why(self) -> str:
        """Why it is so with the first of them, in one line."""
        caused = self.first.get("root_causes")
        return clean(in_short(self.first) if caused else self.first.get("reason"))

    @property
    def reasons(self) -> list[str]:
        """Why, of the first: its own reason, what no card covers, what decides each root cause."""
        known, findings = known_cards(self.first), self.first.get("findings") or {}
        told = [clean(self.first.get("reason"))]
        told += [finding_line(id, findings.get(id, {})) for id in self.first.get("uncovered") or []]
        told += [why_of(known.get(root, {})) for root in self.first.get("root_causes") or []]
        return [*dict.fromkeys(filter(None, told))]

    @property
    def count(self) -> str:
        """How many they are, in words."""
        return f"{len(self.names)} host{'s' * (len(self.names) > 1)}"


def root_causes(state: HostDocument) -> list[str]:
    """Return the root causes of a host; where none is left, those before the first rung."""
    before = (state.get("diagnosis") or {}).get("root_causes")
    return state.get("root_causes") or before or []


def grouped(hosts: Mapping[str, HostDocument], document: RunDocument) -> list[Group]:
    """Return hosts in groups by verdict and root causes, the largest group first."""
    found: dict[tuple[str, ...], list[str]] = {}
    for host, state in hosts.items():
        about = root_causes(state) or [state.get("unreachable") or ""]
        found.setdefault((verdict(state, document), *about), []).append(host)
    groups = [
        Group(said, tuple(filter(None, about)), tuple(names), hosts[names[0]])
        for (said, *about), names in found.items()
    ]
    return sorted(groups, key=lambda group: -len(group.names))


def some_names(names: Sequence[str]) -> str:
    """Return the first of some hosts by name, and how many more there are."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return f"{', '.join(map(clean, names[:_NAMES]))}{more}"


def told_groups(hosts: Mapping[str, HostDocument], document: RunDocument) -> Iterator[Text]:
    """Yield hosts in groups, the largest first.

    Below each: who they are, why with the first of them, and what to type next for all of them.
    """
    for group in grouped(hosts, document):
        named = f" — {', '.join(group.about)}" if group.about else ""
        yield Text.assemble((group.count, "bold"), ": ", word(group.verdict), named)
        yield Text(f"  {some_names(group.names)}")
        if group.why:
            yield Text(f"  {clean(group.names[0])}: {group.why}")
        caused = group.first.get("root_causes")
        chosen = group.about[0] if caused else group.first["verdict"]
        if step := next_step(f"@{chosen}:{document.get('run')}", group.first, document):
            yield Text(f"  next: {step}")


def causes(state: HostDocument) -> Iterator[Text]:
    """Yield for each root cause what it is, why it is thought to be there, and what it causes."""
    known = known_cards(state)
    for root in state.get("root_causes") or []:
        incident = known.get(root, {})
        yield Text.assemble("  ", incident_name(root, incident))
        if why := why_of(incident):
            yield Text(f"       {why}")
        if caused := [each for each in known.values() if _explains(root, each)]:
            yield Text.assemble("       causes ", *_listed(caused))


def known_cards(state: HostDocument) -> dict[str, JudgedCard]:
    """Return every card that was judged on a host, as it is now or was before the first rung."""
    return {**(state.get("diagnosis") or {}).get("incidents", {}), **(state.get("incidents") or {})}


def why_of(incident: JudgedCard) -> str:
    """Return the sentence that decides that an incident is there."""
    return clean(incident.get("why") or incident.get("evidence"), _WHY)


def reasons(state: HostDocument) -> set[str]:
    """Return why the root causes of a host are there, as `causes` says it."""
    known = known_cards(state)
    return {why_of(known.get(root, {})) for root in state.get("root_causes") or []}


def in_short(state: HostDocument) -> str:
    """Return the root causes of a host in one line, each with the first sentence that decides."""
    known, told = known_cards(state), []
    for root in state.get("root_causes") or []:
        incident = known.get(root, {})
        why = why_of(incident)
        told.append(f"{incident.get('severity') or ''} {root}{f' ({why})' if why else ''}".strip())
    return ", ".join(told)


def not_judged(state: HostDocument) -> Iterator[Text]:
    """Yield whether which incidents are there could not be told, once for each reason.

    What cannot be judged for a trouble that is known is no news; nor is the host's own reason.
    """
    silent: dict[str, list[Text]] = {}
    of_host = clean(state.get("reason"))
    for name, incident in (state.get("incidents") or {}).items():
        if incident.get("confirmed") is None and not incident.get("may_come_of"):
            reason = clean(incident.get("evidence") or incident.get("reason"))
            known = bool(of_host) and reason.endswith(of_host)
            silent.setdefault("" if known else reason, []).append(incident_name(name, incident))
    for reason, names in silent.items():
        told = Text(", ").join(names[:_NAMES])
        more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
        why = f" — {reason}" if reason else ""
        yield Text.assemble("  ", word("unknown"), " whether ", told, more, (why, "dim"))


def unsaid(state: HostDocument) -> int:
    """Return how many findings are not well, or not known, and stand in none of these lines."""
    said = {*(state.get("uncovered") or [])}
    known = known_cards(state)
    for root in state.get("root_causes") or []:
        said.update(known.get(root, {}).get("because") or [])
    return sum(
        finding.get("status") in ("unhealthy", "unknown") and id not in said
        for id, finding in (state.get("findings") or {}).items()
    )


def next_step(host: str, state: HostDocument, document: RunDocument) -> str:
    """Return what to type next, or nothing where there is nothing to do, or no command for it."""
    said, command = state.get("verdict"), str(document.get("command"))
    if said in ("unknown", "unreachable") and command in ("triage", "diagnose", "plan"):
        return _typed("doctor", host, document)
    if said == "locked":
        return f"runbook runs resume {document.get('run')}"
    if said != "incident" or not state.get("root_causes"):
        return ""
    if command in ("triage", "diagnose"):
        return _typed("plan", host, document)
    if command == "plan":
        return _after_plan(host, state, document)
    return ""


def _after_plan(host: str, state: HostDocument, document: RunDocument) -> str:
    steps = state.get("plan") or []
    if any(step.get("allowed") for step in steps):
        return _typed("remediate", host, document)
    lacking = [step for step in steps if not step.get("spent")]
    if lacking:
        return _typed(f"remediate --allow {lacking[0].get('risk')}", host, document)
    root = (state.get("root_causes") or [""])[0]
    return f"runbook show {root}: no rung cures this; its checklist says what to look into"


def _typed(command: str, host: str, document: RunDocument) -> str:
    where, _, origin = str(document.get("inventory")).rpartition(" (")
    about = f" {document['incident']}" if document.get("incident") and command != "doctor" else ""
    given = f" -i {shlex.quote(_from_here(where))}" if origin == "option -i)" else ""
    same = " -e …" if (document.get("order") or {}).get("extra_vars") else ""
    return f"runbook {command}{about}{given} -l {shlex.quote(clean(host))}{same}"


def _from_here(path: str) -> str:
    """Return a path as it is typed in this directory, where it lies below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except (OSError, ValueError):
        return path


def _explains(root: str, incident: JudgedCard) -> bool:
    return bool(incident.get("confirmed")) and root in (incident.get("explained_by") or [])


def _listed(incidents: Sequence[JudgedCard]) -> Iterator[Text | str]:
    for number, incident in enumerate(incidents):
        severity = str(incident.get("severity") or "")
        yield ", " if number else ""
        yield Text.assemble(word(severity), " " if severity else "", clean(incident.get("title")))
