"""Facts on stdout: one JSON document, or text by a module that is imported only for that."""

from __future__ import annotations

import json
from importlib import import_module

import click


def tell(facts: object, form: str, module: str, function: str) -> int:
    """Print facts as JSON, or with a `function` of a `module` of ours; return exit code 0."""
    if form == "json":
        tell_json(facts)
    else:
        getattr(import_module(f"runner.{module}"), function)(facts)
    return 0


def tell_json(facts: object) -> None:
    """Print facts as one JSON document."""
    click.echo(json.dumps(facts, indent=2, default=str, ensure_ascii=False))
