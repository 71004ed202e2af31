"""What a command is told is data: no word of it runs, on the control host or anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from oncall_runbook.commands.cli import cli

CHECKOUT = Path(__file__).parents[3]
# One that reaches no host's stack, and nothing that could be changed.
HERE = ("-i", "here,", "-e", "ansible_connection=local", "-e", "stack_dir=/nowhere")
NEEDED = {"incident": "memory_leak", "since": "10m", "backup": "newest", "name": "last"}
# What is no word of a command's own, but of all: asked once, by one command.
SHARED = {"inventory", "limit", "extra_vars", "vault_password_file", "store", "record", "html"}


def commands(
    group: click.Group = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def takes_text(parameter: click.Parameter) -> bool:
    free = click.types.StringParamType | click.Path
    return isinstance(parameter.type, free) and parameter.name not in SHARED


def template(mark: Path) -> str:
    return "{{ lookup('ansible.builtin.pipe', 'echo ran >> " + str(mark) + "') }}"


def run(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "oncall_runbook", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=where,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "XDG_STATE_HOME": str(where / "state")},
    )


COMMANDS = dict(commands())
TOLD = [path for path, command in COMMANDS.items() if any(map(takes_text, command.params))]


@pytest.mark.parametrize("path", TOLD, ids=" ".join)
def test_no_word_of_a_command_is_a_template(tmp_path: Path, path: tuple[str, ...]) -> None:
    mark, words = tmp_path / "canary", []
    parameters = COMMANDS[path].params
    for parameter in filter(takes_text, parameters):
        value = NEEDED.get(str(parameter.name), template(mark))
        words += [value] if isinstance(parameter, click.Argument) else [parameter.opts[0], value]
    options = {parameter.name for parameter in parameters}
    words += ["--check"] if "check" in options else ["--yes"] if "yes" in options else []
    done = run(tmp_path, *path, *(HERE if "inventory" in options else ()), *words)
    assert "Traceback" not in done.stderr
    assert not mark.exists(), done.stdout


@pytest.mark.parametrize(
    "option",
    [
        lambda it: ("-i", f"{it},"),
        lambda it: ("-l", it),
        lambda it: ("-e", f"stack_dir={it}"),
        lambda it: ("-e", json.dumps({"stack_services": {"backend": it}})),
        lambda it: ("-e", json.dumps({"stack_log_dir": it, "high_response_times_routes": [it]})),
        lambda it: ("--store", it),
        lambda it: ("--vault-password-file", it),
    ],
)
def test_no_word_of_a_shared_option_is_a_template(tmp_path: Path, option) -> None:
    mark = tmp_path / "canary"
    done = run(tmp_path, "triage", *HERE, *option(template(mark)))
    assert "Traceback" not in done.stderr
    assert not mark.exists(), done.stdout


def test_a_name_from_a_host_may_be_given_back(tmp_path: Path) -> None:
    """A file in a directory of backups may be called whatever its owner likes."""
    mark = tmp_path / "canary"
    run(tmp_path, "ops", "backups", "verify", *HERE, template(mark))
    assert not mark.exists()


def play(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"),
            *("-i", "here,", "-c", "local"),
            *words,
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=where,
    )


@pytest.mark.parametrize("state", ["operation_state", "operation_did", "incident_state"])
def test_what_is_found_is_never_told(tmp_path: Path, state: str) -> None:
    """Nor by ansible itself: a vaulted file hides its names from the command."""
    forged = json.dumps({state: {"verdict": "healthy"}})
    told = run(tmp_path, "ops", "restart", "--yes", *HERE, "-e", forged)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    done = play(tmp_path, "oncall.runbook.triage", "-e", forged)
    assert done.returncode != 0
    assert f"no input is called {state}" in done.stdout


def test_nothing_is_done_for_a_plan_that_was_told(tmp_path: Path) -> None:
    mark = tmp_path / "canary"
    steps = [{"rung": "restart", "title": "T", "risk": "restart", "allowed": True}]
    state = {"verdict": "healthy", "risk": "restart", "title": "T", "timeout": 5, "plan": steps}
    state |= {"do": f"echo ran >> {mark}", "touches_services": False}
    state |= {"interruptible": False, "lease": True}
    forged = ["-e", json.dumps({"operation_state": state}), "-e", "stack_dir=/nowhere"]
    only = ["--tags", "remediate", "--skip-tags", "always"]
    done = play(tmp_path, "oncall.runbook.ops_restart", *forged, *only)
    assert "no input is called operation_state" in done.stdout
    assert not mark.exists()


def test_what_lies_in_the_directory_is_not_run_in_place_of_the_pager(tmp_path: Path) -> None:
    mark = tmp_path / "canary"
    (tmp_path / "oncall_runbook").mkdir()
    (tmp_path / "oncall_runbook/__init__.py").write_text("")
    (tmp_path / "oncall_runbook/__main__.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    page = (
        "from oncall_runbook.record.run_recorder import RunRecorder\n"
        "from oncall_runbook.run.options import Options\n"
        "one = RunRecorder('r', 'new', Options()); one._page(); print(one.finish()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", page],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not mark.exists()
