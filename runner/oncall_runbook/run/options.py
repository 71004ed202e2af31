"""The options that all runs share, as the user gave them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
    cards: tuple[str, ...] = ()
