"""The pages that are made from the cards agree with them."""

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from oncall_runbook.cards import catalog
from oncall_runbook.commands.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "incidents"
DOCUMENTS = (
    "architecture",
    "backups",
    "coverage",
    "fleet",
    "operations",
    "pages",
    "performance",
    "response",
    "without-the-command",
)


def test_every_incident_has_its_page():
    assert {path.stem for path in PAGES.glob("*.md")} == set(catalog.Catalog().files)


@pytest.mark.parametrize("name", catalog.Catalog().files)
def test_a_page_is_what_its_card_says(name):
    shown = CliRunner().invoke(cli, ["show", name, "--format", "markdown"])
    assert shown.output == (PAGES / f"{name}.md").read_text(), "next: make docs"


def test_the_matrix_has_every_drill_and_no_other():
    rows = (ROOT / "docs/triage-matrix.md").read_text().splitlines()
    names = {row.split("|")[1].strip() for row in rows if row.startswith("| ")} - {"drill"}
    drills = {
        path.stem
        for folder in ("faults", "near_misses")
        for path in (ROOT / "tests" / folder).glob("*.yml")
    }
    assert {name for name in names if "+" not in name} == drills
    assert len(names - drills) >= 6


def commands_in(path):
    """Every command line that a document shows, as words; `N` and its kin stand for arguments."""
    for line in re.findall(r"`(runbook [^`]*)`|^(runbook .*)$", path.read_text(), re.M):
        text = "".join(line).split("#")[0].split(" · ")[0]
        yield re.sub(r"[\[\]…]", " ", text).split()[1:]


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{n}.md" for n in DOCUMENTS)])
def test_every_command_that_is_shown_exists_with_its_options(name):
    for words in commands_in(ROOT / name):
        command, path = cli, []
        while isinstance(command, click.Group) and words and not words[0].startswith("-"):
            known = words[0].split("|")  # a|b|c names several
            assert set(known) <= set(command.commands), f"{name}: runbook {' '.join(words)}"
            path.append(words.pop(0))
            command = command.commands[known[0]]
        options = {flag for parameter in command.params for flag in parameter.opts}
        used = {word for word in words if re.match(r"--?[a-z]", word)}
        assert used <= options | {"--help"}, f"{name}: {path} {words}"


def test_every_part_of_the_source_runbook_is_traced_to_what_does_it():
    rows = (ROOT / "docs/coverage.md").read_text()
    for name in catalog.Catalog().files:
        assert f"`runbook show {name}`" in rows
    for field in ("INCIDENT", "SEVERITY", "IMPACT", "STATUS", "ETA", "ACTIONS", "OWNER"):
        assert field in rows
    for number, point in enumerate(
        ("Timeline", "Root Cause", "Impact", "Resolution", "Prevention", "Follow-up"), 1
    ):
        assert f"| Review {number}. {point}" in rows
