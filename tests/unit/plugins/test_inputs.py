"""What is an input, and what is wrong with one that an inventory gives."""

import pytest
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, inputs

SPEC = inputs.options("run")


def wrong(**given):
    return inputs.checked(SPEC, given, lambda value: value)[1]


@pytest.mark.parametrize("seconds", [1, 43200, "60", 10**9, 2.0])
def test_a_deadline_is_a_positive_whole_number(seconds):
    assert wrong(run_deadline_seconds=seconds) == []


@pytest.mark.parametrize("seconds", [0, -1, "0", None, True, 1.5, "1.5", "", "soon", [3], {}])
def test_nothing_else_is_one(seconds):
    (said,) = wrong(run_deadline_seconds=seconds)
    assert "run_deadline_seconds" in said


def test_without_one_it_is_twelve_hours():
    assert wrong() == wrong(other=0) == []
    assert cards.library().defaults["run_deadline_seconds"] == 12 * 3600


@pytest.mark.parametrize(
    "given",
    [
        {"run_batches": ["1", "10%", "100%"]},
        {"run_batches": [2]},
        {"run_max_fail": "50%"},
        {"run_max_fail": 3},
        {"run_soak_seconds": 0},
    ],
)
def test_a_change_goes_through_hosts_by_numbers_or_shares(given):
    assert wrong(**given) == []


@pytest.mark.parametrize(
    "given",
    [
        {"run_batches": []},
        {"run_batches": ["1", "half"]},
        {"run_batches": ["0"]},
        {"run_batches": ["101%"]},
        {"run_max_fail": "a tenth"},
        {"run_max_fail": ""},
        {"run_max_fail": "0%"},
        {"run_soak_seconds": -1},
    ],
)
def test_and_by_nothing_else(given):
    (said,) = wrong(**given)
    assert next(iter(given)) in said


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"stack_health_statuses": "200, 401"}, {"stack_health_statuses": [200, 401]}),
        ({"stack_health_statuses": 204}, {"stack_health_statuses": [204]}),
        ({"stack_databases": "school,,audit,"}, {"stack_databases": ["school", "audit"]}),
        ({"stack_databases": ["school"]}, {}),
        ({"run_after": ""}, {"run_after": []}),
        ({"run_soak_seconds": "30"}, {"run_soak_seconds": 30}),
        ({"incident_present_fails": "no"}, {"incident_present_fails": False}),
    ],
)
def test_an_input_is_read_as_what_its_specification_says(given, read):
    spec = inputs.options("run", "stack", "incident")
    assert inputs.checked(spec, given, lambda value: value) == (read, [])
