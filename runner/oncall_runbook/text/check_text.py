"""The checks as text for people, by host, this machine first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from oncall_runbook.checkup.check import Check
from oncall_runbook.text import report
from oncall_runbook.text.words import clean

_STYLES = {"ok": "green", "warning": "yellow", "bad": "bold red", "unknown": "bold magenta"}
_WIDTHS = (len("warning"), len("run directory"))
_LONGEST = 400


def show(checks: Sequence[Check], code: int) -> None:
    """Print every check, and below those that are not ok what to do."""
    screen = report.console()
    for host in dict.fromkeys(check.host for check in checks):
        screen.print(Text(host or "this machine", "bold"))
        table = _table(check for check in checks if check.host == host)
        screen.print(Padding(table, (0, 0, 0, 2), expand=False))
    counts = Counter(str(check.status) for check in checks)
    told = ", ".join(f"{counts[word]} {word}" for word in _STYLES if counts[word])
    screen.print(Text(f"{told} · exit {code}", "dim"))


def _table(checks: Iterable[Check]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for width in _WIDTHS:
        table.add_column(min_width=width, no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        status = Text(check.status, _STYLES[check.status])
        said = clean(check.text, _LONGEST)
        table.add_row(status, check.check.replace("_", " "), said)
        if check.next:
            table.add_row("", "", Text(f"next: {clean(check.next, _LONGEST)}", "dim"))
    return table
