"""Findings of many hosts are kept packed, and written as if they were not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncall_runbook.packed import Packed, pieces, plain, unpacked
from oncall_runbook.run import session
from oncall_runbook.run.events import Event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(whole=st.dictionaries(st.text(), JSON))
def test_what_is_packed_is_what_it_was(whole):
    packed = Packed(whole)
    assert (packed.whole(), {**packed}, len(packed)) == (whole, whole, len(whole))
    assert (dict(packed.items()), [*packed.values()]) == (whole, [*whole.values()])
    assert unpacked(packed) == unpacked(whole) == whole
    assert packed == whole
    assert json.loads(json.dumps({"it": packed}, default=plain)) == {"it": whole}


def test_what_changes_it_is_done_when_it_is_read():
    done = []

    def upper(whole):
        done.append(whole)
        return {key: value.upper() for key, value in whole.items()}

    packed = Packed({"a": "x", "b": "y"})
    changed = packed.changed(upper).changed(lambda whole: {**whole, "a": "z"})
    assert (len(changed), bool(changed), done) == (2, True, [])
    assert changed == {"a": "z", "b": "Y"}
    assert packed == {"a": "x", "b": "y"}


@given(document=st.dictionaries(st.text(), JSON), hosts=st.dictionaries(st.text(), JSON))
def test_a_document_in_pieces_is_that_document(document, hosts):
    told = {**document, "hosts": hosts}
    for ascii_only in (True, False):
        text = "".join(pieces(told, ascii_only=ascii_only))
        assert text == json.dumps(told, ensure_ascii=ascii_only)


@pytest.mark.parametrize(("hosts", "packed"), [(3, 0), (9, 3)])
def test_of_many_hosts_findings_are_kept_packed(monkeypatch, hosts, packed):
    monkeypatch.setattr(session, "_WHOLE", 6)
    seen = []
    at_work = session.Session(None, None, None, [lambda _event, state: seen.append(state)])
    finding = {"status": "healthy", "value": 1}
    for number in range(hosts):
        result = {"verdict": "healthy", "findings": {"api": finding}}
        event = Event("ok", 0.0, f"h{number}", "look", "probe", result)
        at_work._take(event, type("Progress", (), {"tell": lambda *_: None}))
    kept = [state.findings for state in at_work.states.values()]
    assert sum(isinstance(findings, Packed) for findings in kept) == packed
    assert all(findings["api"]["value"] == 1 for findings in kept)
    assert all(isinstance(state.findings, dict) for state in seen)
