# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.watch``: a diagnosis now and then, and glances at figures between."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleConnectionFailure
from ansible_collections.oncall.runbook.plugins.action.judge import ActionModule as Judge
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, verdict
from ansible_collections.oncall.runbook.plugins.plugin_utils.channel import Question
from ansible_collections.oncall.runbook.plugins.plugin_utils.findings import Finding
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "incident": {"type": "str", "default": ""},
    "well_seconds": {"type": "float", "default": 0},
    "judge_seconds": {"type": "float", "default": 300},
    "judge_ill_seconds": {"type": "float", "default": 60},
}
# What a judgement takes of the others' arguments where nothing is climbed.
_JUDGED: dict[str, Any] = {
    "allow": "restart",
    "phase": "diagnose",
    "before": None,
    "acted": [],
    "climbed": None,
}
_GLANCE_SECONDS = 4
_GLANCE_BYTES = 4096


class ActionModule(Judge):
    """Judges a host, and between two judgements reads the figures that cost next to nothing.

    What it remembers between two looks is its last result, which the task registers.
    """

    def answer(self, variables: Mapping[str, Any]) -> Result:
        """Return what a look shows; one at a host that cannot be reached says that it is lost."""
        arguments = self.arguments(_ARGUMENTS)
        self.use_collection(variables)
        last: Mapping[str, Any] = variables.get(self._task.register or "") or {}
        try:
            return self._look(arguments, variables, last)
        except AnsibleConnectionFailure as error:
            lost = {"lost": str(error.message), "figures": {}, "is_over": False}
            return {"phase": "watch", **lost, "memory": {}}

    def _look(
        self, arguments: Mapping[str, Any], variables: Mapping[str, Any], last: Mapping[str, Any]
    ) -> Result:
        memory = last.get("memory") or {}
        figures = self._glances(memory, variables) if memory else {}
        if memory and not self._is_due(arguments, memory, figures):
            return {"phase": "watch", "figures": figures, "is_over": False, "memory": memory}
        unread = [id for id, figure in figures.items() if figure["status"] == "unknown"]
        judged = self._diagnosis(arguments)
        now = time.time()
        since = memory.get("well_since") or now if judged["verdict"] == "healthy" else None
        figures = self._figures_of(judged["findings"])
        told = {
            "phase": "watch",
            "figures": figures,
            "is_over": bool(
                since and arguments["well_seconds"] and self._is_over(since, arguments)
            ),
            **self.of_run(variables),
            "memory": {
                "at": now,
                "verdict": judged["verdict"],
                "well_since": since,
                "statuses": {id: figure["status"] for id, figure in figures.items()},
                "unread": unread,
                "findings": {id: judged["findings"][id] for id in self._needed(judged["findings"])},
            },
        }
        return judged | told

    @staticmethod
    def _is_over(since: float, arguments: Mapping[str, Any]) -> bool:
        return time.time() >= since + float(arguments["well_seconds"])

    @staticmethod
    def _is_due(
        arguments: Mapping[str, Any], memory: Mapping[str, Any], figures: Mapping[str, Finding]
    ) -> bool:
        """Tell whether it is time to judge: a figure has crossed its limit, or a while is over.

        One that could not be read is a reason once: this host may not let it be read at a glance.
        """
        for id, figure in figures.items():
            if figure["status"] == "unknown" and id in memory["unread"]:
                continue
            if figure["status"] != memory["statuses"].get(id):
                return True
        well = memory["verdict"] == "healthy"
        seconds = arguments["judge_seconds" if well else "judge_ill_seconds"]
        if arguments["well_seconds"]:
            seconds = min(seconds, arguments["well_seconds"])
        return bool(time.time() >= memory["at"] + seconds)

    def _diagnosis(self, arguments: Mapping[str, Any]) -> Result:
        self.check_inputs()
        return self._judge({**_JUDGED, "incident": arguments["incident"], "rung": None})

    def _watched(self) -> Iterator[Mapping[str, Any]]:
        """Yield the probes that can be read at a glance, of cards about what the stack has."""
        name = self._task.args.get("incident")
        asked = {name: self.library.card(name)} if name else self.library.cards
        known = verdict.applicable(asked, self.absent_parts())
        for probe in verdict.probes_of(known.values(), self.library.probes):
            if "glance" in probe:
                yield probe

    def _figures_of(self, findings: Mapping[str, Finding]) -> dict[str, Finding]:
        return {
            probe["id"]: _figure(probe, findings[probe["id"]]["value"], findings[probe["id"]])
            for probe in self._watched()
            if probe["id"] in findings
        }

    def _needed(self, findings: Mapping[str, Finding]) -> set[str]:
        """Return the findings that glances are made from."""
        told = " ".join(str(probe["glance"]) for probe in self._watched())
        return {id for id in findings if f"{id}." in told}

    def _glances(
        self, memory: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> dict[str, Finding]:
        """Read all figures in one question: each costs less than a question of its own would."""
        self._see({**variables, **memory["findings"]})
        own = cards.own()
        shell = {**own["stack_shell"], **own["stack_glance"]}
        known = self._shell(shell).library
        commands: dict[str, str] = {}
        words: dict[str, None] = {}
        probes = {probe["id"]: probe for probe in self._watched()}
        for id, probe in probes.items():
            with suppress(Exception):  # what the diagnosis did not tell is not read
                glance = self.question(
                    {"id": id, "run": probe["glance"], "shell": probe.get("shell")}
                )
                commands[id] = glance.command
                if f"\n{glance.command.split()[0]}() {{" not in known:
                    words[glance.words] = None
        self._see(variables)
        if not commands:
            return {}
        lines = [f"glance {id} {command}" for id, command in commands.items()]
        asked = Question(
            id="glance",
            command="\n".join(lines),
            timeout=_GLANCE_SECONDS,
            limit=_GLANCE_BYTES,
            words="\n".join(words),
        )
        answer = self.ask([asked], shell)["glance"]
        read = dict(line.partition(" ")[::2] for line in answer.output.splitlines())
        return {
            id: _figure(probe, *self._judged_figure(probe, read.get(id, "")))
            for id, probe in probes.items()
        }

    def _see(self, variables: Mapping[str, Any]) -> None:
        """Let templates see these variables, and forget what they saw before."""
        self._templated.clear()
        self.use_collection(variables)

    def _judged_figure(self, probe: Mapping[str, Any], text: str) -> tuple[float | None, Finding]:
        try:
            value = float(text)
            healthy = self.evaluate(str(probe.get("healthy", "true")), {"value": value})
        except Exception:
            return None, {"status": "unknown"}
        return value, {"status": "healthy" if healthy else "unhealthy"}


def _figure(probe: Mapping[str, Any], value: Any, seen: Mapping[str, Any]) -> Finding:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "title": str(probe["title"]),
        "unit": str(probe.get("unit", "")),
        "value": value if number else None,
        "status": seen["status"] if number or seen["status"] == "unhealthy" else "unknown",
    }
