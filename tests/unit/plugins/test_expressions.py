"""What is evaluated without a template means what it means to Jinja."""

import re
import shlex

import jinja2
import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils.expressions import (
    UndefinedError,
    evaluate,
    render,
)
from hypothesis import given
from hypothesis import strategies as st
from test_findings import JINJA
from test_findings import evaluate as as_jinja_does

NAMES = {
    "value": {
        **{"deep": {"er": 5}, "text": "fine", "none": None, "list": [1, 2]},
        "words": ["web:down", "api:slow", "web:slow"],
        "rows": [{"state": "up", "s": 3}, {"state": "down", "s": 9}],
        "by_name": {"web": {"state": "up"}, "api": {"state": "up"}},
    },
    "ms": 20,
}
VARIABLES = {"limit": 7, "limit_text": "7.5"}
JINJA.tests["match"] = lambda text, pattern: bool(re.match(pattern, text))
JINJA.filters["quote"] = shlex.quote
UNKNOWN = (LookupError, TypeError, ValueError)


@pytest.mark.parametrize(
    "expression",
    [
        *("value", "value.deep.er", "ms", "limit", "true", "'it'", "2.5"),
        *("value.deep.er == 5", "ms > 2.5", "value.text != ''", "1 < ms < 30", "30 > ms > 20"),
        *("value.deep.er < limit | int", "value.deep.er >= limit_text | float", "ms == limit"),
        *("not value", "value.none or ms", "ms and value.text", "not (ms and value.none)"),
        *("value.list | length > 0", "value.text | length", "not value.list | length == 2"),
        *("value.text is string", "value.none is none", "ms is not none", "not ms is string"),
        *("value.other is defined", "value.text is not defined", "value.other is not defined"),
        *("value.other | default(3)", "value.text | default(3)", "value.none | default(3)"),
        *("value.text in ['fine', 'bad']", "ms not in [1, 2]", "1 in value.list"),
        *("value.text if ms == 20 else value.unheard.of", "1 if value.none else 2"),
        *("'a' ~ ms", "value.text ~ ' ~ ' ~ ms ~ '!'", "(value.text ~ ':a') not in ['fine:a']"),
        *("value.text ~ '' in value.list", "(value.list | length) ~ ' of them'", "limit ~ 2.5"),
        *("value.list | join(', ')", "value.other | default([]) | join('; ')"),
        *("value.other | default(0, true)", "value.none | default('no', true)"),
        *("value.text | default('no', true)", "value.none | default('no', false)"),
        *("(1.5 if ms else 2) | int", "1.5 if ms else 2.5 | int"),
        *("8 + (limit | int if ms == 20 else 0)", "(limit | int) * 2 + 4", "limit - 1.5"),
        *("(limit | int) // (1 if other is undefined else 3)", "ms is defined", "limit is defined"),
        *("other is not defined", "ms is undefined", "value.words | map('quote') | join(' ')"),
        *("value.words | select('match', 'web:') | list", "value.words | map('length') | list"),
        *("value.words | reject('match', '^' ~ 'web' ~ '|api:(?!slow)') | list | length",),
        *("value.words | reject('in', ['', 'api:slow']) | reject('equalto', 'x') | join(', ')",),
        *("value.words | select('in', value.words) | list == value.words",),
        *("value.rows | map(attribute='s') | list", "value.gone | default([]) | list | length"),
        *("value.rows | selectattr('state', 'equalto', 'up') | map(attribute='s') | list",),
        *("value.by_name.values() | rejectattr('state', 'equalto', 'up') | list | length == 0",),
        *("value.deep.get('er', 0)", "value.deep.get(value.text, limit)"),
    ],
)
def test_it_means_what_it_means_to_jinja(expression):
    expected = as_jinja_does(expression, {**NAMES, **VARIABLES})
    assert evaluate(expression, NAMES, VARIABLES.__getitem__) == expected


