"""Finding the collection, and the names of its incidents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oncall_runbook.cards import catalog
from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.run import engine


def test_a_checkout_without_an_installation_is_linked_for_ansible(
    collection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "installed", lambda: None)
    monkeypatch.setattr(
        catalog, "__file__", str(collection / "runner/oncall_runbook/cards/catalog.py")
    )
    assert catalog.collection() == catalog.unlinked_checkout() == collection
    paths = engine._linked(collection, tmp_path / "private").split(":")
    assert (Path(paths[0]) / catalog.COLLECTION).resolve() == collection
    assert paths[1:] == ["~/.ansible/collections", "/usr/share/ansible/collections"]


def test_no_collection_at_all_is_one_clear_line(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "installed", lambda: None)
    monkeypatch.setattr(catalog, "__file__", "/nowhere/runner/oncall_runbook/cards/catalog.py")
    with pytest.raises(RunbookError, match=r"oncall\.runbook is not installed"):
        catalog.collection()


@pytest.mark.parametrize("typed", ["high_error_rate", "high-error-rate", " High-Error_Rate "])
def test_dash_and_underscore_are_the_same(collection: Path, typed: str) -> None:
    assert catalog.Catalog().resolve(typed) == "high_error_rate"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("high-eror-rate", "did you mean high_error_rate?"),
        ("database", "did you mean database_connection_failures?"),
        ("zzz", "see: runbook list"),
        ("../stack", "see: runbook list"),
    ],
)
def test_an_unknown_name_gets_the_nearest_ones(collection: Path, typed: str, hint: str) -> None:
    with pytest.raises(BadInputError) as caught:
        catalog.Catalog().resolve(typed)
    assert str(caught.value) == f"there is no card {typed!r}; {hint}"


def test_a_role_without_a_card_is_no_incident(collection: Path) -> None:
    assert list(catalog.Catalog().files) == ["database_connection_failures", "high_error_rate"]


@pytest.mark.parametrize("text", ["title: 2026-13-45", "title: [", "title: \x01", "[" * 3000])
def test_text_that_is_no_yaml_is_no_card_and_no_traceback(text: str) -> None:
    assert catalog.load_yaml(text) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: &title\n  - *title\n", ":1: cannot be read: Circular reference"),
        ("title: [a, {b: c}]\nprobes: [1]\nladder: 7\n", ":1: severity is missing"),
        ("title: [\n", ":2: is no YAML"),
        ("7\n", ":1: "),
    ],
)
@pytest.mark.parametrize("read", ["card", "full_card"])
def test_a_card_of_ones_own_that_is_wrong_is_named_and_not_shown(
    tmp_path: Path, text: str, told: str, read: str
) -> None:
    (tmp_path / "odd.yml").write_text(text)
    known = catalog.Catalog((tmp_path,))
    with pytest.raises(RunbookError, match=re.escape(f"a card is wrong: {tmp_path}/odd.yml{told}")):
        getattr(known, read)("odd")


def test_a_card_may_explain_one_of_an_earlier_directory(tmp_path: Path) -> None:
    places = tmp_path / "one", tmp_path / "two"
    text = "title: T\nseverity: SEV3\nsymptoms: [s]\nexplains: [%s]\nprobes: [containers]\n"
    text += "confirmed: containers.status == 'unhealthy'\nladder: []\n"
    for place, explains in zip(places, ("", "slow_one"), strict=True):
        place.mkdir()
        (place / f"slow_{place.name}.yml").write_text(text % explains)
    assert catalog.Catalog(places).card("slow_two")["explains"] == ["slow_one"]
    with pytest.raises(RunbookError, match="no incident is called slow_one"):
        catalog.Catalog(places[1:]).card("slow_two")
