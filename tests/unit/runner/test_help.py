"""The command line itself: help, start-up, names, environment variables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from oncall_runbook.commands.cli import cli

HEAVY = {
    "ansible",
    "ansible_runner",
    "rich",
    "yaml",
    "jinja2",
    "jsonschema",
    "sqlalchemy",
    "apprise",
}
CHILD = """
import sys
from oncall_runbook.commands.cli import cli
try:
    cli(sys.argv[1:])
except SystemExit as end:
    assert end.code == 0, end.code
print(",".join(sorted({name.partition(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def commands(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*path, name))


ALL = list(commands(cli))


def test_the_commands_are_those_of_the_design() -> None:
    names = "list show lint new test triage diagnose plan remediate watch"
    groups = "hold runs ops incident contacts doctor worker init completion help"
    incidents = "open update ack escalate resolve review list show"
    operations = "status logs stats restart reboot backup backups restore clean"
    assert {" ".join(path) for path in ALL} == {
        *("", *names.split(), *groups.split()),
        *(f"runs {name}" for name in ("list", "show", "cancel", "prune", "resume")),
        *(f"ops {name}" for name in operations.split()),
        *(f"incident {name}" for name in incidents.split()),
        *(f"ops backups {name}" for name in ("list", "verify", "prune")),
    }


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert f"Example:\n    runbook {' '.join(path)}".rstrip() in result.output


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_imports_nothing_heavy(path: tuple[str, ...]) -> None:
    command = [sys.executable, "-c", CHILD, *path, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert HEAVY.isdisjoint(done.stderr.strip().split(","))


def test_every_option_has_an_environment_variable_of_its_own_name() -> None:
    for path in ALL:
        command: click.Command = cli
        for name in path:
            assert isinstance(command, click.Group)
            command = command.commands[name]
        for option in command.params:
            if isinstance(option, click.Option) and option.name not in ("help", "version"):
                own = option.opts[-1].strip("-").replace("-", "_").upper()
                assert option.envvar == f"RUNBOOK_{own}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert (done.exit_code, "_RUNBOOK_COMPLETE" in done.stdout) == (0, True)


def completed(*words: str, **variables: str) -> list[str]:
    """What a shell gets for the last of the words."""
    environment = {
        "_RUNBOOK_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(("runbook", *words)),
        "COMP_CWORD": str(len(words)),
        **variables,
    }
    command = [sys.executable, "-m", "oncall_runbook"]
    env = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.split()]


def test_names_are_completed(tmp_path: Path) -> None:
    inventory = tmp_path / "site.yml"
    inventory.write_text("all: {children: {fleet: {hosts: {web1: , web2: , db1: }}}}")
    run = tmp_path / "state/runbook/runs/20261127T101112Z-abcd"
    run.mkdir(parents=True)
    known = {"RUNBOOK_INVENTORY": str(inventory), "XDG_STATE_HOME": str(tmp_path / "state")}
    assert completed("show", "disk", **known) == ["disk_space_full"]
    assert completed("triage", "-l", "we", **known) == ["web1", "web2"]
    assert completed("triage", "-l", "fl", **known) == ["fleet"]
    assert completed("runs", "show", "2026", **known) == [run.name]
    assert completed("triage", "-i", str(tmp_path / "gone"), "-l", "we", **known) == []


def test_what_asks_nothing_takes_a_yes_too() -> None:
    for path in (("ops", "backup"), ("incident", "ack"), ("runs", "cancel"), ("hold",)):
        assert "--yes" in CliRunner().invoke(cli, [*path, "--help"]).output


def test_pages_are_named_by_their_topics() -> None:
    listed = CliRunner().invoke(cli, ["help"]).output
    assert "exit-codes " in listed
    assert "memory-leak " in listed
    shown = CliRunner().invoke(cli, ["help", "memory_leak"])
    assert (shown.exit_code, shown.output.startswith("# Memory leak")) == (0, True)
    wrong = CliRunner().invoke(cli, ["help", "exit-code"])
    assert (wrong.exit_code, "did you mean exit-codes" in wrong.output) == (8, True)
