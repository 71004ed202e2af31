"""What is said of a card that is wrong: file, line, and what to write instead."""

import copy
import json

import jsonschema
import pytest
import yaml
from ansible_collections.oncall.runbook.plugins.plugin_utils import card_check, cards
from hypothesis import given
from hypothesis import strategies as st

CARD = """\
title: The host's clock is off
severity: SEV3
symptoms: [Tokens are refused]
explains: [high_error_rate]
inputs:
  limit_seconds:
    type: int
    default: 30
    description: Seconds by which the clock may be off.
probes:
  - containers
  - id: clock_offset
    title: The clock is right
    run: echo $(($(date +%s) - {{ now(utc=true).timestamp() | int }}))
    parse: int
    healthy: value < clock_off_limit_seconds | int
confirmed: not clock_offset.healthy
ladder:
  - rung: set_clock
    title: Set the clock
    risk: outage
    costs: what depends on time
    when: clock_offset.status == 'unhealthy'
    run: set_clock {{ clock_offset.value | int }}
"""
KNOWN = card_check.Known(
    probes={"containers": "stack", "backend_health": "application_not_responding"},
    explains={"high_error_rate": [], "disk_space_full": ["clock_off", "high_error_rate"]},
    inputs=["stack_dir", "clock_off_limit_seconds"],
)


def said(text, name="clock_off"):
    found = card_check.problems(name, yaml.safe_load(text), KNOWN)
    return card_check.located(text, found, "c.yml")


def test_a_card_in_order_has_no_problems():
    assert said(CARD) == ""


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("symptoms:", "symptom:", "1: symptoms is missing: What people notice"),
        ("symptoms:", "symptom:", "3: symptom: unknown key; did you mean symptoms?"),
        ("SEV3", "high", '2: severity: must be one of SEV1, SEV2, SEV3, SEV4, not "high"'),
        ("- containers", "- container", "11: probes.0: no probe is called container; did you"),
        (
            "id: clock_offset",
            "id: backend_health",
            "12: probes.1.id: application_not_responding has",
        ),
        ("    run: echo", "    ruin: echo", "14: probes.1.ruin: unknown key; did you mean run?"),
        ("parse: int", "parse: number", "15: probes.1.parse: must be one of text, lines,"),
        (
            "value < clock",
            "valu < clock",
            "16: probes.1.healthy: no finding or input is called valu; did you mean value?",
        ),
        (
            "confirmed: not clock_offset",
            "confirmed: not clock_ofset",
            "17: confirmed: no finding or input is called clock_ofset; did you mean clock_offset?",
        ),
        (
            "confirmed: not clock_offset.healthy",
            "confirmed: clock_offset.value.startswith('a')",
            "17: confirmed: is not written in the language of cards",
        ),
        ("when: clock_offset.", "when: other.", "23: ladder.0.when: no finding or input is called"),
        ("    costs: what depends on time\n", "", "19: ladder.0: costs is missing: what a rung of"),
        ("risk: outage", "risk: huge", "21: ladder.0.risk: must be one of restart, outage, data,"),
        (
            "{{ clock_offset.value | int }}",
            "{{ clock_offset.value }}",
            "24: ladder.0.run: would run what a value says: write"
            " {{ clock_offset.value | quote }}, or | int for a number",
        ),
        ("clock_offset.value | int", "clock.value | int", "24: ladder.0.run: no finding or input"),
        ("clock_offset.value | int", "clock_offset.value |", "24: ladder.0.run: is no expression"),
        ("[high_error_rate]", "[high_error_rat]", "4: explains.0: no incident is called"),
        (
            "[high_error_rate]",
            "[high_error_rate, disk_space_full]",
            "4: explains.1: a circle: clock_off explains disk_space_full explains clock_off",
        ),
        ("default: 30\n", "defalt: 30\n", "6: inputs.limit_seconds: default is missing"),
        ("title: Set the clock", "title: 7", "20: ladder.0.title: must be a string, not 7"),
        ("rung: set_clock", "rung: Set-Clock", "19: ladder.0.rung: must be lower-case words"),
        ("[Tokens are refused]", "[]", "3: symptoms: must not be empty"),
    ],
)
def test_a_card_that_is_wrong_gets_its_line_and_what_to_write(right, wrong, told):
    assert right in CARD
    assert f"c.yml:{told}" in said(CARD.replace(right, wrong))


@pytest.mark.parametrize("text", ["", "[]", "7", "a card"])
def test_what_is_no_mapping_is_no_card(text):
    assert "must be an object" in said(text)


def test_a_risk_does_not_come_down_the_ladder():
    rung = CARD[CARD.index("  - rung:") :].replace("outage", "restart").replace("set_", "see_")
    assert "ladder.1.risk: restart stands after outage" in said(CARD + rung)


@pytest.mark.parametrize("name", cards.library().cards)
def test_cards_of_the_collection_are_in_order(name):
    assert cards.complaints([cards.ROLES / name / "card.yml"], cards.library().cards) == []


def places(value, place=()):
    """Every place in a document."""
    yield place
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield from places(item, (*place, key))


EVERYWHERE = list(places(yaml.safe_load(CARD)))[1:]


@given(st.sampled_from(EVERYWHERE), st.sampled_from([None, 7, "", "x", True, [], {}, "gone"]))
def test_its_shape_is_judged_as_a_json_schema_would(place, value):
    """Editors complete and check by the schema itself: they and we say the same."""
    card = copy.deepcopy(yaml.safe_load(CARD))
    part = card
    for key in place[:-1]:
        part = part[key]
    if value == "gone":
        del part[place[-1]]
    else:
        part[place[-1]] = value
    schema = json.loads(card_check.SCHEMA.read_text())
    right = jsonschema.Draft202012Validator(schema).is_valid(card)
    assert right == (not list(card_check._shape(card, schema, ())))


def complaints_of(tmp_path, text):
    path = tmp_path / "clock_off.yml"
    path.write_text(text)
    return [line.removeprefix(f"{path}:") for line in cards.complaints([path], {})]


def test_what_reads_a_card_also_finds_its_lines(tmp_path):
    """The two YAML readers of Python differ: a question mark in a flow, for one."""
    text = CARD + "checklist: [Who did it?]\nodd: 1\n"
    (told,) = complaints_of(tmp_path, text)
    assert told.startswith(f"{len(text.splitlines())}: odd: ")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("title: [", "is no YAML"),
        ("title: \x01", "is no YAML"),
        ("title: 2026-13-45", "is no YAML: month must be in 1..12"),
        ("title: !!python/object:os.system x", "is no YAML"),
        ("symptoms: &all [*all]", ""),
        ("title: " + "[" * 3000, "is no YAML"),
    ],
)
def test_no_text_of_a_card_breaks_its_reader(tmp_path, broken, told):
    said = complaints_of(tmp_path, broken + "\n")
    assert said
    assert told in said[0]
    assert all(line.partition(":")[0].isdigit() for line in said)
