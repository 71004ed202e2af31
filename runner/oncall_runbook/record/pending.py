"""The notes of runs that are not in the record of incidents yet."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from oncall_runbook.run import run_files


def notes() -> Iterator[tuple[Path, str | None]]:
    """Yield the notes of runs that are not in the record yet, and the incident each wants."""
    directory = _directory()
    for path in sorted(directory.glob("*Z-????")) if directory.is_dir() else []:
        with contextlib.suppress(OSError, ValueError):
            yield path, json.loads(path.read_text(encoding="utf-8")).get("incident")


def add(run: str, incident: str | None) -> None:
    """Note a run that is about to begin, and the incident it shall stand in."""
    _directory().mkdir(mode=0o700, parents=True, exist_ok=True)
    run_files.write_atomically(_directory() / run, {"incident": incident})


def set_aside(path: Path) -> None:
    """Keep the note of a run whose files cannot be read, and look at it no more."""
    path.rename(path.with_suffix(".unreadable"))


def _directory() -> Path:
    return run_files.state_directory() / "pending"
