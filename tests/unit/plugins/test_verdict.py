"""From findings to a verdict."""

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, verdict


def seen(**statuses):
    return {
        id: {
            "title": id,
            "status": status,
            "healthy": status == "healthy",
            "value": None,
            "unit": "",
            "reason": "nobody home" if status == "unknown" else "",
        }
        for id, status in statuses.items()
    }


def card(confirmed, probes, explains=(), severity="SEV2", ladder=()):
    return {
        "title": "T",
        "severity": severity,
        "explains": list(explains),
        "probes": list(probes),
        "confirmed": confirmed,
        "ladder": list(ladder),
    }


RUNG = {"rung": "mend", "title": "Mend", "risk": "restart", "when": "not db.healthy"}
CARDS = {
    "database": card("not db.healthy", ["db"], ["application"], "SEV1", [RUNG]),
    "application": card("not api.healthy", ["api", "db"], severity="SEV1"),
    "leak": card("not memory.healthy", ["memory"]),
}


INPUTS: dict[str, object] = {}


def judged(**statuses):
    return verdict.judge(CARDS, seen(**statuses), INPUTS.__getitem__)


@pytest.mark.parametrize(
    ("value", "reason", "told"),
    [
        (4, "", "api: unhealthy (4)"),
        ("lock", "it waits", "api: unhealthy (lock) - it waits"),
        # Where the value is the reason, it is said, however long it is.
        ("it is read-only" + " again" * 20, "", "api: unhealthy - it is read-only" + " again" * 20),
        ("two\nlines", "", "api: unhealthy - two"),
        ("two\nlines", "they differ", "api: unhealthy - they differ"),
        (["a"], "", "api: unhealthy"),
        ("", "", "api: unhealthy"),
    ],
)
def test_a_finding_in_one_line(value, reason, told):
    finding = seen(api="unhealthy")["api"] | {"value": value, "reason": reason}
    assert verdict.describe(finding) == told


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"reason": "web was stopped"}, "web was stopped"),
        ({"value": 96, "unit": "percent", "reason": "it is full"}, "it is full (96 percent)"),
        ({"value": 96, "unit": "percent", "reason": "96 percent full"}, "96 percent full"),
        ({"value": 96, "unit": "percent", "reason": "96 percent"}, "96 percent"),
        ({"value": 502, "unit": "HTTP status", "reason": "no upstream"}, "no upstream"),
        ({"value": "no_name", "reason": "it has no name"}, "it has no name"),
        ({"value": False, "reason": "it has no name"}, "it has no name"),
        ({"value": 2000, "unit": "ms"}, "Answers within: 2000 ms"),
        ({"value": 98_000_000, "unit": "bytes"}, "Answers within: 98000000 bytes"),
        ({"value": 0.25, "unit": "s"}, "Answers within: 0.25 s"),
        ({"value": "it is read-only\nmore"}, "Answers within: it is read-only"),
        ({"value": False}, "Answers within: no"),
        ({"value": None}, "Answers within: no"),
        ({"value": True, "status": "healthy"}, "Answers within"),
        ({"value": {"a": 1}}, "Answers within"),
    ],
)
def test_why_a_finding_is_as_it_is_in_one_sentence(members, told):
    finding = seen(api="unhealthy")["api"] | {"title": "Answers within", "value": None, "unit": ""}
    assert verdict.sentence(finding | members) == told


