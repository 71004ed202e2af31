"""Collects what the drills showed into docs/triage-matrix.md, when asked to: make matrix."""

from pathlib import Path

import pytest

HEAD = """\
# Triage matrix

What the drills on a practice host showed: every fault, pair of faults and near miss, what triage
said, the rungs that were climbed, and how it ended. The last rung of a cure is the one that held.
Seconds are those of the `runbook` commands on a machine with two cores that carries the practice
hosts as well. Made by `make matrix`; a drill that failed keeps the row of its last success.
`reported by` leads to the public report of somebody whom the same happened to.

| drill | what is broken | triage says | rungs | ends | seconds to verdict | to cure | reported by |
|---|---|---|---|---|---|---|---|
"""
ROWS = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[ROWS] = []


def line(drill, verdict, cure=None):
    causes = "<br>".join(drill.root_causes) or "healthy"
    allowed = "" if drill.allow == "restart" else f" (`--allow {drill.allow}`)"
    rungs = "<br>".join(drill.rungs) + (allowed if drill.rungs else "")
    took = [f"{verdict:.1f}", "" if cure is None else f"{cure:.1f}"]
    row = [drill.name, drill.title, causes, rungs, drill.ends, *took, link(drill.report)]
    return f"| {' | '.join(row)} |\n"


def link(report):
    """A report's address as `owner/name#number`, in Markdown."""
    owner, name, _, number = report.split("/")[3:7] if report else [""] * 4
    return f"[{owner}/{name}#{number}]({report})" if report else ""


@pytest.fixture
def matrix(request):
    """Remember what a drill showed."""
    rows = request.config.stash[ROWS]
    return lambda drill, *seconds: rows.append(line(drill, *seconds))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """A worker has ended: take over what its drills showed."""
    node.config.stash[ROWS] += node.workeroutput["matrix"]


def pytest_sessionfinish(session):
    rows = session.config.stash[ROWS]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["matrix"] = rows
    elif path := session.config.getoption("--matrix"):
        write(Path(path), rows)


def write(path, rows):
    """Put the rows into the table, in place of those that its drills had before."""
    old = path.read_text().splitlines(keepends=True) if path.exists() else []
    body = [row for row in old if row.startswith("| ") and not row.startswith("| drill |")]
    table = {row.split(" | ")[0]: row for row in [*body, *rows]}
    path.write_text(HEAD + "".join(table[name] for name in sorted(table)))
