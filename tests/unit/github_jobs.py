"""Runs jobs of GitHub workflows as their runner does: each shell step for real, by bash.

Of actions that others wrote only those that carry files from job to job do something; what steps
say to GitHub itself goes to a program `gh` of the test.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

CI = Path(__file__).parents[2] / "ci/github"
ACTION = CI / "action.yml"
# A stand-in for GitHub's own command: it keeps one issue, and what it was asked.
GH = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
kept = Path(os.environ["GH_KEPT"])
issue = json.loads(kept.read_text()) if kept.exists() else {{"calls": []}}
words = sys.argv[1:]
issue["calls"].append(words)
assert os.environ["GH_TOKEN"] == "t0ken"
def option(name):
    return words[words.index(name) + 1]
if words[:2] == ["issue", "list"] and issue.get("open") and issue["title"] == os.environ["TITLE"]:
    print(5)
elif words[:2] == ["issue", "create"]:
    issue |= {{"title": option("--title"), "open": True}}
    issue["body"] = Path(option("--body-file")).read_text()
elif words[:2] == ["issue", "edit"]:
    assert words[2] == "5"
    issue["body"] = Path(option("--body-file")).read_text()
elif words[:2] == ["issue", "close"]:
    issue |= {{"open": False, "comment": option("--comment")}}
kept.write_text(json.dumps(issue))
"""
_WHOLE = re.compile(r"\$\{\{(.*?)\}\}", re.S)
_WORDS = re.compile(r"\s*(?:('(?:[^']|'')*')|([\w.-]+)|(\|\||&&|==|!=|[(),]))")
_COMMAND = re.compile(r"::(?P<name>[a-z-]+)(?: [^:]*)?::(?P<text>.*)|::(?P<token>\w+)::")
_SHELL = {
    None: ["bash", "-e"],
    "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
}


def load(path: Path) -> dict[str, Any]:
    """A workflow or action; its `on` is no boolean to us."""
    found: dict[str, Any] = yaml.load(path.read_text(), yaml.BaseLoader)
    return found


class Expression:
    """An expression of GitHub's: or, and, equality, `always`, `success`, `format` and paths."""

    def __init__(self, text: str, contexts: Mapping[str, Any], ok: bool) -> None:
        self.words = [next(filter(None, groups)) for groups in _WORDS.findall(text)]
        self.contexts, self.ok = contexts, ok

    def value(self) -> Any:
        found = self._or()
        assert not self.words, self.words
        return found

    def _next(self, *wanted: str) -> bool:
        if self.words and self.words[0] in wanted:
            self.words.pop(0)
            return True
        return False

    def _or(self) -> Any:
        found = self._and()
        while self._next("||"):
            other = self._and()
            found = found or other
        return found

    def _and(self) -> Any:
        found = self._equal()
        while self._next("&&"):
            other = self._equal()
            found = found and other
        return found

    def _equal(self) -> Any:
        found = self._one()
        if self._next("=="):
            return str(found) == str(self._one())
        if self._next("!="):
            return str(found) != str(self._one())
        return found

    def _one(self) -> Any:
        word = self.words.pop(0)
        if word.startswith("'"):
            return word[1:-1].replace("''", "'")
        if self._next("("):
            given = []
            while not self._next(")"):
                given.append(self._or())
                self._next(",")
            return self._called(word, given)
        found: Any = self.contexts
        for part in word.split("."):
            found = (found or {}).get(part, "")
        return found

    def _called(self, name: str, given: list[Any]) -> Any:
        if name == "format":
            return given[0].format(*given[1:])
        return {"always": True, "success": self.ok, "failure": not self.ok}[name]


@dataclass
class Done:
    """What became of a job, or of an action within it."""

    ok: bool = True
    log: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[tuple[str, str]]:
        """What GitHub's runner takes for its commands, in the log."""
        found, stopped = [], ""
        for line in self.log.splitlines():
            if not (said := _COMMAND.match(line.lstrip())):
                continue
            if stopped:
                stopped = "" if said["token"] == stopped else stopped
            elif said["name"] == "stop-commands":
                stopped = said["text"]
            elif said["name"]:
                found.append((said["name"], said["text"]))
        return found


