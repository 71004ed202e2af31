"""What pages say, and that nothing they are made from can break out of them."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
import sample
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from oncall_runbook.pages import charts, rendering, review_page, wording

ROOT = Path(__file__).parents[2]
HOSTILE = "<script>alert(1)</script><b>|`*_x_*`\n# no heading\n- [x](y) \u202e\x1b[31m\ud800 & co"
VOID = {"meta", "br", "img", "link", "hr", "input"}
PAGES = {
    "review": lambda: rendering.review_html(sample.incident()),
    "nothing": lambda: rendering.review_html(sample.nothing()),
    "run": lambda: rendering.run_html(sample.run()),
    "fleet": lambda: rendering.run_html(sample.fleet(50)),
    "overview": lambda: rendering.overview_html(sample.summaries(), sample.NOW),
    "no incident": lambda: rendering.overview_html([], sample.NOW),
}
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)


class Page(HTMLParser):
    """A page as a reader without any style has it."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.tables, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data

    def all(self, attribute):
        return [attributes[attribute] for _, attributes in self.tags if attribute in attributes]

    def row(self, first):
        """The row that begins with this cell."""
        return next(row for table in self.tables for row in table if row[0] == first)


@every_page
def test_a_page_asks_for_nothing_outside_of_itself(page):
    text = page()
    tags = Page(text)
    assert [tag for tag, _ in tags.tags if tag in ("script", "link", "img", "iframe")] == []
    assert tags.all("src") == []
    assert [target for target in tags.all("href") if not target.startswith("#")] == []
    assert re.findall(r"@import|url\(|https?://", text) == []


