# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.judge_all``: judges all hosts of a play at once, in one process."""

from __future__ import annotations

import copy
import gc
import itertools
import json
import re
import shlex
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import connection_loader
from ansible.template import Templar
from ansible_collections.oncall.runbook.plugins.action.judge import ActionModule as Judge
from ansible_collections.oncall.runbook.plugins.plugin_utils import verdict, wire
from ansible_collections.oncall.runbook.plugins.plugin_utils.asker import SSH
from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import Question
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "incident": {"type": "str", "default": ""},
    "allow": {"type": "str", "choices": list(verdict.RISKS), "default": "restart"},
    "ends": {"type": "bool", "default": False},
    "to": {"type": "path", "required": True},
    "at_once": {"type": "int", "default": 50},
}
# So many hosts' connections wait to be forgotten: the command lets the collector look seldom.
_COLLECTED = 200
# What differs from host to host, and what all hosts of a play have in common; templates that
# name one of these, or that look elsewhere, may come to something else on each host.
_TEMPLATE = re.compile(r"{[{%]")
_OWN = re.compile(
    r"inventory_hostname(_short)?|ansible_(host|port|user|ssh_host|ssh_port|ssh_user)"
)
_COMMON = re.compile(r"groups|hostvars|omit|playbook_dir|ansible_(play|version|check|diff).*")
_ELSEWHERE = re.compile(rf"{_OWN.pattern}|group_names|hostvars|\b(lookup|query|q|now)\(|random")


class ActionModule(ActionBase):
    """Judges each host as ``judge`` does, as soon as its answer is there."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Write what is found ``to`` a file; return which hosts are ``left`` to ``judge``."""
        result: Result = {**super().run(tmp, task_vars), "changed": False}
        _result, arguments = self.validate_argument_spec(_ARGUMENTS)
        variables = task_vars or {}
        hosts = list(variables["ansible_play_hosts"])
        with (
            tempfile.TemporaryDirectory(prefix="runbook-wires-") as folder,
            Path(arguments["to"]).open("a", encoding="utf-8") as file,
            ThreadPoolExecutor(arguments["at_once"]) as pool,
        ):
            told, wires = _Told(file, self._task.name), wire.Wires(Path(folder))
            shared: dict[str, dict[str, Any]] = {}
            lock, begun = threading.Lock(), itertools.count(1)
            way = connection_loader.get("ansible.builtin.ssh", self._play_context)
            gc.freeze()

            def report(host: str) -> bool:
                with lock:  # of ansible's variables; and kept no longer than the host is looked at
                    judge = self._judge(host, variables, arguments, wires)
                    judge.templated = shared.setdefault(likeness(judge.variables), {})
                    judge.way, judge.lock = way, lock
                if next(begun) % _COLLECTED == 0:
                    gc.collect()
                return judge.report(told, ends=arguments["ends"])

            done = pool.map(report, hosts)
            left = [host for host, told_of in zip(hosts, done, strict=True) if not told_of]
            wires.close()
        return result | {"left": left}

    def _judge(
        self,
        host: str,
        variables: Mapping[str, Any],
        arguments: Mapping[str, Any],
        wires: wire.Wires,
    ) -> _OfMany:
        own = variables["hostvars"].raw_get(host)
        task = copy.copy(self._task)
        task.args = {name: arguments[name] for name in ("incident", "allow")}
        templar = Templar(loader=self._loader, variables=own)
        judge = _OfMany(task, self._connection, self._play_context, self._loader, templar, None)
        judge.host, judge.variables, judge.wires = host, own, wires
        with suppress(AnsibleError):  # judge says what is wrong with them
            judge._library(own)  # read once, and not by all threads at the same time
        return judge


