"""The figures of hosts while they are watched: on a terminal as they move, else a line a look."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import HostState, as_mapping
from oncall_runbook.run.session import Progress
from oncall_runbook.text.output import say
from oncall_runbook.text.words import clean, word

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from oncall_runbook.documents import Facts

_LOOKS_SHOWN = 30
# So many hosts are shown with all their figures; of more only those that are not well.
_HOSTS_WHOLE = 3
_BARS = "▁▂▃▄▅▆▇█"


@dataclass
class Watched:
    """What is known of a host that is watched: how it is, since when, and what its figures were."""

    verdict: str = ""
    why: str = ""
    since: float = 0.0
    seen: float = 0.0
    figures: dict[str, Facts] = field(default_factory=dict)
    past: dict[str, deque[float | None]] = field(default_factory=dict)

    def take(self, event: Event, state: HostState) -> bool:
        """Take a look; return whether the verdict is another one now."""
        self.seen = event.time
        for id, figure in as_mapping(event.result.get("figures")).items():
            self.figures[id] = as_mapping(figure)
            past = self.past.setdefault(id, deque(maxlen=_LOOKS_SHOWN))
            value = self.figures[id].get("value")
            past.append(value if isinstance(value, int | float) else None)
        verdict = state.verdict.value if state.verdict else "unknown"
        is_incident = verdict == "incident"
        self.why = ", ".join(state.root_causes) if is_incident else clean(state.reason)
        if verdict == self.verdict:
            return False
        changed = bool(self.verdict)
        self.verdict, self.since = verdict, event.time
        return changed


def watching(_acting: bool) -> Progress:
    """Return what shows a watch: a table that moves on a terminal, else a line for each look."""
    return Moving() if sys.stderr.isatty() else Looks()


class Looks:
    """A line for each look."""

    def __init__(self) -> None:
        """Begin with no host."""
        self._began = time.time()
        self._hosts: dict[str, Watched] = {}

    def tell(self, event: Event, state: HostState) -> None:
        """Print what a look showed."""
        if not _is_look(event):
            return
        host = self._hosts.setdefault(event.host, Watched())
        host.take(event, state)
        why = f" — {host.why}" if host.why else ""
        figures = [f" · {clean(one.get('title'))}: {_answer(one)}" for one in host.figures.values()]
        passed = f"{event.time - self._began:6.1f} s"
        say(f"{passed}  {event.host}: {host.verdict}{why}{''.join(figures)}", err=True)

    def output(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class Moving:
    """A table that moves: a line for each figure of each host, and how it was before."""

    def __init__(self) -> None:
        """Begin at the first event; until then ansible itself is starting."""
        self._hosts: dict[str, Watched] = {}
        self._live: Live | None = None

    def tell(self, event: Event, state: HostState) -> None:
        """Take a look, and ring where the verdict is another one now."""
        live = self._started()
        if not _is_look(event):
            return
        host = self._hosts.setdefault(event.host, Watched())
        before = host.verdict
        if host.take(event, state):
            live.console.bell()
            at = time.strftime("%H:%M:%S", time.localtime(event.time))
            told = Text.assemble(
                f"{at}  {event.host}: {before or 'unknown'} → ", word(host.verdict)
            )
            live.console.print(told.append(f" — {host.why}" if host.why else ""))

    def output(self, text: str) -> None:
        """Ignore it."""

    def close(self) -> None:
        """Take the table off the screen."""
        if self._live:
            self._live.stop()

    def table(self) -> Table:
        """Return the lines as they are now."""
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        few = len(self._hosts) <= _HOSTS_WHOLE
        well = [name for name, host in self._hosts.items() if host.verdict == "healthy"]
        for name, host in sorted(self._hosts.items()):
            if name in well and not few:
                continue
            age = time.time() - host.since
            seen = time.time() - host.seen
            stale = f", seen {seen:.0f} s ago" if seen > 15 else ""
            head = Text.assemble(
                (name, "bold"), ": ", word(host.verdict), f" for {age:.0f} s{stale}"
            )
            grid.add_row(head.append(f" — {host.why}" if host.why else ""))
            for id, figure in host.figures.items():
                grid.add_row(_line(figure, host.past[id]))
        if well and not few:
            grid.add_row(Text.assemble((f"{len(well)} hosts", "bold"), ": ", word("healthy")))
        return grid

    def _started(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            console: Console = Console(stderr=True, highlight=False)
            self._live = Live(
                console=console, get_renderable=self.table, refresh_per_second=2, transient=True
            )
            self._live.start()
        return self._live


def _is_look(event: Event) -> bool:
    """Tell whether it says how a host is: a look, or why there is none."""
    return event.result.get("phase") == "watch" or event.kind in ("failed", "unreachable")


def _line(figure: Facts, past: deque[float | None]) -> Text:
    style = {"unhealthy": "bold red", "unknown": "magenta"}.get(str(figure.get("status")), "")
    told = Text(f"  {bars(list(past)):>{_LOOKS_SHOWN}}  ", "cyan")
    return told.append(_answer(figure), style).append(f"  {clean(figure.get('title'))}", "dim")


def _answer(figure: Facts) -> str:
    value = figure.get("value")
    if not isinstance(value, int | float):
        return "unknown"
    return f"{value:g} {clean(figure.get('unit'))}".strip()


def bars(values: list[float | None]) -> str:
    """Return figures as bars, the highest of them full; a blank where there was none."""
    most = max((value for value in values if value is not None), default=0)
    return "".join(" " if value is None else _BARS[_height(value, most)] for value in values)


def _height(value: float, most: float) -> int:
    return max(0, round((len(_BARS) - 1) * value / most)) if most > 0 else 0
