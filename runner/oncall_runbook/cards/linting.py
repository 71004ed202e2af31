"""What is wrong with cards: the check that everybody's cards get when they are read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import Any

from oncall_runbook.errors import BadInputError, RunbookError


def complaints(paths: Sequence[Path], directories: Sequence[Path] = ()) -> list[str]:
    """Return what is wrong with the cards at `paths`, files or directories, one line each.

    Without any, with those of the collection. They may explain cards of the `directories` that come
    before theirs, as for a run. Raises BadInputError for a path that is not there.
    """
    cards = _cards()
    if not paths:
        return list(cards.complaints(cards.shipped(), {}))
    said: list[str] = []
    for path in paths:
        if not path.exists():
            raise BadInputError(f"{path} does not exist; give a card, or a directory with cards")
        place = path if path.is_dir() else path.parent
        # What stands beside a card may be what it explains.
        together = sorted(place.glob("*.yml"))
        before = tuple(takewhile(place.__ne__, directories))
        found = cards.complaints(together, _known(cards, before))
        said += [line for line in found if path.is_dir() or line.startswith(f"{path}:")]
    return said


def _known(cards: ModuleType, directories: tuple[Path, ...]) -> Any:
    """Return the cards of the collection and of `directories`; without them if one is wrong."""
    try:
        return cards.library(directories).cards
    except cards.CardError:
        return cards.library().cards


def _cards() -> ModuleType:
    try:
        from ansible_collections.oncall.runbook.plugins.plugin_utils import cards
    except ImportError as error:
        raise RunbookError(f"the collection oncall.runbook is not installed: {error}") from error
    module: ModuleType = cards
    return module