def test_what_confirms_a_card_is_said_once_and_what_decides_comes_first():
    cards = {"slow": card("not (containers.healthy and api.healthy and db.healthy)", ["api"])}
    findings = seen(containers="unhealthy", api="unhealthy", db="unhealthy")
    for id, reason in {"containers": "pdf has ended", "api": "a lock", "db": "a lock"}.items():
        findings[id] |= {"reason": reason}
    told = verdict.judge(cards, findings, INPUTS.__getitem__)["slow"]
    assert (told["why"], told["evidence"]) == ("a lock", "a lock; pdf has ended")
    findings["db"] |= {"value": 7, "unit": "s"}  # the same once more, with a figure of no news
    told = verdict.judge(cards, findings, INPUTS.__getitem__)["slow"]
    assert told["evidence"] == "a lock; pdf has ended"
    told = verdict.judge(cards, seen(containers="healthy", api="unhealthy", db="healthy"), dict)
    assert told["slow"]["why"] == told["slow"]["evidence"] == "api: no"
    well = verdict.judge(cards, seen(containers="healthy", api="healthy", db="healthy"), dict)
    assert (well["slow"]["why"], well["slow"]["evidence"]) == ("", "")


PAIR = {"findings": ["waits", "locks"], "when": "waits.status == 'unhealthy' and locks.healthy"}


@pytest.mark.parametrize(
    ("waits", "locks", "ms", "expected"),
    [
        ("unhealthy", "healthy", 5, {"api", "db"}),
        ("unhealthy", "unhealthy", 5, set()),
        ("healthy", "unhealthy", 5, set()),
        # The one is so much older that it may be of a state that is gone.
        ("healthy", "unhealthy", 900, {"api", "db"}),
        ("healthy", "healthy", 900, set()),
        ("unknown", "healthy", 900, set()),
    ],
)
def test_findings_that_do_not_fit_each_other_are_asked_again(waits, locks, ms, expected):
    findings = seen(waits=waits, locks=locks)
    findings["waits"] |= {"of": "api", "ms": ms}
    findings["locks"] |= {"of": "db", "ms": 4}
    assert verdict.disagreeing([PAIR], findings, INPUTS.__getitem__) == expected
    findings.pop("locks")
    assert verdict.disagreeing([PAIR], findings, INPUTS.__getitem__) == set()


STACK_PAIRS = cards.load("stack", "vars", "main.yml")["stack_pairs"]
RUNS = {"database": {"state": "running"}}
CONTRADICTIONS = [
    {
        "backend_reads_database": ("unhealthy", "lock"),
        "database_activity": ("healthy", {"blockers": []}),
    },
    {
        "backend_reads_database": ("unhealthy", "no_session_left"),
        "database_sessions": ("healthy", 3),
    },
    {"backend_reads_database": ("healthy", "works"), "database_sessions": ("unhealthy", 100)},
    {"backend_reads_database": ("unhealthy", "refused"), "database_accepts": ("healthy", 0)},
    {"backend_reads_database": ("healthy", "works"), "database_accepts": ("unhealthy", 2)},
    {"containers": ("healthy", RUNS), "database_activity": ("unhealthy", None)},
    {"backend_health": ("healthy", 200), "backend_answers": ("unhealthy", 0)},
    {
        "backend_health": ("unhealthy", 0),
        "backend_answers": ("healthy", 20),
        "response_time_p95": ("healthy", 9),
    },
]


@pytest.mark.parametrize("answers", CONTRADICTIONS, ids=" ".join)
def test_every_pair_of_the_stack_that_can_contradict_is_asked_again(answers):
    findings = seen(**{id: status for id, (status, _) in answers.items()})
    for id, (_, value) in answers.items():
        findings[id] |= {"value": value, "ms": 5, "reason": "container 1 is not running"}
    again = verdict.disagreeing(STACK_PAIRS, findings, INPUTS.__getitem__)
    assert again == set([*answers][:2])


@pytest.mark.parametrize("pair", STACK_PAIRS, ids=lambda pair: pair["title"])
def test_every_pair_is_tried(pair):
    assert any(set(pair["findings"]) <= set(answers) for answers in CONTRADICTIONS)


