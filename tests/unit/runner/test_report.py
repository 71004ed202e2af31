"""What people read of a step: what became of it, why it failed, what it cost."""

import pytest

from oncall_runbook.text import incident_text, report

STEP = {"rung": "restart", "title": "Restart the API", "risk": "restart", "seconds": 2}
COSTS = "requests, until the API listens again"


def told(action, plan=()):
    host = {"verdict": "fixed", "actions": [action], "plan": list(plan)}
    return "\n".join(line.plain for line in report.lines({"hosts": {"here": host}}))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ({"changed": True, "held": True}, "changed, 2 s, held"),
        ({"changed": False}, "nothing to change, 2 s"),
        ({"changed": False, "reason": "port is taken"}, "failed, 2 s — port is taken"),
        ({"changed": True, "reason": "no room"}, "failed after a change, 2 s — no room"),
        ({"changed": True, "costs": COSTS}, f"changed, 2 s, at the cost of {COSTS}"),
        ({"changed": False, "costs": COSTS}, "nothing to change, 2 s"),
    ],
)
def test_a_step_says_what_became_of_it(action, expected):
    assert told({**STEP, **action}).splitlines()[1] == f"  did  Restart the API: {expected}"


def test_a_plan_says_what_a_step_would_cost():
    step = {**STEP, "allowed": True, "costs": COSTS, "why": "it hangs"}
    shown = f"[restart] allowed\n       costs {COSTS}\n       because it hangs\n"
    assert shown in told(STEP, [step])


def test_a_sentence_that_is_value_and_reason_is_said_once():
    said = "there is no backup in /srv/backups"
    finding = {"title": "A backup was made", "status": "unhealthy", "value": said, "reason": said}
    host = {"verdict": "incident", "findings": {"backup": finding}}
    shown = "\n".join(line.plain for line in report.lines({"hosts": {"here": host}}, full=True))
    assert shown.count(said) == 1


def test_an_answer_that_is_no_text_is_not_shown_raw():
    finding = {"title": "Answers", "status": "unhealthy", "value": {"requests": 20}}
    host = {"verdict": "incident", "findings": {"answers": finding}}
    shown = "\n".join(line.plain for line in report.lines({"hosts": {"here": host}}, full=True))
    assert "Answers" in shown
    assert "requests" not in shown


def test_what_was_not_told_is_no_line_where_another_says_why(capsys):
    findings = {
        "activity": {"status": "unhealthy", "title": "Sessions", "reason": "timeout expired"},
        "lock_wait": {
            "of": "activity",
            "status": "unknown",
            "title": "Waits",
            "reason": "the answer does not say blocked_seconds",
        },
        "inodes": {
            "of": "activity",
            "status": "unknown",
            "title": "Inodes",
            "reason": "not a number",
        },
    }
    incidents = {
        "database": {"confirmed": True, "severity": "SEV1", "title": "Database"},
        "slow": {"confirmed": None, "title": "Slow", "may_come_of": ["database"]},
        "disk": {"confirmed": None, "title": "Disk", "may_come_of": []},
    }
    host = {"verdict": "incident", "root_causes": ["database"], "incidents": incidents}
    report.show(
        {"hosts": {"web1": {**host, "findings": findings}}, "run": "r", "exit_code": 3}, full=True
    )
    said = capsys.readouterr().out
    assert "Sessions" in said
    assert "Waits" not in said
    assert "Inodes" in said
    assert "whether Slow" not in said
    assert "whether Disk" in said


def brief(command, **host):
    """The short text of one host."""
    document = {"hosts": {"web 1": host}, "command": command, "inventory": "/x/a b.yml (option -i)"}
    return [line.plain for line in report.lines(document)]


ROOT = {
    "confirmed": True,
    "severity": "SEV1",
    "title": "Database",
    "because": ["accepts", "reads"],
    "why": "postgres was stopped",
    "evidence": "postgres was stopped; connection refused",
}
ILL = {id: {"status": "unhealthy", "title": id} for id in ("accepts", "reads", "memory")}
INCIDENT = {"verdict": "incident", "root_causes": ["database"], "incidents": {"database": ROOT}}


