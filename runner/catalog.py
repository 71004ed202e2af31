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
    """One variable a role takes: its default, and the comment above it."""

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
    """Name every incident: the roles that define a card."""
    files = sorted(collection().glob("roles/*/vars/main.yml"))
    pairs = [(path.parts[-3], path.read_text(encoding="utf-8")) for path in files]
    return [name for name, text in pairs if re.search(rf"^{name}_card:", text, re.M)]


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
    found = _vars(name).get(f"{name}_card")
    if not isinstance(found, dict):
        raise RunbookError(f"the card of {name} is no mapping")
    return found


def full_card(name: str) -> dict[str, Any]:
    """Load a card for showing: shared probes resolved, with its name and its inputs."""
    shared = _vars("stack").get("stack_probes") or {}
    content = card(name)
    probes = [_probe(probe, shared) for probe in content.get("probes") or []]
    inputs = [vars(item) for item in inputs_of(name)]
    return {"incident": name, **content, "probes": probes, "inputs": inputs}


def _probe(probe: Any, shared: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(probe, str):
        return dict(probe)
    return {"id": probe, **(shared.get(probe) or {}), "shared": True}


def inputs_of(name: str) -> list[Input]:
    """Read a role's defaults as a form: name, default value, the comment above."""
    path = collection() / "roles" / name / "defaults/main.yml"
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    defaults = load_yaml(text) or {}
    form = re.findall(r"((?:^#.*\n)*)^(\w+):", text, re.M)
    return [Input(key, defaults.get(key), _comment(above)) for above, key in form]


def inputs() -> dict[str, list[str]]:
    """Name the inputs of every role, without reading what they are."""
    files = collection().glob("roles/*/defaults/main.yml")
    texts = {path.parts[-3]: path.read_text(encoding="utf-8") for path in files}
    return {role: re.findall(r"^(\w+):", text, re.M) for role, text in sorted(texts.items())}


def _comment(above: str) -> str:
    return " ".join(line.lstrip("# ").strip() for line in above.splitlines()).strip()


def _vars(role: str) -> dict[str, Any]:
    path = collection() / "roles" / role / "vars/main.yml"
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
