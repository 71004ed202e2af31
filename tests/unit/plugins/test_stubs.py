"""What ansible-doc says of an action is what the action takes."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ACTIONS = sorted(path.stem for path in (ROOT / "plugins/action").glob("*.py"))
PLUGINS = "ansible_collections.oncall.runbook.plugins"
# Of an option whatever decides which values it takes.
SHAPE = ("type", "elements", "choices", "default", "required")

every_action = pytest.mark.parametrize("name", ACTIONS)


def stub(name):
    return import_module(f"{PLUGINS}.modules.{name}")


def documented(name):
    return yaml.safe_load(stub(name).DOCUMENTATION)


def shapes(options):
    return {
        name: {key: option[key] for key in SHAPE if key in option}
        for name, option in options.items()
    }


def test_every_action_has_its_stub_and_no_stub_is_left():
    assert sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py")) == ACTIONS


@every_action
def test_options_are_those_of_the_action(name):
    action = import_module(f"{PLUGINS}.action.{name}")
    assert shapes(documented(name)["options"]) == shapes(action._ARGUMENTS)


@every_action
def test_a_stub_says_how_it_takes_check_mode_and_a_second_time(name):
    attributes = documented(name)["attributes"]
    for attribute in ("check_mode", "idempotent"):
        assert attributes[attribute]["details"]


@every_action
def test_a_stub_names_its_groups(name):
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    named = documented(name)["attributes"]["action_group"]["membership"]
    assert named == [f"oncall.runbook.{group}" for group in groups if name in groups[group]]


def test_a_group_holds_actions_that_are_there_and_one_holds_all():
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    allowing = [name for name in ACTIONS if "allow" in documented(name)["options"]]
    assert groups == {"runbook": ACTIONS, "allowance": allowing}


def test_a_step_of_a_card_and_one_told_in_full_are_both_documented_as_such():
    """No option of a stub can say what is required with what: its words do."""
    options = documented("act")["options"]
    (alone,) = import_module(f"{PLUGINS}.action.act")._RULES["mutually_exclusive"]
    assert alone == ["incident", "run"]
    assert "Mutually exclusive with O(run)" in str(options["incident"]["description"])


@every_action
def test_examples_use_the_actions_with_options_that_they_have(name):
    used = yaml.safe_load(stub(name).EXAMPLES)
    called = [(key, task[key]) for task in used for key in task if key.startswith("oncall.")]
    assert f"oncall.runbook.{name}" in dict(called)
    for action, arguments in called:
        assert set(arguments or {}) <= set(documented(action.rpartition(".")[2])["options"])
