"""Ansible's events, translated into our own frozen type."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from oncall_runbook.run.variables import redact

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts

Kind = Literal["start", "item", "look", "wait", "ok", "failed", "unreachable"]
Action = Literal["probe", "act", ""]
# Kinds of what happens within a task: it goes on.
UNDER_WAY: tuple[Kind, ...] = ("start", "item", "wait")

_KINDS: dict[str, Kind] = {
    "runner_on_start": "start",
    "runner_item_on_ok": "item",
    "runner_retry": "look",  # of a watch: one of many looks
    "runner_on_ok": "ok",
    "runner_on_failed": "failed",
    "runner_on_unreachable": "unreachable",
}
_READ = ("ask", "judge", "keep", "look", "prove", "watch")
_ACTIONS: dict[str, Action] = {
    **{f"oncall.runbook.{name}": "probe" for name in _READ},
    "oncall.runbook.act": "act",
}
LEASE = "oncall.runbook.lease"
_NO_HOSTS = "leaves us with no hosts to target"
# What judge says of a host, in a line of its own, while a cure settles.
_WAITS = re.compile(r"(?P<host>.+?): not over yet: (?P<why>.+)")
_WORTH_SAYING = re.compile(r"\[WARNING\]: (Could not match supplied host pattern.*)")


@dataclass(frozen=True)
class Event:
    """Something happened to a host: it began a task, waits in it, or a task of it ended."""

    kind: Kind
    time: float
    host: str
    task: str
    action: Action = ""
    result: Facts = field(default_factory=dict)
    ignored: bool = False
    plugin: str = ""  # the action of the collection, by its full name


class Translator:
    """The event handler ansible-runner gets; it also keeps what ansible said about the run."""

    def __init__(
        self,
        on_event: Callable[[Event], None],
        on_output: Callable[[str], None],
        secrets: frozenset[str],
    ) -> None:
        """Hand events to `on_event` and lines of output to `on_output`, without `secrets`."""
        self._on_event = on_event
        self._on_output = on_output
        self._secrets = secrets
        self._lines: list[str] = []
        self.no_hosts = False
        self.warnings: list[str] = []

    def handle(self, raw: Facts) -> bool:
        """Take one event of ansible-runner; False, because it shall keep no file of it."""
        kind = str(raw.get("event", ""))
        if text := raw.get("stdout"):
            self._said(kind, redact(str(text), self._secrets).replace("\r\n", "\n"))
        if kind == "playbook_on_no_hosts_matched":
            self.no_hosts = True
        for event in (*translate(raw, self._secrets), *waits(raw, self._secrets)):
            self._on_event(event)
        return False

    def error(self) -> str:
        """Return why ansible ended, in one line: its last error, else its last words."""
        starts = [n for n, line in enumerate(self._lines) if re.match(r"\[?ERROR\]?[:!]", line)]
        if not starts:
            return next((line.strip() for line in reversed(self._lines) if line.strip()), "")
        words = []
        for line in self._lines[starts[-1] :]:
            if not line.strip() or line.startswith(("Origin:", "<<<")):
                break
            words.append(line.strip())
        return re.sub(r"^\[?ERROR\]?[:!]\s*", "", " ".join(words))

    def _said(self, kind: str, text: str) -> None:
        self._on_output(text)
        if kind.startswith(("runner_", "playbook_")):
            return
        self._lines.extend(text.splitlines() or [""])
        self.no_hosts |= _NO_HOSTS in text
        self.warnings.extend(_WORTH_SAYING.findall(text))


class Told:
    """What one process told of many hosts, of each task's end a line of JSON in a file."""

    def __init__(self, path: Path, take: Callable[[Facts], None]) -> None:
        """Hand what is told on to `take`, as `told_event` reads it; the file may never come."""
        self._path = path
        self._take = take
        self._read = 0

    def read(self) -> None:
        """Hand on what has been told since the last time; a line that is not whole waits."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                self._take(json.loads(line))


def told_event(told: Facts, secrets: frozenset[str]) -> Event:
    """Return what one process told of one of its hosts, as an event."""
    result = redact(told["result"], secrets)
    return Event(told["kind"], time.time(), told["host"], told["task"], "probe", result)


def translate(raw: Facts, secrets: frozenset[str] = frozenset()) -> list[Event]:
    """Turn one raw event into ours: none, one, or one for each item of a loop."""
    kind = _KINDS.get(str(raw.get("event", "")))
    data = raw.get("event_data") or {}
    host = data.get("host")
    if kind is None or not host:
        return []
    names = (str(data.get("resolved_action") or ""), str(data.get("task_action") or ""))
    plugin = next((name for name in names if name in _ACTIONS or name == LEASE), "")
    results = _results(data.get("res"), raw)
    return [
        Event(
            kind=kind,
            time=time.time(),
            host=str(host),
            task=str(data.get("task") or ""),
            action=_ACTIONS.get(plugin, ""),
            plugin=plugin,
            result=redact(result, secrets),
            ignored=bool(data.get("ignore_errors")),
        )
        for result in results
    ]


def waits(raw: Facts, secrets: frozenset[str] = frozenset()) -> list[Event]:
    """Return what a line between ansible's events says that a host still waits for, if it does."""
    line = str(raw.get("stdout") or "").strip() if raw.get("event") == "verbose" else ""
    if not (said := _WAITS.fullmatch(line)):
        return []
    why = {"msg": said["why"]}
    return [Event("wait", time.time(), said["host"], "", result=redact(why, secrets))]


def _results(res: object, raw: Facts) -> list[Facts]:
    """Unfold a loop's results; a result that was cut keeps at least what ansible printed."""
    if not isinstance(res, dict) or not res:
        said = str(raw.get("stdout") or "").strip()
        return [{"msg": said} if said else {}]
    items = res.get("results")
    if isinstance(items, list) and items and all(isinstance(item, dict) for item in items):
        return items
    return [res]
