# GNU General Public License v3.0 or later (see LICENSE)
"""Turns a host's answers into findings: healthy, unhealthy or unknown, each with its reason."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from .channel import Answer, Question
from .reasons import lack, last, reason

Finding = dict[str, Any]
# (expression, names it may use) -> its value; raises for an expression that cannot be evaluated
Evaluate = Callable[[str, Mapping[str, Any]], Any]

# Exit status of a probe that could not be asked (EX_UNAVAILABLE of sysexits.h).
UNAVAILABLE = 69
# The probe that knows how every container is.
CONTAINERS = "containers"
# What a shell says of a command that cannot be run, or is not there.
_NO_COMMAND = (126, 127)
_NOT_TOLD = "cannot be judged: there is no value"
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_PARSERS: dict[str, Callable[[str], Any]] = {
    "text": str.strip,
    "lines": lambda text: text.strip().splitlines(),
    "int": int,
    "float": float,
    "json": json.loads,
    "json_lines": lambda text: [json.loads(line) for line in text.splitlines() if line.strip()],
}
# These cannot say "nothing": an empty answer to them is no answer.
_NEVER_EMPTY = ("int", "float", "json", "json_lines")


class ProbeError(ValueError):
    """A probe that is not written as the card's contract asks."""


def question(probe: Mapping[str, Any]) -> Question:
    """Return the channel question of ``probe``; raises ProbeError for one without id or run."""
    missing = [key for key in ("id", "run") if not str(probe.get(key) or "").strip()]
    if missing:
        raise ProbeError(f"probe {probe.get('id', probe)!s}: {' and '.join(missing)} missing")
    if (parse := probe.get("parse", "text")) not in _PARSERS:
        raise ProbeError(f"probe {probe['id']}: parse is {parse!r}, not one of {[*_PARSERS]}")
    try:
        return Question(
            id=str(probe["id"]),
            command=str(probe["run"]).strip(),
            timeout=float(probe.get("timeout", Question.timeout)),
            limit=int(probe.get("limit", Question.limit)),
            early=bool(probe.get("early", False)),
        )
    except ValueError as error:
        raise ProbeError(f"probe {probe['id']}: timeout and limit are numbers: {error}") from error


def finding(probe: Mapping[str, Any], answer: Answer, evaluate: Evaluate) -> Finding:
    """Return what ``answer`` says to ``probe``.

    Its ``healthy`` expression may use value, rc, output and stderr, and gives none where the answer
    does not tell; without one, exit status 0 is healthy. Any other exit status is unhealthy, but
    for those that mean "could not be asked".
    """
    result: Finding = {
        "title": str(probe.get("title", probe["id"])),
        "status": "unknown",
        "healthy": False,
        "value": None,
        "unit": str(probe.get("unit", "")),
        "rc": answer.rc,
        "ms": answer.ms,
        "command": str(probe["run"]).strip(),
        "output": answer.output if probe.get("colours") else _ANSI.sub("", answer.output),
        "stderr": _ANSI.sub("", answer.stderr),
        "cut": answer.cut,
        "late": answer.timed_out,
        "reason": "",
    }
    result |= _judge(probe, answer, result, evaluate)
    result["healthy"] = result["status"] == "healthy"
    return result


def derived(probe: Mapping[str, Any], source: Finding, evaluate: Evaluate) -> Finding:
    """Return what the finding ``source`` says to ``probe``, which asks the host nothing itself.

    Its ``value`` expression may use all of the source (value, ms, output, ...), and so may
    ``reason``, which says why it is not healthy. An unknown source, or one that does not have the
    value, leaves it unknown; so does a value of none, which says nothing, unless ``healthy`` tells
    what none means; and so does a source that gave no answer, unless the probe says what is then
    read of it (``unanswered``).
    """
    unanswered = source["value"] is None
    expression = probe.get("unanswered") if unanswered else probe["value"]
    told = {"title": str(probe.get("title", probe["id"])), "unit": str(probe.get("unit", ""))}
    asked = {"command": "", "output": "", "stderr": "", "of": probe["of"]}
    result: Finding = {**source, **told, **asked, "status": "unknown", "value": None}
    if source["status"] != "unknown" and expression is None:
        result["reason"] = source["reason"] or lack(str(probe["value"]), None)
    elif source["status"] != "unknown":
        try:
            result["value"] = evaluate(str(expression), source)
        except Exception:
            result["reason"] = source["reason"] or lack(str(probe["value"]), source["value"])
        else:
            result |= {"reason": "", **_judge_told(probe, result, evaluate)}
            if result["status"] != "healthy":
                result["reason"] = result["reason"] or _why(probe, source, evaluate)
    result["healthy"] = result["status"] == "healthy"
    return result


