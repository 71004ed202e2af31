"""A run's document as text for people: the same for a run just ended and for an old one."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import IO, TYPE_CHECKING, cast

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from oncall_runbook.run.journal import result_of_step
from oncall_runbook.text import brief
from oncall_runbook.text.output import Log, harmless
from oncall_runbook.text.words import clean, finding_line, word

if TYPE_CHECKING:
    from oncall_runbook.documents import (
        DoneStep,
        Finding,
        HostDocument,
        PlannedStep,
        RunDocument,
    )

_ENDLESS = 100_000  # without a terminal nothing is wrapped
_LINES_SHOWN = 8  # of what a rung said it did
# How a finding's reason begins that was not told what it asks for (lack of the collection).
_NOTHING_SAID = ("the answer does not say", "cannot be judged: there is no value")


def console(file: IO[str] | None = None) -> Console:
    """Return a console that wraps and colours on a terminal only."""
    file = file or sys.stdout
    width = None if file.isatty() else _ENDLESS
    to = file if file.isatty() else cast("IO[str]", Log(file))
    return Console(file=to, width=width, highlight=False, markup=False, emoji=False)


def show(
    document: RunDocument, file: IO[str] | None = None, *, final: bool = True, full: bool = False
) -> None:
    """Print a run's document: all that it found if `full`, else what is enough to go on.

    Unless it is `final`, how the run ended is left out.
    """
    screen = console(file)
    for text in lines(document, full=full):
        screen.print(_hanging(text) if screen.is_terminal else text)
    if final:
        screen.print(_footer(document, full=full))


def show_short(document: RunDocument) -> None:
    """Print one line for each host: its verdict, the root causes, and why."""
    screen = console()
    for host, state in document.get("hosts", {}).items():
        verdict = word(brief.verdict(state, document))
        causes = state.get("root_causes") or []
        told = brief.in_short(state) if causes else clean(state.get("reason"))
        line = Text.assemble((host, "bold"), ": ", verdict, f" — {told}" if told else "")
        screen.print(line, soft_wrap=True)


def _hanging(text: Text) -> Padding:
    """Return a line that stays below itself where a screen is too narrow for it."""
    indent = len(text.plain) - len(text.plain.lstrip())
    return Padding(text[indent:], (0, 0, 0, indent), expand=False)


def show_all(document: RunDocument) -> None:
    """Print a run's document with all that it found."""
    show(document, full=True)


def lines(document: RunDocument, *, full: bool = False) -> Iterator[Text]:
    """Yield the report, host by host; of several hosts those that are well are counted."""
    hosts = document.get("hosts", {})
    for name, common in (document.get("common_causes") or {}).items():
        yield brief.common(name, len(common))
    well = [host for host, state in hosts.items() if brief.is_well(state)]
    counted = len(hosts) > 1 and len(well) > 1 and not full
    shown = {host: state for host, state in hosts.items() if not (counted and host in well)}
    if len(shown) > brief.EACH and not full:
        yield from brief.told_groups(shown, document)
    else:
        for host, state in shown.items():
            yield from _host(host, state, document, full=full)
    if counted:
        yield Text.assemble((f"{len(well)} hosts", "bold"), ": ", word("healthy"))
    for warning in document.get("warnings") or []:
        yield Text(f"warning: {clean(warning)}", "yellow")
    if document.get("error"):
        yield Text(f"error: {clean(document['error'])}", "bold red")


def _footer(document: RunDocument, *, full: bool) -> Text:
    state = document.get("state", "finished")
    code = document.get("exit_code")
    ending = f"exit {code}, {document.get('seconds')} s" if code is not None else state
    run = f"run {document.get('run')}"
    if document.get("resumes"):
        run += f" resumes {document['resumes']}"
    inventory = str(document.get("inventory"))
    if not full:  # whose path was given is known
        inventory = inventory.rpartition(" (")[0].rpartition("/")[2] or inventory
    machine = (document.get("order") or {}).get("through")
    through = [f"through {machine}"] if machine else []
    return Text(" · ".join((run, f"inventory {inventory}", *through, ending)), "dim")


def _host(host: str, state: HostDocument, document: RunDocument, *, full: bool) -> Iterator[Text]:
    verdict = brief.verdict(state, document)
    reason = ": ".join(filter(None, (state.get("unreachable"), clean(state.get("reason")))))
    findings, uncovered = state.get("findings") or {}, state.get("uncovered") or []
    if uncovered and state["verdict"] == "healthy":
        reason = "but for what no card covers and no rung cures:"
    elif state["verdict"] == "healthy" and state.get("root_causes") and document.get("incident"):
        reason = f"{document['incident']} is not there; what is:"
    changed = state.get("changed_since") or []
    if changed and state["verdict"] == "refused":
        reason = f"{reason.partition(':')[0]}:"
    yield Text.assemble((host, "bold"), ": ", word(verdict), f" — {reason}" if reason else "")
    yield from (Text(f"  changed  {clean(line)}") for line in changed)
    for id in uncovered:
        told = finding_line(id, findings.get(id, {}))
        note = "" if state["verdict"] == "healthy" else " (no rung cures this)"
        yield Text.assemble("  ", word("unhealthy"), f"  {told}{note}")
    yield from brief.causes(state)
    yield from brief.not_judged(state)
    if full:
        yield from _findings({id: said for id, said in findings.items() if id not in uncovered})
    if shallow := clean(findings.get("not_looked_into", {}).get("value")):
        yield Text(
            f"  not looked into further than container, health check and log: {shallow}", "dim"
        )
    yield from _plan(state.get("plan") or [], brief.reasons(state))
    if "actions" in state:
        yield from _actions(state)
    yield from _onward(host, state, document, full=full)


