"""Pages and specs that are made are what the stubs and cards say that they are made from."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import write_docs

ROOT = Path(__file__).parents[2]
ACTIONS = sorted(path.stem for path in (ROOT / "plugins/action").glob("*.py"))
MADE = dict(write_docs.pages())
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())


@pytest.mark.parametrize("path", MADE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_made_is_up_to_date(path):
    assert path.read_text() == MADE[path], "next: make docs"


@pytest.mark.parametrize("role", ROLES)
def test_every_role_says_what_it_is(role):
    title, _, text = (ROOT / "roles" / role / "README.md").read_text().partition("\n")
    assert title.startswith("# ")
    assert text.strip()


@pytest.mark.parametrize("name", cards.library().cards)
def test_the_spec_of_a_card_is_its_inputs(name):
    spec = yaml.safe_load((ROOT / "roles" / name / "meta/argument_specs.yml").read_text())
    told = spec["argument_specs"]["diagnose"]["options"]
    inputs = yaml.safe_load((ROOT / "roles" / name / "card.yml").read_text()).get("inputs", {})
    assert told == {f"{name}_{key}": option for key, option in inputs.items()}


def test_the_page_of_the_actions_names_every_option():
    page = (ROOT / "docs/actions.md").read_text()
    for name in ACTIONS:
        options = write_docs.read_stub(name)["doc"]["options"]
        section = page.partition(f"\n## `oncall.runbook.{name}`")[2].partition("\n## ")[0]
        assert [key for key in options if f"| `{key}` |" not in section] == []


def test_ansible_doc_knows_the_cards_and_the_actions():
    """All in one go: each start takes a second."""
    program = Path(sys.executable).parent / "ansible-doc"
    for kind, names in (("module", ACTIONS), ("role", ROLES)):
        wanted = [f"oncall.runbook.{name}" for name in names]
        done = subprocess.run(
            [program, "--json", "-t", kind, *wanted], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        missing = [name for name in wanted if f'"{name}"' not in done.stdout]
        assert missing == ([] if kind == "module" else ["oncall.runbook.database"])


def test_the_page_of_inputs_names_every_input_of_every_role():
    page = (ROOT / "docs/inputs.md").read_text()
    for role in ROLES:
        specs = ROOT / "roles" / role / "meta/argument_specs.yml"
        known = yaml.safe_load(specs.read_text())["argument_specs"] if specs.exists() else {}
        for spec in known.values():
            assert not [name for name in spec["options"] if f"| `{name}` |" not in page], role


def test_the_manual_has_every_command_and_no_line_that_roff_would_take_for_a_request():
    page = (ROOT / "docs/runbook.1").read_text()
    for words in write_docs._commands():
        assert f".SS {words}".replace("-", "\\-") in page, words
    requests = {line.split()[0] for line in page.splitlines() if line[:1] in (".", "'")}
    assert requests == {".B", ".BR", ".I", ".RI", ".SH", ".SS", ".TH", ".TP"}