@pytest.mark.parametrize(
    "expression",
    [
        *("unheard", "ms.real", "value.items", "value.list.append"),
        *("value.text.upper()", "value.list | map('abs')", "ms | int(3)", "value.deep['er']"),
        *("value.list | map('int')", "value.words | select('match', 'web')", "value.deep.values()"),
        *("value.words | select('match', 'web') | length", "value.deep.get('er')"),
        *("value.rows | map(attribute='gone') | list", "value.rows | select('match', 'a') | list"),
        *("value.deep | list", "value.text | select('equalto', 'f') | list", "true + 1"),
        *("value.text + value.text", "ms // 0", "1 + ms ~ 'a'", "2 * limit_text | int"),
        *(
            "value.text == 'it\\'s'",
            "'a' ~ value.none",
            "ms + 1 | int",
            "-ms",
            "ms is odd",
            "value +",
        ),
        *("'a' ~ ms | length", "'a' @ ms", "value.list ~ 'a'", "value.text | join(',')"),
        *("value.list | join", "value.deep | join(', ')", "value.other | default(1, 2, 3)"),
        *("value.text < 3", "value.text | int", "ms | length", "unheard | default(3)", "ms = 3"),
    ],
)
def test_any_other_is_left_to_jinja(expression):
    with pytest.raises(UNKNOWN):
        evaluate(expression, NAMES, VARIABLES.__getitem__)


@pytest.mark.parametrize(
    "expression",
    [
        *("value.other", "value.other.still", "value.deep.other == 5", "not value.other"),
        *("value.other ~ ' of them'", "value.other or ms", "1 if value.other else 2"),
        *("value.other | length", "value.other > 3", "ms + value.other", "value.other | int"),
    ],
)
def test_what_an_answer_does_not_hold_comes_to_nothing(expression):
    with pytest.raises(UndefinedError):
        evaluate(expression, NAMES, VARIABLES.__getitem__)


ATOMS = st.sampled_from(
    [
        *("value.gone", "value.gone.by"),
        *("ms", "value.deep.er", "value.none", "value.text", "value.list", "limit", "true", "3"),
        *("'fine'", "limit | int", "value.list | length", "value.gone | default(1)"),
        *("value.list | join('-')", "value.gone | default(value.list, true)", "'a ~ b'"),
        *("(value.none is none)", "(value.gone is defined)", "(gone is undefined)"),
        *("value.words | select('match', 'w') | list", "value.rows | map(attribute='s') | list"),
    ]
)
JOINTS = st.sampled_from(
    [
        *("{} and {}", "{} or {}", "{} == {}", "{} < {}", "{} in {}"),
        *("not {}", "({})", "{} if {} else 0", "{} ~ {}", "({} ~ ',') in {}"),
        *("{} + {}", "{} - {}", "{} * {}", "{} // {}"),
        *("value.list | select('in', {}) | list", "value.words | reject('equalto', {}) | list"),
    ]
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.tuples(JOINTS, inner, inner).map(lambda said: said[0].format(*said[1:])),
    max_leaves=6,
)


@given(expression=EXPRESSIONS)
def test_whatever_it_evaluates_jinja_evaluates_alike(expression):
    try:
        value = evaluate(expression, NAMES, VARIABLES.__getitem__)
    except UNKNOWN:
        return
    except UndefinedError:
        with pytest.raises((jinja2.UndefinedError, *UNKNOWN)):
            as_jinja_does(expression, {**NAMES, **VARIABLES})
        return
    assert value == as_jinja_does(expression, {**NAMES, **VARIABLES})


@pytest.mark.parametrize(
    "template", ["at {{ limit | int }} of {{ text | quote }}", "{{ limit }}{{ limit }}", "no {{"]
)
def test_a_text_is_rendered_as_jinja_does(template):
    variables = {"limit": 7, "text": "it's"}
    try:
        rendered = render(template, variables.__getitem__)
    except LookupError:
        assert template == "no {{"
    else:
        assert rendered == JINJA.from_string(template).render(**variables)


@pytest.mark.parametrize("template", ["{% if x %}", "{{ x | map('int') }}", "{{ '{{ x }}' }}"])
def test_any_other_text_is_left_to_jinja(template):
    with pytest.raises(UNKNOWN):
        render(template, {"x": 1}.__getitem__)
