"""A new card of a site's own, with one fault and one near miss to try it with."""

from __future__ import annotations

import re
from pathlib import Path

from oncall_runbook.cards.catalog import Catalog
from oncall_runbook.errors import BadInputError
from oncall_runbook.templates.environment import template_environment

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_FILES = {
    "{name}.yml": "new_card.yml.j2",
    "faults/{name}.yml": "new_fault.yml.j2",
    "near_misses/{name}.yml": "new_near_miss.yml.j2",
}


def write(name: str, folder: Path, known: Catalog) -> list[Path]:
    """Write the card of `name` into `folder`, and what tries it; return the files.

    Raises BadInputError for a name that is taken or none, and for files that are there already.
    """
    name = name.strip().lower().replace("-", "_")
    if not _NAME.fullmatch(name):
        raise BadInputError(f"{name!r} is no name of a card; write lower-case words, as disk-slow")
    if name in known.files:
        raise BadInputError(f"there is a card {name} already; give yours another name")
    environment = template_environment()
    values = {"name": name, "title": name.replace("_", " ").capitalize()}
    files = {folder / path.format(name=name): source for path, source in _FILES.items()}
    if there := [path for path in files if path.exists()]:
        raise BadInputError(f"{there[0]} exists already; remove it, or take another name")
    for path, source in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(environment.get_template(source).render(values) + "\n", encoding="utf-8")
    return [*files]
