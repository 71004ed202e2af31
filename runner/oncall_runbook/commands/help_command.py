"""The command `runbook help`: the pages of the documentation, offline."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from oncall_runbook.cards import catalog
from oncall_runbook.commands import completing
from oncall_runbook.commands.shared_options import example
from oncall_runbook.errors import NothingMatchedError
from oncall_runbook.text.output import say


def _pages() -> dict[str, Path]:
    """Return the pages by their topics: exit-codes, card-language, memory-leak."""
    place = catalog.collection() / "docs"
    found = [*place.glob("*.md"), *place.glob("incidents/*.md")]
    return {path.stem.replace("_", "-"): path for path in sorted(found)}


def _title(path: Path) -> str:
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# ").strip()


def _topics(_: click.Context) -> Iterable[tuple[str, str]]:
    return [(topic, _title(path)) for topic, path in _pages().items()]


@click.command("help", epilog=example("runbook help", "runbook help exit-codes"))
@click.argument("topic", required=False, shell_complete=completing.completing(_topics))
def help_(topic: str | None) -> int:
    """Show a page of the documentation, or which there are."""
    pages = _pages()
    if topic is None:
        width = max(map(len, pages), default=0)
        for name, path in pages.items():
            say(f"{name:<{width}}  {_title(path)}")
        return 0
    page = pages.get(topic.replace("_", "-").lower())
    if page is None:
        near = difflib.get_close_matches(topic, pages, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "runbook help lists them"
        raise NothingMatchedError(f"there is no topic {topic!r}; {hint}")
    _show(page.read_text(encoding="utf-8"))
    return 0


def _show(text: str) -> None:
    """Print a page: as it is into a file, laid out on a terminal."""
    if not sys.stdout.isatty():
        say(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console()
    with console.pager(styles=True):
        console.print(Markdown(text, hyperlinks=False))
