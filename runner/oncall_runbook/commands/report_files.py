"""The files of `--report FORMAT=FILE`: looked at before a run, written at its end."""

from __future__ import annotations

import os
import stat
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from oncall_runbook.errors import BadInputError
from oncall_runbook.run import run_files
from oncall_runbook.text.output import json_document, say_aside

if TYPE_CHECKING:
    from oncall_runbook.documents import PlanDocument, RunDocument

Reports = Sequence[tuple[str, Path]]


def check(reports: Reports, plan: Path | None = None) -> None:
    """Raise BadInputError where a report, or the plan, could not be written, before all else."""
    files = [(f"--report {form}={path}", _place(path)) for form, path in reports]
    files += [(f"--out {plan}", _place(plan))] if plan else []
    named = Counter(place for _, place in files)
    for option, place in files:
        if named[place] > 1:
            raise BadInputError(f"{option}: two reports cannot be one file")
        if why := _unwritable(place):
            raise BadInputError(f"{option} cannot be written: {why}")


def write(reports: Reports, final: RunDocument) -> bool:
    """Write each report whole or not at all; say which could not be, and tell whether all were."""
    failed = [_problem(form, path, final) for form, path in reports]
    for problem in filter(None, failed):
        say_aside(f"warning: {problem}; the run is kept: runbook runs show {final['run']}")
    return not any(failed)


def write_plan(path: Path, plan: PlanDocument) -> bool:
    """Write a plan whole or not at all; say where it is, and tell whether it could be written."""
    place = _place(path)
    try:
        run_files.write_text_atomically(place, json_document(plan), _mode(place))
    except OSError as error:
        say_aside(f"warning: --out {path} could not be written: {error.strerror}")
        return False
    say_aside(f"plan written to {path}; to carry it out: runbook remediate --plan {path}")
    return True


def _problem(form: str, path: Path, final: RunDocument) -> str:
    """Write one report; return why it could not be written, or nothing."""
    place = _place(path)
    try:
        run_files.write_text_atomically(place, _text(form, final), _mode(place))
    except OSError as error:
        return f"report {form}={path} could not be written: {error.strerror}"
    return ""


def _text(form: str, final: RunDocument) -> Iterable[str]:
    if form == "json":
        return json_document(final)
    if form == "html":
        from oncall_runbook.pages.rendering import run_html

        return [run_html(final)]
    from oncall_runbook.reports.writing import pieces

    return pieces(form, final)


def _place(path: Path) -> Path:
    """Return where a file really is: what a link leads to is written, not the link."""
    return path.expanduser().resolve()


def _unwritable(place: Path) -> str:
    """Return why a file cannot be written by a temporary file beside it, or nothing."""
    if place.is_dir():
        return "it is a directory"
    if place.exists() and not place.is_file():
        return "it is no regular file"
    try:
        with tempfile.TemporaryFile(dir=place.parent):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _mode(place: Path) -> int:
    """Return the mode of the file that is there, else that of a new one."""
    if place.exists():
        return stat.S_IMODE(place.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
