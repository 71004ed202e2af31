"""Severities, contacts and escalation: what is refused, and what is complained of."""

import copy
from pathlib import Path

import pytest
import yaml

from oncall_runbook.record import policy, policy_check
from oncall_runbook.record.addresses import channel, without_secrets
from oncall_runbook.record.policy import PolicyError

DEFAULTS = yaml.safe_load(
    (Path(__file__).parents[3] / "roles/response/defaults/main.yml").read_text()
)
TOLD = {name.removeprefix("response_"): value for name, value in DEFAULTS.items()}


def told(**changes):
    return {**copy.deepcopy(TOLD), **changes}


def reachable():
    contacts = {
        role: {**facts, "email": "", "notify": [f"json://127.0.0.1/{role}"]}
        for role, facts in TOLD["contacts"].items()
    }
    return told(contacts=contacts)


def test_the_ladder_of_the_source_runbook():
    found = policy.parse(told())
    steps = [(step.after_minutes, *step.to) for step in found.escalation["SEV1"]]
    assert steps == [
        (0, "on_call_engineer"),
        (5, "team_lead"),
        (10, "engineering_manager"),
        (15, "cto"),
        (30, "ceo"),
    ]
    assert found.escalation["SEV1"][-1].note == "Initiate disaster recovery."
    minutes = {name: level.response_minutes for name, level in found.severities.items()}
    assert minutes == {"SEV1": 5, "SEV2": 30, "SEV3": 120, "SEV4": 1440}


def test_people_who_can_all_be_told_are_no_problem():
    assert list(policy_check.problems(policy.parse(reachable()))) == []


def test_placeholders_are_reported():
    lines = list(policy_check.problems(policy.parse(told())))
    assert "response_contacts: cto is a placeholder (cto@company.com): say who it is" in lines
    assert any("ceo cannot be told anything (no address)" in line for line in lines)


PROBLEMS = {
    "a severity without a ladder": (
        lambda t: t["escalation"].pop("SEV3"),
        "response_escalation has no step for SEV3",
    ),
    "a level that is missing": (lambda t: t["severities"].pop("SEV4"), "lacks SEV4"),
    "a hole at the beginning": (
        lambda t: t["escalation"]["SEV1"].pop(0),
        "SEV1 tells nobody before 5 minutes",
    ),
    "steps out of order": (
        lambda t: t["escalation"]["SEV1"].reverse(),
        "step 2 of SEV1 is not later than the one before",
    ),
    "a step that reaches nobody": (
        lambda t: t["escalation"]["SEV2"][1].update(to=[]),
        "step 2 of SEV2 reaches no contact: nobody",
    ),
    "a role that nobody has": (
        lambda t: t["escalation"]["SEV2"][1].update(to=["cfo"]),
        "step 2 of SEV2 reaches no contact: cfo",
    ),
    "one role of two that nobody has": (
        lambda t: t["escalation"]["SEV2"][1].update(to=["cto", "cfo"]),
        "step 2 of SEV2 names cfo, who is in no response_contacts",
    ),
    "a level that goes to nobody known": (
        lambda t: t["severities"]["SEV1"].update(goes_to=["board"]),
        "SEV1 goes to board",
    ),
    "a contact with an email and no mail server": (
        lambda t: t["contacts"]["cto"].update(notify=[], email="cto@school.test"),
        "cto cannot be told anything (cto@school.test needs response_mail_url)",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_would_keep_somebody_from_being_told_is_complained_of(name):
    break_it, expected = PROBLEMS[name]
    facts = reachable()
    break_it(facts)
    assert any(expected in line for line in policy_check.problems(policy.parse(facts)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"severities": {"SEV9": {}}}, "'SEV9' is none of SEV1"),
        ({"severities": {"SEV1": "high"}}, "SEV1 is no mapping"),
        ({"severities": {"SEV1": {"response_minutes": "soon"}}}, "is 'soon', no whole number"),
        ({"severities": {"SEV1": {"response_minutes": -1}}}, "it cannot be less than 0"),
        ({"severities": {"SEV1": {"response_minutes": 1}}}, "goes_to is no list of roles"),
        ({"contacts": {"cto": "Bob"}}, "cto is no mapping"),
        ({"escalation": {"SEV1": "all"}}, "SEV1 is no list of steps"),
        ({"escalation": {"SEV1": [{"to": ["cto"]}]}}, "after_minutes is None, no whole number"),
        ({"stale_hours": None}, "response_stale_hours is None"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(changes, expected):
    with pytest.raises(PolicyError, match=expected):
        policy.parse(told(**changes))


def test_a_contact_with_an_email_is_told_by_the_mail_server():
    facts = told(mail_url="mailtos://user:secret@smtp.school.test?from=runbook@school.test")
    facts["contacts"]["cto"] = {"email": "cto@school.test"}
    (address,) = policy.parse(facts).addresses("cto")
    assert address.endswith("?from=runbook@school.test&to=cto@school.test")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("mailtos://user:secret@smtp.school.test?to=a@b.test", "mailtos://smtp.school.test"),
        ("json://user:secret@127.0.0.1:80/path", "json://127.0.0.1"),
        ("slack://TOKENA/TOKENB/TOKENC/#channel", "slack"),
        ("tgram://123456:TOKEN/chat", "tgram"),
    ],
)
def test_of_an_address_nothing_secret_is_shown(address, shown):
    assert channel(address) == shown


def test_what_a_service_says_is_freed_of_secrets():
    address = "json://user:s3cretword@127.0.0.1:80/tokenpath?key=abcdefgh"
    said = f"2026-01-01 00:00:00,123 - WARNING - no answer from {address} for s3cretword"
    shown = without_secrets(said, address)
    assert "s3cretword" not in shown
    assert "tokenpath" not in shown
    assert "abcdefgh" not in shown
    assert shown.startswith("no answer from")
