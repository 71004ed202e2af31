"""The ladder against a clock that the test drives, on both stores, with a real receiver."""

import signal
import time

import pytest

from oncall_runbook import clock
from oncall_runbook.errors import BadInputError, RefusedError
from oncall_runbook.record import escalation, records, updates
from oncall_runbook.record.tables import hosts, incidents

LADDER = ["on_call_engineer", "team_lead", "engineering_manager", "cto", "ceo"]
MINUTES = [0, 5, 10, 15, 30]


def test_every_step_goes_out_in_its_minute_and_once(record, receiver, at):
    for minute in range(40):
        at(minute)
        record.escalate()
        record.escalate()  # somebody else's cron
        due = [role for role, after in zip(LADDER, MINUTES, strict=True) if after <= minute]
        assert receiver.names() == due
    assert "Initiate disaster recovery." in receiver.got[-1][1]["message"]
    assert record.document["escalation"]["state"] == "done"
    told = [entry for entry in record.document["timeline"] if entry["kind"] == "escalation"]
    assert [entry["data"]["to"] for entry in told] == [[role] for role in LADDER]
    assert record.document["response"] == "overdue"


def test_an_acknowledgement_stops_it(record, receiver, at):
    record.escalate()
    at(4)
    assert record.ack()
    assert not record.ack()
    at(60)
    assert record.escalate().sent == [2]  # the reminder of an overdue update, and no page
    assert [name for name, sent in receiver.got if "acknowledged" in sent["title"]] == LADDER[:1]
    found = record.document
    assert (found["escalation"]["state"], found["response"]) == ("acknowledged", "met")
    assert {step["state"] for step in found["escalation"]["steps"][1:]} == {"stopped"}


def test_a_page_that_waits_to_be_sent_again_is_not_sent_after_an_acknowledgement(
    record, receiver, at
):
    receiver.answer = 500
    assert record.escalate().not_told
    record.ack()
    receiver.answer = 200
    at(3)
    assert record.escalate().sent == []
    assert record.states() == ["cancelled"]


def test_a_resolution_ends_it(record, receiver, at):
    record.escalate()
    at(6)
    record.do(records.resolve, "ann", clock.now(), "started the database")
    for minute in (7, 30, 60, 600, 3000):
        at(minute)
        record.escalate()
    # Only its review, which is due after 48 hours, is reminded of.
    assert [sent["title"].split(": ")[1] for _, sent in receiver.got] == [
        "nobody acknowledged it for 0 s",
        "review overdue",
    ]
    assert record.document["escalation"]["state"] == "ended"


def test_steps_that_nobody_was_there_to_send_go_out_once(record, receiver, at):
    at(17)
    record.escalate()
    assert receiver.names() == LADDER[:4]
    record.escalate()
    assert receiver.names() == LADDER[:4]


def test_an_old_incident_wakes_nobody(record, receiver, at):
    at(25 * 60)
    record.escalate()
    assert receiver.names() == []
    assert {step["state"] for step in record.document["escalation"]["steps"]} == {"expired"}
    at(26 * 60)
    record.escalate()
    assert receiver.names() == []


def test_a_clock_that_jumps_sends_nothing_twice(record, receiver, at):
    for minute in (0, 12, -300, 3, 12, 0, 11, 16, 12, 31, 5, 31):
        at(minute)
        record.escalate()
    assert receiver.names() == LADDER


def test_what_probes_find_fixed_wakes_nobody_until_it_is_back(record, receiver, at):
    record.escalate()
    with record.store.write() as conn:
        conn.execute(incidents.update().values(mitigated=at(1)))
    at(12)
    record.escalate()
    assert receiver.names() == LADDER[:1]
    assert record.document["escalation"]["state"] == "fixed"
    with record.store.write() as conn:
        conn.execute(incidents.update().values(mitigated=None))
    record.escalate()
    assert receiver.names() == LADDER[:3]


def test_another_severity_has_another_ladder_and_tells_nobody_twice(record, receiver, at):
    record.do(records.change, "ann", clock.now(), severity="SEV2", reason="few users")
    record.escalate()
    at(31)
    record.escalate()
    assert receiver.names() == ["on_call_engineer", "engineering_manager"]
    record.do(records.change, "ann", clock.now(), severity="SEV1", reason="it spreads")
    record.escalate()
    assert receiver.names()[2:] == ["team_lead", "cto", "ceo"]
    assert record.document["severity_reason"] == "it spreads"


def test_a_message_that_fails_is_tried_again_later_each_time_and_then_given_up(
    record, receiver, at
):
    record.do(records.change, "ann", clock.now(), severity="SEV4", reason="only me")
    receiver.answer = 503
    tried = []
    for minute in range(40):
        at(minute)
        before = len(receiver.got)
        report = record.escalate()
        mine = [line for line in report.not_told if line.startswith("on_call_engineer")]
        if mine and len(receiver.got) > before:
            tried.append(minute)
            assert "call +1 555 0100" in mine[0]
    assert tried == [0, 1, 3, 7, 15, 31]
    assert record.states()[0] == "failed"
    at(500)
    assert record.escalate().sent == []
    assert "not told" in record.document["timeline"][-1]["text"]


def test_somebody_without_an_address_is_to_be_called(record, receiver):
    contacts = {"on_call_engineer": {"title": "On-Call", "phone": "+1 555 0199"}}
    record.people = type(record.people)(receiver, contacts=contacts)
    report = record.escalate()
    assert report.not_told == [
        "On-Call was not told (on_call_engineer has no address in response_contacts);"
        " call +1 555 0199"
    ]
    assert record.states() == ["failed"]
    assert record.escalate().not_told == []


