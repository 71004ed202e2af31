"""Checks of whom an incident goes to: severities, contacts, ladders, and their addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from oncall_runbook.checkup.check import Check, Status
from oncall_runbook.errors import RunbookError
from oncall_runbook.run.options import Options

if TYPE_CHECKING:
    from oncall_runbook.record.policy import Policy

_NAMED = 3  # hosts that a line names, of those it is about
_SCHEME = re.compile(r"[a-z][a-z0-9.+-]{0,19}(?=://)", re.I)
_Line = tuple[str, Status, str, str]


def contacts(options: Options) -> Iterator[Check]:
    """Tell what would keep somebody from being told, and the same for several hosts once."""
    from oncall_runbook.record import policy_reader

    try:
        policies = policy_reader.load(options)
    except RunbookError as error:
        yield Check(None, "contacts", "bad", str(error), "mend response_* in the inventory")
        return
    lines: dict[_Line, list[str]] = {}
    for host, found in policies.items():
        for line in (*_problems(found), *_addresses(found)):
            lines.setdefault(line, []).append(host)
    for (check, status, text, better), hosts in lines.items():
        yield Check(None, check, status, f"{_named(hosts, len(policies))}{text}", better)
    if not lines:
        yield Check(None, "contacts", "ok", "every step of every ladder reaches somebody")


def _problems(found: Policy) -> Iterator[_Line]:
    """Tell what is wrong: with a single contact it is a warning, with a ladder nobody is told."""
    from oncall_runbook.record import policy_check

    for text in policy_check.problems(found):
        variable = text.split()[0].rstrip(":")
        if variable == "response_contacts":
            said, _, todo = text.rpartition(": ")
            yield "contacts", "warning", said, f"{todo}, in {variable} of the inventory"
        else:
            yield "contacts", "bad", text, f"mend {variable} in the inventory"


def _addresses(found: Policy) -> Iterator[_Line]:
    """Tell of addresses that cannot be read; they are secrets, so by role and kind alone."""
    for role in found.contacts:
        for number, address in enumerate(found.addresses(role), 1):
            sender = _apprise()
            if sender is None:
                text = "nobody can be told: apprise is not installed"
                yield "addresses", "bad", text, "pip install apprise"
                return
            if not sender.Apprise().add(address):
                kind = _SCHEME.match(address)
                named = f"a {kind[0]}:// address" if kind else "an address without kind://"
                text = f"{role}: address {number}, {named}, cannot be read by apprise"
                better = f"mend `notify` of {role} in response_contacts; see apprise's own pages"
                yield "addresses", "bad", text, better


def _apprise() -> Any:
    try:
        return import_module("apprise")  # late: it is large
    except ImportError:
        return None


def _named(hosts: list[str], of: int) -> str:
    if len(hosts) == of:
        return f"{hosts[0]}: " if of == 1 else f"all {of} hosts: " if of > _NAMED else _list(hosts)
    return _list(hosts)


def _list(hosts: list[str]) -> str:
    rest = len(hosts) - _NAMED
    return f"{', '.join(hosts[:_NAMED])}{f' and {rest} more' if rest > 0 else ''}: "
