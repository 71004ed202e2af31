"""What the roles hold as data."""

from ansible.template import is_trusted_as_template
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards


def test_only_templates_are_marked_as_ours():
    known = cards.defaults()
    assert is_trusted_as_template(known["stack_log_dir"])
    assert not is_trusted_as_template(known["stack_dir"])
    probe = cards.own()["stack_probes"]["memory"]
    assert is_trusted_as_template(probe["run"])
    assert not is_trusted_as_template(probe["title"])


def test_a_ladder_names_every_rung_in_its_order():
    known = cards.all_cards()
    steps = cards.ladder(known)
    assert list(dict.fromkeys(step["incident"] for step in steps)) == list(known)
    for name, card in known.items():
        rungs = [step["rung"] for step in steps if step["incident"] == name]
        assert rungs == [rung["rung"] for rung in card["ladder"]]


def test_every_library_of_a_card_is_there():
    for name in cards.all_cards():
        for library in cards.shell_of(name).get("libraries", []):
            assert (cards.ROLES / library).is_file(), library


def test_what_a_role_does_not_have_is_empty():
    assert cards.load("database", "defaults", "main.yml") == {}
