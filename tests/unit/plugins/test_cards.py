"""What the roles hold as data."""

from ansible.template import is_trusted_as_template
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards


def test_only_templates_are_marked_as_ours():
    known = cards.library().defaults
    assert is_trusted_as_template(known["stack_log_dir"])
    assert not is_trusted_as_template(known["stack_dir"])
    probe = cards.library().probes["memory"]
    assert is_trusted_as_template(probe["run"])
    assert not is_trusted_as_template(probe["title"])


def test_a_ladder_names_every_rung_in_its_order():
    known = cards.library().cards
    steps = cards.ladder(known)
    with_rungs = [name for name, card in known.items() if card["ladder"]]
    assert list(dict.fromkeys(step["incident"] for step in steps)) == with_rungs
    for name, card in known.items():
        rungs = [step["rung"] for step in steps if step["incident"] == name]
        assert rungs == [rung["rung"] for rung in card["ladder"]]


def test_every_library_of_a_card_is_there():
    known = cards.library()
    for name in known.cards:
        for file in known.shell_of(name).get("libraries", []):
            assert (cards.ROLES / file).is_file(), file


def test_what_a_role_does_not_have_is_empty():
    assert cards.load("database", "defaults", "main.yml") == {}
