"""The collection's incidents, read from the roles: cards, shared probes, inputs."""

from __future__ import annotations

import functools
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import BadInputError, RunbookError

COLLECTION = Path("ansible_collections/oncall/runbook")


@dataclass(frozen=True)
class Input:
    """One variable of an inventory: its default, and what it means."""

    name: str
    default: Any
    help: str


def installed() -> Path | None:
    """Find the collection on sys.path, where ansible finds it by itself."""
    candidates = (Path(entry or ".").absolute() / COLLECTION for entry in sys.path)
    return next((path for path in candidates if (path / "roles").is_dir()), None)


def unlinked() -> Path | None:
    """Find a checkout around this package that is not on sys.path: ansible must be told."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if installed() is None and (checkout / "galaxy.yml").is_file() else None


@functools.cache
def collection() -> Path:
    """Find the collection on sys.path, else around this package (a checkout)."""
    if found := installed() or unlinked():
        return found
    raise RunbookError(f"the collection oncall.runbook is not installed (no {COLLECTION})")


def names() -> list[str]:
    """Name every incident: the roles that are a card."""
    return [path.parent.name for path in sorted(collection().glob("roles/*/card.yml"))]


def resolve(name: str) -> str:
    """Turn what the user typed into an incident's name, or raise with the nearest ones."""
    import difflib

    wanted = name.strip().lower().replace("-", "_")
    known = names()
    if wanted in known:
        return wanted
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
    near = near or [other for other in known if wanted and (wanted in other or other in wanted)]
    hint = f"did you mean {' or '.join(near)}?" if near else "see: runbook list"
    raise BadInputError(f"there is no incident {name!r}; {hint}")


def card(name: str) -> dict[str, Any]:
    """Load the card of a known incident; shared probes stay ids."""
    found = _load(name, "card.yml")
    if not found:
        raise RunbookError(f"the card of {name} is no mapping")
    return found


def full_card(name: str) -> dict[str, Any]:
    """Load a card for showing: shared probes resolved, with its name and its inputs."""
    shared = _load("stack", "vars/main.yml").get("stack_probes") or {}
    content = card(name)
    probes = [_probe(probe, shared) for probe in content.get("probes") or []]
    inputs = [vars(item) for item in _inputs(name, content.get("inputs") or {})]
    return {"incident": name, **content, "probes": probes, "inputs": inputs}


def _probe(probe: Any, shared: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(probe, str):
        return dict(probe)
    return {"id": probe, **(shared.get(probe) or {}), "shared": True}


def _inputs(name: str, options: dict[str, Any]) -> list[Input]:
    return [
        Input(f"{name}_{key}", option.get("default"), str(option.get("description", "")))
        for key, option in options.items()
    ]


def inputs() -> dict[str, list[str]]:
    """Name the inputs of every role and card, without reading what they are."""
    found = {
        path.parts[-3]: re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), re.M)
        for path in collection().glob("roles/*/defaults/main.yml")
    }
    for name in names():
        text = (collection() / "roles" / name / "card.yml").read_text(encoding="utf-8")
        block = re.search(r"^inputs:\n((?:  .*\n)*)", text, re.M)
        keys = re.findall(r"^  (\w+):", block[1], re.M) if block else []
        found[name] = [f"{name}_{key}" for key in keys]
    return dict(sorted(found.items()))


def _load(role: str, place: str) -> dict[str, Any]:
    path = collection() / "roles" / role / place
    if not path.is_file():
        return {}
    loaded = load_yaml(path.read_text(encoding="utf-8"))
    return loaded if isinstance(loaded, dict) else {}


def load_yaml(text: str) -> Any:
    """Load YAML as data only: tags such as `!unsafe` keep their text; broken YAML is None."""
    import yaml

    try:
        return yaml.load(text, Loader=_loader())
    except yaml.YAMLError:
        return None


@functools.cache
def _loader() -> Any:
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loader = type("CardLoader", (base,), {})
    yaml.add_multi_constructor("!", _untagged, Loader=loader)
    return loader


def _untagged(loader: Any, _tag: str, node: Any) -> Any:
    import yaml

    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)
