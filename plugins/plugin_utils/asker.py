# GNU General Public License v3.0 or later (see LICENSE)
"""What the reading actions share: questions to a host, and what its answers say."""

from __future__ import annotations

import hashlib
import json
import time
from abc import abstractmethod
from collections.abc import Container, Iterable, Mapping, Sequence
from math import ceil, floor
from typing import Any

from ansible.errors import AnsibleActionFail

from . import cards, verdict
from .findings import (
    CONTAINERS,
    Finding,
    ProbeError,
    derived,
    explained,
    finding,
    not_applicable,
)
from .host_action import HostAction, Result
from .inputs import options
from .redact import clean

# How a change goes through many hosts: inputs of the role run, without its name.
_ROLLOUT = (
    "batches",
    "soak_seconds",
    "max_fail",
    "common_cause_percent",
    "quorum_group",
    "after",
    "plan_hours",
)
# How a host is reached, and where its stack is.
_ADDRESS = (
    "ansible_host",
    "ansible_port",
    "ansible_user",
    "ansible_connection",
    "ansible_become_user",
    "stack_dir",
)
SSH = ("ssh", "smart", "ansible.builtin.ssh")
_TOLD = ("verdict", "reason", "root_causes", "uncovered", "incidents", "plan")


class Asker(HostAction):
    """An action that reads a host and never changes it: it runs in check mode as well."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Return what ``answer`` of the action returns; fails where a probe or card is wrong."""
        result: Result = super().run(tmp, task_vars)
        self.known = self.known_secrets(task_vars or {})
        try:
            return result | {"changed": False} | self.answer(task_vars or {})
        except cards.CardError as error:
            raise AnsibleActionFail(str(error)) from error
        except (ProbeError, KeyError, ValueError) as error:
            raise AnsibleActionFail(f"a probe or card is wrong: {error}") from error

    @abstractmethod
    def answer(self, variables: Mapping[str, Any]) -> Result:
        """Return what this action finds of a host with these ``variables``."""

    def statistics(self, run: str, result: Mapping[str, Any]) -> Result:
        """Return what workflows get of the host, as ``set_stats`` gives it: its part of a document.

        That is the command's document of a run (run.schema.json), without what programs printed.
        Nothing, where the variable ``run`` says that the command runs this: it has all of it.
        """
        if self.variable(run):
            return {}
        part = {key: result[key] for key in _TOLD if key in result}
        part["findings"] = {
            id: {key: value for key, value in finding.items() if key not in ("output", "stderr")}
            for id, finding in result["findings"].items()
        }
        document = {"schema": 1, "hosts": {self.variable("inventory_hostname"): part}}
        told = {"data": {"runbook": document}, "per_host": False, "aggregate": True}
        return {"ansible_stats": told}

    def of_run(self, variables: Mapping[str, Any]) -> Result:
        """Return what this host's inventory says of the run as a whole: deadline and rollout."""
        rollout = {name: self.variable(f"run_{name}") for name in _ROLLOUT}
        groups = variables.get("groups") or {}
        name = rollout["quorum_group"]
        if name and name not in groups:
            raise AnsibleActionFail(f"wrong input: run_quorum_group: no group is called {name}")
        # One that cannot be reached tells nothing: the others tell of it.
        rollout["quorum_members"] = list(groups[name]) if name else []
        rollout["hosts"] = len(groups.get("all", []))
        return {
            "deadline_seconds": int(self.variable("run_deadline_seconds")),
            "rollout": rollout,
        }

    def resolved(self, variables: Mapping[str, Any]) -> dict[str, str]:
        """Return checksums of what the inventory's ``variables`` come to on this host.

        That is how it is reached and where its stack is (``address``), and the inputs of stack and
        cards that are set (``inputs``), but for secrets.
        """
        inputs = {*options("stack"), *self.library.inputs} - {"stack_dir"}
        named = {"address": _ADDRESS, "inputs": sorted(inputs)}
        values = {
            key: {name: self.variable(name) for name in names if name in variables}
            for key, names in named.items()
        }
        # A task of a host is told the default as well, one that asks many hosts is not.
        if values["address"].get("ansible_connection") in SSH:
            del values["address"]["ansible_connection"]
        return {key: _checksum(value, self.known) for key, value in values.items()}

    def check_inputs(self) -> None:
        """Fail with what is wrong with the inputs of the inventory."""
        if self.wrong_inputs:
            raise AnsibleActionFail(f"wrong input: {'; '.join(self.wrong_inputs)}")

    @staticmethod
    def looking() -> Mapping[str, Any]:
        """Return the shell of a look: the stack's, which learns the containers once for all."""
        return {**cards.own()["stack_shell"], **cards.own()["stack_look"]}

    def ask_all(
        self, askers: Iterable[Mapping[str, Any]], shell: Mapping[str, Any]
    ) -> dict[str, Finding]:
        """Ask what ``askers`` (cards, or whatever has a list of probes) want to know."""
        return self.ask_probes(verdict.probes_of(askers, self.library.probes), shell)

    def agreed(
        self, probes: Sequence[Mapping[str, Any]], shell: Mapping[str, Any]
    ) -> dict[str, Finding]:
        """Ask ``probes``; those late, or whose answers do not fit each other, again, together.

        What still contradicts after that is how it is.
        """
        findings = self.ask_probes(probes, shell)
        pairs = cards.own()["stack_pairs"]
        again = verdict.disagreeing(pairs, findings, self.variable) | verdict.late(findings)
        if again:
            part = [probe for probe in probes if probe.get("of", probe["id"]) in again]
            findings |= self.ask_probes(part, shell)
        return findings

    def ask_probes(
        self, probes: Sequence[Mapping[str, Any]], shell: Mapping[str, Any]
    ) -> dict[str, Finding]:
        """Ask ``probes`` in one round trip, in their order, and return their findings.

        What is about a part that this stack does not have is not asked. Expressions over an answer
        may use ``asked`` and ``answered`` as well: before when and after when it was given, in
        seconds since the epoch by the clock of the control host.
        """
        absent = self.absent_parts() if any("part" in probe for probe in probes) else frozenset()
        lacking, answers = _parts_of(probes, absent)
        asked = {
            probe["id"]: self.question(probe)
            for probe in probes
            if "of" not in probe and probe["id"] not in lacking
        }
        begun = time.time()
        found = self.ask([*asked.values()], shell) if asked else {}
        moments = {"asked": floor(begun), "answered": ceil(time.time())}

        def evaluate(expression: str, names: Mapping[str, Any]) -> Any:
            return self.evaluate(expression, {**moments, **names})

        findings: dict[str, Finding] = {}
        for probe in probes:
            id = probe["id"]
            if id in lacking:
                findings[id] = not_applicable(probe, lacking[id])
            elif "of" in probe:
                findings[id] = derived(probe, findings[probe["of"]], evaluate)
            else:
                # Its deadline as it was rendered for the question.
                as_asked = {**probe, "timeout": asked[id].timeout}
                findings[id] = finding(as_asked, found[id], evaluate)
        containers = findings.get(CONTAINERS, {}).get("value")
        if isinstance(containers, Mapping):
            for id, part in answers.items():
                findings[id] = explained(findings[id], containers.get(part))
        return clean(findings, self.known)

    def absent_parts(self) -> frozenset[str]:
        """Return the parts that the inventory says this host's stack does not have."""
        parts = self.evaluate("stack_parts", {})
        return frozenset(part for part, service in parts.items() if not service)


def _checksum(values: Mapping[str, Any], secrets: Container[str]) -> str:
    told = {name: str(value) for name, value in values.items() if str(value) not in secrets}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _parts_of(
    probes: Iterable[Mapping[str, Any]], absent: frozenset[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return by the ids of probes which absent part they are about, and which part answers."""
    lacking: dict[str, str] = {}
    answers: dict[str, str] = {}
    for probe in probes:
        id, source = probe["id"], probe.get("of", "")
        if probe.get("part") in absent:
            lacking[id] = probe["part"]
        elif source in lacking:
            lacking[id] = lacking[source]
        if part := answers.get(source) if source else probe.get("part"):
            answers[id] = part
    return lacking, answers