@pytest.mark.parametrize("answers", CONTRADICTIONS, ids=" ".join)
def test_findings_that_fit_are_not_asked_again(answers):
    healthy = {"lock": "works", "no_session_left": "works", "refused": "works", 100: 3, 2: 0, 0: 20}
    findings = seen(**dict.fromkeys(answers, "healthy"))
    for id, (_, value) in answers.items():
        value = healthy.get(value, value) if not isinstance(value, dict) else value
        findings[id] |= {"value": value, "ms": 5}
    assert verdict.disagreeing(STACK_PAIRS, findings, INPUTS.__getitem__) == set()


def test_one_that_was_late_is_asked_again_and_many_are_no_chance():
    findings = seen(api="unknown", db="unknown", memory="unknown", locks="unknown")
    for id, expected in [("api", {"api"}), ("db", {"api", "db"}), ("memory", set())]:
        findings[id]["late"] = True
        assert verdict.late(findings) == expected
    findings["memory"]["late"] = False
    findings["locks"] |= {"late": True, "of": "db"}
    assert verdict.late(findings) == {"api", "db"}


def test_a_cause_explains_and_comes_first():
    incidents = judged(db="unhealthy", api="unhealthy", memory="unhealthy")
    assert incidents["application"]["explained_by"] == ["database"]
    assert verdict.root_causes(incidents) == ["database", "leak"]


def test_a_cause_may_explain_under_a_condition_only():
    leak = {**CARDS["leak"], "explains": ["application"]}
    for condition, causes in [("api.healthy", ["application", "leak"]), ("true", ["leak"])]:
        cards = {**CARDS, "leak": {**leak, "explains_when": {"application": condition}}}
        findings = seen(db="healthy", api="unhealthy", memory="unhealthy")
        assert verdict.root_causes(verdict.judge(cards, findings, INPUTS.__getitem__)) == causes


def test_what_has_its_own_cause_is_explained_by_nothing_else():
    alone, both = ["database"], ["database", "application"]
    for condition, causes in [("spool.healthy", alone), ("not spool.healthy", both)]:
        cards = {**CARDS, "application": {**CARDS["application"], "independent_when": condition}}
        findings = seen(db="unhealthy", api="unhealthy", memory="healthy", spool="unhealthy")
        assert verdict.root_causes(verdict.judge(cards, findings, INPUTS.__getitem__)) == causes


@pytest.mark.parametrize(
    ("before", "now", "target", "expected"),
    [
        ("unhealthy", "healthy", "unhealthy", ["database"]),
        ("unhealthy", "healthy", "healthy", []),
        ("unhealthy", "healthy", "unknown", []),
        ("unhealthy", "unhealthy", "unhealthy", []),
        ("healthy", "healthy", "unhealthy", []),
    ],
)
def test_a_ladder_is_climbed_until_its_target(before, now, target, expected):
    cards = {"database": {**CARDS["database"], "until": "target.healthy"}}
    findings = seen(db=now, target=target)
    was, incidents = (
        verdict.judge(cards, found, INPUTS.__getitem__) for found in (seen(db=before), findings)
    )
    assert verdict.unfinished(cards, incidents, was, findings, INPUTS.__getitem__) == expected


def test_two_independent_troubles_are_two_root_causes():
    incidents = judged(db="healthy", api="unhealthy", memory="unhealthy")
    assert verdict.root_causes(incidents) == ["application", "leak"]


def test_an_unknown_cause_explains_nothing_and_says_why():
    incidents = judged(db="unknown", api="unhealthy", memory="healthy")
    assert incidents["database"]["confirmed"] is None
    assert incidents["database"]["reason"] == "db: nobody home"
    assert verdict.root_causes(incidents) == ["application"]


def test_a_named_incident_concerns_what_may_explain_it():
    assert list(verdict.concerned(CARDS, "application")) == ["database", "application"]
    assert list(verdict.concerned(CARDS, "database")) == ["database"]
    assert list(verdict.concerned(CARDS, None)) == list(CARDS)


