# GNU General Public License v3.0 or later (see LICENSE)
"""The action ``oncall.runbook.judge``: what is wrong with a host, what causes what, what helps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ansible_collections.oncall.runbook.plugins.plugin_utils import (
    cards,
    history,
    lock,
    plan_check,
    verdict,
)
from ansible_collections.oncall.runbook.plugins.plugin_utils.asker import Asker
from ansible_collections.oncall.runbook.plugins.plugin_utils.findings import Finding
from ansible_collections.oncall.runbook.plugins.plugin_utils.host_action import Result

_ARGUMENTS = {
    "incident": {"type": "str", "default": ""},
    "allow": {"type": "str", "choices": list(verdict.RISKS), "default": "restart"},
    "phase": {
        "type": "str",
        "choices": ["diagnose", "settle", "verify"],
        "default": "diagnose",
    },
    "before": {"type": "dict"},
    "last": {"type": "dict"},
    "known": {"type": "dict"},
    "acted": {"type": "list", "elements": "raw", "default": []},
    "rung": {"type": "str"},
    "climbed": {"type": "str"},
    "settle_seconds": {"type": "float", "default": 0},
    "recover_seconds": {"type": "float", "default": 0},
    "samples": {"type": "int", "default": 1},
    "pause_seconds": {"type": "float", "default": 1},
}
# Seconds between two looks at most.
_LONGEST_PAUSE = 5


class ActionModule(Asker):
    """Asks what cards need to know, each probe once, and judges what the answers mean."""

    def answer(self, variables: Mapping[str, Any]) -> Result:
        """Return findings, incidents, root causes, a plan and the verdict.

        A diagnosis checks all inputs first, and says how long the inventory lets a run take.
        """
        arguments = self.arguments(_ARGUMENTS)
        self.use_collection(variables)
        for name in filter(None, (arguments["incident"], arguments["climbed"])):
            self.library.card(name)
        told: Result = {"phase": arguments["phase"]}
        self._resolved = self.resolved(variables)
        if arguments["phase"] == "diagnose":
            self.check_inputs()
            told |= {**self.of_run(variables), "resolved": self._resolved}
        judged = self._settle(arguments)
        if arguments["phase"] == "diagnose":
            told |= {"decided": plan_check.decided(judged)}
        return judged | told | self.statistics("incident_run", judged)

    def _settle(self, arguments: dict[str, Any]) -> Result:
        """Judge until all is well for ``samples`` in a row, or the time to settle is over.

        Once the climbed incident is gone, what it explained has ``recover_seconds`` as well. What
        was a root cause and seems gone must stay so for the ``silence_seconds`` of its card. What
        is ``known`` from a look just before is the first sample.
        """
        start = since = time.monotonic()
        well, said = 0, ""
        known = arguments["known"]
        while True:
            judged = self._judge(arguments, known)
            known = None
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
            said = self._say_once(said, _waits_for(judged, arguments))
            left = (since + silence if well else start + patience) - now
            waited = 0 if 0 < well < arguments["samples"] else now - start
            time.sleep(_pause(arguments["pause_seconds"], waited, left))
        if climbed:
            held = gone and climbed not in judged["unfinished"]
            judged |= {"rung": arguments["rung"], "incident": climbed, "held": held}
        return judged

    def _say_once(self, said: str, why: str) -> str:
        """Say what is still waited for, unless that was ``said`` before; return what was said."""
        if why and why != said:
            self._display.display(f"{self.variable('inventory_hostname')}: not over yet: {why}")
        return why or said

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
            subjects = [arguments["incident"]] if arguments["incident"] else [*now]
        was = [name for name in subjects if before[name]["confirmed"]]
        gone = all(now[name]["confirmed"] is False for name in subjects)
        return gone and not verdict.unproven(was, before, judged["findings"])

    def _judge(
        self, arguments: Mapping[str, Any], known: Mapping[str, Finding] | None = None
    ) -> Result:
        """Ask, unless the findings are ``known``, and say what the answers mean."""
        name = arguments["incident"] or None
        asked = verdict.concerned(self.library.cards, name)
        absent = self.absent_parts()
        probes = self._probes(verdict.applicable(asked, absent))
        findings = known or self.agreed(probes, self.looking())
        incidents = verdict.judge(asked, findings, self.variable, absent)
        causes = verdict.root_causes(incidents)
        before = (arguments["before"] or {}).get("incidents")
        rest = verdict.unfinished(asked, incidents, before or incidents, findings, self.variable)
        climbed = [n for n in (*causes, *rest) if name in (None, n)]
        spent = self._spent(findings)
        allow = arguments["allow"]
        steps = verdict.plan(climbed, asked, findings, self.variable, allow, spent)
        found = {"findings": findings, "incidents": incidents, "root_causes": causes, "plan": steps}
        steps, changed = self._bounded(found, acted=bool(arguments["acted"]))
        last = (arguments["climbed"], arguments["rung"]) if arguments["climbed"] else None
        subjects = [name] if name else list(asked)
        word, reason = verdict.verdict(
            subjects, incidents, findings, steps, before, bool(arguments["acted"])
        )
        if changed and before is not None:
            word, reason = self._refused(word, reason, changed)
        reason = reason or (incidents[name].get("not_applicable", "") if name else "")
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
            **({"changed_since": changed} if changed and word != "healthy" else {}),
        }

    def _probes(self, asked: Mapping[str, verdict.Card]) -> list[Any]:
        own = cards.own()
        always = {"probes": own["stack_always"] + own["stack_judged"]}
        return verdict.probes_of([*asked.values(), always], self.library.probes)

    def _bounded(self, judged: Result, *, acted: bool) -> tuple[list[Result], list[str]]:
        """Return the steps of what was ``judged`` that a plan in a file allows, if one is given.

        Also what has changed on the host since that plan; once something was done, of that nothing.
        """
        steps = judged["plan"]
        if not self.variable("incident_plan"):
            return steps, []
        planned = self._planned()
        compared = {**judged, "resolved": self._resolved}
        changed = [] if acted else plan_check.changes(planned, compared)
        return plan_check.bounded(steps, planned, changed), changed

    def _planned(self) -> plan_check.Host | None:
        hosts = plan_check.hosts_of(str(self.variable("incident_plan")))
        return hosts.get(str(self.variable("inventory_hostname")))

    def _refused(self, word: str, reason: str, changed: list[str]) -> tuple[str, str]:
        """Return verdict and reason of a host that has ``changed`` since its plan.

        It is refused also where no rung fits any more; a well one, where it is not the same host.
        """
        elsewhere = plan_check.elsewhere(self._planned(), self._resolved)
        if word in ("refused", "not_fixed") or (word == "healthy" and elsewhere):
            return "refused", plan_check.reason(changed)
        return word, reason

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


def _waits_for(judged: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """Return in one line what still keeps a cure from being proven; nothing, where all is well."""
    now = judged["incidents"]
    before = (arguments["before"] or {}).get("incidents", {})
    first = [arguments["climbed"], *(name for name in now if before.get(name, {}).get("confirmed"))]
    left = (now[name] for name in first if name and now[name]["confirmed"] is not False)
    told = (incident["why"] or incident["reason"] for incident in left)
    why = next(filter(None, told), "")
    return " ".join("".join(c if c.isprintable() else " " for c in why).split())


def _pause(shortest: float, waited: float, left: float) -> float:
    """Return the seconds until the next look: more the longer it was waited, but what is ``left``.

    A look takes about a second of the host's processor, which what comes up again needs itself.
    """
    return max(shortest, min(shortest + waited / 5, _LONGEST_PAUSE, left))
