"""The pages that are made from the cards agree with them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from runner import catalog
from runner.cli import cli

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "incidents"


def test_every_incident_has_its_page():
    assert {path.stem for path in PAGES.glob("*.md")} == set(catalog.names())


@pytest.mark.parametrize("name", catalog.names())
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
