"""Conditions of cards in three values: whatever could change the answer makes it unknown."""

import functools
import itertools

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils.conditions import (
    ConditionError,
    judge,
)
from hypothesis import given, settings
from hypothesis import strategies as st

INPUTS = {"limit": 3, "limit_text": "3"}


def seen(status, value=None):
    return {"status": status, "healthy": status == "healthy", "value": value}


def answer(condition, **findings):
    told = judge(condition, findings, INPUTS.__getitem__)
    return told.truth, told.because


WELL, ILL, QUIET = seen("healthy", 2), seen("unhealthy", 5), seen("unknown")


@pytest.mark.parametrize(
    ("condition", "truth", "because"),
    [
        ("well.healthy and ill.healthy", False, ("ill",)),
        ("well.healthy and quiet.healthy", None, ("quiet",)),
        ("ill.healthy and quiet.healthy", False, ("ill",)),
        ("well.healthy or quiet.healthy", True, ("well",)),
        ("not (ill.healthy and quiet.healthy)", True, ("ill",)),
        # Taken as healthy both, and as not healthy both, these were a certain false.
        ("quiet.healthy and not other.healthy", None, ("quiet", "other")),
        ("quiet.status == 'unhealthy'", None, ("quiet",)),
        ("not (well.healthy and ill.healthy) or quiet.status == 'unhealthy'", True, ("ill",)),
        ("well.healthy and quiet.value > limit", None, ("quiet",)),
        ("quiet.value | default(1) == 1", None, ("quiet",)),
        ("quiet.value is none or well.healthy", True, ("well",)),
        ("quiet.value.part is defined", None, ("quiet",)),
        ("ill.value > limit | int", True, ("ill",)),
        ("ill.value > limit_text | int", True, ("ill",)),
        ("1 < ill.value < quiet.value", None, ("quiet",)),
        ("9 < ill.value < quiet.value", False, ("ill",)),
        ("ill.value in [4, 5] and well.value not in [4, 5]", True, ("ill", "well")),
        ("(quiet.healthy if ill.healthy else well.healthy)", True, ("ill", "well")),
        ("(well.healthy if quiet.healthy else well.healthy)", True, ("well",)),
        ("(ill.healthy if quiet.healthy else well.healthy)", None, ("quiet",)),
        ("true", True, ()),
    ],
)
def test_an_unknown_finding_decides_nothing(condition, truth, because):
    found = answer(condition, well=WELL, ill=ILL, quiet=QUIET, other=QUIET)
    assert found == (truth, because)


@pytest.mark.parametrize(
    ("condition", "truth", "lacks"),
    [
        ("it.value.state == 'running'", None, "the answer has no value.state"),
        ("it.value.state is defined", False, ""),
        ("it.value.state is not defined", True, ""),
        ("it.value.state | default('absent') == 'absent'", True, ""),
        ("it.value.none | default(0) > 0", False, ""),
        ("it.value.deep.er | default(0) == 0", True, ""),
        ("it.value.none > 3", None, "cannot be compared or counted: None and 3"),
        ("it.value.text | int > 3", None, "cannot be compared or counted: 'fine'"),
        ("it.healthy and it.value.none > 3", None, "cannot be compared or counted: None and 3"),
        ("it.healthy or it.value.none > 3", True, ""),
        ("unheard.healthy", None, "unheard was not asked, and is no input"),
    ],
)
def test_what_an_answer_does_not_say_is_unknown_and_said_in_words(condition, truth, lacks):
    it = seen("healthy", {"none": None, "text": "fine"})
    told = judge(condition, {"it": it}, INPUTS.__getitem__)
    assert (told.truth, told.lacks) == (truth, lacks)


@pytest.mark.parametrize(
    "condition",
    [
        *(
            "it.value +",
            "it.value | map('int')",
            "it.value.keys()",
            "it.value['a']",
            "it.value + 1",
        ),
        *(
            "lambda: 1",
            "it.value is odd",
            "it.value is it",
            "'it\\'s'",
            "it.value | default(1, true)",
        ),
    ],
)
def test_the_language_is_that_of_the_page(condition):
    with pytest.raises(ConditionError, match="not the language of cards"):
        judge(condition, {"it": WELL}, INPUTS.__getitem__)


# --- against brute force ------------------------------------------------------------------------

