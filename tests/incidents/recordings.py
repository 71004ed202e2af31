"""What documents of runs said once, kept: a rebuild of the house may change no word of them.

Times, ids and figures are left out, and the status of a measured one. `pytest --record` writes
them.
"""

import json
import re
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "recordings"
# Of a finding, an incident, a step: what is the same whenever the same is broken.
_FINDING = ("title", "status", "unit", "of")
_INCIDENT = ("title", "severity", "confirmed", "explained_by")
_STEP = ("incident", "rung", "title", "risk", "allowed", "costs", "changed", "held")
# A slow machine may be above a limit.
_MEASURED = ("ms", "s", "percent", "minutes")
_VARIES = re.compile(r"\d+(\.\d+)?|0x[0-9a-f]+|[0-9a-f]{12,}")


def said(document):
    """What a run's document says of its one host, without what varies."""
    (host,) = document["hosts"].values()
    return {
        "fields": sorted(document),
        "exit_code": document["exit_code"],
        "host": {
            "fields": sorted(host),
            "verdict": host["verdict"],
            "reason": _VARIES.sub("N", host.get("reason") or ""),
            "root_causes": host["root_causes"],
            "uncovered": host.get("uncovered", []),
            "incidents": _each(host["incidents"], _INCIDENT),
            "findings": _each(_unmeasured(host["findings"]), _FINDING),
            "plan": [_some(step, _STEP) for step in host.get("plan", [])],
            "actions": [_some(step, _STEP) for step in host.get("actions", [])],
        },
    }


def _unmeasured(findings):
    for name, finding in findings.items():
        measured = finding["unit"] in _MEASURED
        yield name, {**finding, "status": "measured"} if measured else finding


def _each(things, keys):
    found = sorted(dict(things).items())
    return {name: {"fields": sorted(of), **_some(of, keys)} for name, of in found}


def _some(thing, keys):
    return {key: thing[key] for key in keys if key in thing}


def check(name, *documents, record):
    """Hold what documents say against what they said; with `record`, keep it instead."""
    path = FOLDER / f"{name}.json"
    now = [said(document) for document in documents]
    if record:
        FOLDER.mkdir(exist_ok=True)
        path.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")
    elif path.exists():
        assert now == json.loads(path.read_text())
