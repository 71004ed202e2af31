"""A connection over a mesh of receptor: a stream to the service `runbook` of a node.

A unit of work (`receptorctl work submit`) would do as well, but keeps what it is given, a vault
password too, and what it answers, in files of both nodes; and it goes on when nobody is here.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from oncall_runbook.errors import BadInputError, RunbookError
from oncall_runbook.run.connection import Connection

PREFIX = "receptor:"
SERVICE = "runbook"
SOCKET_VARIABLE = "RECEPTORCTL_SOCKET"  # receptorctl's own
TLS_VARIABLE = "RUNBOOK_RECEPTOR_TLS"
_SOCKET = "/run/receptor/receptor.sock"
# Of nodes, and of tls-client entries: words of one line that receptor takes apart at blanks.
_NAME = re.compile(r"[A-Za-z0-9_.@:-]+")
# Receptor itself gives up a node that does not answer after 15 s.
_ANSWER_SECONDS = 30.0
# What receptor says, and what that means for us.
_MEANINGS = {
    "no route to node": "the mesh has no such node, or no way to it",
    "service unknown": f"that node has no service {SERVICE}",
    "context canceled": f"that node has no service {SERVICE}",
}


def node(name: str) -> str:
    """Return the node that `receptor:NODE` names; BadInputError where there is none to reach."""
    found = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(found):
        raise BadInputError(f"--through {name!r} is no name of a node of receptor")
    if _tls() and not _NAME.fullmatch(_tls()):
        raise BadInputError(f"{TLS_VARIABLE} {_tls()!r} is no name of a tls-client of receptor")
    if find_spec("receptorctl") is None:
        raise BadInputError(
            f"--through {name} needs receptorctl: pip install 'oncall-runbook[mesh]'"
        )
    return found


def _tls() -> str:
    return os.environ.get(TLS_VARIABLE, "")


class MeshConnection(Connection):
    """A stream to a node's service, by the receptor of this machine."""

    def __init__(self, node: str) -> None:
        """Take the name of the node."""
        self._node = node
        self._address = os.environ.get(SOCKET_VARIABLE) or _SOCKET
        self._control: Any = None
        self._is_killed = False

    def open(self) -> None:
        """Have receptor connect this machine with the service."""
        try:
            self._control = self._session()
            self._control.connect()
        except (OSError, RuntimeError, ValueError) as error:
            raise RunbookError(f"no receptor answers at {self._address}: {error}") from error
        try:
            self._control.connect_to_service(self._node, SERVICE, _tls())
            self._control._socket.settimeout(None)  # from here on it is the worker's
        except (OSError, RuntimeError) as error:
            said = str(error).removeprefix("ERROR:").strip()
            raise RunbookError(
                _MEANINGS.get(said) or f"receptor: {said or 'it ended the connection'}"
            ) from error
        self.from_worker = self._control._sockfile  # it may have read ahead
        self.to_worker = self._control._socket.makefile("wb")
        if self._is_killed:
            self.kill()

    def kill(self) -> None:
        """Shut the stream; receptor tells the service."""
        self._is_killed = True
        if self._control and self._control._socket:
            with contextlib.suppress(OSError):
                self._control._socket.shutdown(socket.SHUT_RDWR)

    def why(self, said: str) -> str:
        """Tell it from what the worker said, else from what receptor knows of the node by now."""
        if said:
            return said
        try:
            known = self._session().simple_command("status")
        except (OSError, RuntimeError, ValueError):
            return "the receptor of this machine is gone"
        if self._node not in (known.get("NodeID"), *(known.get("RoutingTable") or ())):
            return "its node is gone from the mesh, or one on the way there"
        return "its worker ended before it was done: the journal there says why"

    def _session(self) -> Any:
        """Return what speaks with the receptor of this machine, and does not wait for ever."""
        library: Any = import_module("receptorctl.socket_interface")  # late, and it has no types

        class Session(library.ReceptorControl):  # type: ignore[misc]
            def handshake(self) -> None:
                self._socket.settimeout(_ANSWER_SECONDS)
                super().handshake()

        return Session(self._address)
