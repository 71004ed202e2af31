"""What is wrong with cards: the check that everybody's cards get when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from oncall_runbook.commands.shared_options import Options
from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.run.order import known_to
from oncall_runbook.text.output import say, tell_json

_WRONG = 2


def check(paths: Iterable[Path], options: Options) -> int:
    """Print what is wrong with the cards at `paths`, else with all; return the exit code."""
    chosen = [path.absolute() for path in paths] or [*known_to(options).directories]
    said = complaints(chosen)
    if options.format == "json":
        tell_json(said)
    else:
        for line in said:
            say(line)
        say(f"runbook: {len(said)} to mend" if said else "runbook: cards are in order", err=True)
    return _WRONG if said else 0


def complaints(paths: Sequence[Path]) -> list[str]:
    """Return what is wrong with the cards at `paths`, files or directories, one line each.

    Without any, with those of the collection. Raises BadInputError for a path that is not there.
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
        found = cards.complaints(together, cards.library().cards)
        said += [line for line in found if path.is_dir() or line.startswith(f"{path}:")]
    return said


def _cards() -> ModuleType:
    try:
        from ansible_collections.oncall.runbook.plugins.plugin_utils import cards
    except ImportError as error:
        raise RunbookError(f"the collection oncall.runbook is not installed: {error}") from error
    module: ModuleType = cards
    return module
