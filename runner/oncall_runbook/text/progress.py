"""What a run is doing, on stderr, while it does it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import HostState
from oncall_runbook.run.session import Progress
from oncall_runbook.text.narration import decision
from oncall_runbook.text.output import harmless, say

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


# How many hosts have a line of their own while they are at work; more are counted by task.
_EACH = 10
Usual = Callable[[str, str], float | None]
"""How many seconds a step, by its title, usually takes on a host; None where nobody knows."""


def progress_for(
    *, verbose: bool, usual: Usual = lambda _host, _title: None
) -> Callable[[bool], Progress]:
    """Return what makes the display of a play, given whether it acts.

    That is the live display on a terminal, else lines (if it acts, or `verbose`), else nothing.
    """

    def choose(acting: bool) -> Progress:
        if sys.stderr.isatty() and not verbose:
            return LiveProgress(usual if acting else lambda _host, _title: None)
        return Lines(verbose=verbose) if acting or verbose else Silence()

    return choose


class Silence:
    """No progress at all."""

    def tell(self, event: Event, state: HostState) -> None:
        """Say nothing."""

    def output(self, text: str) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """One line for each step and each decision."""

    def __init__(self, *, verbose: bool) -> None:
        """With `verbose`, ansible's own output is passed through as well."""
        self._began = time.time()
        self._verbose = verbose

    def tell(self, event: Event, state: HostState) -> None:
        """Print what begins, and what was decided."""
        text = decision(event, state)
        if event.kind == "start" and event.action:
            text = event.task
        if event.kind == "wait":
            text = f"not over yet: {event.result['msg']}"
        if text:
            say(f"{event.time - self._began:6.1f} s  {event.host}: {text}", err=True)

    def output(self, text: str) -> None:
        """Pass ansible's output through."""
        if self._verbose and text.strip():
            say(text.strip("\r\n"), err=True)

    def close(self) -> None:
        """Do nothing."""


@dataclass
class _Busy:
    """What a host does: the task, since when, and what is waited for, as it was and as it is."""

    task: str
    since: float
    before: str = ""
    now: str = ""


class LiveProgress:
    """On a terminal: a line for each host at work; decisions stay above it."""

    def __init__(self, usual: Usual) -> None:
        """Begin at the first event; until then ansible itself is starting."""
        self._usual = usual
        self._began = time.time()
        self._busy: dict[str, _Busy] = {}
        self._live: Live | None = None

    def tell(self, event: Event, state: HostState) -> None:
        """Show what the host does now, and keep what was decided."""
        live = self._started()
        if event.kind == "start":
            self._busy[event.host] = _Busy(event.task, event.time, _waits_for(event, state))
        elif event.kind != "wait":
            self._busy.pop(event.host, None)
        elif busy := self._busy.get(event.host):
            busy.now = harmless(event.result["msg"])
        if text := decision(event, state):
            passed = f"{event.time - self._began:6.1f} s"
            told = harmless(f"{passed}  {event.host}: {text}")
            live.console.print(told, markup=False, highlight=False)

    def output(self, text: str) -> None:
        """Ignore it: -v is not for the live display."""

    def close(self) -> None:
        """Take the live lines off the screen."""
        if self._live:
            self._live.stop()

    def table(self) -> Table:
        """Return the live lines: host, task, seconds, and below it what is waited for."""
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        now = time.time()
        grid = Table.grid(padding=(0, 1))
        at_work = dict(self._busy)
        if len(at_work) > _EACH:
            for task, hosts, since in _grouped(at_work):
                longest = f"{now - since:.1f} s at most"
                grid.add_row(Spinner("dots"), f"{hosts} hosts", harmless(task), longest)
            at_work = {}
        for host, busy in at_work.items():
            usual = self._usual(host, busy.task.partition(" | ")[2])
            expected = "" if usual is None else f"of usually {max(1, round(usual))} s"
            seconds = f"{now - busy.since:.1f} s"
            grid.add_row(Spinner("dots"), host, harmless(busy.task), seconds, expected)
            for when, why in (("was", busy.before), ("now", busy.now)):
                if why:
                    grid.add_row("", "", Text(f"{when}: {why}", style="dim"))
        grid.add_row("", "", "elapsed", f"{now - self._began:.1f} s")
        return grid

    def _started(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        if self._live is None:
            self._live = Live(
                console=Console(stderr=True),
                get_renderable=self.table,
                refresh_per_second=8,
                transient=True,
            )
            self._live.start()
        return self._live


def _grouped(at_work: Mapping[str, _Busy]) -> Iterator[tuple[str, int, float]]:
    """Yield each task with how many hosts are at it, and since when the first of them is."""
    tasks: dict[str, list[float]] = {}
    for busy in at_work.values():
        tasks.setdefault(busy.task, []).append(busy.since)
    for task, since in tasks.items():
        yield task, len(since), min(since)


def _waits_for(event: Event, state: HostState) -> str:
    """Say what a look after a step hopes to see no more: what was found, with its figure."""
    if event.action != "probe" or not state.actions:
        return ""
    known = (state.incidents.get(name, {}).get("why", "") for name in state.root_causes)
    return harmless(next(filter(None, known), ""))
