"""Status updates: filled in from the record, marked where a person must say more, sent when new."""

import pytest

from oncall_runbook import clock
from oncall_runbook.errors import BadInputError
from oncall_runbook.record import messages, records, updates


def update(record):
    queued = record.do(updates.queue, record.people.policy, "ann")
    record.escalate()
    return queued


def bodies(receiver):
    return [sent["message"] for _, sent in receiver.got if "nobody" not in sent["title"]]


def say(record, **facts):
    record.do(records.change, "ann", clock.now(), **facts)


def test_it_is_the_source_runbooks_template(record, receiver, at):
    record.escalate()
    record.ack()
    say(record, impact="all users, 100 % down", owner="ann", eta=at(20), status="resolving")
    record.do(records.write, at(1), "note", "ann", "disk cleaned")
    assert update(record) == ["cto", "ceo", "on_call_engineer"]
    assert bodies(receiver)[0].splitlines() == [
        "INCIDENT: Database connection failures (#1 on web1)",
        "SEVERITY: SEV1",
        "IMPACT: all users, 100 % down",
        "STATUS: Resolving",
        f"ETA: {record.document['eta']}",
        "ACTIONS: disk cleaned",
        "OWNER: ann",
    ]


def test_what_a_person_must_still_say_is_marked(record):
    found = record.document
    assert messages.missing(found) == ["impact", "eta", "owner"]
    text = messages.update(found, "text", None)
    assert "IMPACT: MISSING (runbook incident update 1 --impact …)" in text
    assert "OWNER: MISSING" in text
    record.do(records.resolve, "ann", clock.now())
    assert "ETA: done" in messages.update(record.document, "text", None)


def test_it_is_sent_only_when_something_in_it_is_new(record, receiver, at):
    record.ack()
    assert update(record)
    at(10)
    assert update(record) == []
    say(record, impact="some users")
    assert update(record)
    assert len(bodies(receiver)) == 4  # two roles, two updates
    due = record.document["update_due"]
    assert due == clock.text(clock.now() + 30 * clock.MINUTE)


def test_three_forms_say_the_same(record):
    say(record, impact="some | all", owner="ann")
    found = record.document
    assert "| **IMPACT** | some \\| all |" in messages.update(found, "markdown", None)
    chat = messages.update(found, "chat", None)
    assert chat.startswith("*SEV1* #1 Database connection failures: *Investigating*\n")
    assert "• *Impact:* some | all" in chat


def test_a_template_of_ones_own_takes_the_place_of_ours(record, tmp_path):
    (tmp_path / "update.txt.j2").write_text("{{ incident.severity }}!")
    assert messages.update(record.document, "text", tmp_path) == "SEV1!"
    assert "INCIDENT" in messages.update(record.document, "chat", tmp_path).upper()


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("one\n{{ incident.nonsense }}", "line 2: 'dict object' has no attribute 'nonsense'"),
        ("one\n{% if %}", "line 2"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ incident.title | no_such }}", "no_such"),
    ],
)
def test_a_template_that_is_wrong_is_told_with_its_name_and_sends_nothing(
    record, tmp_path, template, why
):
    (tmp_path / "update.txt.j2").write_text(template)
    with pytest.raises(BadInputError, match="mend it, nothing was sent") as caught:
        messages.update(record.document, "text", tmp_path)
    assert str(tmp_path / "update.txt.j2") in str(caught.value)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_incidents_text_is_text_and_no_template(record):
    say(record, impact="{{ 7 * 7 }}")
    assert "IMPACT: {{ 7 * 7 }}" in messages.update(record.document, "text", None)
