"""Whom an incident goes to, and when: severities, contacts and escalation, from the inventory."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from oncall_runbook.commands.shared_options import Options
from oncall_runbook.errors import BadInputError, NothingMatchedError, RunbookError
from oncall_runbook.run import run_files
from oncall_runbook.run.events import Event
from oncall_runbook.run.host_state import as_list, as_mapping, unreachable

SEVERITIES = ("SEV1", "SEV2", "SEV3", "SEV4")
_PLACEHOLDERS = ("@company.com", "@example.com", "example.invalid")


class PolicyError(BadInputError):
    """The inventory's severities, contacts or escalation cannot be used."""


@dataclass(frozen=True)
class Contact:
    """Somebody by the role they have: `notify` holds addresses as apprise writes them."""

    role: str
    title: str
    name: str = ""
    phone: str = ""
    email: str = ""
    notify: tuple[str, ...] = ()

    @property
    def is_placeholder(self) -> bool:
        """Tell whether the address is the one of the example, not anybody's."""
        return self.email.endswith(_PLACEHOLDERS) or self.phone == "-"

    def __str__(self) -> str:
        """Say who it is, for people."""
        return f"{self.title} ({self.name})" if self.name else self.title


@dataclass(frozen=True)
class Severity:
    """A severity level: minutes to respond in, minutes between updates, roles it goes to."""

    name: str
    title: str
    response_minutes: int
    update_minutes: int
    goes_to: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """A step of an escalation: minutes after the incident was opened, the roles told then."""

    after_minutes: int
    to: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class Policy:
    """Everything the inventory says about the people around an incident."""

    severities: Mapping[str, Severity]
    contacts: Mapping[str, Contact]
    escalation: Mapping[str, tuple[Step, ...]]
    stale_hours: int
    review_hours: int
    review_severities: tuple[str, ...]
    mail_url: str = field(default="", repr=False)
    templates: Path | None = None

    def addresses(self, role: str) -> tuple[str, ...]:
        """Return the addresses of a role, as apprise writes them; none when nobody is reached."""
        contact = self.contacts.get(role)
        if contact is None:
            return ()
        if contact.notify or not (contact.email and self.mail_url):
            return contact.notify
        joint = "&" if "?" in self.mail_url else "?"
        return (f"{self.mail_url}{joint}to={contact.email}",)

    def severity(self, name: str) -> Severity:
        """Return a level; raise PolicyError when the inventory has no such one."""
        if name not in self.severities:
            known = ", ".join(self.severities)
            raise PolicyError(f"there is no severity {name!r}; response_severities has {known}")
        return self.severities[name]


def load(options: Options, hosts: Iterable[str] = ()) -> dict[str, Policy]:
    """Read the policy of every host that `options` name, or of `hosts` and the first one of all.

    Returns it by host; raises PolicyError, NothingMatchedError, RunbookError.
    """
    from oncall_runbook.commands.carry_out import prepare
    from oncall_runbook.run import (
        engine,  # late: most that is asked of the record needs no inventory
    )

    wanted = [host for host in hosts if not set(host) & set(",:!&*[]~")]
    limit = ",".join((*wanted, "all[0]")) if wanted or hosts != () else options.limit
    run = run_files.new_id(time.time())
    where, request = prepare(
        replace(options, limit=limit, verbose=0), run, "oncall.runbook.response", {}
    )
    told: dict[str, Any] = {}
    wrong: list[str] = []

    def take(event: Event) -> None:
        if event.kind == "ok" and isinstance(event.result.get("msg"), dict):
            told[event.host] = event.result["msg"]
        elif event.kind in ("failed", "unreachable"):
            wrong.append(f"{event.host}: {unreachable(str(event.result.get('msg', '')))[1]}")

    outcome = engine.run(request, take, lambda _: None)
    if outcome.status != "finished":
        raise RunbookError(f"reading the inventory: {outcome.status}")
    if wrong:
        raise PolicyError(f"response_* of {wrong[0]}")
    if not told and outcome.rc not in (0, 1):
        raise RunbookError(f"the inventory {where} cannot be read: {outcome.error}")
    if not told:
        why = f": {outcome.error}" if outcome.error else ""
        raise NothingMatchedError(f"no host matched in inventory {where}{why}")
    return {host: parse(told[host]) for host in sorted(told)}  # they answer in any order


def parse(told: Mapping[str, Any]) -> Policy:
    """Turn what the role `response` tells into a policy; raise PolicyError with the place."""
    contacts = {
        str(role): _contact(str(role), facts)
        for role, facts in as_mapping(told["contacts"]).items()
    }
    severities = {
        str(name): _severity(str(name), facts)
        for name, facts in as_mapping(told["severities"]).items()
    }
    return Policy(
        severities=severities,
        contacts=contacts,
        escalation={
            str(name): _ladder(str(name), steps)
            for name, steps in as_mapping(told["escalation"]).items()
        },
        stale_hours=_number("response_stale_hours", told.get("stale_hours")),
        review_hours=_number("response_review_hours", told.get("review_hours")),
        review_severities=tuple(map(str, as_list(told.get("review_severities")))),
        mail_url=str(told.get("mail_url") or ""),
        templates=Path(path).expanduser() if (path := told.get("templates")) else None,
    )


