"""A run that other machines play: ansible-runner's streams, and what comes back.

Takes and returns what `engine.run` does. Each machine is handed the run as `ansible-runner
transmit` writes it, plays it for its hosts (`runbook worker`), and what it sends is read as
`ansible-runner process` does.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue

from oncall_runbook.errors import BadInputError
from oncall_runbook.run import engine, mesh
from oncall_runbook.run.engine import Outcome, Request, Stop
from oncall_runbook.run.events import Event
from oncall_runbook.run.link import UNREACHABLE_RC, Link, Message
from oncall_runbook.run.stream import pack

# As ssh takes it: `bastion`, `me@bastion`, `ssh://me@bastion:2222`; and nothing like an option.
_MACHINE = re.compile(r"[A-Za-z0-9_\[][A-Za-z0-9_.@:%/\[\]+-]*")
_POLL_SECONDS = 0.2


def machine(name: str) -> str:
    """Return the name of a machine as it is; BadInputError where it cannot be one.

    It is a node of receptor (`receptor:NODE`), or whatever ssh knows, and could not take for more.
    """
    if name.startswith(mesh.PREFIX):
        mesh.node(name)
        return name
    if not _MACHINE.fullmatch(name):
        raise BadInputError(f"--through {name!r} is no name of a machine for ssh")
    return name


def run(
    request: Request, on_event: Callable[[Event], None], on_output: Callable[[str], None]
) -> Outcome:
    """Let the machines of a request play it, each for its hosts, all at the same time."""
    stop = Stop(request.run, request.timeout)
    heard: SimpleQueue[Message] = SimpleQueue()
    with engine.signals(stop), engine.private_directory() as private, _secretly(private):
        shares = dict(_shares(request))
        if len(shares) > 1:
            request = replace(request, run_vars={**request.run_vars, "run_shared": True})
        parcel = pack(request, private / "parcel")
        links = [
            Link(name, replace(request, hosts=hosts), stop, on_event, on_output, private / str(n))
            for n, (name, hosts) in enumerate(shares.items())
        ]
        try:
            for link in links:
                link.begin(parcel, private / "parcel", heard)
            _listen(links, heard, stop)
        finally:
            for link in links:
                link.kill()
        return _outcome(links, stop)


def _shares(request: Request) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return each machine of a request that has hosts to ask, with them; none: all of the run."""
    for name, own in request.through.items():
        asked = request.hosts
        hosts = tuple(host for host in asked if not own or host in own) if asked else own
        if hosts or not (own or asked):
            yield name, hosts


def _listen(links: list[Link], heard: SimpleQueue[Message], stop: Stop) -> None:
    """Take what machines send, until each has ended or was given up."""
    while any(link.is_open for link in links):
        with contextlib.suppress(Empty):
            message = heard.get(timeout=_POLL_SECONDS)
            message.link.take(message)
        for link in links:
            if stop.due():
                link.hang_up()
            link.beat()


def _outcome(links: list[Link], stop: Stop) -> Outcome:
    """Return how the run as a whole ended, by the gravest of its parts."""
    failed = [link for link in links if link.rc]
    worst = next((link for link in failed if link.rc != UNREACHABLE_RC), None)
    errors = [text for link in failed if (text := link.error())]
    warnings = dict.fromkeys(text for link in links for text in link.translator.warnings)
    return Outcome(
        stop.status,
        (worst or failed[0]).rc or 0 if failed else 0,
        errors[0] if errors else "",
        bool(links) and all(link.translator.no_hosts for link in links),
        tuple(warnings),
        stop.seconds,
    )


@contextlib.contextmanager
def _secretly(private: Path) -> Iterator[None]:
    """Let ansible-runner pack what it sends in memory, and not where everybody's files are."""
    before, tempfile.tempdir = tempfile.tempdir, str(private)
    try:
        yield
    finally:
        tempfile.tempdir = before
