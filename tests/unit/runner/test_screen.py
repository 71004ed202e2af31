"""What hosts say may not act on a terminal, wherever it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from recorded import FakeEngine, run

from oncall_runbook.run.engine import Outcome

PACKAGE = Path(__file__).parents[3] / "runner" / "oncall_runbook"
TITLE = "\x1b]0;owned\x07"
HOSTILE = f"{TITLE}\x1b[2J\x1b[31mred\x9b31m\r\x08 fine"
ACTS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
FOUND = {
    "phase": "diagnose",
    "verdict": "incident",
    "reason": HOSTILE,
    "root_causes": ["database_connection_failures"],
    "incidents": {
        "database_connection_failures": {
            "confirmed": True,
            "severity": "SEV1",
            "title": HOSTILE,
            "evidence": HOSTILE,
        }
    },
    "findings": {"it": {"status": "unhealthy", "title": HOSTILE, "value": HOSTILE}},
    "plan": [{"rung": "r", "title": HOSTILE, "risk": "restart", "allowed": True, "shows": HOSTILE}],
}
DID = {
    **{"rung": "r", "title": HOSTILE, "risk": "restart", "changed": True, "seconds": 1},
    **{"reason": HOSTILE, "output": HOSTILE},
}
BROKEN = {"msg": HOSTILE}


@pytest.mark.parametrize(
    "words", [("triage",), ("triage", "-v"), ("plan",), ("remediate", "--yes"), ("runs", "list")]
)
def test_no_control_code_of_a_host_reaches_the_screen(
    fake: FakeEngine, words: tuple[str, ...]
) -> None:
    fake.diagnosis = [("db1", "probe", "ok", FOUND), ("db2", "probe", "unreachable", BROKEN)]
    fake.cure = [
        *fake.diagnosis,
        ("db1", "act", "ok", DID),
        ("db1", "probe", "failed", {**FOUND, "phase": "settle", "held": False, **BROKEN}),
    ]
    fake.outcome = Outcome(rc=2, error=HOSTILE, warnings=(HOSTILE,))
    run("triage", "--incident", "new")
    for result in (run(*words), run("runs", "show", "last"), run("incident", "show", "last")):
        assert "fine" in result.stdout or words == ("runs", "list")
        assert ACTS.findall(result.stdout + result.stderr) == []


def test_a_run_that_broke_says_why_harmlessly(fake: FakeEngine) -> None:
    fake.outcome = Outcome(rc=4, error=HOSTILE)
    result = run("triage")
    assert "fine" in result.stderr
    assert ACTS.findall(result.stdout + result.stderr) == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_text_is_shown_by_what_makes_it_harmless(path: Path) -> None:
    """By `say`, as JSON, or by rich from what went through `clean`; log lines keep colours."""
    raw = re.findall(
        r"(?<![.\w])print\(|click\.echo\(|sys\.std(?:out|err)\.write", path.read_text()
    )
    known = {"text/output.py": ["click.echo("] * 3, "text/operation_tables.py": ["print("]}
    assert raw == known.get(str(path.relative_to(PACKAGE)), [])
