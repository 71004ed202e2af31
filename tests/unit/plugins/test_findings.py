"""What an answer says to a probe."""

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import Answer
from ansible_collections.oncall.runbook.plugins.plugin_utils.findings import (
    ProbeError,
    derived,
    explained,
    finding,
    question,
)
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, StrictUndefined

JINJA = Environment(undefined=StrictUndefined)


def evaluate(expression, names):
    value = JINJA.compile_expression(expression, undefined_to_none=False)(**names)
    if isinstance(value, StrictUndefined):
        raise ValueError(str(value))
    return value


def found(answer, **probe):
    return finding({"id": "it", "run": "ask", **probe}, answer, evaluate)


def status(answer, **probe):
    result = found(answer, **probe)
    assert result["healthy"] == (result["status"] == "healthy")
    return result["status"], result["value"], result["reason"]


@pytest.mark.parametrize(
    ("answer", "probe", "expected"),
    [
        (Answer(0, 5, "fine\n"), {}, ("healthy", "fine", "")),
        (Answer(1, 5, "", "no route\n"), {}, ("unhealthy", None, "no route")),
        (Answer(2, 5, "no response\n"), {}, ("unhealthy", None, "no response")),
        (Answer(3, 5), {}, ("unhealthy", None, "exit status 3")),
        (Answer(69, 5, "", "no such service\n"), {}, ("unknown", None, "no such service")),
        (Answer(127, 5, "", "sh: psql: not found\n"), {}, ("unknown", None, "sh: psql: not found")),
        (Answer(), {}, ("unknown", None, "the host's answer broke off")),
        (
            Answer(137, 2000, timed_out=True),
            {"timeout": 2},
            ("unknown", None, "no answer within 2 s"),
        ),
        (
            Answer(0, 5, "81.5\n"),
            {"parse": "float", "healthy": "value < 95"},
            ("healthy", 81.5, ""),
        ),
        (
            Answer(0, 5, "99\n"),
            {"parse": "float", "healthy": "value < 95"},
            ("unhealthy", 99.0, ""),
        ),
        (
            Answer(0, 5, "0\n", "curl: (7) refused\n"),
            {"parse": "int", "healthy": "value == 200"},
            ("unhealthy", 0, "curl: (7) refused"),
        ),
        (Answer(0, 5, ""), {"parse": "float"}, ("unknown", None, "answered nothing")),
        (Answer(0, 5, "many"), {"parse": "int"}, ("unknown", None, "not int: many")),
        (
            Answer(0, 5, "{}"),
            {"parse": "json", "healthy": "value | length > 0"},
            ("unhealthy", {}, ""),
        ),
        (Answer(0, 5, '{"a": [1]}'), {"parse": "json"}, ("healthy", {"a": [1]}, "")),
        (Answer(0, 5, "a\nb\n"), {"parse": "lines"}, ("healthy", ["a", "b"], "")),
        (Answer(0, 5, "\x1b[31mred\x1b[0m\n"), {}, ("healthy", "red", "")),
        (
            Answer(0, 5, "1"),
            {"parse": "int", "healthy": "value < nowhere"},
            ("unknown", 1, "cannot be judged: the answer has another form than expected"),
        ),
    ],
)
def test_status(answer, probe, expected):
    assert status(answer, **probe) == expected


def test_colours_are_gone_from_both_streams():
    result = found(Answer(0, 1, "\x1b[1;32minfo\x1b[39m: a", "\x1b]0;title\x07b"))
    assert (result["output"], result["stderr"]) == ("info: a", "b")


@given(st.binary(max_size=60), st.integers(0, 255))
def test_whatever_comes_back_there_is_a_finding(data, rc):
    text = data.decode("utf-8", errors="replace")
    for parse in ("text", "lines", "int", "float", "json"):
        assert found(Answer(rc, 1, text, text), parse=parse)["status"] in (
            "healthy",
            "unhealthy",
            "unknown",
        )


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        ({"run": "x"}, "id missing"),
        ({"id": "a"}, "probe a: run missing"),
        ({"id": "a", "run": "x", "parse": "xml"}, "parse is 'xml'"),
        ({"id": "a", "run": "x", "timeout": "soon"}, "timeout and limit are numbers"),
    ],
)
def test_a_badly_written_probe_is_named(probe, message):
    with pytest.raises(ProbeError, match=message):
        question(probe)


DERIVED = {"id": "slots", "of": "db", "value": "value.slots", "healthy": "value < 95"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(0, 5, '{"slots": 81}'), ("healthy", 81, "")),
        (Answer(0, 5, '{"slots": 99}'), ("unhealthy", 99, "")),
        (Answer(0, 5, '{"slots": "many"}'), ("unknown", "many", "cannot be judged")),
        (Answer(1, 5, "", "no such database\n"), ("unknown", None, "no such database")),
        (Answer(69, 5, "", "docker did not answer\n"), ("unknown", None, "docker did not answer")),
        (Answer(0, 5, "{}"), ("unknown", None, "the answer does not say slots")),
        (Answer(0, 5, '{"slots": null}'), ("unknown", None, "cannot be judged: there is no value")),
        (Answer(1, 5, "", ""), ("unknown", None, "exit status 1")),
    ],
)
def test_a_probe_may_read_what_another_asked(answer, expected):
    source = found(answer, parse="json")
    result = derived(DERIVED, source, evaluate)
    status, value, reason = expected
    assert (result["status"], result["value"]) == (status, value)
    assert result["reason"].startswith(reason)
    assert result["healthy"] == (status == "healthy")
    assert result["ms"] == source["ms"]


def test_a_default_makes_no_answer_healthy():
    """With the database stopped, a wait for locks of 0 s was read out of nothing, and healthy."""
    waits = {"id": "waits", "of": "db", "value": "value.waits | default(0)", "healthy": "value < 3"}
    stopped = found(Answer(1, 5, "", "container is not running\n"), parse="json")
    result = derived(waits, stopped, evaluate)
    assert (result["status"], result["reason"]) == ("unknown", "container is not running")
    assert derived({**waits, "unanswered": "rc"}, stopped, evaluate)["value"] == 1


@pytest.mark.parametrize(
    ("status", "container", "expected"),
    [
        ("unhealthy", {"down": "web was stopped"}, "web was stopped"),
        ("unknown", {"down": "web was stopped"}, "web was stopped"),
        ("healthy", {"down": "web was stopped"}, "refused"),  # served, but by something else
        ("not_applicable", {"down": "web was stopped"}, "refused"),
        ("unhealthy", {"down": ""}, "refused"),
        ("unhealthy", {"down": "", "off_network": "web is off its own"}, "web is off its own"),
        ("unhealthy", {}, "refused"),
        ("unhealthy", None, "refused"),
    ],
)
def test_what_is_down_is_the_reason_of_what_that_leads_to(status, container, expected):
    seen = {"status": status, "reason": "refused", "value": 0}
    assert explained(seen, container) == {**seen, "reason": expected}


def test_an_answer_that_was_cut_says_so():
    probe = {"id": "it", "run": "list", "parse": "json"}
    seen = finding(probe, Answer(0, 5, '[{"a":', "", cut=True), evaluate)
    assert (seen["status"], seen["reason"]) == ("unknown", "the answer is longer than 6 characters")
