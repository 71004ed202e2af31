"""How a change goes through several hosts: who is next, and when nothing more may be begun."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.rollout import (
    Rules,
    barred,
    common_causes,
    how_many,
    in_the_way,
    next_batch,
)
from oncall_runbook.run.verdict import Verdict

RULES = Rules(("1", "10%", "100%"), 10, "50%", 30, 0)


def state(verdict="incident", *, causes=("disk_space_full",), **rollout):
    return HostState(Verdict(verdict), root_causes=tuple(causes), rollout=rollout)


def quorum(*members):
    return {"quorum_group": "db", "quorum_members": list(members)}


def fleet(number, *verdicts):
    return {f"web{n:03}": state(*verdicts) for n in range(number)}


@pytest.mark.parametrize(
    ("text", "total", "hosts"),
    [("1", 100, 1), ("5", 3, 5), ("10%", 100, 10), ("10%", 4, 1), ("50%", 3, 2), ("100%", 7, 7)],
)
def test_a_number_or_a_share_of_hosts(text, total, hosts):
    assert how_many(text, total) == hosts


def batches(states, rules=RULES):
    """Go through all that wait, each cured as it comes."""
    waiting, done = sorted(states), []
    while batch := next_batch(states, waiting, len(done), len(states), rules):
        waiting = [host for host in waiting if host not in batch]
        states |= {host: replace(states[host], verdict=Verdict.FIXED) for host in batch}
        done.append(batch)
    return done, waiting


def test_a_canary_first_then_a_tenth_then_the_rest():
    done, waiting = batches(fleet(100))
    assert [len(batch) for batch in done] == [1, 10, 89]
    assert waiting == []


def test_the_last_size_again_until_all_are_done():
    done, _ = batches(fleet(7), replace(RULES, batches=("3",)))
    assert [len(batch) for batch in done] == [3, 3, 1]


def test_of_a_quorum_group_one_at_a_time():
    states = {f"db{n}": state(**quorum("db0", "db1", "db2")) for n in range(3)} | {"web": state()}
    done, _ = batches(states, replace(RULES, batches=("100%",)))
    assert done == [["db0", "web"], ["db1"], ["db2"]]


@pytest.mark.parametrize("verdict", ["unreachable", "unknown", "not_fixed", "refused"])
def test_none_of_a_quorum_group_while_another_is_not_well_and_does_not_wait(verdict):
    states = {"db0": state(**quorum("db0", "db1")), "db1": state(verdict)}
    assert next_batch(states, ["db0"], 0, 1, RULES) == []
    word = verdict.replace("_", " ")
    assert in_the_way("db0", states) == {"db1": f"db1, which is of its quorum group db, is {word}"}


def test_whom_it_uses_comes_before_it_and_must_be_well_then():
    states = {"app": state(after=["db", "elsewhere"]), "db": state()}
    assert batches(dict(states), replace(RULES, batches=("100%",)))[0] == [["db"], ["app"]]
    states["db"] = state("not_fixed")
    assert next_batch(states, ["app"], 1, 2, RULES) == []
    assert in_the_way("app", states)["db"] == "db, which comes before it, is not fixed"


def test_hosts_that_wait_for_each_other_wait_for_ever():
    states = {"a": state(after=["b"]), "b": state(after=["a"]), "c": state()}
    assert batches(states, replace(RULES, batches=("100%",))) == ([["c"]], ["a", "b"])


@given(
    st.lists(
        st.tuples(st.sampled_from(["", "x", "y"]), st.sets(st.integers(0, 11), max_size=3)),
        max_size=12,
    ),
    st.lists(st.sampled_from(["1", "2", "30%", "100%"]), min_size=1, max_size=3),
)
def test_whatever_the_inventory_says_nobody_is_overtaken(hosts, sizes):
    names = [f"h{n}" for n in range(len(hosts))]
    states = {
        name: state(
            quorum_group=group,
            quorum_members=[m for m, (own, _) in zip(names, hosts, strict=True) if own == group]
            if group
            else [],
            after=[f"h{n}" for n in sorted(after)],
        )
        for name, (group, after) in zip(names, hosts, strict=True)
    }
    done, waiting = batches(dict(states), replace(RULES, batches=tuple(sizes)))
    turn = {host: number for number, batch in enumerate(done) for host in batch}
    assert sorted([*turn, *waiting]) == sorted(names)
    for number, batch in enumerate(done):
        assert len(batch) <= how_many(sizes[min(number, len(sizes) - 1)], len(names))
        groups = [states[host].rollout["quorum_group"] for host in batch]
        assert len([g for g in groups if g]) == len({g for g in groups if g})
    for host, number in turn.items():
        for before in set(states[host].rollout["after"]) & set(names) - {host}:
            assert turn[before] < number


def test_a_batch_of_which_none_is_well_is_the_last():
    states = fleet(3) | {"canary": state("not_fixed")}
    assert "none of the batch before is well: canary" in barred(
        states, ["web000"], ["canary"], RULES
    )
    states["canary"] = state("fixed")
    assert barred(states, ["web000"], ["canary"], RULES) == ""
    assert barred(states, ["web000"], [], RULES) == ""


@pytest.mark.parametrize("verdict", ["unreachable", "unknown", "error", "not_fixed"])
def test_when_too_many_fail_nothing_more_is_begun(verdict):
    states = fleet(4) | {"bad": state(verdict)}
    assert barred(states, ["web000"], [], replace(RULES, max_fail="2")) == ""
    told = barred(states, ["web000"], [], replace(RULES, max_fail="1"))
    assert "1 of 5 hosts failed" in told
    assert "(bad)" in told
    assert barred(states, ["web000"], [], replace(RULES, max_fail="20%"))


@pytest.mark.parametrize("verdict", ["locked", "refused", "incident", "fixed"])
def test_who_was_not_touched_has_not_failed(verdict):
    states = fleet(1) | {"other": state(verdict)}
    assert barred(states, ["web000"], [], replace(RULES, max_fail="1")) == ""


def test_a_root_cause_of_a_share_of_the_fleet_is_the_fleets():
    rules = replace(RULES, hosts=10)
    assert common_causes(fleet(3), rules) == {"disk_space_full": ["web000", "web001", "web002"]}
    assert common_causes(fleet(3), replace(rules, hosts=11)) == {}
    assert common_causes(fleet(2), replace(rules, hosts=2)) == {}
    assert common_causes(fleet(3), replace(rules, common_cause_percent=101)) == {}


def test_what_is_said_of_many_hosts_does_not_depend_on_who_answered_first():
    states = {host: replace(one, root_causes=("b", "a")) for host, one in fleet(3).items()}
    rules = replace(RULES, common_cause_percent=1, max_fail="1")
    for told in (states, dict(reversed(states.items()))):
        assert list(common_causes(told, rules).items()) == [
            ("a", ["web000", "web001", "web002"]),
            ("b", ["web000", "web001", "web002"]),
        ]
        bad = {host: replace(one, verdict=Verdict.UNKNOWN) for host, one in told.items()}
        assert "(web000, web001, web002)" in barred(bad, list(bad), [], rules)


def test_the_rules_are_the_most_careful_that_hosts_told():
    lax = {"batches": ["100%"], "soak_seconds": 0, "max_fail": "50%", "hosts": 4}
    strict = {"batches": ["1", "50%"], "soak_seconds": 30, "max_fail": "1", "hosts": 4}
    strict["common_cause_percent"] = 20
    states = {"a": state(**lax), "b": state(**strict), "c": state("unreachable"), "d": state()}
    assert Rules.of(states) == Rules(("1", "50%"), 30, "1", 20, 4)
    assert Rules.of({"a": state("unreachable")}).batches == ("1",)