def test_why_a_cause_is_there_is_one_sentence_and_what_to_type_comes_last():
    assert brief("triage", **INCIDENT, findings=ILL) == [
        "web 1: incident",
        "  SEV1 Database (database)",
        "       postgres was stopped",
        "  next: runbook plan -i '/x/a b.yml' -l 'web 1' · 1 more finding: runbook runs show last",
    ]
    older = {key: value for key, value in ROOT.items() if key != "why"}
    host = {**INCIDENT, "incidents": {"database": older}, "findings": ILL}
    assert brief("triage", **host)[2] == "       postgres was stopped; connection refused"


def test_an_inventory_below_this_directory_is_named_from_here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    document = {"hosts": {"web1": INCIDENT}, "command": "triage"}
    for path, typed in ((f"{tmp_path}/sites/b.yml", "sites/b.yml"), ("/srv/b.yml", "/srv/b.yml")):
        lines = report.lines({**document, "inventory": f"{path} (option -i)"})
        assert [*lines][-1].plain == f"  next: runbook plan -i {typed} -l web1"


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ([{**STEP, "allowed": True}], "next: runbook remediate -i"),
        (
            [{**STEP, "allowed": False, "risk": "outage"}],
            "next: runbook remediate --allow outage -i",
        ),
        ([{**STEP, "allowed": False, "spent": "it was tried"}], "next: runbook show database: no"),
        ([], "next: runbook show database: no rung"),
    ],
)
def test_after_a_plan_stands_what_can_be_done_now(plan, said):
    assert brief("plan", **INCIDENT, plan=plan, findings={})[-1].strip().startswith(said)


def test_what_was_asked_about_and_given_belongs_to_the_next_step():
    asked = {"command": "diagnose", "incident": "memory_leak", "order": {"extra_vars": True}}
    lines = report.lines(
        {"hosts": {"web1": INCIDENT}, "inventory": "x.yml (this machine)", **asked}
    )
    assert [*lines][-1].plain == "  next: runbook plan memory_leak -l web1 -e …"


def test_what_could_not_be_judged_is_said_once_for_each_reason():
    silent = {"confirmed": None, "evidence": "docker did not answer", "severity": "SEV2"}
    cards = {name: {**silent, "title": name.upper()} for name in "abcde"}
    cards["disk"] = {**silent, "title": "DISK", "evidence": "no df"}
    findings = {"containers": {"status": "unknown", "title": "Runs", "reason": "no docker"}}
    assert brief("triage", verdict="unknown", incidents=cards, findings=findings) == [
        "web 1: unknown",
        "  unknown whether SEV2 A (a), SEV2 B (b), SEV2 C (c), SEV2 D (d) and 1 more"
        " — docker did not answer",
        "  unknown whether SEV2 DISK (disk) — no df",
        "  next: runbook doctor -i '/x/a b.yml' -l 'web 1'"
        " · 1 more finding: runbook runs show last",
    ]


def plain(hosts):
    return [line.plain for line in report.lines({"hosts": hosts, "command": "triage"})]


def test_hosts_that_are_well_are_counted():
    well = {"verdict": "healthy"}
    told = plain({"a": well, "b": INCIDENT, "c": well, "d": well})
    assert (told[0], told[-1]) == ("b: incident", "3 hosts: healthy")
    assert plain({"a": well}) == ["a: healthy"]


def test_a_host_that_is_healthy_and_acted_on_is_not_only_counted():
    acted = {"verdict": "healthy", "actions": [STEP]}
    hosts = {"a": {"verdict": "healthy"}, "b": {"verdict": "healthy"}, "c": acted}
    told = plain(hosts)
    assert (told[0], told[-1]) == ("c: healthy", "2 hosts: healthy")