def not_applicable(probe: Mapping[str, Any], part: str) -> Finding:
    """Return what ``probe`` comes to on a host whose stack has no such ``part``: nothing was asked.

    It is no trouble, so it is healthy; it has no value, so nothing is concluded from it.
    """
    return {
        "title": str(probe.get("title", probe["id"])),
        "status": "not_applicable",
        "healthy": True,
        "value": None,
        "unit": str(probe.get("unit", "")),
        "rc": None,
        "ms": 0,
        "command": "",
        "output": "",
        "stderr": "",
        "cut": False,
        "late": False,
        "reason": lacks_part(part),
    }


def explained(finding: Finding, container: Mapping[str, Any] | None) -> Finding:
    """Return a finding whose answer a part of the stack gives, whose ``container`` may be down.

    Or off its network: then that is the reason, and what else was seen is what it leads to.
    ``container`` is what ``container_states`` says of it; nothing where the part has none here.
    """
    known = container or {}
    down = known.get("down") or known.get("off_network")
    ill = finding["status"] in ("unhealthy", "unknown")
    return finding | {"reason": str(down)} if down and ill else finding


def lacks_part(part: str) -> str:
    """Return in words that a stack has no such ``part``."""
    return f"this stack has no {part}, says stack_services"


def _judge(probe: Mapping[str, Any], answer: Answer, seen: Finding, evaluate: Evaluate) -> Finding:
    why = last if answer.rc == UNAVAILABLE else reason
    said = why(seen["stderr"], seen["output"])
    if answer.rc is None:
        return {"reason": "the host's answer broke off"}
    if answer.timed_out:
        return {"reason": f"no answer within {float(probe.get('timeout', Question.timeout)):g} s"}
    if answer.rc == UNAVAILABLE or answer.rc in _NO_COMMAND:
        return {"reason": said or f"could not be asked (exit status {answer.rc})"}
    if answer.rc != 0:
        return {"status": "unhealthy", "reason": said or f"exit status {answer.rc}"}
    judged = _judge_value(probe, seen, evaluate)
    if judged.get("status") == "unhealthy":
        judged["reason"] = _why(probe, {**seen, **judged}, evaluate)
    return judged


def _judge_value(probe: Mapping[str, Any], seen: Finding, evaluate: Evaluate) -> Finding:
    parse = str(probe.get("parse", "text"))
    if parse in _NEVER_EMPTY and not seen["output"].strip():
        return {"reason": "answered nothing"}
    try:
        value = _PARSERS[parse](seen["output"])
    except ValueError:
        if seen["cut"]:
            return {"reason": f"the answer is longer than {len(seen['output'])} characters"}
        return {"reason": f"not {parse}: {reason(seen['output'])[:80]}"}
    return {"value": value, **_judge_healthy(probe, {**seen, "value": value}, evaluate)}


def _why(probe: Mapping[str, Any], source: Finding, evaluate: Evaluate) -> str:
    if "reason" not in probe:
        return reason(source["stderr"])
    try:
        return str(evaluate(str(probe["reason"]), source) or "")
    except Exception:
        return lack(str(probe["reason"]), source["value"])


def _judge_told(probe: Mapping[str, Any], seen: Finding, evaluate: Evaluate) -> Finding:
    """Judge a value that is read from another answer; none is nothing that was told."""
    if seen["value"] is None and "none" not in str(probe.get("healthy", "")):
        return {} if "reason" in probe else {"reason": _NOT_TOLD}
    return _judge_healthy(probe, seen, evaluate)


def _judge_healthy(probe: Mapping[str, Any], seen: Finding, evaluate: Evaluate) -> Finding:
    if "healthy" not in probe:
        return {"status": "healthy"}
    try:
        healthy = evaluate(str(probe["healthy"]), seen)
    except Exception:
        return {"reason": f"cannot be judged: {lack(str(probe['healthy']), seen['value'])}"}
    if healthy is None:  # the answer itself says that it is not known
        return {}
    return {"status": "healthy" if healthy else "unhealthy"}
