"""Extra variables, as ansible reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from oncall_runbook.errors import BadInputError
from oncall_runbook.run.variables import Names, as_data, parse, redact

ROLES = {"stack": ["stack_dir", "stack_services"], "incident": ["incident_samples", "incident_run"]}
NAMES = Names(ROLES, {"incident_run", "incident_name"})
MARK = "__ansible_unsafe"


def test_pairs_are_texts_and_quotes_keep_blanks() -> None:
    (extra,) = parse(["stack_dir=1 ansible_user='two words' ansible_password=hunter22"], NAMES)
    assert json.loads(extra.text) == {
        "stack_dir": {MARK: "1"},
        "ansible_user": {MARK: "two words"},
        "ansible_password": {MARK: "hunter22"},
    }
    assert extra.secrets == {"hunter22"}


def test_a_mapping_keeps_its_types_and_its_texts_are_data() -> None:
    (extra,) = parse(["{incident_samples: 1, stack_services: {api_key: [k-12345, true]}}"], NAMES)
    assert extra.path is None
    assert json.loads(extra.text) == {
        "incident_samples": 1,
        "stack_services": {"api_key": [{MARK: "k-12345"}, True]},
    }
    assert extra.secrets == {"k-12345"}


def test_what_a_command_hands_to_a_play_is_data_however_deep() -> None:
    given = {"a": "{{ b }}", "c": [{"d": ("{{ e }}", 1.5, None)}]}
    assert json.loads(as_data(given)) == {
        "a": {MARK: "{{ b }}"},
        "c": [{"d": [{MARK: "{{ e }}"}, 1.5, None]}],
    }


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("stak_dir=/srv", "did you mean stack_dir?"),
        ("{incident_state: {}}", "-e incident_state: no input has this name"),
        ("deploy=7", "belongs in a @FILE"),
        ("incident_run=x", "-e cannot set incident_run: the command sets it"),
        ("incident_name=x", "the command sets it"),
        ("ansible_check_mode=true", "no input has this name"),
        ("ansible_facts={}", "no input has this name"),
        ("ansible_play_hosts=[]", "no input has this name"),
        ("{stack_dir: !vault x}", "belong in a @FILE"),
    ],
)
def test_a_name_that_is_no_input_is_refused(value: str, says: str) -> None:
    with pytest.raises(BadInputError, match=re.escape(says)):
        parse([value], NAMES)


@pytest.mark.parametrize("name", ["incident_state", "stack_shell", "ansible_run_tags"])
def test_nor_may_a_file_set_what_is_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / "v.yml"
    path.write_text(f"deploy: 7\n{name}: 1\n")
    with pytest.raises(BadInputError, match=f"-e {name}: no input has this name"):
        parse([f"@{path}"], NAMES)


def test_a_file_stays_a_file(tmp_path: Path) -> None:
    path = tmp_path / "v.yml"
    path.write_text("token: abcdef\nlocked: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  61\n")
    (extra,) = parse([f"@{path}"], NAMES)
    assert (extra.path, extra.secrets) == (path, {"abcdef"})


def test_a_vaulted_file_is_left_to_ansible(tmp_path: Path) -> None:
    path = tmp_path / "v.yml"
    path.write_text("$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    assert parse([f"@{path}"], NAMES)[0].path == path


@pytest.mark.parametrize("value", ["", "word", "a=1 b", "a='1", "[1, 2]", "{a: ", "@/no/such/file"])
def test_what_is_no_variable_is_one_clear_line(value: str) -> None:
    with pytest.raises(BadInputError, match=r"^-e ") as caught:
        parse([value], NAMES)
    assert "\n" not in str(caught.value)


def test_secrets_are_masked_everywhere() -> None:
    value = {"a": ["x hunter22 y", {"hunter22": True}], "n": 12345}
    assert redact(value, frozenset({"hunter22", "12345"})) == {
        "a": ["x ******** y", {"********": True}],
        "n": "********",
    }
