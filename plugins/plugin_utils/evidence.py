# GNU General Public License v3.0 or later (see LICENSE)
"""Keeps on the control host what a change would destroy on the managed one."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import environment
from .findings import Finding


def keep(directory: str, host: str, findings: Mapping[str, Finding]) -> dict[str, Any]:
    """Write every finding of ``host`` below ``directory``, with a manifest of their sha256.

    Returns the path, the number of files and their size in bytes. Raises OSError when a file
    cannot be written: what is not kept must not be destroyed.
    """
    place = Path(directory).expanduser() / host.replace("/", "_")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    manifest = {id: _keep_one(place, id, found) for id, found in findings.items()}
    _write(place / "manifest.json", json.dumps({"schema": 1, "files": manifest}, indent=2))
    return {
        "path": str(place),
        "files": len(manifest),
        "bytes": sum(entry["bytes"] for entry in manifest.values()),
    }


def _keep_one(place: Path, id: str, found: Finding) -> dict[str, Any]:
    text = found["output"]
    if found["stderr"].strip():
        text += f"\n--- standard error ---\n{found['stderr']}"
    text = environment.masked(text)
    path = place / f"{id}.txt"
    _write(path, text)
    data = text.encode("utf-8", errors="replace")
    return {
        "file": path.name,
        "title": found["title"],
        "command": found["command"],
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "cut": found["cut"],
        "reason": found["reason"],
    }


def _write(path: Path, text: str) -> None:
    """Write all of ``text`` under a temporary name, then rename: never half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