def test_what_a_probe_is_read_from_is_asked_before_it():
    shared = {"db": {"run": "ask"}, "slots": {"of": "db", "value": "value.slots"}}
    probes = verdict.probes_of([{"probes": ["slots", "db"]}], shared)
    assert [probe["id"] for probe in probes] == ["db", "slots"]


def test_a_cards_own_probes_know_its_words_and_shared_ones_do_not():
    cards = [{"shell": {"libraries": ["words.sh"]}, "probes": ["db", {"id": "own", "run": "ask"}]}]
    shared, own = verdict.probes_of(cards, {"db": {"run": "ask"}})
    assert "shell" not in shared
    assert own["shell"] == {"libraries": ["words.sh"]}


def test_shared_probes_are_asked_once():
    probes = verdict.probes_of(CARDS.values(), {id: {"run": id} for id in ("db", "api", "memory")})
    assert [probe["id"] for probe in probes] == ["db", "api", "memory"]


@pytest.mark.parametrize("status", ["healthy", "unknown"])
def test_no_rung_is_climbed_on_what_is_not_known(status):
    assert verdict.plan(["database"], CARDS, seen(db=status), INPUTS.__getitem__, "data") == []


@pytest.mark.parametrize(("rung", "is_spent"), [("mend", True), ("", True), ("other", False)])
def test_what_the_host_has_seen_in_vain_is_not_climbed(rung, is_spent):
    spent = {("database", rung): "it did not hold"}
    arguments = ["database"], CARDS, seen(db="unhealthy"), INPUTS.__getitem__, "data", spent
    step = verdict.plan(*arguments)[0]
    assert (step["allowed"], step.get("spent", "")) == (
        (False, "it did not hold") if is_spent else (True, "")
    )


def test_the_plan_says_why_and_what_is_missing():
    ladder = [{**RUNG, "risk": "data"}]
    cards = {"database": card("not db.healthy", ["db"], ladder=ladder)}
    assert verdict.plan(
        ["database"], cards, seen(db="unhealthy"), INPUTS.__getitem__, "outage"
    ) == [
        {
            "incident": "database",
            "rung": "mend",
            "title": "Mend",
            "risk": "data",
            "allowed": False,
            "costs": "",
            "why": "db: no",
        }
    ]


LADDER = [
    {"incident": "database", "rung": "start"},
    {"incident": "slow", "rung": "wait"},
    {"incident": "slow", "rung": "restart"},
]


@pytest.mark.parametrize(
    ("last", "allowed", "expected"),
    [
        (None, {"start", "restart"}, "start"),
        (None, {"restart"}, "restart"),
        (("database", "start"), {"start", "restart"}, "restart"),
        (("slow", "wait"), {"start", "wait"}, None),
        (("slow", "restart"), {"start", "wait", "restart"}, None),
        (None, set(), None),
    ],
)
def test_the_next_rung_is_the_first_allowed_one_above_the_last(last, allowed, expected):
    steps = [{**rung, "allowed": rung["rung"] in allowed} for rung in LADDER]
    assert verdict.next_rung(LADDER, steps, last).get("rung") == expected


def test_the_plan_shows_what_a_rung_would_change():
    ladder = [{**RUNG, "shows": "change"}]
    cards = {"database": card("not db.healthy", ["db", "change"], ladder=ladder)}
    findings = seen(db="unhealthy", change="healthy")
    findings["change"]["value"] = "+limit"
    (step,) = verdict.plan(["database"], cards, findings, INPUTS.__getitem__, "restart")
    assert step["shows"] == "+limit"


@pytest.mark.parametrize(
    ("allowance", "risk", "expected"),
    [("restart", "restart", True), ("restart", "outage", False), ("data", "outage", True)],
)
def test_an_allowance_includes_what_is_below(allowance, risk, expected):
    assert verdict.allows(allowance, risk) is expected