@dataclass
class Runner:
    """A machine that runs jobs: in a checkout, with a folder that each job has for itself."""

    checkout: Path
    folder: Path
    secrets: Mapping[str, str]
    vars: Mapping[str, str] = field(default_factory=dict)
    on_start: Callable[[subprocess.Popen[str], Path], None] | None = None
    summary: str = ""
    artifacts: dict[str, Path] = field(default_factory=dict)
    used: list[str] = field(default_factory=list)

    def run(self, workflow: Path, job: str, **contexts: Any) -> Done:
        """Run a job of a workflow, whose `needs` and `inputs` are in contexts."""
        temp = self.folder / f"{workflow.stem}-{job}-{len(list(self.folder.iterdir()))}"
        temp.mkdir(parents=True)
        whole = load(workflow)
        github = {"token": "t0ken", "repository": "o/r", "run_id": "7", "actor": "mona"}
        known = {
            **{"secrets": self.secrets, "vars": self.vars, "runner": {"temp": str(temp)}},
            "github": {**github, "server_url": "https://github.example"},
            "env": whole.get("env", {}),
            **contexts,
        }
        wanted = whole["jobs"][job]
        done = self._steps(wanted["steps"], known, temp, self.checkout)
        done.outputs = self._filled(wanted.get("outputs", {}), {**known, "steps": self._last})
        return done

    def _steps(
        self, steps: list[dict[str, Any]], contexts: Mapping[str, Any], temp: Path, base: Path
    ) -> Done:
        done, results = Done(), {}
        for step in steps:
            known = {**contexts, "steps": results}
            condition = step.get("if", "success()")
            due = done.ok or "always()" in condition
            if not (due and _value(condition, known, done.ok)):
                continue
            one = self._step(step, known, temp, base)
            done.ok, done.log = done.ok and one.ok, done.log + one.log
            if "id" in step:
                results[step["id"]] = {"outputs": one.outputs}
        self._last = results
        return done

    def _step(
        self, step: Mapping[str, Any], contexts: Mapping[str, Any], temp: Path, base: Path
    ) -> Done:
        if "run" in step:
            env = self._filled({**contexts["env"], **step.get("env", {})}, contexts)
            assert "${{" not in step["run"]  # what comes from elsewhere comes by the environment
            return self._shell(step["run"], step.get("shell"), env, temp)
        given = self._filled(step.get("with", {}), contexts)
        if step["uses"].startswith("./"):
            return self._action(self.checkout / step["uses"] / "action.yml", given, contexts, temp)
        self.used.append(step["uses"])
        return self._carry(step["uses"].partition("@")[0], given)

    def _action(
        self, path: Path, given: Mapping[str, str], contexts: Mapping[str, Any], temp: Path
    ) -> Done:
        action = load(path)
        inputs = {name: spec.get("default", "") for name, spec in action["inputs"].items()}
        assert set(given) <= set(inputs)
        needed = {name for name, spec in action["inputs"].items() if spec.get("required")}
        assert needed <= set(given)
        own = {key: contexts[key] for key in ("github", "runner")}
        known = {**own, "env": {}, "inputs": {**inputs, **given}}
        done = self._steps(action["runs"]["steps"], known, temp, path.parent)
        told = {name: spec["value"] for name, spec in action["outputs"].items()}
        done.outputs = self._filled(told, {**known, "steps": self._last})
        return done

    def _shell(self, text: str, shell: str | None, env: Mapping[str, str], temp: Path) -> Done:
        script, output, summary = (temp / name for name in ("step.sh", "output", "summary"))
        script.write_text(text)
        output.write_text("")
        summary.write_text("")
        own = {"RUNNER_TEMP": temp, "GITHUB_OUTPUT": output, "GITHUB_STEP_SUMMARY": summary}
        process = subprocess.Popen(
            [*_SHELL[shell], str(script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.checkout,
            env={**os.environ, **env, **{name: str(path) for name, path in own.items()}},
            # Whoever started these tests may ignore Ctrl-C, and what bash was born with stays.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        if self.on_start:
            self.on_start(process, temp)
        try:
            log, _ = process.communicate(timeout=100)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            raise
        self.summary += summary.read_text()
        told = (line.split("=", 1) for line in output.read_text().splitlines())
        return Done(process.returncode == 0, log, dict(told))  # type: ignore[arg-type]

    def _carry(self, action: str, given: Mapping[str, str]) -> Done:
        if action == "actions/upload-artifact":
            path = Path(given["path"])
            number = len([*self.folder.parent.glob("artifact-*")])
            kept = self.folder.with_name(f"artifact-{number}")
            kept.mkdir()
            if path.is_dir():
                shutil.copytree(path, kept, dirs_exist_ok=True)
            else:
                shutil.copy(path, kept)
            assert given["name"] not in self.artifacts
            self.artifacts[given["name"]] = kept
        elif action == "actions/download-artifact":
            shutil.copytree(self.artifacts[given["name"]], given["path"], dirs_exist_ok=True)
        return Done()

    def _filled(self, texts: Mapping[str, str], contexts: Mapping[str, Any]) -> dict[str, str]:
        return {name: filled(text, contexts) for name, text in texts.items()}


def machine(folder: Path, secrets: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    """A machine with a checkout that has the action; programs of a test are in `programs`."""
    checkout, programs, jobs = (folder / name for name in ("checkout", "programs", "jobs"))
    action = checkout / ".github/actions/runbook"
    for path in (action, checkout / "inventory", programs, jobs):
        path.mkdir(parents=True)
    shutil.copy(ACTION, action)
    (programs / "gh").write_text(GH)
    (programs / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("GH_KEPT", str(folder / "issue.json"))
    return Runner(checkout, jobs, secrets)


def _value(text: str, contexts: Mapping[str, Any], ok: bool = True) -> Any:
    return Expression(text.strip().removeprefix("${{").removesuffix("}}"), contexts, ok).value()


def filled(text: str, contexts: Mapping[str, Any]) -> str:
    """A text with the values of its expressions."""
    return _WHOLE.sub(lambda found: str(_value(found[1], contexts)), text)


def issue(tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "issue.json").read_text())
    return found


def survivors(folder: Path) -> list[str]:
    """The command lines of processes that have to do with a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if str(folder) in line]


def small_wheel(folder: Path) -> Path:
    """A wheel of the name of runbook's, which needs no other, and says that it was run."""
    path = folder / "oncall_runbook-9-py3-none-any.whl"
    files = {
        "its.py": "def main():\n    print('the installed one')\n",
        "METADATA": "Metadata-Version: 2.1\nName: oncall-runbook\nVersion: 9\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
        "entry_points.txt": "[console_scripts]\nrunbook = its:main\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            place = "" if name == "its.py" else "oncall_runbook-9.dist-info/"
            archive.writestr(place + name, text)
    return path