@pytest.mark.parametrize(
    ("host", "line"),
    [
        ({"verdict": "healthy"}, "a: healthy"),
        ({"verdict": "unreachable", "reason": "no route"}, "a: unreachable — no route"),
        (
            {**INCIDENT, "findings": ILL},
            "a: incident — SEV1 database (postgres was stopped)",
        ),
    ],
)
def test_in_short_a_host_is_one_line(capsys, host, line):
    report.show_short({"hosts": {"a": host}, "command": "triage"})
    assert capsys.readouterr().out == f"{line}\n"


@pytest.mark.parametrize(
    ("verdict", "word"),
    [("fixed", "done"), ("not_fixed", "not done"), ("healthy", "nothing to do")],
)
def test_an_operation_is_done_and_cures_nothing(verdict, word):
    order = {"operation": "restart", "acts": True}
    lines = report.lines({"hosts": {"a": {"verdict": verdict}}, "order": order})
    assert next(lines).plain == f"a: {word}"
    host = {"verdict": "healthy", "plan": [STEP]}
    lines = report.lines({"hosts": {"a": host}, "order": {**order, "acts": False}})
    assert next(lines).plain == "a: planned"


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (["failed", "sent"], "sent"),
        (["failed"], "not delivered"),
        (["failed", "queued"], "being sent"),
        ([], "not delivered"),
    ],
)
def test_a_step_of_the_ladder_is_sent_when_somebody_got_it(states, word):
    step = {"state": "sent", "to": ["dba"]}
    others = [
        {"kind": "update", "role": "dba", "state": "sent"},
        {"kind": "page", "role": "cto", "state": "sent"},
    ]
    pages = [{"kind": "page", "role": "dba", "state": state} for state in states]
    assert incident_text.became(step, [*others, *pages]) == word
    assert incident_text.became({**step, "state": "waiting"}, pages) == "waiting"


def of_many(number, **more):
    """What is told of a fleet whose hosts are ill in two ways, but for a few."""
    hosts = {f"web{n:04}": {"verdict": "healthy"} for n in range(number // 2)}
    full = {"severity": "SEV2", "confirmed": True, "why": "/srv is full: 97 %"}
    for n in range(number // 2, number - 3):
        hosts[f"web{n:04}"] = {
            "verdict": "incident",
            "root_causes": ["disk_space_full"],
            "incidents": {"disk_space_full": full},
        }
    for n in range(number - 3, number):
        hosts[f"web{n:04}"] = {
            "verdict": "unreachable",
            "unreachable": "refused",
            "reason": "connection refused",
        }
    document = {"command": "triage", "run": "R", "inventory": "hosts.yml", "hosts": hosts, **more}
    return [line.plain for line in report.lines(document)]


@pytest.mark.parametrize("number", [50, 1000])
def test_many_hosts_are_grouped_by_what_is_wrong_with_them(number):
    ill = number // 2 - 3
    first = number // 2
    assert of_many(number) == [
        f"{ill} hosts: incident — disk_space_full",
        f"  web{first:04}, web{first + 1:04}, web{first + 2:04}, web{first + 3:04}"
        f" and {ill - 4} more",
        f"  web{first:04}: SEV2 disk_space_full (/srv is full: 97 %)",
        "  next: runbook plan -l @disk_space_full:R",
        "3 hosts: unreachable — refused",
        f"  web{number - 3:04}, web{number - 2:04}, web{number - 1:04}",
        f"  web{number - 3:04}: connection refused",
        "  next: runbook doctor -l @unreachable:R",
        f"{number // 2} hosts: healthy",
    ]


def test_few_hosts_are_told_one_by_one():
    lines = of_many(14)
    assert "7 hosts: healthy" in lines
    assert [line for line in lines if line.startswith("web0012: unreachable")]


def test_what_hosts_have_in_common_is_said_first():
    lines = of_many(50, common_causes={"disk_space_full": ["web0025", "web0026", "web0027"]})
    assert lines[0].startswith("3 hosts have disk_space_full: look first for what they have in")
