# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.probe``: reads a host, never changes it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible_collections.oncall.runbook.plugins.plugin_utils import (
    cards,
    evidence,
    history,
    inputs,
    lock,
    verdict,
)
from ansible_collections.oncall.runbook.plugins.plugin_utils.findings import (
    Finding,
    ProbeError,
    derived,
    finding,
)
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import HostAction
from ansible_collections.oncall.runbook.plugins.plugin_utils.redact import clean

_ARGUMENTS = {
    "probes": {"type": "list", "elements": "raw"},
    "judge": {"type": "str"},
    "keep": {"type": "list", "elements": "str"},
    "shell": {"type": "dict", "default": {}},
    "allow": {"type": "str", "choices": list(verdict.RISKS), "default": "restart"},
    "phase": {"type": "str", "default": "diagnose"},
    "before": {"type": "dict"},
    "last": {"type": "dict"},
    "acted": {"type": "list", "elements": "raw", "default": []},
    "rung": {"type": "str"},
    "climbed": {"type": "str"},
    "settle_seconds": {"type": "float", "default": 0},
    "recover_seconds": {"type": "float", "default": 0},
    "samples": {"type": "int", "default": 1},
    "pause_seconds": {"type": "float", "default": 1},
    "keep_in": {"type": "path"},
    "operation": {"type": "str"},
    "did": {"type": "dict"},
}
# From when on a host's log is to be read further, by host; a loop's items share one process.
_next: dict[str, str] = {}

# What an operation sees may be a list of hundreds: of backups, or of what may go.
_LOOK_BYTES = 2**21


