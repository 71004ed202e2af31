"""The templates of pages and messages, and the way in which all of them are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def template_environment(own: Path | None = None, **how: Any) -> Environment:
    """Return a jinja2 environment for our templates, those of the directory `own` before them.

    What a template names and nobody has given is an error. `how` is what jinja2 takes as well.
    """
    from jinja2 import (  # late: a command that shows no template starts without it
        ChoiceLoader,
        Environment,
        FileSystemLoader,
        PackageLoader,
        StrictUndefined,
    )

    loaders = [*([FileSystemLoader(own)] if own else []), PackageLoader("oncall_runbook")]
    return Environment(
        **{
            "loader": ChoiceLoader(loaders),
            "undefined": StrictUndefined,
            "trim_blocks": True,
            "lstrip_blocks": True,
            "keep_trailing_newline": True,
            "autoescape": False,  # text, unless a page says otherwise
            **how,
        }
    )
