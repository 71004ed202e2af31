"""What would keep people from being told of an incident; and who is who, without addresses."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from oncall_runbook.record.addresses import channel
from oncall_runbook.record.policy import SEVERITIES, Policy, Step

if TYPE_CHECKING:
    from oncall_runbook.documents import ContactsDocument


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


def as_facts(hosts: list[str], policy: Policy) -> ContactsDocument:
    """Return who is who as facts for JSON, without the addresses, which are secrets."""
    return {
        "hosts": hosts,
        "contacts": [
            {
                "role": contact.role,
                "title": contact.title,
                "name": contact.name,
                "phone": contact.phone,
                "email": contact.email,
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
