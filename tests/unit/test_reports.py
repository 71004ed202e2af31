"""A run as Markdown and as workflow commands: what they say, and that nothing breaks out."""

import json
import re

import pytest
import sample
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from test_junit import every_run

from oncall_runbook.pages import rendering
from oncall_runbook.reports import markdown, writing
from oncall_runbook.text import output, report
from oncall_runbook.text.output import harmless_document
from oncall_runbook.text.words import clean

FLEET = sample.fleet(50)
LIMIT = 2**20
HOSTILE = (
    "`` ``` <script>x</script> </code></summary></details> | a | b |\n\n# c\n\n```\n- [d](e) @f #1 "
    "![g](h) GH-2 https://i.example www.j.example k@l.example **m** &lt; \\ ~~~ "
    "\u202e\x1b[31m\ud800"
)
TEXTS = st.text() | st.text("`~|<>[]()*_#@!&\\- \n:,%\r1a", min_size=1)


def spoiled(text):
    """A fleet of twelve in which a host, its card, its log and the run's own words are that."""
    run = sample.fleet(12)
    name, host = next((n, h) for n, h in run["hosts"].items() if h["root_causes"])
    (root,) = host["root_causes"]
    judged = {**host["incidents"][root], "title": text, "why": text, "severity": text}
    step = {"rung": text, "title": text, "risk": "data", "changed": True, "seconds": 1.0}
    ill = {
        **host,
        **{"verdict": "not_fixed", "reason": text, "root_causes": [text]},
        "incidents": {**host["incidents"], text: judged},
        "actions": [{**step, "held": False, "output": text, "reason": text}],
        "findings": {text: {"status": "unhealthy", "title": text, "reason": text, "value": text}},
        "plan": [{**step, "allowed": False, "why": text, "shows": text}],
        "uncovered": [text],
    }
    others = {n: h for n, h in run["hosts"].items() if n != name}
    return {
        **{**run, "inventory": text, "error": text, "warnings": [text]},
        **{"incident": text, "hosts": {text: ill, **others}},
        "common_causes": {text: ["web1"] * 5},
    }


def tokens(text):
    found = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    return [each for token in found for each in (token, *(token.children or []))]


FOLDED = (
    r"<details><summary><code>[^<>]*</code>: [a-z ]+(, <code>[^<>]*</code>)*</summary>\n"
    r"|</details>\n"
)
OURS = {
    *("heading", "paragraph", "bullet_list", "list_item", "strong"),
    *("inline", "text", "softbreak", "hardbreak", "code_inline", "fence", "html_block"),
}


@settings(max_examples=40, deadline=None)
@given(TEXTS)
@example(HOSTILE)
def test_nothing_that_a_host_says_is_markup_in_markdown(text):
    found = tokens(writing.report("markdown", spoiled(text)))
    kinds = {re.sub("_(open|close)$", "", token.type) for token in found}
    assert kinds <= OURS
    blocks = [token.content for token in found if token.type == "html_block"]
    assert [block for block in blocks if not re.fullmatch(FOLDED, block)] == []
    hosts = len([token for token in found if token.type == "fence"])
    assert len(blocks) == 2 * hosts


@settings(max_examples=40, deadline=None)
@given(TEXTS)
@example(HOSTILE)
def test_outside_of_code_are_only_words(text):
    """So that no `@name`, `#1`, address or commit there becomes a link or tells somebody."""
    found = tokens(writing.report("markdown", spoiled(text)))
    prose = "".join(token.content for token in found if token.type == "text")
    assert not set(prose) & set("@#&<>[]\\`|*_/")
    mark = f"zqx@zqx {text}"
    said = tokens(writing.report("markdown", spoiled(mark)))
    assert "zqx" not in "".join(token.content for token in said if token.type == "text")


@given(TEXTS)
@example("`")
@example("``a`")
def test_code_shows_the_text_as_it_is(text):
    text = harmless_document(text)
    line = clean(text, 300)
    shown = [token for token in tokens(f"a {markdown.code(text)} b") if token.type == "code_inline"]
    assert [token.content for token in shown] == ([line] if line else [])