def test_an_address_that_changed_while_its_message_waited_gets_nothing(record, receiver, at):
    receiver.answer = 500
    record.escalate()
    receiver.answer = 200
    told = {"on_call_engineer": "somebody-else", "team_lead": "team_lead"}
    contacts = {role: {"notify": receiver.address(name)} for role, name in told.items()}
    record.people = type(record.people)(receiver, contacts=contacts)
    at(4.9)
    record.escalate()
    assert record.states() == ["queued"]  # another machine may know the address
    at(6)
    report = record.escalate()
    assert "on_call_engineer has this address no more" in report.not_told[0]
    assert receiver.names() == ["on_call_engineer", "team_lead"]
    assert record.states() == ["failed", "sent"]


def test_a_person_can_ask_for_the_next_one_or_for_anybody(record, receiver, at):
    record.escalate()
    record.ack()
    policy = record.people.policy
    assert record.do(escalation.next_step, policy, "ann") == ["team_lead"]
    record.do(escalation.tell, policy, "database_admin", "ann")
    record.escalate()
    assert receiver.names() == ["on_call_engineer", "team_lead", "database_admin"]
    assert "you are asked for" in receiver.got[1][1]["title"]
    with pytest.raises(BadInputError, match="there is no contact 'dba'"):
        record.do(escalation.tell, policy, "dba", "ann")
    for role in LADDER[2:]:
        assert record.do(escalation.next_step, policy, "ann") == [role]
    with pytest.raises(RefusedError, match="all steps of incident 1 are done"):
        record.do(escalation.next_step, policy, "ann")


def test_what_would_be_sent_can_be_seen_before(record, receiver, at):
    at(5)
    seen = escalation.preview(record.store, record.people)
    assert [message.role for message in seen] == LADDER[:2]
    assert "runbook incident ack 1" in seen[0].body
    assert record.document["messages"] == []
    assert record.document["escalation"]["steps"] == []
    record.escalate()
    assert receiver.names() == LADDER[:2]


def test_an_overdue_update_is_reminded_of_once_an_interval_and_not_for_ever(record, receiver, at):
    record.escalate()
    record.ack()
    for minute in range(0, 100, 5):
        at(minute)
        record.escalate()
    reminded = [sent for _, sent in receiver.got if "status update due" in sent["title"]]
    assert len(reminded) == 3  # of SEV1, every half hour
    record.do(updates.queue, record.people.policy, "ann")
    at(124)
    record.escalate()
    assert len([1 for _, sent in receiver.got if "status update due" in sent["title"]]) == 3
    for hour in range(3, 60):
        at(hour * 60)
        record.escalate()
    reminded = [sent for _, sent in receiver.got if "status update due" in sent["title"]]
    assert len(reminded) < 30  # nobody has said anything for a day: silence


def test_an_overdue_review_is_reminded_of_daily_and_not_for_ever(record, receiver, at):
    record.escalate()
    record.do(records.resolve, "ann", clock.now())
    for hour in range(0, 24 * 20, 6):
        at(hour * 60)
        record.escalate()
    reminded = [sent for _, sent in receiver.got if "review overdue" in sent["title"]]
    assert 7 <= len(reminded) <= 8
    assert record.document["review"]["overdue"]


def test_a_message_goes_to_each_address_of_a_contact(record, receiver):
    notify = [receiver.address("chat"), receiver.address("pager")]
    contacts = {"on_call_engineer": {"notify": notify}}
    record.people = type(record.people)(receiver, contacts=contacts)
    record.escalate()
    assert sorted(receiver.names()) == ["chat", "pager"]


def test_by_a_real_mail_server(record, receiver, smtp):
    contacts = {"on_call_engineer": {"email": "ann@school.test"}}
    record.people = type(record.people)(receiver, contacts=contacts, mail_url=smtp.url)
    assert record.escalate().not_told == []
    ((to, mail),) = smtp.got
    assert to == ["ann@school.test"]
    assert "[SEV1] #1 Database connection failures" in str(mail["Subject"])
    body = mail.get_payload(decode=True) or mail.get_payload()[0].get_payload(decode=True)
    assert b"runbook incident ack 1" in body


def test_hosts_join_an_incident_once(record):
    record.do(records.add_hosts, ["web1", "web2", "web2"])
    assert record.document["hosts"] == ["web1", "web2"]
    with record.store.read() as conn:
        assert len(conn.execute(hosts.select()).all()) == 2


def test_an_incident_of_other_hosts_is_left_to_who_has_their_inventory(command, receiver):
    elsewhere = command("incident", "open", "x", "--severity", "SEV1", "--host", "db9", check=False)
    assert elsewhere.returncode == 0
    assert receiver.names() == []
    assert "nobody was told" in elsewhere.stderr
    command("incident", "escalate", "--due")
    assert receiver.names() == []
    refused = command("incident", "escalate", "1", check=False)
    assert refused.returncode == 2
    assert "none of its hosts is in this inventory: db9; give -i" in refused.stderr


def test_watching_survives_its_own_death_and_tells_nobody_twice(command, receiver):
    command("incident", "open", "x", "--severity", "SEV4")
    command(
        "incident",
        "open",
        "y",
        "--severity",
        "SEV1",
        env={"RUNBOOK_INVENTORY": "/dev/null"},
        check=False,
    )
    told = ["on_call_engineer"]
    assert receiver.names() == told
    for end in (signal.SIGKILL, signal.SIGINT):
        watching = command("incident", "escalate", "--watch", background=True)
        told = ["on_call_engineer"] * 2  # of the second incident, when it can read who that is
        wait_until(lambda: len(receiver.got) == 2)
        time.sleep(2)
        watching.send_signal(end)
        assert watching.wait(20) == {signal.SIGKILL: -9, signal.SIGINT: 0}[end]
        watching.communicate()
        assert receiver.names() == told


def wait_until(true):
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)
