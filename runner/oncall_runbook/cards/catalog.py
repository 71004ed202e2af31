"""The catalog of cards: where they lie, and what they say, with shared probes and inputs."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from oncall_runbook.errors import BadInputError, RunbookError

if TYPE_CHECKING:
    from oncall_runbook.documents import CardDocument, CardInput, CardProbe, Facts

COLLECTION = Path("ansible_collections/oncall/runbook")


def installed() -> Path | None:
    """Find the collection on sys.path, where ansible finds it by itself."""
    candidates = (Path(entry or ".").absolute() / COLLECTION for entry in sys.path)
    return next((path for path in candidates if (path / "roles").is_dir()), None)


def unlinked_checkout() -> Path | None:
    """Find a checkout around this package that is not on sys.path: ansible must be told."""
    checkout = Path(__file__).resolve().parents[3]
    return checkout if installed() is None and (checkout / "galaxy.yml").is_file() else None


@functools.cache
def collection() -> Path:
    """Find the collection on sys.path, else around this package (a checkout)."""
    if found := installed() or unlinked_checkout():
        return found
    raise RunbookError(f"the collection oncall.runbook is not installed (no {COLLECTION})")


@dataclass(frozen=True)
class Catalog:
    """The cards that are known: those of the collection, and a site's own in directories."""

    directories: tuple[Path, ...] = ()

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file of each card, by the card's name."""
        shipped = {path.parent.name: path for path in collection().glob("roles/*/card.yml")}
        own = {path.stem: path for place in self.directories for path in place.glob("*.yml")}
        return dict(sorted({**own, **shipped}.items()))

    def is_own(self, name: str) -> bool:
        """Tell whether a card is the site's own: then there is no playbook of its name."""
        return collection() not in self.files[name].parents

    def resolve(self, name: str) -> str:
        """Turn what the user typed into a card's name, or raise with the nearest ones."""
        import difflib

        wanted = name.strip().lower().replace("-", "_")
        known = list(self.files)
        if wanted in known:
            return wanted
        near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.4)
        near = near or [other for other in known if wanted and (wanted in other or other in wanted)]
        hint = f"did you mean {' or '.join(near)}?" if near else "see: runbook list"
        raise BadInputError(f"there is no card {name!r}; {hint}")

    def card(self, name: str) -> Facts:
        """Load a card; shared probes stay ids. Raises RunbookError for an own one that is wrong."""
        found = _load(self.files[name]) if name in self.files else {}
        if name in self.files and self.is_own(name):
            self._check(self.files[name])
        if not found:
            raise RunbookError(f"the card of {name} cannot be read: runbook lint says why")
        return found

    @cached_property
    def _complaints(self) -> list[str]:
        from oncall_runbook.cards.linting import complaints

        return complaints(self.directories, self.directories)

    def _check(self, path: Path) -> None:
        if wrong := [line for line in self._complaints if line.startswith(f"{path}:")]:
            more = f" (and {len(wrong) - 1} more: runbook lint)" if wrong[1:] else ""
            raise RunbookError(f"a card is wrong: {wrong[0]}{more}")

    def full_card(self, name: str) -> CardDocument:
        """Load a card for showing: shared probes resolved, with its name and its inputs."""
        stack = _load(collection() / "roles/stack/vars/main.yml")
        shared = dict(stack.get("stack_probes") or {})
        for other in self.files:
            shared |= {p["id"]: p for p in self.card(other).get("probes") or [] if "id" in p}
        content = self.card(name)
        probes = [_probe(probe, shared) for probe in content.get("probes") or []]
        inputs = _inputs(name, content.get("inputs") or {})
        whole = {"incident": name, **content, "probes": probes, "inputs": inputs}
        return cast("CardDocument", whole)

    def inputs(self) -> dict[str, list[str]]:
        """Name the inputs of every role and card, without reading what they are."""
        found = {
            path.parts[-3]: re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), re.M)
            for path in collection().glob("roles/*/defaults/main.yml")
        }
        for name, path in self.files.items():
            block = re.search(r"^inputs:\n((?:  .*\n)*)", path.read_text(encoding="utf-8"), re.M)
            keys = re.findall(r"^  (\w+):", block[1], re.M) if block else []
            found[name] = [f"{name}_{key}" for key in keys]
        return dict(sorted(found.items()))


def directories(sources: Iterable[str], named: Iterable[str]) -> tuple[Path, ...]:
    """Return where a site keeps cards of its own, as the collection's actions find it.

    That is `incidents/` beside the inventory's `sources`, and what is `named`: directories, or
    collections. Raises BadInputError for one that is not there.
    """
    beside = [Path(source).absolute() for source in sources if "," not in source]
    bases = [path if path.is_dir() else path.parent for path in beside]
    found = [base / "incidents" for base in bases if (base / "incidents").is_dir()]
    for name in named:
        place = Path(name).expanduser().absolute()
        if not place.is_dir() and re.fullmatch(r"\w+\.\w+", name):
            place = _in_collection(name)
        if not place.is_dir():
            raise BadInputError(f"--cards {name}: there is no such directory, and no collection")
        found.append(place)
    return tuple(dict.fromkeys(found))


def _in_collection(name: str) -> Path:
    below = Path("ansible_collections", *name.split("."), "incidents")
    listed = os.environ.get("ANSIBLE_COLLECTIONS_PATH", "").split(":")
    places = [*sys.path, *listed, "~/.ansible/collections", "/usr/share/ansible/collections"]
    found = (Path(place).expanduser().absolute() / below for place in places if place)
    return next((path for path in found if path.is_dir()), below)


def _probe(probe: Any, shared: Mapping[str, CardProbe]) -> CardProbe:
    if not isinstance(probe, str):
        return cast("CardProbe", dict(probe))
    return {"id": probe, **(shared.get(probe) or {}), "shared": True}


def _inputs(name: str, options: Facts) -> list[CardInput]:
    return [
        {
            "name": f"{name}_{key}",
            "default": option.get("default"),
            "help": str(option.get("description", "")),
        }
        for key, option in options.items()
    ]


def role_options(role: str) -> dict[str, Any]:
    """Return the options of a role of the collection, from its argument specs."""
    specs = _load(collection() / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return dict(specs["diagnose"]["options"])


def _load(path: Path) -> dict[str, Any]:
    loaded = load_yaml(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return loaded if isinstance(loaded, dict) else {}


def load_yaml(text: str) -> Any:
    """Load YAML as data only: tags such as `!unsafe` keep their text; broken YAML is None."""
    import yaml

    try:
        return yaml.load(text, Loader=_loader())
    except (yaml.YAMLError, ValueError, RecursionError):
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
