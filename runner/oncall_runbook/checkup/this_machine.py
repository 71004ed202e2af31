"""Checks of this machine: inventory, software, run directory, and the store of incidents."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus

from oncall_runbook import clock
from oncall_runbook.checkup.check import Check
from oncall_runbook.run import run_files
from oncall_runbook.run.verdict import NOTHING_MATCHED, Verdict

if TYPE_CHECKING:
    from oncall_runbook.documents import RunDocument

DISTRIBUTION = "oncall-runbook"
_TOLD = ("ansible-core", "ansible-runner")  # by their version, when all is well
_SCARCE_MIB, _NO_ROOM_MIB = 500, 20  # evidence of a run is a MiB or two a host
_OVERDUE = 5 * clock.MINUTE


def inventory(document: RunDocument) -> Check:
    """Tell which inventory is in use, who chose it, and how many hosts it has."""
    where, count = document["inventory"], len(document["hosts"])
    if count:
        text = f"{where}: {count} {'host' if count == 1 else 'hosts'}"
        return Check(None, "inventory", "ok", text)
    if document["exit_code"] in (1, NOTHING_MATCHED):
        said = str(document["error"] or "no host")
        text = said if where in said else f"{where}: {said}"
        return Check(None, "inventory", "bad", text, "name another with -i, or mend it")
    return Check(None, "inventory", "unknown", f"{where}: ended before it was read", "run it again")


def software() -> Iterator[Check]:
    """Compare Python and every package that is needed with what our own package demands."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    try:
        ours = metadata.metadata(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        text = f"the package {DISTRIBUTION} is not installed, so its needs are not known"
        yield Check(None, "software", "warning", text, "pip install .")
        return
    wrong = False
    python = ours["Requires-Python"] or ""
    if not SpecifierSet(python).contains(platform.python_version(), prereleases=True):
        text = f"Python {platform.python_version()} is not {python}"
        yield Check(None, "software", "bad", text, f"install runbook with Python {python}")
        wrong = True
    for line in metadata.requires(DISTRIBUTION) or []:
        need = Requirement(line)
        wanted = need.marker is None or need.marker.evaluate({"extra": ""})
        if wanted and (complaint := _missing(need.name, str(need.specifier), need.specifier)):
            yield complaint
            wrong = True
    if not wrong:
        known = [f"{name} {metadata.version(name)}" for name in _TOLD]
        text = ", ".join((f"Python {platform.python_version()}", *known))
        yield Check(None, "software", "ok", text)


def _missing(name: str, wanted: str, accepts: Any) -> Check | None:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        found = ""
    if found and accepts.contains(found, prereleases=True):
        return None
    text = f"{name} {found} is not {wanted}" if found else f"{name} is not installed"
    return Check(None, "software", "bad", text, f"pip install '{name}{wanted}'")


def ssh_client(document: RunDocument) -> Check:
    """Tell whether there is an ssh client; without one, whether a host would have needed it."""
    if path := shutil.which("ssh"):
        return Check(None, "ssh", "ok", path)
    without = re.compile(r"unable to execute ssh|no such file.*\bssh\b", re.I)
    lost = [h for h, state in document["hosts"].items() if without.search(state["reason"])]
    if lost:
        text = f"no ssh client, which {', '.join(lost[:3])}{' …' * (len(lost) > 3)} needs"
        return Check(None, "ssh", "bad", text, "install openssh-client")
    if any(state["verdict"] == Verdict.UNREACHABLE.value for state in document["hosts"].values()):
        return Check(None, "ssh", "warning", "no ssh client", "install openssh-client")
    return Check(None, "ssh", "ok", "no ssh client, and no host needed one")


def run_directory() -> Check:
    """Tell whether runs and their evidence can be kept."""
    path, better = (
        run_files.runs_directory(),
        "set XDG_STATE_HOME to a directory with room of yours",
    )
    if why := run_files.unwritable(path):
        return Check(None, "run_directory", "bad", f"{path} cannot be written: {why}", better)
    free = shutil.disk_usage(path).free // 1024**2
    text = f"{path}: {free} MiB free"
    if free < _SCARCE_MIB:
        grade = "bad" if free < _NO_ROOM_MIB else "warning"
        return Check(None, "run_directory", grade, text, better)  # type: ignore[arg-type]
    return Check(None, "run_directory", "ok", text)


def incident_store(url: str | None) -> Iterator[Check]:
    """Tell whether incidents can be kept, and what of their messages was not sent.

    Raises BadInputError for a URL that is none.
    """
    if not run_files.incidents_kept(url):
        text = f"none yet; the first incident makes one: {run_files.incidents_path()}"
        yield Check(None, "store", "ok", text)
        return
    try:
        from oncall_runbook.record import store
    except ImportError as error:
        text = f"incidents cannot be kept: {error.name} is not installed"
        yield Check(None, "store", "bad", text, f"pip install {error.name}")
        return
    try:
        opened = store.Store(url)
        states = _states(opened)
    except store.StoreError as error:
        said, _, then = str(error).partition("; next: ")
        named = "" if then.startswith("runbook doctor") else then
        better = named or "set RUNBOOK_STORE to a store that answers and that you may write to"
        yield Check(None, "store", "bad", said, better)
        return
    yield Check(None, "store", "ok", f"{opened} opens, and can be written")
    yield _outbox(states)


def _states(opened: Any) -> dict[str, int]:
    """Count messages by state, overdue ones apart; fails where the store cannot be written."""
    from sqlalchemy import false, func, select

    from oncall_runbook.record.tables import messages

    columns = messages.c
    counted = select(columns.state, func.count()).group_by(columns.state)
    overdue = (columns.state == "queued") & (columns.next_at < clock.now() - _OVERDUE)
    with opened.write() as connection:
        connection.execute(messages.update().where(false()).values(state=columns.state))
        states = {str(state): int(count) for state, count in connection.execute(counted)}
        late = connection.execute(select(func.count()).select_from(messages).where(overdue))
        return {**states, "overdue": int(late.scalar_one())}


def _outbox(states: Mapping[str, int]) -> Check:
    late, waiting = states.get("overdue", 0), states.get("queued", 0)
    told = [
        f"{count} {what}"
        for count, what in (
            (late, "should have been sent long ago"),
            (waiting - late, "waiting to be sent"),
            (states.get("failed", 0), "not sent, for good"),
            (states.get("unknown", 0), "sent or not, nobody knows"),
        )
        if count
    ]
    text = f"messages: {', '.join(told)}" if told else "no message waits"
    if late:
        better = "runbook incident escalate --due, as often as a timer can"
    elif states.get("failed") or states.get("unknown"):
        better = "runbook incident list, and call whom they were for"
    else:
        return Check(None, "outbox", "ok", text)
    return Check(None, "outbox", "warning", text, better)


def check_store(url: str | None) -> list[Check]:
    """Return the checks of the store, without what is secret in its URL."""
    from oncall_runbook.run.variables import redact

    hidden = _secrets(url)
    return [replace(c, text=redact(c.text, hidden)) for c in incident_store(url)]


def _secrets(url: str | None) -> frozenset[str]:
    """Return passwords among a URL's parameters: the one before its host is masked by itself."""
    given = parse_qsl((url or "").partition("?")[2])
    found = {value for name, value in given if re.search(r"pass|secret|token", name, re.I)}
    return frozenset({*found, *map(quote, found), *map(quote_plus, found)})