def _onward(host: str, state: HostDocument, document: RunDocument, *, full: bool) -> Iterator[Text]:
    """Yield what to type next, and where the rest of what was found is."""
    step = brief.next_step(host, state, document)
    more = 0 if full else brief.unsaid(state)
    said = f"{more} more finding{'s' * (more > 1)}: runbook runs show last" if more else ""
    if step or said:
        told = (f"next: {step}" if step else "", said)
        yield Text(f"  {' · '.join(filter(None, told))}")


def unhealthy_findings(host: str, state: HostDocument) -> Iterator[Text]:
    """Return a line for each finding of a host that is unhealthy though its verdict is not."""
    for name, finding in (state.get("findings") or {}).items():
        if finding.get("status") == "unhealthy":
            yield Text.assemble((host, "bold"), f": {_timed(name, finding)}")


def _findings(findings: Mapping[str, Finding]) -> Iterator[Text]:
    for status in ("unhealthy", "unknown"):
        for name, finding in findings.items():
            if finding.get("status") == status and not _repeats(finding, findings):
                yield Text.assemble("  ", word(status), f"  {_timed(name, finding)}")


def _timed(name: str, finding: Finding) -> str:
    ms = f" ({finding['ms']} ms)" if finding.get("ms") is not None else ""
    return finding_line(name, finding) + ms


def _repeats(finding: Finding, findings: Mapping[str, Finding]) -> bool:
    """Tell whether a finding only says that what it is read from does not tell it.

    Then that, or another that is read from it, says why.
    """
    source = str(finding.get("of"))
    if finding.get("status") != "unknown" or source not in findings:
        return False
    reason = str(finding.get("reason"))
    others = [
        other
        for id, other in findings.items()
        if source in (id, other.get("of")) and other is not finding
    ]
    ill = [other for other in others if other.get("status") == "unhealthy"]
    told = [other.get("reason") for other in (*ill, findings[source])]
    return reason in told or bool(ill and reason.startswith(_NOTHING_SAID))


def _plan(plan: Sequence[PlannedStep], told: Collection[str]) -> Iterator[Text]:
    """Yield the steps; why one would be done is not said again where it is `told` already."""
    before = ""
    for number, step in enumerate(plan, 1):
        allowed = bool(step.get("allowed"))
        risk = str(step.get("risk") or "")
        lacks = clean(step.get("spent")) or f"needs --allow {risk}"
        gate = Text("allowed", "green") if allowed else Text(lacks, "yellow")
        title = clean(step.get("title")) or str(step.get("rung"))
        # Of a ladder the next is tried only then; the steps of an operation are all done.
        name, after = (
            ("rung", ", if that does not hold:") if step.get("incident") else ("step", ":")
        )
        if step.get("incident") != before:
            before, after = str(step.get("incident") or ""), f", for {step.get('incident')}:"
        yield Text.assemble(f"  {name} {number}{after * (number > 1)}  {title} [{risk}] ", gate)
        if step.get("costs"):
            yield Text(f"       costs {clean(step['costs'])}")
        if step.get("why") and clean(step["why"]) not in told:
            yield Text(f"       because {clean(step['why'])}", "dim")
        for line in str(step.get("shows") or "").splitlines():
            yield Text(f"       {harmless(line)}", "dim")


def _actions(state: HostDocument) -> Iterator[Text]:
    for action in state["actions"] or []:
        held = action.get("held")
        outcome = "" if held is None else "held" if held else "did not hold"
        told = ", ".join(
            filter(None, (result_of_step(action), f"{action['seconds']:g} s", outcome))
        )
        cost = f", at the cost of {clean(action['costs'])}" if _cost(action) else ""
        why = f" — {clean(action['reason'])}" if action.get("reason") else cost
        yield Text(f"  did  {clean(action.get('title')) or action['rung']}: {told}{why}")
        for line in str(action.get("output") or "").splitlines()[-_LINES_SHOWN:]:
            yield Text(f"       {clean(line)}", "dim")
    if kept := state.get("evidence"):
        yield Text(f"  evidence  {clean(kept.get('path'))}")


def _cost(action: DoneStep) -> bool:
    return bool(action.get("changed") and action.get("costs"))


def show_runs(documents: list[RunDocument]) -> None:
    """Print one line for each run."""
    screen = console()
    if not documents:
        screen.print("no runs; next: runbook triage")
    for document in documents:
        verdicts = [f"{h}: {s['verdict']}" for h, s in document.get("hosts", {}).items()]
        code = document.get("exit_code")
        ending = document["state"] if code is None else f"exit {code}"
        what = f"{document.get('command', '?')} {document.get('incident') or ''}".strip()
        shown = (document["run"], f"{what:<9}", f"{ending:<11}", ", ".join(verdicts))
        screen.print(Text("  ".join(shown).rstrip()), soft_wrap=True)
