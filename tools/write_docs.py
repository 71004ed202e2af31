"""Writes what is made from the stubs of the actions, and from the cards: ``make docs`` runs it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader

ROOT = Path(__file__).parents[1]
# In the order in which they are used; a stub that is not named here comes last.
ORDER = ("judge", "tell", "lease", "keep", "act", "look", "prove", "fetch", "ask")
_MARKUP = re.compile(r"\b(?:[BCIMOPV]|RV)\(((?:[^()]|\([^()]*\))*)\)")


def pages() -> Iterator[tuple[Path, str]]:
    """Return each file that is made, and what it holds."""
    templates = environment()
    stubs = {name: read_stub(name) for name in sorted(_stub_names(), key=_place)}
    yield ROOT / "docs/actions.md", templates.get_template("actions.md.j2").render(stubs=stubs)
    for path in sorted(ROOT.glob("roles/*/card.yml")):
        name, card = path.parent.name, yaml.safe_load(path.read_text(encoding="utf-8"))
        inputs = {f"{name}_{key}": option for key, option in card.get("inputs", {}).items()}
        known = {"name": name, "card": card, "inputs": inputs}
        for place, template in _OF_CARD.items():
            yield path.parent / place, templates.get_template(template).render(known)


_OF_CARD = {"README.md": "role.md.j2", "meta/argument_specs.yml": "argument_specs.yml.j2"}


def read_stub(name: str) -> dict[str, Any]:
    """Return what the stub of the action ``name`` says: its options, values and examples."""
    text = (ROOT / f"plugins/modules/{name}.py").read_text(encoding="utf-8")
    told = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    doc, returned = (yaml.safe_load(told[key]) for key in ("DOCUMENTATION", "RETURN"))
    return {"doc": doc, "returned": returned, "examples": told["EXAMPLES"]}


def environment() -> Environment:
    """Return the templates, with what they need to write Markdown."""
    found = Environment(
        loader=FileSystemLoader(ROOT / "tools/templates"), trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    found.filters |= {
        "cell": lambda text: " ".join(str(text).split()).replace("|", "\\|"),
        "lines": lambda text: [text] if isinstance(text, str) else text,
        "quoted": lambda values: ", ".join(f"`{value}`" for value in values),
        "said": _said,
        "tojson": lambda value: json.dumps(value, ensure_ascii=False),
        "words": _words,
    }
    return found


def _stub_names() -> Iterator[str]:
    return (path.stem for path in (ROOT / "plugins/modules").glob("*.py"))


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def _said(attribute: Mapping[str, str]) -> str:
    return f"{attribute['support']}. {_words(attribute['details'])}"


def _words(text: str) -> str:
    """Return ``text`` with what Ansible marks up (``O(run)``, ``V(true)``) as Markdown's code."""
    return _MARKUP.sub(lambda found: f"`{found[1]}`", text)


def main() -> None:
    """Write them all."""
    for path, text in pages():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
