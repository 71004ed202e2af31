"""Makes a run's document a report of one form; the writer of a form is imported only for it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from oncall_runbook.documents import whole_run
from oncall_runbook.text.output import harmless_document

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts

FORMS = ("junit", "markdown", "github")


def report(form: str, document: Facts) -> str:
    """Return a run's document as text of that form, one of `FORMS`, without control codes."""
    writer = import_module(f"oncall_runbook.reports.{form}")
    text: str = writer.report(whole_run(harmless_document(document)))
    return text
