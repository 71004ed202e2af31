"""What people read of runs, as it stands in texts/: documents of real runs, and their texts.

`pytest --record` writes the texts anew; read them before they are kept.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from oncall_runbook.text import report

TEXTS = Path(__file__).parent / "texts"
COLUMNS = 80


def shown(document, *, full=False):
    """A document as it is printed on a terminal of 80 columns."""
    out = io.StringIO()
    console = Console(file=out, width=COLUMNS, force_terminal=True, color_system=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "console", lambda _file=None: console)
        report.show(document, full=full)
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


@pytest.mark.parametrize("path", sorted(TEXTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_run_is_told_as_it_was_read_and_found_good(request, path):
    document = json.loads(path.read_text())
    text = shown(document)
    kept = path.with_suffix(".txt")
    if request.config.getoption("--record"):
        kept.write_text(text)
    assert text == kept.read_text()


@pytest.mark.parametrize("path", sorted(TEXTS.glob("*.json")), ids=lambda path: path.stem)
def test_a_screen_of_80_columns_shows_all_of_it(path):
    document = json.loads(path.read_text())
    narrow = shown(document)
    assert max(map(len, narrow.splitlines())) <= COLUMNS
    wide = [line.plain for line in report.lines(document)]
    assert narrow.split()[: len(" ".join(wide).split())] == " ".join(wide).split()


def test_each_verdict_has_its_text():
    told = {
        (document["command"].split()[0], host["verdict"])
        for path in TEXTS.glob("*.json")
        for document in [json.loads(path.read_text())]
        for host in document["hosts"].values()
    }
    assert told >= {
        ("triage", "healthy"),
        ("triage", "incident"),
        ("triage", "unknown"),
        ("triage", "unreachable"),
        ("plan", "incident"),
        ("remediate", "fixed"),
        ("remediate", "healthy"),
        ("plan", "healthy"),
        ("remediate", "not_fixed"),
        ("remediate", "refused"),
        ("remediate", "locked"),
        ("ops", "healthy"),
        ("ops", "fixed"),
    }