def by_hosts(known: Mapping[str, Policy]) -> list[tuple[list[str], Policy]]:
    """Join the hosts that have the same policy."""
    found: list[tuple[list[str], Policy]] = []
    for host, policy in known.items():
        same = next((hosts for hosts, other in found if other == policy), None)
        if same is None:
            found.append(([host], policy))
        else:
            same.append(host)
    return found


def as_facts(hosts: list[str], policy: Policy) -> dict[str, Any]:
    """Return who is who as facts for JSON, without the addresses, which are secrets."""
    from oncall_runbook.record.outbox import channel

    shown = ("role", "title", "name", "phone", "email")
    return {
        "hosts": hosts,
        "contacts": [
            {
                **{name: getattr(contact, name) for name in shown},
                "channels": [channel(address) for address in policy.addresses(role)],
            }
            for role, contact in policy.contacts.items()
        ],
        "severities": [
            {
                "severity": level.name,
                "title": level.title,
                "response_minutes": level.response_minutes,
                "update_minutes": level.update_minutes,
                "goes_to": list(level.goes_to),
                "escalation": [
                    {"after_minutes": step.after_minutes, "to": list(step.to), "note": step.note}
                    for step in policy.escalation.get(level.name, ())
                ],
            }
            for level in policy.severities.values()
        ],
        "problems": list(problems(policy)),
    }


def problems(policy: Policy) -> Iterator[str]:
    """Say what would keep somebody from being told: one line each, with what to do."""
    for name in SEVERITIES:
        if name not in policy.severities:
            yield f"response_severities lacks {name}: say its response_minutes and goes_to"
        if not policy.escalation.get(name):
            yield f"response_escalation has no step for {name}: nobody would be told"
    for name, steps in policy.escalation.items():
        yield from _holes(policy, name, steps)
    for name, severity in policy.severities.items():
        for role in severity.goes_to:
            if role not in policy.contacts:
                yield f"response_severities: {name} goes to {role}, who is in no response_contacts"
    needed = {role for steps in policy.escalation.values() for step in steps for role in step.to}
    for role, contact in policy.contacts.items():
        if contact.is_placeholder:
            yield f"response_contacts: {role} is a placeholder ({contact.email}): say who it is"
        elif role in needed and not policy.addresses(role):
            have = f"{contact.email} needs response_mail_url" if contact.email else "no address"
            yield f"response_contacts: {role} cannot be told anything ({have}): give it `notify`"


def _holes(policy: Policy, name: str, steps: tuple[Step, ...]) -> Iterator[str]:
    if steps and steps[0].after_minutes > 0:
        yield f"response_escalation: {name} tells nobody before {steps[0].after_minutes} minutes"
    for number, (before, step) in enumerate(itertools.pairwise(steps), 2):
        if step.after_minutes <= before.after_minutes:
            yield f"response_escalation: step {number} of {name} is not later than the one before"
    for number, step in enumerate(steps, 1):
        unknown = [role for role in step.to if role not in policy.contacts]
        where = f"response_escalation: step {number} of {name}"
        if len(unknown) == len(step.to):
            yield f"{where} reaches no contact: {', '.join(unknown) or 'nobody'}"
        elif unknown:
            yield f"{where} names {', '.join(unknown)}, who is in no response_contacts"


def _contact(role: str, facts: Any) -> Contact:
    if not isinstance(facts, Mapping):
        raise PolicyError(f"response_contacts: {role} is no mapping of title, phone, email, notify")
    notify = facts.get("notify") or []
    return Contact(
        role=role,
        title=str(facts.get("title") or role.replace("_", " ")),
        name=str(facts.get("name") or ""),
        phone=str(facts.get("phone") or ""),
        email=str(facts.get("email") or ""),
        notify=(notify,) if isinstance(notify, str) else tuple(map(str, notify)),
    )


def _severity(name: str, facts: Any) -> Severity:
    where = f"response_severities: {name}"
    if name not in SEVERITIES:
        raise PolicyError(f"response_severities: {name!r} is none of {', '.join(SEVERITIES)}")
    if not isinstance(facts, Mapping):
        raise PolicyError(f"{where} is no mapping of title, response_minutes, goes_to")
    return Severity(
        name=name,
        title=str(facts.get("title") or ""),
        response_minutes=_number(f"{where}: response_minutes", facts.get("response_minutes")),
        update_minutes=_number(f"{where}: update_minutes", facts.get("update_minutes", 60)),
        goes_to=_roles(f"{where}: goes_to", facts.get("goes_to")),
    )


def _ladder(name: str, steps: Any) -> tuple[Step, ...]:
    where = f"response_escalation: {name}"
    if not isinstance(steps, list) or not all(isinstance(step, Mapping) for step in steps):
        raise PolicyError(f"{where} is no list of steps with after_minutes and to")
    return tuple(
        Step(
            _number(f"{where}: after_minutes", step.get("after_minutes")),
            _roles(f"{where}: to", step.get("to")),
            str(step.get("note") or ""),
        )
        for step in steps
    )


def _roles(where: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        raise PolicyError(f"{where} is no list of roles")
    return tuple(map(str, value))


def _number(where: str, value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError) as error:
        raise PolicyError(f"{where} is {value!r}, no whole number") from error
    if number < 0:
        raise PolicyError(f"{where} is {number}; it cannot be less than 0")
    return number
