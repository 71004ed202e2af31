"""A run as JUnit XML: what its cases say, what schemas demand, what a reader makes of it."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import junitparser
import pytest
import sample
from hypothesis import given, settings
from hypothesis import strategies as st

from oncall_runbook.reports import writing

TEXTS = Path(__file__).parent / "runner/texts"
RUNS = {
    **{path.stem: json.loads(path.read_text()) for path in sorted(TEXTS.glob("*.json"))},
    "two hosts": sample.run(),
    "a fleet": sample.fleet(50),
    "no host": {**sample.run(), "hosts": {}, "error": "no host matched", "exit_code": 8},
    "nothing known": {"run": "20261124T031129Z-1578", "state": "broken"},
}
every_run = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)

# What the schemas of Ant (windyroad) and of Jenkins (xunit) allow both: for each element, what its
# children are, in this order and how many of each, and what its attributes look like.
TEXT, TOKEN, NUMBER, SECONDS = r"(?s).*", r"\S+( \S+)*", r"\d+", r"\d+(\.\d+)?"
DEMANDS = {
    "testsuites": (r"(testsuite )*", {}),
    "testsuite": (
        r"properties (testcase )*system-out system-err ",
        {
            **dict.fromkeys(("name", "hostname", "package"), TOKEN),
            **dict.fromkeys(("id", "tests", "failures", "errors", "skipped"), NUMBER),
            "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
            "time": SECONDS,
        },
    ),
    "properties": (r"(property )*", {}),
    "property": ("", {"name": TOKEN, "value": TEXT}),
    "testcase": (
        r"(skipped |error |failure )?",
        {"name": TOKEN, "classname": TOKEN, "time": SECONDS},
    ),
    "skipped": ("", {"message": TEXT}),
    "error": ("", {"message": TEXT, "type": TOKEN}),
    "failure": ("", {"message": TEXT, "type": TOKEN}),
    "system-out": ("", {}),
    "system-err": ("", {}),
}


def written(run):
    return ET.fromstring(writing.report("junit", run))


def outcomes(run, host):
    """What became of each case of a host, and what it says."""
    return {
        case.get("name"): (child.tag, child.get("message"))
        for suite in written(run)
        for case in suite.iter("testcase")
        if suite.get("name") == host
        for child in (*case, ET.Element("passed"))[:1]
    }


def complaints(root):
    """What an element and all within it hold that the schemas do not allow."""
    for element in root.iter():
        children, attributes = DEMANDS[element.tag]
        if not re.fullmatch(children, "".join(f"{child.tag} " for child in element)):
            yield f"{element.tag} holds {[child.tag for child in element]}"
        if element.attrib.keys() != attributes.keys():
            yield f"{element.tag} has {sorted(element.attrib)}"
        for name, value in element.attrib.items():
            if not re.fullmatch(attributes[name], value):
                yield f"{element.tag} {name}={value!r}"


@every_run
def test_a_report_is_as_the_schemas_demand(run):
    assert [*complaints(written(run))] == []


@every_run
def test_a_suite_counts_its_cases_right_and_a_reader_reads_them(run):
    text = writing.report("junit", run)
    kinds = {"failures": junitparser.Failure, "errors": junitparser.Error}
    kinds["skipped"] = junitparser.Skipped
    suites = [*junitparser.JUnitXml.fromstring(text.encode())]
    assert len(suites) == max(1, len(run.get("hosts", {})))
    for number, suite in enumerate(suites):
        results = [result for case in suite for result in case.result]
        assert suite.tests == len([*suite]) > 0
        assert suite._elem.get("id") == str(number)
        for name, kind in kinds.items():
            assert getattr(suite, name) == sum(isinstance(result, kind) for result in results)


@every_run
def test_a_run_that_did_not_end_well_has_a_case_that_says_so(run):
    cases = [case for suite in written(run) for case in suite.iter("testcase")]
    bad = [
        case for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    assert bool(bad) == (run.get("exit_code") != 0)


def test_a_host_has_a_case_for_the_command_and_one_for_each_card():
    run = sample.fleet(50)
    assert outcomes(run, "db030.site-a") == {
        "triage": ("passed", None),
        **dict.fromkeys(run["hosts"]["db030.site-a"]["incidents"], ("passed", None)),
        "disk_space_full": (
            "failure",
            "Bytes used on the fullest file system, of what users may have: 98 percent",
        ),
        "database_connection_failures": ("failure", "confirmed (comes of disk_space_full)"),
        "high_error_rate": ("failure", "confirmed (comes of disk_space_full)"),
        "blockchain_service_unavailable": ("skipped", "the stack has no blockchain node"),
    }


def test_what_is_not_known_and_a_host_that_is_unreachable_are_errors():
    run = sample.fleet(50)
    unknown = outcomes(run, "web020.site-c")
    assert unknown.pop("triage") == ("error", sample.REASONS["unknown"])
    assert {outcome for outcome, _ in unknown.values()} == {"error"}
    assert outcomes(run, "web001.site-b") == {
        "triage": ("error", f"refused: {sample.REASONS['unreachable']}")
    }


def test_an_operation_is_one_case_which_tells_whether_it_is_proven():
    assert outcomes(RUNS["ops-done"], "web1") == {"ops restart": ("passed", None)}
    assert outcomes(RUNS["ops-refused"], "web1") == {
        "ops reboot": ("failure", "needs --allow data")
    }
    (case,) = written(RUNS["ops-done"]).iter("testcase")
    assert case.get("time") == "10.580"


def test_of_a_run_for_one_card_no_other_card_fails():
    run = {**sample.fleet(50), "command": "diagnose", "incident": "memory_leak"}
    assert outcomes(run, "db030.site-a") == dict.fromkeys(
        ("diagnose", "memory_leak"), ("passed", None)
    )


def test_what_people_are_told_stands_with_the_suite():
    said = written(RUNS["triage-unreachable"]).find("testsuite/system-out").text
    assert said.startswith("web1: unreachable — refused: Data could not be sent")


HOSTILE = "]]></failure><x a='b'>&amp;\x00\x1b[31m\ud800\ufffe\u202e\r\n<!--"


@settings(max_examples=60, deadline=None)
@given(st.text() | st.just(HOSTILE))
def test_no_text_of_a_host_breaks_a_report(text):
    run = sample.fleet(12)
    host = next(host for host in run["hosts"].values() if host["root_causes"])
    (root,) = host["root_causes"]
    judged = {**host["incidents"][root], "title": text, "why": text, "severity": "SEV1"}
    changed = {**host, "reason": text, "incidents": {**host["incidents"], root: judged}}
    root = written({**run, "inventory": text, "hosts": {text: changed}})
    assert [*complaints(root)] == []
    assert "x" not in {element.tag for element in root.iter()}
    assert [len([*suite.iter("testcase")]) for suite in root] == [12]
