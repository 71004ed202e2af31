"""The review: its states, what each needs, and its action items."""

import pytest

from oncall_runbook import clock
from oncall_runbook.errors import NothingMatchedError, RefusedError
from oncall_runbook.record import incident_document, records, reviews

TEXTS = {
    "root_cause": "no restart policy",
    "impact": "all users, 12 minutes",
    "resolution": "started it",
    "prevention": "set a restart policy",
}


@pytest.fixture
def resolved(record, at):
    record.escalate()
    at(12)
    record.do(records.resolve, "ann", clock.now())
    return record


def move(record, state):
    record.do(reviews.move, "ann", state)


def test_a_review_goes_through_its_states_and_closes_the_incident(resolved):
    assert resolved.document["review"]["state"] == "draft"
    move(resolved, "in_review")
    with pytest.raises(RefusedError, match="no root cause; no impact; no resolution; no prev"):
        move(resolved, "reviewed")
    resolved.do(reviews.write, "ann", **TEXTS)
    move(resolved, "reviewed")
    assert resolved.document["status"] == "reviewed"
    move(resolved, "closed")
    with pytest.raises(RefusedError, match="is closed"):
        resolved.do(reviews.write, "ann", prevention="more")
    with pytest.raises(RefusedError, match="is closed"):
        resolved.do(reviews.add_item, "ann", "more", None, None)


def test_it_cannot_close_while_an_action_item_lacks_owner_or_deadline(resolved):
    resolved.do(reviews.write, "ann", **TEXTS)
    first = resolved.do(reviews.add_item, "ann", "restart policy", None, None)
    second = resolved.do(reviews.add_item, "ann", "alert", "bob", None)
    for state in ("in_review", "reviewed"):
        move(resolved, state)
    with pytest.raises(RefusedError, match=f"action item {first} has no owner and no deadline"):
        move(resolved, "closed")
    resolved.do(reviews.change_item, "ann", first, owner="ann", deadline="2026-12-01")
    with pytest.raises(RefusedError, match=f"action item {second} has no deadline"):
        move(resolved, "closed")
    resolved.do(reviews.change_item, "ann", second, deadline="2026-12-02", done=True)
    move(resolved, "closed")
    found = resolved.document["review"]
    assert found["state"] == "closed"
    assert [(i["owner"], i["deadline"], bool(i["done"])) for i in found["items"]] == [
        ("ann", "2026-12-01", False),
        ("bob", "2026-12-02", True),
    ]


def test_states_are_neither_skipped_nor_gone_back_to(resolved):
    with pytest.raises(RefusedError, match="the next state is in_review"):
        move(resolved, "closed")
    move(resolved, "in_review")
    move(resolved, "draft")
    move(resolved, "in_review")
    resolved.do(reviews.write, "ann", **TEXTS)
    move(resolved, "reviewed")
    with pytest.raises(RefusedError, match="does not go back to in_review"):
        move(resolved, "in_review")


def test_what_is_not_resolved_is_not_reviewed(record):
    with pytest.raises(RefusedError, match="incident 1 is not resolved"):
        move(record, "in_review")
    record.do(reviews.write, "ann", root_cause="known before it ends")
    assert record.document["review"]["root_cause"] == "known before it ends"


def test_an_item_that_is_none(resolved):
    with pytest.raises(NothingMatchedError, match="has no action item 99"):
        resolved.do(reviews.change_item, "ann", 99, owner="ann")


def test_the_review_is_due_within_48_hours_and_overdue_after(resolved, at):
    due = resolved.document["review"]["due"]
    assert due == clock.text(clock.now() + 48 * clock.HOUR)
    at(12 + 48 * 60)
    assert not resolved.document["review"]["overdue"]
    at(13 + 48 * 60)
    assert resolved.document["review"]["overdue"]
    resolved.do(reviews.write, "ann", **TEXTS)
    move(resolved, "in_review")
    move(resolved, "reviewed")
    assert not resolved.document["review"]["overdue"]


def test_a_small_incident_needs_no_review_but_may_have_one(record):
    record.do(records.change, "ann", clock.now(), severity="SEV3", reason="a corner")
    record.escalate()
    record.do(records.resolve, "ann", clock.now())
    assert record.document["review"]["state"] == "none"
    record.do(reviews.write, "ann", root_cause="a typo")
    assert record.document["review"]["state"] == "draft"


def test_an_action_item_is_overdue_from_the_day_after_its_deadline_until_it_is_done(resolved):
    today = clock.text(clock.now())[:10]
    number = resolved.do(reviews.add_item, "ann", "alert", "ann", today)
    resolved.do(reviews.add_item, "ann", "some day", None, None)

    def told():
        found = resolved.document["review"]
        (listed,) = resolved.do(lambda conn, _: incident_document.summaries(conn))
        assert listed["review"]["items_overdue"] == found["items_overdue"]
        return [item["overdue"] for item in found["items"]]

    assert told() == [False, False]
    resolved.do(reviews.change_item, "ann", number, deadline="2020-02-29")
    assert told() == [True, False]
    resolved.do(reviews.change_item, "ann", number, done=True)
    assert told() == [False, False]
