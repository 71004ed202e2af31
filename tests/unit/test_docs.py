"""The pages that are made from the cards agree with them."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from runner import catalog
from runner.cli import cli

PAGES = Path(__file__).parents[2] / "docs" / "incidents"


def test_every_incident_has_its_page():
    assert {path.stem for path in PAGES.glob("*.md")} == set(catalog.names())


@pytest.mark.parametrize("name", catalog.names())
def test_a_page_is_what_its_card_says(name):
    shown = CliRunner().invoke(cli, ["show", name, "--format", "markdown"])
    assert shown.output == (PAGES / f"{name}.md").read_text(), "next: make docs"
