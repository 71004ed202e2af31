"""A run's directory: its document, its events, its evidence; and the list of runs."""

from __future__ import annotations

import contextlib
import functools
import getpass
import itertools
import json
import os
import re
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from oncall_runbook.errors import BadInputError, NothingMatchedError
from oncall_runbook.packed import pieces
from oncall_runbook.run import processes

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts, JournalEntry, RunDocument

# From how many runs it is told how long a step will take.
_RUNS_REMEMBERED = 50
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")


def state_directory() -> Path:
    """Return where the command keeps what it must not forget: $XDG_STATE_HOME/runbook."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser().absolute() / "runbook"


def runs_directory() -> Path:
    """Return where runs are kept."""
    return state_directory() / "runs"


def plan_path(run: str) -> Path:
    """Return where a run keeps the plan that it carries out."""
    return runs_directory() / run / "plan.json"


def new_id(now: float) -> str:
    """Return an id for a run: UTC time and four hex digits, so that ids sort by time."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now)) + f"-{os.urandom(2).hex()}"


def incidents_path() -> Path:
    """Return where the user's own incidents are kept; a team's are elsewhere."""
    return state_directory() / "incidents.db"


def incidents_kept(url: str | None) -> bool:
    """Tell whether there is a store of incidents, without opening it."""
    return bool(url) or incidents_path().exists()


def author() -> str:
    """Name who is at work here: $RUNBOOK_AUTHOR, else user@machine."""
    if name := os.environ.get("RUNBOOK_AUTHOR"):
        return name
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def unwritable(path: Path) -> str:
    """Return why nothing can be written to the directory `path`, which is made; empty if it can."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(b"x")
            file.flush()
    except OSError as error:
        return error.strerror or str(error)
    return ""


class RunDirectory:
    """One run's directory, open for writing."""

    def __init__(self, run: str) -> None:
        """Create the directory (0700); OSError when that cannot be."""
        self.directory = runs_directory() / run
        self.directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory.mkdir(mode=0o700)
        self._events: IO[str] = open_private(self.directory / "events.jsonl")

    def event(self, entry: JournalEntry) -> None:
        """Append one event, at once."""
        self._events.write(json.dumps(entry, separators=(",", ":"), default=str) + "\n")
        self._events.flush()

    def save(self, document: RunDocument) -> None:
        """Write run.json so that a reader sees the old or the new one, never half of it."""
        owner = {"pid": os.getpid(), "pid_started": processes.started(os.getpid())}
        write_atomically(self.directory / "run.json", {**document, **owner})

    def keep_plan(self, text: str) -> None:
        """Keep the plan that is carried out, as it is."""
        write_text_atomically(plan_path(self.directory.name), [text])

    def close(self) -> None:
        """Close the events; the directory stays."""
        with contextlib.suppress(OSError):
            self._events.close()


def open_private(path: Path) -> IO[str]:
    """Open a new file for appending that only its owner can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.fdopen(descriptor, "a", encoding="utf-8")


def write_atomically(path: Path, document: Facts) -> None:
    """Write JSON whole or not at all, in one line: indented it takes twenty times as long."""
    write_text_atomically(path, itertools.chain(pieces(document), "\n"))


def write_text_atomically(path: Path, text: Iterable[str], mode: int = 0o600) -> None:
    """Write pieces of text to a temporary file beside `path`, flush it, and rename it."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        try:
            os.fchmod(file.fileno(), mode)
            file.writelines(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).rename(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def load(directory: Path) -> RunDocument:
    """Read a run's document, with its `state`: running, interrupted, finished or broken."""
    try:
        document: RunDocument = json.loads((directory / "run.json").read_text(encoding="utf-8"))
        _check()(document)
        if document["run"] != directory.name:
            raise ValueError(document["run"])
    except (OSError, ValueError, RecursionError):
        return {"run": directory.name, "state": "broken", "hosts": {}}
    return {**document, "state": _state(document)}


@functools.cache
def _check() -> Callable[[object], object]:
    """Return what raises ValueError for a document that is no run's.

    It looks at kinds alone: words that another version writes are shown as they are.
    """
    import fastjsonschema

    text = (Path(__file__).parents[1] / "schema/run.schema.json").read_text(encoding="utf-8")
    check: Callable[[object], object] = fastjsonschema.compile(json.loads(text, object_hook=_kinds))
    return check


def _kinds(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave out of a schema what is said of values; of a list of words their kinds stay."""
    said = ("$schema", "$id", "const", "enum", "pattern", "minimum", "format")
    found = {k: v for k, v in schema.items() if k not in said or isinstance(v, dict)}
    if isinstance(words := schema.get("enum"), list):
        kinds = {str: "string", int: "integer", type(None): "null"}
        found["type"] = sorted({kinds[type(word)] for word in words})
    return found


def events(directory: Path) -> list[JournalEntry]:
    """Read a run's journal; a last line that was cut off when the run was killed is left out."""
    try:
        lines = (directory / "events.jsonl").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError):
        return []
    found: list[JournalEntry] = []
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(entry := json.loads(line), dict):
                found.append(cast("JournalEntry", entry))
    return found


def _state(document: RunDocument) -> str:
    if document.get("finished"):
        return "finished"
    pid = document.get("pid")
    if isinstance(pid, int) and processes.alive(pid, document.get("pid_started")):
        return "running"
    return "interrupted"


def all_runs() -> list[RunDocument]:
    """Return the documents of all runs, newest first."""
    return [load(path) for path in _directories()]


def usual_seconds() -> dict[tuple[str, str], float]:
    """Return how long a step took on a host, by host and title: the median of the latest runs."""
    took: dict[tuple[str, str], list[float]] = {}
    for directory in _directories()[:_RUNS_REMEMBERED]:
        with contextlib.suppress(NothingMatchedError, BadInputError, OSError):
            for host, state in load(directory)["hosts"].items():
                for step in state.get("actions") or []:
                    if step.get("title") and not step.get("reason"):
                        seconds = took.setdefault((host, str(step["title"])), [])
                        seconds.append(float(step.get("seconds") or 0))
    return {step: statistics.median(seconds) for step, seconds in took.items()}


def find(name: str) -> RunDocument:
    """Return the document of a run by its id, the beginning of its id, or `last`."""
    directories = _directories()
    if name == "last":
        found = directories[:1]
    else:
        found = [path for path in directories if path.name.startswith(name)]
    if not found:
        raise NothingMatchedError(f"there is no run {name!r}; see: runbook runs list")
    if len(found) > 1:
        raise BadInputError(f"{len(found)} runs begin with {name!r}; give more of the id")
    return load(found[0])


def old_runs(days: int, keep: int, in_use: Container[str]) -> list[Path]:
    """Return the directories of runs that began more than `days` ago, oldest first.

    Not among them: the `keep` newest of all, those at work, and those whose id is `in_use`.
    """
    begun = new_id(time.time() - days * 86400).partition("-")[0]
    old = [
        path
        for path in _directories()[keep:]
        if _RUN_ID.fullmatch(path.name) and path.name < begun and not path.is_symlink()
    ]
    return [p for p in reversed(old) if p.name not in in_use and load(p)["state"] != "running"]


def _directories() -> list[Path]:
    root = runs_directory()
    paths = [path for path in root.iterdir() if path.is_dir()] if root.is_dir() else []
    return sorted(paths, key=_age, reverse=True)


def _age(path: Path) -> tuple[str, float, str]:
    """Sort by the second in the id; within one second, by what was written last."""
    return path.name.partition("-")[0], path.stat().st_mtime, path.name