class ActionModule(HostAction):
    """Asks probes; or those of the cards, and judges what the answers mean."""

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return findings, and where it judges a verdict as well; ``changed`` is always false.

        The first look says also how long the inventory lets a run take.
        """
        result: dict[str, Any] = super().run(tmp, task_vars)
        arguments = self.arguments(
            _ARGUMENTS,
            required_one_of=[["probes", "judge", "keep", "operation"]],
            required_together=[["keep", "keep_in"]],
        )
        result |= {"changed": False, "phase": arguments["phase"]}
        variables = task_vars or {}
        self._known = self.known_secrets(variables)
        if arguments["operation"] is not None:
            self._operation_shell = self.use_operations(variables)
            self._check_inputs(inputs.options("run", "stack", "operation"))
        elif arguments["probes"] is None:
            self.use_collection(variables)
        looks = arguments["phase"] == "diagnose"
        if looks and arguments["judge"] is not None:
            known = inputs.options("run", "stack", "incident")
            self._check_inputs({**known, **self.library.inputs})
        try:
            result |= self._answer(arguments, variables.get("inventory_hostname", ""))
        except (ProbeError, KeyError, ValueError) as error:
            raise AnsibleActionFail(f"a probe or card is wrong: {error}") from error
        if looks and arguments["probes"] is None:
            result["deadline_seconds"] = int(self.variable("run_deadline_seconds"))
        if arguments["judge"] is not None and not self.variable("incident_run"):
            result["ansible_stats"] = _statistics(variables["inventory_hostname"], result)
        return result

    def _check_inputs(self, spec: Mapping[str, Any]) -> None:
        if wrong := inputs.errors(spec, self._templar.available_variables, self._templar.template):
            raise AnsibleActionFail(f"wrong input: {'; '.join(wrong)}")

    def _answer(self, arguments: dict[str, Any], host: str) -> dict[str, Any]:
        if arguments["probes"] is not None:
            return {"findings": self._ask_all([arguments], arguments["shell"])}
        if arguments["keep"] is not None:
            kept = self._ask_all(self._evidence(arguments["keep"]), cards.own()["stack_shell"])
            return {"evidence": evidence.keep(arguments["keep_in"], host, kept)}
        if arguments["operation"] is not None:
            prove = arguments["phase"] == "settle"
            return self._prove(arguments) if prove else self._look(arguments, host)
        return self._settle(arguments)

    def _look(self, arguments: dict[str, Any], host: str) -> dict[str, Any]:
        """Return what an operation sees of the host, what it would do, and what it needs for it."""
        name = arguments["operation"]
        operation = cards.operations()["operation_kinds"][name]
        if host in _next:
            time.sleep(arguments["pause_seconds"])
            self._templar.available_variables["operation_next"] = _next[host]
        look = {"limit": _LOOK_BYTES, **operation["look"]}
        probe = {"id": name, "title": operation["title"], **look}
        found = self._ask_all(
            [{"probes": [probe, *operation.get("also", []), *cards.own()["stack_always"]]}],
            {**self._operation_shell, **cards.own()["stack_look"]},
        )
        first, _, rest = str(found[name]["value"] or "").partition("\n")
        if first.startswith("#next "):
            _next[host] = first.removeprefix("#next ")
            found[name] |= {"value": rest, "output": ""}
        steps, refused = _planned(found[name]["value"])
        plan = [
            {
                "rung": step["step"],
                "title": step["title"],
                "risk": step["risk"],
                "allowed": verdict.allows(arguments["allow"], step["risk"]),
            }
            for step in steps
        ]
        risks = [step["risk"] for step in plan if step["allowed"]]
        acts = {
            key: self._rendered(operation[key]) for key in ("do", "timeout") if key in operation
        }
        return {
            "operation": name,
            "title": operation["title"],
            "next": _next.get(host, ""),
            "touches_services": operation.get("touches_services", True),
            "lease": operation.get("lease", True),
            "interruptible": operation.get("interruptible", False),
            "findings": found,
            "plan": plan,
            "risk": max([operation.get("risk", "restart"), *risks], key=verdict.RISKS.index),
            **acts,
            **verdict.looked(found[name], plan, refused),
        }

    def _prove(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask whether an operation is done, for as long as it may take to show."""
        name = arguments["operation"]
        operation = cards.operations()["operation_kinds"][name]
        did = arguments["did"] or {}
        done = did.get("rc") == 0
        patience = float(operation.get("settle_seconds", 0)) if done else 0
        start = time.monotonic()
        probe = {
            "id": f"{name}_done",
            "title": "It is done",
            "run": operation["proof"],
            "timeout": self._rendered(operation["timeout"]),
        }
        while True:
            found = self._ask_all([{"probes": [probe]}], self._operation_shell)
            proven = found[probe["id"]]["status"] == "healthy"
            if proven or time.monotonic() >= start + patience:
                break
            time.sleep(arguments["pause_seconds"])
        word, reason = verdict.done(did, found[probe["id"]])
        held = word == "fixed"
        told = {"operation": name, "rung": name, "held": held}
        return {"findings": found, **told, "verdict": word, "reason": reason}

    def _settle(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Judge until all is well for ``samples`` in a row, or the time to settle is over.

        Once the climbed incident is gone, what it explained has ``recover_seconds`` as well. What
        was a root cause and seems gone must stay so for the ``silence_seconds`` of its card.
        """
        start = since = time.monotonic()
        well = 0
        while True:
            judged = self._judge(arguments)
            climbed = arguments["climbed"]
            gone = bool(climbed) and judged["incidents"][climbed]["confirmed"] is False
            patience = max(arguments["settle_seconds"], arguments["recover_seconds"] * gone)
            well = well + 1 if self._is_well(judged, arguments) else 0
            now = time.monotonic()
            since = now if well <= 1 else since
            if not well and now >= start + patience:
                break
            silence = self._silence_seconds(judged["incidents"], arguments["last"] or {})
            if well >= arguments["samples"] and now >= since + silence:
                break
            time.sleep(arguments["pause_seconds"])
        if climbed:
            held = gone and climbed not in judged["unfinished"]
            judged |= {"rung": arguments["rung"], "incident": climbed, "held": held}
        return judged

    def _silence_seconds(self, now: Mapping[str, Any], last: Mapping[str, Any]) -> float:
        """Return how long what was a root cause in the ``last`` judgement, and is gone, may return.

        A rung that restarts a part silences its errors for a while, whether it cures them or not.
        """
        known = self.library.cards
        gone = [n for n in last.get("root_causes", []) if now[n]["confirmed"] is False]
        asked = [known[n]["silence_seconds"] for n in gone if "silence_seconds" in known[n]]
        return max((float(self.evaluate(text, last["findings"])) for text in asked), default=0)

    def _is_well(self, judged: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
        """Tell whether the climbed incident is proven gone, with what it explained before.

        What it explains and was not there before may come of the rung, and go by itself: an API
        that ends when its sessions do, and is started by its policy.
        """
        now = judged["incidents"]
        before = (arguments["before"] or {}).get("incidents", now)
        if climbed := arguments["climbed"]:
            explains = self.library.cards[climbed]["explains"]
            came = {n for n in now if now[n]["confirmed"] and not before[n]["confirmed"]}
            explained = [n for n in now if climbed in before[n]["explained_by"]]
            subjects = [climbed, *explained, *came.intersection(explains)]
        else:
            subjects = [arguments["judge"]] if arguments["judge"] else [*now]
        was = [name for name in subjects if before[name]["confirmed"]]
        gone = all(now[name]["confirmed"] is False for name in subjects)
        return gone and not verdict.unproven(was, before, judged["findings"])

    def _judge(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Ask, and say what the answers mean; a verdict on nothing done asks nobody again."""
        name = arguments["judge"] or None
        asked = verdict.concerned(self.library.cards, name)
        own = cards.own()
        shell = {**own["stack_shell"], **own["stack_look"]}
        always = {"probes": own["stack_always"] + own["stack_judged"]}
        probes = verdict.probes_of([*asked.values(), always], self.library.probes)
        untouched = arguments["phase"] == "verify" and not arguments["acted"]
        findings = arguments["before"]["findings"] if untouched else self._agreed(probes, shell)
        incidents = verdict.judge(asked, findings, self.variable)
        causes = verdict.root_causes(incidents)
        before = (arguments["before"] or {}).get("incidents")
        rest = verdict.unfinished(asked, incidents, before or incidents, findings, self.variable)
        climbed = [n for n in (*causes, *rest) if name in (None, n)]
        spent = self._spent(findings)
        allow = arguments["allow"]
        steps = verdict.plan(climbed, asked, findings, self.variable, allow, spent)
        last = (arguments["climbed"], arguments["rung"]) if arguments["climbed"] else None
        subjects = [name] if name else list(asked)
        word, reason = verdict.verdict(
            subjects, incidents, findings, steps, before, bool(arguments["acted"])
        )
        uncovered = verdict.uncovered(asked, probes, incidents, findings)
        if uncovered and not reason:
            shown = "; ".join(verdict.describe(findings[id]) for id in uncovered)
            reason = f"no card covers, and no rung cures: {shown}"
        return {
            "findings": findings,
            "uncovered": uncovered,
            "incident": name,
            "incidents": incidents,
            "root_causes": causes,
            "unfinished": rest,
            "plan": steps,
            "next": verdict.next_rung(cards.ladder(asked), steps, last),
            "verdict": word,
            "reason": reason,
        }

    def _spent(self, findings: Mapping[str, Finding]) -> Mapping[tuple[str, str], str]:
        """Return which rungs are not to be climbed: all where a person was at work a moment ago.

        Else those that other runs have climbed in vain, or too often, by the host's history.
        """
        if hands := str(findings["hands"]["value"] or ""):
            return {("", ""): f"{hands}: somebody is at work there; --take-over cures it anyway"}
        text = str(findings["history"]["value"] or "")
        own = (str(self.variable("incident_run")), lock.owner())
        window = float(self.variable("incident_window_seconds"))
        return history.spent(text, own, window, int(self.variable("incident_attempts")))

    def _evidence(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """Return who asks for evidence: the stack, and the card of each incident for its own."""
        of = self.library
        own = [{"probes": of.cards[n].get("evidence", []), "shell": of.shell_of(n)} for n in names]
        return [{"probes": cards.own()["stack_evidence"]}, *own]

    def _ask_all(
        self, askers: Iterable[Mapping[str, Any]], shell: Mapping[str, Any]
    ) -> dict[str, Finding]:
        """Ask what ``askers`` (cards, or whatever has a list of probes) want to know."""
        return self._ask_probes(verdict.probes_of(askers, self.library.probes), shell)

    def _agreed(
        self, probes: Sequence[Mapping[str, Any]], shell: Mapping[str, Any]
    ) -> dict[str, Finding]:
        """Ask ``probes``; those late, or whose answers do not fit each other, again, together.

        What still contradicts after that is how it is.
        """
        findings = self._ask_probes(probes, shell)
        pairs = cards.own()["stack_pairs"]
        again = verdict.disagreeing(pairs, findings, self.variable) | verdict.late(findings)
        if again:
            part = [probe for probe in probes if probe.get("of", probe["id"]) in again]
            findings |= self._ask_probes(part, shell)
        return findings

    def _ask_probes(
        self, probes: Sequence[Mapping[str, Any]], shell: Mapping[str, Any]
    ) -> dict[str, Finding]:
        asked = [self.question(probe) for probe in probes if "of" not in probe]
        found = self.ask(asked, shell)
        findings: dict[str, Finding] = {}
        for probe in probes:
            id = probe["id"]
            findings[id] = (
                derived(probe, findings[probe["of"]], self.evaluate)
                if "of" in probe
                else finding(probe, found[id], self.evaluate)
            )
        return clean(findings, self._known)


def _statistics(host: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return what workflows get of a host, as ``set_stats`` gives it: its part of a document.

    That is the command's document of a run (run.schema.json), without what programs printed. The
    command has it all from the results.
    """
    keys = ("verdict", "reason", "root_causes", "uncovered", "incidents", "plan")
    findings = {
        id: {key: value for key, value in finding.items() if key not in ("output", "stderr")}
        for id, finding in result["findings"].items()
    }
    part = {**{key: result[key] for key in keys}, "findings": findings}
    document = {"schema": 1, "hosts": {host: part}}
    return {"data": {"runbook": document}, "per_host": False, "aggregate": True}


def _planned(value: Any) -> tuple[list[dict[str, Any]], str]:
    """Return the steps of a plan, and why none of them may be taken; nothing for other values."""
    if not isinstance(value, dict):
        return [], ""
    return value.get("steps", []), value.get("refused", "")