GONE = {"db": "healthy", "api": "healthy", "memory": "healthy"}
THERE = {**GONE, "db": "unhealthy"}
BLOCKED = [{"rung": "mend", "risk": "data", "allowed": False}]
OPEN = [{"rung": "mend", "risk": "restart", "allowed": True}]


@pytest.mark.parametrize(
    ("now", "before", "steps", "acted", "expected"),
    [
        (GONE, None, [], False, "healthy"),
        (THERE, None, OPEN, False, "incident"),
        ({**GONE, "db": "unknown"}, None, [], False, "unknown"),
        (GONE, GONE, [], False, "healthy"),
        (GONE, THERE, [], True, "fixed"),
        (GONE, THERE, [], False, "healthy"),
        (THERE, THERE, [], True, "not_fixed"),
        (THERE, THERE, [], False, "not_fixed"),
        (THERE, THERE, BLOCKED, False, "refused"),
        (THERE, THERE, BLOCKED, True, "not_fixed"),
        ({**GONE, "db": "unknown"}, THERE, [], True, "unknown"),
    ],
)
def test_the_verdict_comes_from_what_is_seen_now(now, before, steps, acted, expected):
    before = before and judged(**before)
    told = verdict.verdict(["database"], judged(**now), seen(**now), steps, before, acted)
    assert told[0] == expected


@pytest.mark.parametrize("spool", ["unknown", "unhealthy"])
def test_fixed_needs_healthy_answers_of_the_probes_that_confirmed(spool):
    """A probe that went quiet, or is as ill as before, is no proof, whatever else says well."""
    cards = {"leak": card("not db.healthy and not spool.healthy", ["db", "spool"])}
    ill, now = seen(db="unhealthy", spool="unhealthy"), seen(db="healthy", spool=spool)
    before, after = (verdict.judge(cards, findings, INPUTS.__getitem__) for findings in (ill, now))
    assert (before["leak"]["because"], after["leak"]["confirmed"]) == (["db", "spool"], False)
    word, reason = verdict.verdict(["leak"], after, now, [], before, acted=True)
    assert word == "unknown"
    assert reason.startswith(f"not proven: spool: {spool}")


def test_a_card_that_cannot_be_judged_says_what_it_lacked():
    findings = seen(db="healthy", api="unknown")
    findings["db"]["value"] = {}
    cards = {"it": card("db.value.sessions > 3 and not api.healthy", ["db", "api"])}
    (told,) = verdict.judge(cards, findings, INPUTS.__getitem__).values()
    assert told["reason"] == "api: nobody home; db: the answer has no value.sessions"


def test_the_ladder_of_an_explained_incident_is_refused():
    there = judged(db="unhealthy", api="unhealthy", memory="healthy")
    ill = seen(db="unhealthy", api="unhealthy", memory="healthy")
    assert verdict.verdict(["application"], there, ill, [], there) == (
        "refused",
        "explained by database: remediate that",
    )


def test_an_operation_that_looked_is_healthy_unless_it_may_not_be_done():
    well, step = seen(it="healthy")["it"], {"risk": "data", "allowed": False}
    assert verdict.looked(well, [], "")["verdict"] == "healthy"
    assert verdict.looked(well, [{**step, "allowed": True}, step], "")["verdict"] == "healthy"
    assert verdict.looked(well, [step], "")["reason"] == "needs --allow data"
    assert verdict.looked(well, [], "no room") == {"verdict": "refused", "reason": "no room"}
    assert verdict.looked(seen(it="unknown")["it"], [], "")["verdict"] == "unknown"
    assert verdict.looked(seen(it="unhealthy")["it"], [], "")["verdict"] == "incident"


def test_an_operation_is_done_when_it_said_so_and_the_host_proves_it():
    well, ill = seen(it="healthy")["it"], {**seen(it="unhealthy")["it"], "reason": "not there"}
    assert verdict.done({"rc": 0}, well) == ("fixed", "")
    assert verdict.done({"rc": 0}, ill) == ("not_fixed", "not there")
    assert verdict.done({"rc": 5, "reason": "small"}, well) == ("not_fixed", "small")
    assert verdict.done({"rc": 69, "reason": "no room"}, well) == ("refused", "no room")
    assert verdict.done({}, well)[0] == "not_fixed"


