"""The options that all runs share, as the user gave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """The shared options as the user gave them."""

    inventory: str | None = None
    inventory_from: str = "option -i"
    limit: str | None = None
    extra_vars: tuple[str, ...] = ()
    forks: int | None = None
    timeout: int | None = None
    format: str = "text"
    vault_password_file: Path | None = None
    verbose: int = 0
    store: str | None = None
    through: str | None = None
    cards: tuple[str, ...] = ()
    reports: tuple[tuple[str, Path], ...] = ()
    """The form and the file of each report of the run that is wanted besides what is printed."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What was found out of this machine's stack, where no inventory describes it."""
