"""A run as JUnit XML: a suite for each host, a case for each card and one for the command itself.

It holds what the schemas of Ant (windyroad) and of Jenkins (xunit) allow both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from oncall_runbook.documents import with_findings
from oncall_runbook.run.verdict import Verdict
from oncall_runbook.text import report as texts
from oncall_runbook.text.words import clean, finding_line, incident_name

if TYPE_CHECKING:
    from oncall_runbook.documents import HostDocument, JudgedCard, RunDocument

# What a verdict is of the command's own case. What is wrong with a host fails the case of its card.
_OUTCOMES = {
    **dict.fromkeys((Verdict.HEALTHY.value, Verdict.FIXED.value, Verdict.INCIDENT.value), "passed"),
    **dict.fromkeys((Verdict.NOT_FIXED.value, Verdict.REFUSED.value), "failure"),
}
_SENTENCE = 1000  # characters of a message
_RUN = "runbook"  # the suite that tells of a run which has no host
# What XML 1.0 cannot hold, however it is written.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Case:
    """One thing that was judged: `outcome` is passed, failure, error or skipped."""

    name: str
    outcome: str = "passed"
    kind: str = ""
    message: str = ""
    details: str = ""
    seconds: float = 0.0


def report(run: RunDocument) -> Iterator[str]:
    """Yield a run as JUnit XML, suite by suite."""
    yield '<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n'
    for number, (host, cases, said) in enumerate(_judged(run)):
        suite = _suite(number, host, cases, said, run)
        ET.indent(suite, level=1)
        yield f"  {ET.tostring(suite, encoding='unicode')}\n"
    yield "</testsuites>\n"


def _judged(run: RunDocument) -> Iterator[tuple[str, list[Case], str]]:
    """Yield each host with what was judged of it and what people are told of it; last the run."""
    for host, packed in run["hosts"].items():
        state = with_findings(packed)
        yield host, [*_cases(state, run)], _output(host, state, run)
    if run["error"] or not run["hosts"]:
        why = run["error"] or "the run told of no host"
        yield _RUN, [Case(_command(run), "error", "error", why)], ""


def _command(run: RunDocument) -> str:
    return str(run["command"])


def _cases(state: HostDocument, run: RunDocument) -> Iterator[Case]:
    """Yield what was judged of a host: first whether the command did there what it is for."""
    verdict = state["verdict"]
    outcome = _OUTCOMES.get(verdict, "error")
    reason = ": ".join(filter(None, (state["unreachable"], state["reason"])))
    seconds = sum(step["seconds"] for step in state["actions"] or [])
    yield Case(_command(run), outcome, verdict, reason or verdict, seconds=seconds)
    for name, judged in state["incidents"].items():
        if run["incident"] in (None, name):  # of another the run's exit code says nothing
            yield _card(name, judged, state)


def _card(name: str, judged: JudgedCard, state: HostDocument) -> Case:
    """Return the case of a card: confirmed is a failure, not known an error."""
    title = incident_name(name, judged).plain
    if judged.get("not_applicable"):
        return Case(name, "skipped", message=judged["not_applicable"])  # it may have no type
    if judged.get("confirmed") is None:
        why = judged["evidence"] or judged.get("reason") or "it could not be judged"
        return Case(name, "error", "unknown", why, f"{title}: {why}")
    if not judged["confirmed"]:
        return Case(name)
    explained = f"comes of {', '.join(judged['explained_by'])}" if judged["explained_by"] else ""
    why = judged["why"] or judged["evidence"] or "confirmed"
    findings = ((id, state["findings"].get(id)) for id in judged.get("because") or [])
    lines = [title, explained, why, *(finding_line(id, found) for id, found in findings if found)]
    details = "\n".join(dict.fromkeys(filter(None, lines)))
    message = f"{why} ({explained})" if explained else why
    return Case(name, "failure", judged["severity"] or "confirmed", message, details)


def _output(host: str, state: HostDocument, run: RunDocument) -> str:
    """Return what people are told of a host."""
    alone: RunDocument = {
        **run,
        "hosts": {host: state},
        "common_causes": {},
        "warnings": [],
        "error": None,
    }
    return "\n".join(line.plain for line in texts.lines(alone))


def _suite(number: int, host: str, cases: list[Case], said: str, run: RunDocument) -> ET.Element:
    outcomes = Counter(case.outcome for case in cases)
    numbers = {
        "id": number,
        "tests": len(cases),
        "failures": outcomes["failure"],
        "errors": outcomes["error"],
        "skipped": outcomes["skipped"],
    }
    suite = ET.Element(
        "testsuite",
        {name: str(number) for name, number in numbers.items()},
        name=_token(host),
        hostname=_token(host),
        package=_token(_command(run)),
        timestamp=str(run["started"] or "1970-01-01T00:00:00")[:19],
        time=f"{sum(case.seconds for case in cases):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in (("run", run["run"]), ("inventory", run["inventory"])):
        ET.SubElement(properties, "property", name=name, value=_allowed(str(value)))
    for case in cases:
        _add(suite, host, case)
    ET.SubElement(suite, "system-out").text = _allowed(said)
    ET.SubElement(suite, "system-err")
    return suite


def _add(suite: ET.Element, host: str, case: Case) -> None:
    name, seconds = _token(case.name), f"{case.seconds:.3f}"
    element = ET.SubElement(suite, "testcase", name=name, classname=_token(host), time=seconds)
    if case.outcome != "passed":
        kind = {"type": case.kind} if case.kind else {}
        message = _allowed(clean(case.message, _SENTENCE))
        told = ET.SubElement(element, case.outcome, kind, message=message)
        told.text = _allowed(case.details or message)


def _token(name: str) -> str:
    """Return a name that is one line, and never empty."""
    return clean(_allowed(name)) or "(no name)"


def _allowed(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