def likeness(variables: Mapping[str, Any]) -> str:
    """Return a text that two hosts share if each of our inputs comes to the same on both.

    That is their variables, but for what differs anyhow; one of its own for a host of which that
    is not certain: a template of it may come to something else, or a value cannot be seen.
    """
    told = {
        name: value
        for name, value in variables.items()
        if not (_OWN.fullmatch(name) or _COMMON.fullmatch(name))
    }
    groups = told.pop("group_names", [])
    try:
        text = json.dumps(told, sort_keys=True)
    except TypeError:  # a vaulted value
        return str(variables["inventory_hostname"])
    if _TEMPLATE.search(text) and _ELSEWHERE.search(text):
        return str(variables["inventory_hostname"])
    return text + json.dumps(groups)


class _Told:
    """A file to which what each host's task came to is added: a line of JSON."""

    def __init__(self, file: Any, task: str) -> None:
        self._file, self._task, self._lock = file, task, threading.Lock()

    def write(self, host: str, kind: str, result: Mapping[str, Any]) -> None:
        told = {"host": host, "task": self._task, "kind": kind, "result": result}
        line = json.dumps(told)
        with self._lock:
            self._file.write(f"{line}\n")
            self._file.flush()


class _OfMany(Judge):
    """``judge`` for one of many hosts, which it asks over the wires that all of them share."""

    host: str
    variables: dict[str, Any]
    wires: wire.Wires
    templated: dict[str, Any]
    way: Any  # Ansible's connection, which all use in turn to learn their options
    lock: threading.Lock

    def variable(self, name: str) -> Any:
        """Return the value of an input or variable, which hosts that are alike share."""
        if _OWN.fullmatch(name) or _COMMON.fullmatch(name):
            return super().variable(name)
        if name not in self.templated:
            self.templated[name] = super().variable(name)
        return self.templated[name]

    def question(self, probe: Mapping[str, Any]) -> Question:
        """Return the question of a probe, which hosts that are alike share."""
        key = f"question {probe['id']}"  # no variable's name has a blank
        if key not in self.templated:
            asked = super().question(probe)
            if _ELSEWHERE.search(str(probe)):
                return asked
            self.templated[key] = asked
        found: Question = self.templated[key]
        return found

    def report(self, told: _Told, *, ends: bool) -> bool:
        """Judge the host and tell it; False where that is left to ``judge`` itself.

        Where it ``ends`` a remediation, what it came to is told as well, if nothing is to be done.
        """
        try:
            self._target = wire.target(self._ssh_options())
            told.write(self.host, "start", {})
            found = self.run(None, self.variables)
            told.write(self.host, "ok", found)
            if ends and not found["next"]:
                seen = {"phase": "verify", "before": found, "known": found["findings"]}
                self._task.args = {**self._task.args, **seen}
                told.write(self.host, "ok", self.run(None, self.variables))
        except AnsibleConnectionFailure as error:
            told.write(self.host, "unreachable", {"msg": str(error.message)})
        except (wire.NotTheSameError, AnsibleError, OSError, TypeError) as error:
            # judge says what is wrong, if something is.
            self._display.v(f"{self.host} is asked by a process of its own: {error}")
            return False
        return True

    def _ssh_options(self) -> Mapping[str, Any]:
        kind = self._templar.template(self.variables.get("ansible_connection", "ssh"))
        if kind not in SSH:
            raise wire.NotTheSameError(f"its connection is {kind}")
        become = self.variables.get("ansible_become", self._play_context.become)
        if self._templar.template(become):
            raise wire.NotTheSameError("it becomes another user")
        asked = {"timeout": self._play_context.timeout, "password": self._play_context.password}
        with self.lock:
            named = self.way._resolve_option_variables(self.variables, self._templar)
            self.way.set_options(task_keys=asked, var_options=named)
            options: Mapping[str, Any] = self.way.get_options()
        return options

    def sent(self, command: str, text: bytes, seconds: float, room: int) -> Mapping[str, Any]:
        """Run a command on the host as ``judge`` does, over the wires."""
        return self.wires.run(
            self._target, f"/bin/sh -c {shlex.quote(command)}", text, seconds, room
        )