PROBES = [
    {"id": "db"},
    {"id": "db_detail", "of": "db"},
    {"id": "api"},
    {"id": "memory"},
    {"id": "cache"},
    {"id": "cache_detail", "of": "cache"},
    {"id": "pressure", "circumstance": True},
]


@pytest.mark.parametrize(
    ("ill", "expected"),
    [
        ([], []),
        # What no card looks at is said, once for all that is read from one answer.
        (["cache", "cache_detail"], ["cache"]),
        (["pressure"], []),
        # What a confirmed incident is made of, or read from the same answer, is not said again.
        (["db", "db_detail"], []),
        (["db", "cache_detail"], ["cache_detail"]),
    ],
)
def test_an_unhealthy_finding_that_no_incident_covers_is_said(ill, expected):
    ids = [probe["id"] for probe in PROBES]
    findings = seen(**{id: "unhealthy" if id in ill else "healthy" for id in ids})
    incidents = verdict.judge(CARDS, findings, INPUTS.__getitem__)
    assert verdict.uncovered(CARDS, PROBES, incidents, findings) == expected


def test_what_the_card_of_a_confirmed_incident_asks_is_covered_by_it():
    """A shared probe that its condition does not name: a lock, as the application sees it."""
    cards = {"slow": card("not locks.healthy", ["view"])}
    findings = seen(locks="unhealthy", view="unhealthy")
    incidents = verdict.judge(cards, findings, INPUTS.__getitem__)
    assert verdict.uncovered(cards, [{"id": "locks"}, {"id": "view"}], incidents, findings) == []


@pytest.mark.parametrize(("covered", "expected"), [(True, []), (False, ["ports"])])
def test_a_card_says_which_of_its_own_probes_belong_to_its_incident(covered, expected):
    cards = {"down": card("not api.healthy", [{"id": "api"}, {"id": "ports", "covered": covered}])}
    findings = seen(api="unhealthy", ports="unhealthy")
    incidents = verdict.judge(cards, findings, INPUTS.__getitem__)
    assert verdict.uncovered(cards, cards["down"]["probes"], incidents, findings) == expected


def test_what_cannot_be_judged_says_what_it_may_come_of():
    base = {"title": "", "severity": "SEV1", "explains": []}
    known = {
        "database": {**base, "explains": ["slow"], "confirmed": "a.status == 'unhealthy'"},
        "slow": {**base, "confirmed": "b.status == 'unhealthy'"},
    }
    told = {"healthy": False, "value": None, "unit": "", "reason": "why"}
    answers = {
        id: {**told, "status": status, "title": id}
        for id, status in (("a", "unhealthy"), ("b", "unknown"))
    }
    judged = verdict.judge(known, answers, {}.__getitem__)
    assert judged["slow"]["confirmed"] is None
    assert judged["slow"]["may_come_of"] == ["database"]
    assert "may_come_of" not in judged["database"]


def test_a_card_about_a_part_that_is_not_there_is_not_applicable():
    chain = {**CARDS["database"], "part": "blockchain", "title": "Chain"}
    judged = verdict.judge({"chain": chain}, {}, {}.__getitem__, absent={"blockchain"})
    assert judged["chain"]["confirmed"] is False
    assert judged["chain"]["not_applicable"] == "this stack has no blockchain, says stack_services"
    assert verdict.applicable({"chain": chain}, {"blockchain"}) == {}
    assert verdict.applicable({"chain": chain}, {"cache"}) == {"chain": chain}
    assert verdict.root_causes(judged) == []
    assert verdict.verdict(["chain"], judged, {}, []) == ("healthy", "")