VALUES = (None, 0, 4, "text", True, {"k": 1}, {"k": None})
COMPLETIONS = [seen(status, value) for status in ("healthy", "unhealthy") for value in VALUES]
IDS = ("a", "b", "c")
ATOMS = st.sampled_from(
    [
        expression.format(id)
        for id in IDS
        for expression in (
            *("{}.healthy", "{}.healthy", "{}.status == 'unhealthy'", "{}.status != 'healthy'"),
            *("{}.value > 3", "{}.value == 0", "{}.value is none", "{}.value in [0, 'text']"),
            *(
                "{}.value.k == 1",
                "{}.value.k is defined",
                "{}.value.k | default(7) > 3",
                "{}.value",
            ),
        )
    ]
    + ["a.value == b.value", "b.value < c.value", "0 <= a.value < b.value", "true", "false"]
)
CONDITIONS = st.recursive(
    ATOMS,
    lambda inner: st.tuples(
        st.sampled_from(
            ["({} and {})", "({} or {})", "(not {})", "({} and {} or {})", "({} if {} else {})"]
        ),
        inner,
        inner,
        inner,
    ).map(lambda said: said[0].format(*said[1:])),
    max_leaves=6,
)
SEEN = st.fixed_dictionaries(
    {id: st.one_of(st.just(QUIET), st.sampled_from(COMPLETIONS)) for id in IDS}
)


class Path:
    """A finding or an entry of its value, as Python itself would evaluate the condition."""

    def __init__(self, entries):
        self.__dict__.update(
            {key: Path(v) if isinstance(v, dict) else v for key, v in entries.items()}
        )

    def __eq__(self, other):
        return isinstance(other, Path) and self.__dict__ == other.__dict__

    __hash__ = None


@functools.lru_cache(maxsize=64)
def _compiled(condition):
    python = condition.replace(" is none", " is None")
    for id in IDS:
        python = python.replace(f"{id}.value.k is defined", f"hasattr({id}.value, 'k')")
        python = python.replace(f"{id}.value.k | default(7)", f"default({id}.value)")
    return compile(python, condition, "eval")


def by_python(condition, findings):
    """Truth of a condition over known findings; None where Python cannot evaluate it."""
    names = {"true": True, "false": False, "default": lambda v: _or_seven(getattr(v, "k", None))}
    names |= {id: Path(finding) for id, finding in findings.items()}
    try:
        return bool(eval(_compiled(condition), names))
    except (AttributeError, TypeError):
        return None


def _or_seven(value):
    return 7 if value is None else value


def completions(findings):
    """Every way in which the unknown findings could have been answered."""
    choices = [COMPLETIONS if f["status"] == "unknown" else [f] for f in findings.values()]
    for chosen in itertools.product(*choices):
        yield dict(zip(findings, chosen, strict=True))


@settings(max_examples=4_000)
@given(condition=CONDITIONS, random=st.randoms(use_true_random=False))
def test_no_completion_of_the_unknown_findings_contradicts(condition, random):
    """Five times four thousand; of three unknown findings every ninth completion is tried."""
    for _ in range(5):
        findings = {id: random.choice([QUIET, QUIET, *COMPLETIONS]) for id in IDS}
        told = judge(condition, findings, INPUTS.__getitem__)
        if told.truth is None:
            continue
        unknown = [*findings.values()].count(QUIET)
        step = 3 ** max(0, unknown - 1)
        for complete in itertools.islice(completions(findings), 0, None, step):
            assert by_python(condition, complete) in (told.truth, None), (findings, complete)


@settings(max_examples=1_000)
@given(condition=CONDITIONS, findings=SEEN)
def test_the_findings_that_decided_are_enough(condition, findings):
    told = judge(condition, findings, INPUTS.__getitem__)
    alone = {id: f if id in told.because else QUIET for id, f in findings.items()}
    if told.truth is not None:
        assert judge(condition, alone, INPUTS.__getitem__) == told


@settings(max_examples=1_000)
@given(
    condition=CONDITIONS,
    findings=st.fixed_dictionaries({id: st.sampled_from(COMPLETIONS) for id in IDS}),
)
def test_what_is_known_is_judged_as_python_does(condition, findings):
    told, expected = judge(condition, findings, INPUTS.__getitem__), by_python(condition, findings)
    assert told.truth == expected or expected is None or told.lacks
