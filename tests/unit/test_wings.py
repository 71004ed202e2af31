"""Imports between the wings of the runner go one way, and functions are short."""

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "runner" / "oncall_runbook"
NAME = PACKAGE.name
# What each wing may import, besides itself and what lies above all of them (GROUND), which
# imports none. A wing that stands here stands above all that it names.
ALLOWED = {
    "templates": set(),
    "cards": {"templates"},
    "run": {"cards"},
    "discovery": {"cards", "run"},
    "record": {"run", "templates"},
    "checkup": {"discovery", "record", "run"},
    "text": {"checkup", "record", "run", "templates"},
    "pages": {"run", "templates", "text"},
    "reports": {"run", "text"},
    "commands": {"cards", "checkup", "discovery", "pages", "record", "reports", "run", "text"},
    "__main__": {"commands"},
}
GROUND = {NAME, "errors", "clock", "documents", "packed"}


def files():
    """Every file of the package that is imported, by its name in dots within the package."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        if "migrations" not in path.parts:  # alembic finds them by itself
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            found[".".join(parts) or NAME] = path
    return found


FILES = files()


def imports(tree):
    """What of the package a file imports, at its top or late, also only for types."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value  # for import_module


def imported(name):
    """The files that a file imports; a name that is taken from one is that one."""
    for full in imports(ast.parse(FILES[name].read_text())):
        if full == NAME or full.startswith(f"{NAME}."):
            within = full.removeprefix(NAME).removeprefix(".")
            while within and within not in FILES:
                within = within.rpartition(".")[0]
            yield within or NAME


GRAPH = {name: set(imported(name)) - {name} for name in FILES}


def wing(name):
    return name.partition(".")[0]


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_wing_imports_only_those_below_it(name):
    allowed = GROUND | {wing(name)} | ALLOWED.get(wing(name), set())
    assert {each for each in GRAPH[name] if wing(each) not in allowed} == set()


def test_the_directions_are_no_circle_themselves():
    order = [*TopologicalSorter(ALLOWED).static_order()]
    assert order[-1] == "__main__"
    assert set(order) == {wing(name) for name in FILES} - GROUND


def test_no_file_imports_itself_by_a_detour():
    try:
        TopologicalSorter(GRAPH).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_the_graph_is_that_of_the_code():
    """So that the tests above cannot pass by seeing nothing."""
    assert {"run.session", "commands.run_keeper"} <= GRAPH["commands.carry_out"]
    assert "record.attach" in GRAPH["record.run_recorder"]  # late
    assert "record.policy" in GRAPH["checkup.people"]  # for types alone
    assert "run.run_files" in GRAPH["run.ansible_playbook"]  # by import_module
    assert sum(map(len, GRAPH.values())) > 150


def test_no_two_files_have_one_name():
    names = Counter(path.name for path in PACKAGE.rglob("*.*") if "__pycache__" not in path.parts)
    assert {name for name, count in names.items() if count > 1} == {"__init__.py"}


def function_lengths(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            yield node.end_lineno - node.lineno + 1


def test_functions_are_short():
    """Half of them have at most eight lines, nine of ten at most twenty, and none above 45."""
    paths = [*ROOT.glob("plugins/**/*.py"), *ROOT.glob("runner/oncall_runbook/**/*.py")]
    paths = [path for path in paths if "migrations" not in path.parts]
    lengths = sorted(length for path in paths for length in function_lengths(path))
    found = (lengths[len(lengths) // 2], lengths[len(lengths) * 9 // 10], lengths[-1])
    assert all(length <= most for length, most in zip(found, (8, 20, 45), strict=True)), found


def test_documents_have_types():
    texts = [path.read_text() for path in ROOT.glob("runner/oncall_runbook/**/*.py")]
    texts += [path.read_text() for path in ROOT.glob("plugins/**/*.py")]
    assert sum("dict[str, Any]" in line for text in texts for line in text.splitlines()) < 60
