"""What documents of runs said once, kept: a rebuild of the house may change no word of them.

What depends on the moment is left out: times, figures, what is found of the parts that others bring
down with them, and what is there only of an incident that could not be judged in time. Beside them,
in `answers`, is kept what the host itself answered when it was broken.

`pytest --record` writes both anew: answers of each drill, documents of those that have a file here.
"""

import json
from pathlib import Path

from light import recorded_answer

FOLDER = Path(__file__).parents[1] / "recordings"
ANSWERS = FOLDER / "answers"
_OF_THE_MOMENT = {"may_come_of", "uncovered"}
# Of a finding, an incident, a step: what is the same whenever the same is broken.
_FINDING = ("title", "unit", "of")
_INCIDENT = ("title", "severity")
_STEP = ("incident", "rung", "title", "risk", "allowed", "costs", "changed", "held")


def said(document):
    """What a run's document says of its one host, without what varies."""
    (host,) = document["hosts"].values()
    return {
        "fields": sorted(document),
        "exit_code": document["exit_code"],
        "host": {
            "fields": _fields(host),
            "verdict": host["verdict"],
            "root_causes": host["root_causes"],
            "incidents": _each(host["incidents"], _INCIDENT),
            "findings": _each(host["findings"], _FINDING),
            "plan": [_some(step, _STEP) for step in host.get("plan", [])[:1]],
            "actions": [_some(step, _STEP) for step in host.get("actions", [])],
        },
    }


def _each(things, keys):
    return {name: {"fields": _fields(of), **_some(of, keys)} for name, of in sorted(things.items())}


def _fields(thing):
    return sorted(thing.keys() - _OF_THE_MOMENT)


def _some(thing, keys):
    return {key: thing[key] for key in keys if key in thing}


def path(name):
    """Where it is kept what the documents of a drill said."""
    return FOLDER / f"{name}.json"


def check(name, *documents, record):
    """Hold what documents say against what they said; with `record`, keep it instead."""
    now = [said(document) for document in documents]
    if record:
        (host,) = documents[0]["hosts"].values()
        write(ANSWERS / f"{name}.json", recorded_answer(host))
    if not path(name).exists():
        return
    if record:
        write(path(name), now)
    else:
        differences = _different(json.loads(path(name).read_text()), now)
        assert not differences, "\n".join(differences)


def write(path, kept):
    """Keep something in a file, in the same form each time."""
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")


def answers():
    """What hosts answered, by the drill that they were broken by."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(ANSWERS.glob("*.json"))}


def _different(then, now, where=""):
    """Where two documents differ, and how: a line each."""
    if type(then) is not type(now) or not isinstance(then, dict | list):
        return [] if then == now else [f"{where}: was {then!r}, is {now!r}"]
    if isinstance(then, list):
        then, now = dict(enumerate(then)), dict(enumerate(now))
    lines = []
    for key in sorted(then.keys() | now.keys()):
        lines += _different(then.get(key), now.get(key), f"{where}/{key}")
    return lines
