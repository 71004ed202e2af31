"""Extra variables, as ansible reads them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.errors import BadInputError
from runner.variables import parse, redact


def test_pairs_are_texts_and_quotes_keep_blanks() -> None:
    (extra,) = parse(["a=1 b='two words' db_password=hunter22"])
    assert json.loads(extra.text) == {"a": "1", "b": "two words", "db_password": "hunter22"}
    assert extra.secrets == {"hunter22"}


def test_a_mapping_goes_to_ansible_as_it_is() -> None:
    (extra,) = parse(["{a: 1, deep: {api_key: [k-12345]}}"])
    assert (extra.path, extra.text) == (None, "{a: 1, deep: {api_key: [k-12345]}}")
    assert extra.secrets == {"k-12345"}


def test_a_file_stays_a_file(tmp_path: Path) -> None:
    path = tmp_path / "v.yml"
    path.write_text("token: abcdef\nlocked: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  61\n")
    (extra,) = parse([f"@{path}"])
    assert (extra.path, extra.secrets) == (path, {"abcdef"})


def test_a_vaulted_file_is_left_to_ansible(tmp_path: Path) -> None:
    path = tmp_path / "v.yml"
    path.write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    assert parse([f"@{path}"])[0].path == path


@pytest.mark.parametrize("value", ["", "word", "a=1 b", "a='1", "[1, 2]", "{a: ", "@/no/such/file"])
def test_what_is_no_variable_is_one_clear_line(value: str) -> None:
    with pytest.raises(BadInputError, match=r"^-e ") as caught:
        parse([value])
    assert "\n" not in str(caught.value)


def test_secrets_are_masked_everywhere() -> None:
    value = {"a": ["x hunter22 y", {"hunter22": True}], "n": 12345}
    assert redact(value, frozenset({"hunter22", "12345"})) == {
        "a": ["x ******** y", {"********": True}],
        "n": "********",
    }
