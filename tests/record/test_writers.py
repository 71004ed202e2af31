"""Eight processes that write at the same time lose nothing, and do nothing twice."""

import json
from collections import Counter

import children
from sqlalchemy import func, select
from test_attach import CARD, run

from oncall_runbook import clock
from oncall_runbook.record import attach, incident_document, outbox, records
from oncall_runbook.record.store import Store
from oncall_runbook.record.tables import entries, hosts, incidents, messages, runs

NAMES = [f"p{number}" for number in range(8)]
COUNT = 8
LATE = 11 * clock.MINUTE  # SEV1 has told three by then


def opened(store, at=0, **facts):
    facts = {"title": "Down", "severity": "SEV1", "reason": "a test", **facts}
    with store.write() as conn:
        return records.open_incident(conn, author="ann", at=clock.now() - at, **facts)


def column(store, column, *where):
    with store.read() as conn:
        return conn.scalars(select(column).where(*where)).all()


def recorded(tmp_path, document, events):
    """Keep a run's files in a state directory, noted as not in the record yet."""
    directory = tmp_path / "state/runbook/runs" / document["run"]
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps(document))
    (directory / "events.jsonl").write_text("".join(json.dumps(each) + "\n" for each in events))
    pending = tmp_path / "state/runbook/pending"
    pending.mkdir(exist_ok=True)
    (pending / document["run"]).write_text(json.dumps({"incident": "new"}))
    return str(tmp_path / "state")


def test_an_empty_store_is_made_once(url):
    children.at_once(children.migrate, *[(url,)] * len(NAMES))
    children.at_once(children.migrate, *[(url,)] * len(NAMES))
    assert opened(Store(url)) == 1


def test_no_note_and_no_host_is_lost(url):
    number = opened(Store(url))
    work = [(url, number, name, COUNT) for name in NAMES]
    children.at_once(children.add_entries, *work)
    notes = column(Store(url), entries.c.text, entries.c.kind == "note")
    assert sorted(notes) == sorted(f"{name} {n}" for name in NAMES for n in range(COUNT))
    own = {f"{name}-{n}" for name in NAMES for n in range(COUNT)}
    assert Counter(column(Store(url), hosts.c.host)) == Counter(
        own | {f"of-all-{n}" for n in range(COUNT)}
    )


def test_no_change_of_a_field_is_lost(url):
    store = Store(url)
    number = opened(store, title="-")
    fields = ("title", "impact", "owner")
    work = [(url, number, name, fields[n % 3], COUNT) for n, name in enumerate(NAMES)]
    children.at_once(children.change_field, *work)
    with store.read() as conn:
        found = incident_document.document(conn, number)
    written = "".join(found[field] for field in fields)
    assert {name: written.count(name) for name in NAMES} == dict.fromkeys(NAMES, COUNT)
    assert len(column(store, entries.c.id, entries.c.kind == "changed")) == len(NAMES) * COUNT


def test_every_incident_has_a_number_of_its_own(url):
    children.at_once(children.open_incidents, *[(url, name, COUNT) for name in NAMES])
    store = Store(url)
    numbers = column(store, incidents.c.id)
    assert sorted(numbers) == list(range(1, len(NAMES) * COUNT + 1))
    with store.read() as conn:
        found = incident_document.summaries(conn, newest=None)
    assert all(
        each["hosts"] == sorted([each["title"].replace(" ", "-"), "shared"]) for each in found
    )
    assert len(column(store, entries.c.id, entries.c.kind == "opened")) == len(numbers)


def test_one_acknowledges(url):
    store = Store(url)
    number = opened(store)
    children.at_once(children.acknowledge, *[(url, number, name) for name in NAMES])
    (who,) = column(store, entries.c.author, entries.c.kind == "acknowledged")
    assert column(store, incidents.c.acknowledged_by) == [who]


def judge_pages(store, receiver, count):
    got = Counter((role, body["title"].partition(":")[0]) for role, body in receiver.got)
    assert set(got.values()) == {1}
    assert len(got) == count
    assert column(store, messages.c.state) == ["sent"] * count


def test_who_is_due_is_told_once(url, facts, receiver):
    store = Store(url)
    for _ in range(4):
        opened(store, at=LATE)
    children.at_once(children.page, *[(url, facts)] * len(NAMES))
    children.end(children.start(children.page, url, facts))
    judge_pages(store, receiver, 12)


def test_two_commands_tell_each_once(url, command, receiver):
    store = Store(url)
    for _ in range(2):
        opened(store, at=LATE)
    both = [command("incident", "escalate", "--due", background=True) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    judge_pages(store, receiver, 6)


class Late(children.Known):
    """Between its look at what is due and its first message another process does it all."""

    def prepare(self, hosts):
        children.end(children.start(children.page, *self.work))


def test_what_another_has_tried_meanwhile_is_not_due_any_more(url, facts, receiver):
    store = Store(url)
    opened(store)
    receiver.answer = 500
    children.end(children.start(children.page, url, facts))
    with store.write() as conn:
        conn.execute(messages.update().values(next_at=clock.now()))
    late = Late(facts)
    late.work = (url, facts)
    outbox.deliver(store, late)
    assert column(store, messages.c.attempts) == [2]
    assert len(receiver.got) == 2


def test_a_run_is_written_once(url, tmp_path):
    document, events = run(1, "not_fixed")
    state = recorded(tmp_path, document, events)
    children.at_once(children.attach_run, *[(url, state, document["run"])] * len(NAMES))
    judge_run(Store(url), document["run"])


def test_runs_that_wait_are_caught_up_with_once(url, tmp_path):
    document, events = run(1, "not_fixed")
    state = recorded(tmp_path, document, events)
    children.at_once(children.catch_up, *[(url, state)] * len(NAMES))
    judge_run(Store(url), document["run"])
    assert list((tmp_path / "state/runbook/pending").iterdir()) == []


def judge_run(store, name):
    assert column(store, incidents.c.id) == [1]
    assert column(store, runs.c.run) == [name]
    assert column(store, hosts.c.host) == ["web1"]
    written = Counter(column(store, entries.c.kind))
    assert written == Counter(["opened", "run", "finding", "rung", "finding", "verdict"])


def test_one_that_was_opened_a_moment_later_by_another_s_clock_is_open(url):
    store = Store(url)
    opened(store, at=-clock.MINUTE, of_hosts=["web1"])
    assert attach.open_incident_for(store, "20261124T000000Z-0000", "web1", [CARD], {}) is None
    assert column(store, incidents.c.id) == [1]


def test_runs_that_find_the_same_at_once_open_one_incident(url):
    work = [(url, f"20261124T0000{n:02}Z-0000", [CARD]) for n in range(len(NAMES))]
    children.at_once(children.open_for_run, *work)
    with Store(url).read() as conn:
        assert conn.execute(select(func.count()).select_from(incidents)).scalar() == 1
