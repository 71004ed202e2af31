"""Makes a run's document a report of one form; the writer of a form is imported only for it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from oncall_runbook.documents import whole_run
from oncall_runbook.text.output import harmless_document, say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from oncall_runbook.documents import Facts

FORMS = ("junit", "markdown", "github")


def report(form: str, document: Facts) -> str:
    """Return a run's document as text of that form, one of `FORMS`, without control codes."""
    return "".join(pieces(form, document))


def tell(form: str, document: Facts) -> None:
    """Print a run's document in that form; only one that is commands of CI prints any."""
    for text in pieces(form, document):
        say(text, nl=False, commands=form == "github")


def pieces(form: str, document: Facts) -> Iterable[str]:
    """Return that text in pieces: what grows with the hosts is never there as a whole."""
    writer = import_module(f"oncall_runbook.reports.{form}")
    told: Iterable[str] | str = writer.report(whole_run(harmless_document(document)))
    return [told] if isinstance(told, str) else told