@every_page
def test_a_page_is_whole_without_its_style(page):
    found = Page(page())
    names = [tag for tag, _ in found.tags]
    assert [names.count(tag) for tag in ("h1", "header", "main", "footer")] == [1, 1, 1, 1]
    levels = [int(tag[1]) for tag in names if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert names.count("caption") == names.count("table")
    assert all("scope" in attributes for tag, attributes in found.tags if tag == "th")
    ids = found.all("id")
    assert len(ids) == len(set(ids))
    assert {target[1:] for target in found.all("href")} <= set(ids)
    assert next(attributes for tag, attributes in found.tags if tag == "html") == {"lang": "en"}


@every_page
def test_every_picture_has_a_name_and_a_description(page):
    found = Page(page())
    ids = set(found.all("id"))
    for _, attributes in found.tags:
        if attributes.get("role") == "img":
            assert set(attributes["aria-labelledby"].split()) <= ids


def spoiled(document, text):
    """The document, with a text in every place where people or hosts can put one."""
    if isinstance(document, dict):
        kept = ("at", "kind", "run", "state", "severity", "status", "verdict", "risk", "incident")
        times = re.compile(r"\d{4}-\d\d-\d\d")
        return {
            key: value
            if key in kept or (isinstance(value, str) and times.match(value))
            else spoiled(value, text)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [spoiled(item, text) for item in document]
    return text if isinstance(document, str) else document


@pytest.mark.parametrize(
    "page",
    [
        lambda: rendering.review_html(spoiled(sample.incident(), HOSTILE)),
        lambda: rendering.run_html(spoiled(sample.run(), HOSTILE)),
        lambda: rendering.overview_html(spoiled(sample.summaries(), HOSTILE), sample.NOW),
    ],
    ids=["review", "run", "overview"],
)
def test_hostile_text_is_shown_as_it_is_but_for_what_nobody_can_see(page):
    text = page()
    found = Page(text)
    assert {tag for tag, _ in found.tags} & {"script", "b"} == set()
    assert "<script>alert(1)</script><b>|`*_x_*`" in "".join(found.text)
    assert not set(text) & {"\u202e", "\x1b", "\ud800"}
    text.encode()


def test_hostile_text_stays_in_its_cell_of_markdown():
    text = rendering.review_markdown(spoiled(sample.incident(), HOSTILE))
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    plain = (
        MarkdownIt("commonmark")
        .enable("table")
        .parse(rendering.review_markdown(spoiled(sample.incident(), "plain")))
    )
    assert [t.content for t in tokens if t.type == "html_block"] == []
    inline = [child for token in tokens for child in token.children or []]
    assert {t.content for t in inline if t.type == "html_inline"} == {"<br>"}
    assert {t.type for t in inline} & {"code_inline", "em_open", "link_open", "image"} == set()
    for kind in ("table_open", "tr_open", "td_open", "heading_open"):
        assert count(tokens, kind) == count(plain, kind)


def count(tokens, kind):
    return len([token for token in tokens if token.type == kind])


def test_markdown_shows_the_characters_that_were_written():
    written = "a|b * c_d _e_ `f` [g](h) <i> & ~~j~~ \\ k"
    text = rendering.review_markdown({**sample.incident(), "title": written})
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(text)
    heading = next(token for token in tokens if token.type == "inline")
    assert "".join(child.content for child in heading.children) == f"Incident 7: {written}"
    assert {child.type for child in heading.children} <= {"text", "text_special"}


def test_paragraphs_and_lists_of_a_review_stay_and_headings_are_none():
    document = sample.incident()
    document["review"]["root_cause"] = "Two things:\n\n- a pool\n- a backup\n\n# not a heading\n==="
    text = rendering.review_markdown(document)
    assert "Two things:\n\n- a pool\n- a backup\n\n\\# not a heading\n\\===\n" in text


def test_the_review_in_markdown_says_all_six_points_and_what_is_missing():
    text = rendering.review_markdown(sample.incident())
    heads = re.findall(r"^## (.*)$", text, re.M)
    assert heads == [
        "1 Timeline",
        "2 Root cause",
        "3 Impact",
        "4 Resolution",
        "5 Prevention",
        "6 Follow-up",
        "Escalation and messages",
        "Evidence",
    ]
    assert text.count("**Missing.**") == 1
    assert "| Time to mitigate | 24 min 24 s |\n" in text
    assert (
        "| 2026-11-24 03:14:48 | web1 | End stale sessions | restart | yes | 1.2 s | did not hold |"
        in text
    )
    assert (
        "| Alert when 80 percent of the sessions are in use | **no owner** | **no deadline** |"
        in text
    )
    assert "- [ ] Is idle_in_transaction_session_timeout set?\n" in text
    assert "e3709120ae3bcb9fbd0783266144aeb53626f89a110c66933aa9efd8327c55f1 |\n" in text


def test_an_action_item_that_is_overdue_is_marked_on_every_page():
    document = sample.incident()
    document["review"]["items"][0]["overdue"] = True
    assert "| mira | 2026-12-04 | **overdue** |" in rendering.review_markdown(document)
    assert '<span class="state bad">Overdue</span></td></tr>' in rendering.review_html(document)
    listed = sample.summaries()
    assert "action items overdue" not in rendering.overview_html(listed, sample.NOW)
    listed[0]["review"]["items_overdue"] = 2
    assert "2 action items overdue" in rendering.overview_html(listed, sample.NOW)


def test_page_and_markdown_have_the_same_entries():
    document = sample.incident()
    page = rendering.review_html(document)
    assert Page(page).tables[-1][2][0] == "03:11:24"
    assert len([row for row in Page(page).tables[-1] if len(row) == 3]) - 1 == len(
        document["timeline"]
    )
    text = rendering.review_markdown(document)
    assert len(re.findall(r"^\| [-\d]+ [:\d]+ \| \S+ \| \*\*", text, re.M)) == len(
        document["timeline"]
    )


def test_the_review_of_nothing_says_what_is_not_known():
    found = Page(rendering.review_html(sample.nothing()))
    said = " ".join(found.text)
    assert said.count("Missing.") == 6
    assert said.count("not known") > 8
    assert found.row("Opened")[1] == "2026-11-24 03:10:24"
    assert found.row("Resolved")[1] == "not known"
    assert rendering.review_markdown(sample.nothing()).count("**Missing.**") == 6


def test_a_document_that_is_null_everywhere_gives_a_page():
    for document in (dict.fromkeys(sample.incident()), {}):
        assert " ".join(Page(rendering.review_html(document)).text).count("Missing.") == 6
        assert rendering.review_markdown(document).startswith("# Incident ?: (no title)\n")


@pytest.mark.parametrize("number", [0, 1, 500])
def test_a_timeline_may_have_any_length(number):
    entries = [
        sample.entry(index / 10, "note" if index % 3 else "finding", f"entry {index}")
        for index in range(number)
    ]
    document = {**sample.nothing(), "timeline": entries}
    found = Page(rendering.review_html(document))
    shown = "".join(found.text)
    assert all(f"entry {index}" in shown for index in range(number))
    assert len(rendering.review_html(document)) < 400_000
    marks = [attributes for tag, attributes in found.tags if attributes.get("class") == "mark"]
    assert bool(number) == bool(marks)
    assert len(marks) <= 2 * 100 / 2.4 + 2


def test_entries_close_together_are_one_mark_that_counts_them():
    start = datetime(2026, 11, 24, 3, tzinfo=UTC)
    axis = charts.Axis(start, start.replace(hour=4))
    marks = [charts.Mark(start.replace(minute=m), f"at {m}") for m in (0, 1, 30)]
    drawn = charts.timeline(axis, [], [("People", marks)])
    assert re.findall(r'class="count" y="4">(\d+)<', drawn) == ["2"]
    assert "<title>03:00:00 at 0\n03:01:00 at 1</title>" in drawn
    assert '<svg class="mark" x="50.0%"' in drawn


def test_only_what_changed_is_drawn_and_the_most_changing_first():
    measured = review_page.context(sample.incident())["measured"]
    assert [(m.title, m.host) for m in measured[:2]] == [
        ("Sessions that wait for a lock", "web1"),
        ("Requests that failed", "web1"),
    ]
    assert [m.change for m in measured] == sorted((m.change for m in measured), reverse=True)
    found = Page(rendering.review_html(sample.incident()))
    assert found.row("Requests that failed") == [
        *("Requests that failed", "web1", "percent", "6", "38.2", "0", "64.9", "0")
    ]
    drawn = [a for _, a in found.tags if (a.get("aria-labelledby") or "").startswith("probe-")]
    assert len(drawn) == 12 < len(measured)


def test_what_is_no_number_or_was_measured_once_is_not_drawn():
    def measured(*values):
        entries = [
            sample.entry(number, "finding", "", host="web1", values={"p": {"value": value}})
            for number, value in enumerate(values)
        ]
        return review_page.context({**sample.nothing(), "timeline": entries})["measured"]

    assert measured(1) == measured(True, False) == measured("a", "b") == []
    assert measured(float("nan"), 2, float("inf"), None) == []
    assert [m.values for m in measured(1, "none", 3)] == [[1, 3]]


def test_what_came_after_the_incident_is_in_the_table_and_not_in_the_chart():
    said = "".join(Page(rendering.review_html(sample.incident())).text)
    assert "with 3 more that came after the incident" in said
    chart = review_page.context(sample.incident())["chart"]
    assert "Root cause and resolution written." not in chart
    assert "Healthy for a quarter of an hour." in chart


def test_the_run_page_shows_what_is_unhealthy_first_and_what_was_done():
    found = Page(rendering.run_html(sample.run()))
    groups = [row[0] for table in found.tables for row in table if len(row) == 1]
    assert groups == ["Healthy: 50", "Unhealthy: 3", "Unknown: 2", "Healthy: 45"]
    assert found.row("web2") == [
        *("web2", "Refused", "Database connection failures"),
        "Restore the newest backup needs --allow data",
    ]
    done = [row for table in found.tables for row in table if row[-1] in ("held", "did not hold")]
    assert [[*row[2:]] for row in done] == [
        ["restart", "yes", "0.5 s", "held"],
        ["restart", "yes", "8.4 s", "did not hold"],
    ]
    assert "started postgres, which was stopped" in done[0][1]
    assert found.row("Database connection failures")[2] == "Application not responding"
    plan = next(table for table in found.tables if table[0][3] == "Allowed")
    assert plan[1][2:] == ["data", "needs --allow data", "the database is damaged"]


@pytest.mark.parametrize("document", [sample.run(), sample.fleet(100)], ids=["run", "fleet"])
def test_the_sample_is_a_run_as_its_schema_says(document):
    schema = json.loads((ROOT / "runner/oncall_runbook/schema/run.schema.json").read_text())
    jsonschema.validate(document, schema)


def test_a_root_cause_explains_only_what_is_confirmed():
    run = sample.run()
    judged = run["hosts"]["web2"]["incidents"]
    judged["memory_leak"]["explained_by"] = ["database_connection_failures"]
    found = Page(rendering.run_html({**run, "hosts": {"web2": run["hosts"]["web2"]}}))
    assert found.row("Database connection failures")[2] == "Application not responding"


@pytest.mark.parametrize(
    "more",
    [
        {"hosts": {}},
        {"hosts": {}, "finished": None, "seconds": None, "exit_code": None},
        {"hosts": {"web1": {"verdict": "unreachable", "reason": "", "root_causes": [],
                            "incidents": {}, "findings": {}, "unreachable": "timed out"}}},
    ],
    ids=["no host", "killed", "unreachable"],
)  # fmt: skip
def test_a_run_that_came_to_nothing_has_a_page(more):
    said = " ".join(Page(rendering.run_html({**sample.run(), **more})).text)
    assert ("No host took part." in said) == (not more["hosts"])
    assert ("timed out" in said) == bool(more["hosts"])


def test_a_run_whose_file_is_broken_has_a_page():
    said = " ".join(
        Page(rendering.run_html({"run": "20261124T031129Z-1578", "state": "broken"})).text
    )
    assert "20261124T031129Z-1578" in said
    assert "broken" in said


@pytest.mark.parametrize("number", [1, 20])
def test_an_operation_is_done_and_cures_nothing(number):
    done = json.loads((ROOT / "tests/unit/runner/texts/ops-done.json").read_text())
    host = {**done["hosts"]["web1"], "findings": {}}
    run = {**done, "started": None, "hosts": {f"web{n}": host for n in range(number)}}
    said = "".join(Page(rendering.run_html(run)).text)
    assert "Done" in said
    assert "Fixed" not in said


def test_hosts_where_an_operation_is_not_done_stand_before_those_where_it_is():
    done, refused = (
        json.loads((ROOT / f"tests/unit/runner/texts/ops-{name}.json").read_text())
        for name in ("done", "refused")
    )
    hosts = {f"web{n}": (refused if n == 7 else done)["hosts"]["web1"] for n in range(20)}
    text = rendering.run_html({**done, "started": None, "hosts": hosts})
    assert re.findall(r"<h2>(.*)</h2>", text)[0] == "20 hosts, by verdict"
    assert re.findall(r"<strong>(.*)</strong>", text) == ["1 host: Refused", "19 hosts: Done"]


FLEET = Page(rendering.run_html(sample.fleet(100)))


def folded(page, kind):
    """The attributes of what can be folded: groups of hosts, or hosts one by one."""
    found = [a for tag, a in page.tags if tag == "details"]
    return [a for a in found if kind in a.get("class", "").split()]


def causes(attributes):
    """The root causes that hosts are filtered by, as their keys."""
    return {key for a in attributes for key in a["class"].split() if key[0] == "c"}


def test_more_than_ten_hosts_are_a_map_and_ten_are_told_one_by_one():
    assert "fleet" not in Page(rendering.run_html(sample.fleet(10))).all("class")
    assert "fleet" in Page(rendering.run_html(sample.fleet(11))).all("class")


def test_hosts_of_a_fleet_are_grouped_by_root_cause_the_largest_group_first_the_well_ones_last():
    said = [text.strip() for text in FLEET.text if re.match(r"\d+ hosts?: ", text.strip())]
    assert said == [
        "19 hosts: Disk space full",
        "13 hosts: Memory leak",
        "5 hosts: Unreachable",
        "4 hosts: Unknown",
        "3 hosts: Database connection failures",
        "1 host: Healthy, but for what no card covers",
        "55 hosts: Healthy",
    ]


def test_the_map_says_of_each_host_and_card_what_is_known():
    head = next(table for table in FLEET.tables if len(table[0]) > 6)[0]
    assert head[:3] == ["Host", "Disk space full", "Memory leak"]
    assert head[-2:] == ["Verdict", "Why"]
    told = {
        FLEET.row(name)[-2]: dict(zip(head, FLEET.row(name), strict=True))
        for name in ("web011.site-c", "db006.site-a", "db009.site-a", "web020.site-c")
    }
    assert {**told["Incident"]} == {
        **dict.fromkeys(head, "no"),
        **{"Host": "db006.site-a", "Verdict": "Incident", "Memory leak": "cause"},
        **{"High response times": "yes", "Blockchain service unavailable": "n/a"},
        "Why": "Memory of the fullest container grows by 14 MiB an hour: 91 percent of it",
    }
    assert told["Fixed"]["Memory leak"] == "gone"
    assert {told["Unknown"][card] for card in head[1:-2]} == {"unknown"}
    assert FLEET.row("web001.site-b") == [
        *("web001.site-b", "Unreachable"),
        "refused: ssh: connect to host 10.0.3.7 port 22: Connection refused",
    ]


def test_a_card_that_no_host_has_is_no_column():
    document = sample.fleet(100)
    document["hosts"] = {n: h for n, h in document["hosts"].items() if h["verdict"] != "unknown"}
    found = Page(rendering.run_html(document))
    head = next(table for table in found.tables if len(table[0]) > 6)[0]
    assert "Clock skewed" not in head
    assert "no host has it: " in "".join(found.text)
    assert "Clock skewed" in "".join(found.text).partition("no host has it: ")[2]


def test_every_host_can_be_filtered_by_its_verdict_and_its_root_cause():
    labels = re.findall(
        r'<label><input type="radio" name="[-a-z]+" id="(\w+)">([^<]+) <b>(\d+)</b>',
        rendering.run_html(sample.fleet(100)),
    )
    assert [title for _, title, _ in labels][:3] == ["Healthy", "Incident", "Unreachable"]
    assert [title for key, title, _ in labels if key[0] == "c"] == [
        *("Disk space full", "Memory leak", "Database connection failures"),
    ]
    hosts = [a["class"].split() for tag, a in FLEET.tags if tag in ("tr", "li") and a.get("class")]
    assert len(hosts) == 100
    for key, _, count in labels:
        assert sum(key in classes for classes in hosts) == int(count)


LARGER = Page(rendering.run_html(sample.fleet(400)))


def test_groups_are_folded_where_a_fleet_is_large_but_for_small_ones():
    assert ["open" in a for a in folded(FLEET, "group")] == [True] * 6 + [False]
    assert ["open" in a for a in folded(LARGER, "group")] == [False] * 5 + [True, False]


def test_of_a_large_fleet_some_hosts_of_each_group_are_told_whole():
    assert len(folded(LARGER, "one")) == 50
    assert causes(folded(LARGER, "one")) == causes(folded(LARGER, "group")) == {"c0", "c1", "c2"}
    assert "50 of 180 hosts that are not well" in "".join(LARGER.text)
    assert len(folded(FLEET, "one")) == 45


def test_the_page_of_a_fleet_in_which_no_host_is_well_stays_small():
    document = sample.fleet(100)
    ill = [host for host in document["hosts"].values() if host["verdict"] != "healthy"]
    document["hosts"] = {f"web{n:04}.example.com": ill[n % len(ill)] for n in range(1000)}
    assert len(rendering.run_html(document).encode()) < 2**20


def test_a_fleet_that_is_well_has_no_map():
    document = sample.fleet(100)
    well = next(host for host in document["hosts"].values() if host["verdict"] == "healthy")
    found = Page(rendering.run_html({**document, "hosts": {f"web{n}": well for n in range(20)}}))
    assert found.tables == []
    assert "20 hosts: Healthy" in "".join(found.text)


def test_what_many_hosts_have_in_common_is_said_first():
    document = {**sample.fleet(100), "common_causes": {"disk_space_full": ["web1"] * 30}}
    said = "".join(Page(rendering.run_html(document)).text)
    assert said.index("30 hosts have disk_space_full: look first") < said.index("100 hosts, by")


SMALL_FLEET = sample.fleet(12)
ILL = next(name for name, host in SMALL_FLEET["hosts"].items() if host["root_causes"])


def fleet_of(text):
    """A small fleet in which a host and its root cause are called that, and say that."""
    host = SMALL_FLEET["hosts"][ILL]
    (root,) = host["root_causes"]
    judged = {**host["incidents"][root], "title": text, "why": text}
    others = {name: card for name, card in host["incidents"].items() if name != root}
    ill = {**host, "reason": text, "root_causes": [text], "incidents": {text: judged, **others}}
    rest = {name: each for name, each in SMALL_FLEET["hosts"].items() if name != ILL}
    return {**SMALL_FLEET, "hosts": {text: ill, **rest}}


TEXTS = st.text(min_size=1) | st.sampled_from(
    ["</style><script>x</script>", '" onclick="x', "'><img src=x>", "</details>", "&lt;", "\u202e"]
)


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_no_name_of_a_host_or_card_breaks_out_of_the_page_of_a_fleet(text):
    plain, hostile = (Page(rendering.run_html(fleet_of(name))) for name in ("plain", text))
    assert sorted(tag for tag, _ in hostile.tags) == sorted(tag for tag, _ in plain.tags)
    assert {*hostile.all("class")} == {*plain.all("class")}
    assert {*hostile.all("id")} == {*plain.all("id")}
    assert {name for _, a in hostile.tags for name in a} == {n for _, a in plain.tags for n in a}


def test_the_overview_puts_first_what_is_overdue():
    found = Page(rendering.overview_html(sample.summaries(), sample.NOW))
    assert [row[:3] for row in found.tables[0][1:]] == [
        ["10", "Application does not answer", "response overdue "],
        ["9", "Every tenth request fails", "update overdue"],
        ["8", "Uploads of large files fail", "nothing"],
    ]
    assert [row[0] for row in found.tables[1][1:]] == ["7"]
    assert len(found.tables[-1]) - 1 == len(sample.summaries())


def test_the_overview_says_how_long_incidents_took_by_kind_and_by_month():
    found = Page(rendering.overview_html(sample.summaries(), sample.NOW))
    assert found.tables[2][1:] == [
        ["Blockchain service unavailable", "1", "58 min", "58 min", "58 min"],
        ["Database connection failures", "2", "30 min 30 s", "30 min 30 s", "40 min"],
        ["Disk space full", "2", "1 h 8 min", "1 h 8 min", "1 h 30 min"],
        ["High response times", "1", "2 h 13 min", "2 h 13 min", "2 h 13 min"],
        ["Memory leak", "1", "4 h 12 min", "4 h 12 min", "4 h 12 min"],
    ]
    assert [row[:3] for row in found.tables[3][1:]] == [
        ["August 2026", "2", "2 h 51 min"],
        ["September 2026", "2", "1 h 17 min"],
        ["October 2026", "2", "51 min 30 s"],
        ["November 2026", "1", "40 min"],
    ]


def test_what_is_not_resolved_does_not_count_in_the_time_to_resolve():
    going = [summary for summary in sample.summaries() if summary["resolved"] is None]
    assert rendering.mttr(going, lambda summary: "all") == []
    said = " ".join(Page(rendering.overview_html(going, sample.NOW)).text)
    assert "No incident is resolved, so there is no time to tell." in said
    assert rendering.mttr(sample.summaries()[4:8], lambda summary: "all") == [
        rendering.Times("all", 3, 2860.0, 2700.0, 3480.0)
    ]


def test_an_incident_resolved_in_the_next_month_counts_there():
    last_minute = sample.summary(1, "t", None, "SEV1", "2026-10-31T23:59:00.000Z", 120.0)
    found = Page(rendering.overview_html([last_minute], sample.NOW))
    assert [row[0] for table in found.tables for row in table].count("November 2026") == 1
    assert found.row("Of no kind")[1:3] == ["1", "2 min"]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (None, "not known"),
        (0, "0 s"),
        (0.53, "0.5 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (60, "1 min"),
        (119.7, "2 min"),
        (754, "12 min 34 s"),
        (3599.6, "1 h"),
        (4320, "1 h 12 min"),
        (86399, "1 d"),
        (277200, "3 d 5 h"),
        (-5, "-5 s"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds, written):
    assert wording.duration(seconds) == written


def test_jinja_is_not_imported_before_a_page_is_made():
    asked = "import sys, oncall_runbook.pages.rendering; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