@every_run
def test_a_summary_says_how_the_run_ended(run):
    text = writing.report("markdown", run)
    assert text.startswith("## `")
    assert (f"exit code {run['exit_code']}" if "exit_code" in run else "not ended") in text


def test_a_summary_tells_root_causes_first_and_counted_then_hosts_the_gravest_first():
    text = writing.report("markdown", FLEET)
    assert text.startswith(
        "## `triage`: 20 of 50 hosts are not well\n\n"
        "Run `20261124T212926Z-1578`, inventory `inventory/site.yml (option -i)`: "
        "exit code 4, 9.4 s.\n\n"
        "28 healthy, 13 incident, 3 unreachable, 2 fixed, 2 unknown, 1 not fixed, 1 refused.\n\n"
        "**Warning:** `Could not match supplied host pattern, ignoring: web9`\n\n"
        "### Root causes\n\n"
        "- **8 hosts**: incident — SEV1 Disk space full (`disk_space_full`)  \n"
        "  `db003.site-a, web011.site-c, web019.site-b, web022.site-b and 4 more`: "
        "`Bytes used on the fullest file system, of what users may have: 98 percent`\n"
        "- **5 hosts**: incident — SEV2 Memory leak (`memory_leak`)  \n"
    )
    groups = re.findall(r"^- \*\*(\d+) hosts?\*\*: ([a-z ]+?)(?: —.*)?  $", text, re.M)
    assert [said for _, said in groups] == [
        *("incident", "incident", "not fixed", "refused"),
        *("unreachable", "unknown", "fixed", "healthy"),
    ]
    folded = re.findall(r"<summary><code>(.*)</code>: ([a-z ]+)", text)
    assert len(folded) == 50 - 27
    assert [said for _, said in folded][5:7] == ["not fixed", "refused"]
    assert {said for _, said in folded[:5]} == {"unreachable", "unknown"}
    assert "<summary><code>web017.site-c</code>: not fixed, <code>disk_space_full</code>" in text


def test_a_summary_that_is_too_long_says_how_many_hosts_are_left_out():
    run = sample.fleet(100)
    unknown = next(host for host in run["hosts"].values() if host["verdict"] == "unknown")
    for number in (20, 1000):
        run["hosts"] = {f"web{n}": unknown for n in range(number)}
        text = writing.report("markdown", run)
        told = text.count("<details>")
        assert text.count("</details>") == told
        assert len(text.encode()) < LIMIT
        left = re.findall(r"\*\*(\d+) more hosts are left out here\*\*", text)
        assert left == ([str(number - told)] if number > 20 else [])
    assert told > 60


def test_a_summary_of_ever_so_many_kinds_of_trouble_stays_small():
    run = sample.fleet(12)
    host = next(host for host in run["hosts"].values() if host["root_causes"])
    run["hosts"] = {
        f"web{n}": {**host, "root_causes": [f"card{n}" + "é" * 190], "reason": "é" * 5000}
        for n in range(2000)
    }
    text = writing.report("markdown", {**run, "warnings": ["é" * 5000] * 5000})
    assert len(text.encode()) < LIMIT
    assert "- and 1950 more kinds of trouble\n" in text


COMMAND = re.compile("::(?:error|warning) title=(.*?)::(.*)")


def annotations(run):
    return writing.report("github", run).splitlines()


def test_annotations_are_the_gravest_first():
    said = annotations(FLEET)
    assert [re.sub("::.*", "", line[2:]) for line in said] == [
        "error title=unreachable%3A 3 hosts",
        "error title=unknown%3A 2 hosts",
        "error title=SEV1 Disk space full (disk_space_full)%3A 1 host",
        "error title=SEV1 Database connection failures (database_connection_failures)%3A 1 host",
        "error title=SEV1 Disk space full (disk_space_full)%3A 8 hosts",
        "error title=SEV2 Memory leak (memory_leak)%3A 5 hosts",
        "warning title=Covered by no card",
    ]
    assert said[4].endswith(
        "::db003.site-a, web011.site-c, web019.site-b, web022.site-b and 4 more: incident — "
        "Bytes used on the fullest file system, of what users may have: 98 percent"
    )


