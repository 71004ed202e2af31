"""Whom an incident goes to, and when: severities, contacts and escalation, from the inventory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oncall_runbook.errors import BadInputError
from oncall_runbook.run.host_state import as_list, as_mapping

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts

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


def parse(told: Facts) -> Policy:
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