def test_there_are_at_most_ten_annotations_and_the_last_says_what_is_left():
    run = sample.fleet(12)
    host = next(host for host in run["hosts"].values() if host["root_causes"])
    for number in (10, 11, 300):
        run["hosts"] = {f"web{n}": {**host, "root_causes": [f"card{n}"]} for n in range(number)}
        said = annotations(run)
        assert len(said) == 10
        left = f"::{number - 9} more are told by: runbook runs show {run['run']}"
        assert said[-1].endswith(left) == (number > 10)


@every_run
def test_a_run_that_ended_well_has_no_error_among_its_annotations(run):
    errors = [line for line in annotations(run) if line.startswith("::error ")]
    assert bool(errors) == (run.get("exit_code") not in (0, None))


@settings(max_examples=40, deadline=None)
@given(TEXTS)
@example(HOSTILE)
@example("a%0A::stop-commands::x\r\n::add-mask::y, title=z:")
def test_no_text_becomes_a_command_or_a_property_of_its_own(text):
    said = writing.report("github", spoiled(text))
    for line in said.removesuffix("\n").split("\n"):
        properties, message = COMMAND.fullmatch(line).groups()
        assert not set(properties) & {":", ","}
        for part in (properties, message):
            assert re.findall("%(?!25|0D|0A|3A|2C)", part) == []
        assert "\r" not in message
        assert len(line) < 4000


# What GitHub's runner takes for a command in a job's log (ActionCommand.cs), and Azure's agent.
TAKEN = re.compile(r"\s*::([\w-]+)(?: .*?)?::|##(?:\[|vso\[)([\w-]+)")


def commands(log):
    """What CI would carry out of a log: the names, line by line."""
    found = (TAKEN.match(line) or TAKEN.search(line) for line in re.split("[\r\n]", log))
    return [each[1] or each[2] for each in found if each and (each[2] or not each.start())]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.sampled_from(["::", " ::", "\n::", "\r\n\t::", "##[", "a ##[", "##vso["]))
@example("error title=x::y", "::")
@example("set-output name=a::b", "\n\u3000::")
@example("add-mask::healthy", "\x1b[31m::")
@example("error]x", "#\x07#[")
def test_nothing_that_a_host_says_is_a_command_in_the_log_of_ci(capsys, text, begins):
    run = spoiled(f"{begins}{text}\n{begins}error::{text}")
    capsys.readouterr()
    report.show_all(run)
    report.show(run)
    report.show_short(run)
    report.show_runs([run])
    output.tell_json(run)
    output.tell_json_line(run)
    output.say(str(run["error"]))
    output.say_aside(str(run["error"]))
    writing.tell("junit", run)
    writing.tell("markdown", run)
    printed = capsys.readouterr()
    assert commands(printed.out) == commands(printed.err) == []
    writing.tell("github", run)
    assert {"error"} <= {*commands(capsys.readouterr().out)} <= {"error", "warning"}


def test_json_is_the_same_though_no_line_of_it_is_a_command(capsys):
    document = {"hosts": {"##[error]": "::add-mask::x\n##vso[task.x]y # ## [#"}}
    output.tell_json(document)
    output.tell_json_line(document)
    whole, _end, line = capsys.readouterr().out.rstrip("\n").rpartition("\n")
    assert json.loads(whole) == json.loads(line) == document


def test_a_verdict_of_another_version_is_never_taken_for_well():
    run = sample.fleet(50)
    name, host = next(iter(run["hosts"].items()))
    run["hosts"] = {**run["hosts"], name: {**host, "verdict": "bewitched"}}
    assert annotations(run)[0].startswith("::error title=bewitched%3A 1 host::")
    assert re.findall("</code>: ([a-z ]+)", writing.report("markdown", run))[0] == "bewitched"
    assert '<error type="bewitched"' in writing.report("junit", run)
    assert "1 host: Bewitched" in rendering.run_html(run)


@pytest.mark.parametrize("form", writing.FORMS)
@every_run
def test_no_report_has_a_control_code(run, form):
    text = writing.report(form, {**run, "error": "\x1b[31mred\x07\x00"})
    assert not set(text) & set(map(chr, [*range(9), *range(11, 32), 127]))
