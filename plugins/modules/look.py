# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.look``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: look
short_description: Says what a routine operation sees of a host, and would do
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Looks at a host for one of the collection's routine operations, such as a restart or a backup.
    M(oncall.runbook.act) then does what is planned, and M(oncall.runbook.prove) asks whether it is
    done.
  - Checks all inputs against their argument specs first.
  - For workflows it gives its part of the run's document as a statistic of the play (C(runbook), as
    M(ansible.builtin.set_stats) does), without log lines, unless the command runs it.
options:
  operation:
    description: The routine operation to look for.
    type: str
    required: true
  allow:
    description: The riskiest steps that the plan may call allowed.
    type: str
    choices: [restart, outage, data]
    default: restart
  pause_seconds:
    description: How long to wait before a host is looked at once more, to follow something.
    type: float
    default: 0
extends_documentation_fragment: [oncall.runbook.host]
attributes:
  check_mode:
    support: full
    details: It asks there as well, since it changes nothing.
  idempotent:
    support: full
    details: It never changes anything.
  action_group:
    membership: [oncall.runbook.runbook, oncall.runbook.allowance]
seealso:
  - module: oncall.runbook.prove
"""

EXAMPLES = r"""
- name: Look what a restart would do
  oncall.runbook.look:
    operation: restart
  register: seen
"""

RETURN = r"""
findings:
  description: What was found, by the id of each probe, as M(oncall.runbook.ask) returns it.
  returned: always
  type: dict
operation:
  description: The operation that was looked for.
  returned: always
  type: str
  sample: restart
title:
  description: What it is called.
  returned: always
  type: str
plan:
  description: Its steps, with C(rung), C(title), C(risk) and C(allowed).
  returned: always
  type: list
  elements: dict
risk:
  description: The highest risk of what it may do.
  returned: always
  type: str
do:
  description: The shell that M(oncall.runbook.act) is to run.
  returned: of an operation that does something
  type: str
timeout:
  description: The deadline of that, in seconds.
  returned: of an operation that does something
  type: raw
next:
  description: Of an operation that follows something, from where on it is to be read further. Else
    empty.
  returned: always
  type: str
touches_services:
  description: Whether it counts as a change of the services.
  returned: always
  type: bool
lease:
  description: Whether it needs the lease on the host.
  returned: always
  type: bool
interruptible:
  description: Whether it ends when its run does.
  returned: always
  type: bool
verdict:
  description: V(healthy) where it can be done, V(incident), V(unknown) or V(refused).
  returned: always
  type: str
reason:
  description: Why, in one line. It may be empty.
  returned: always
  type: str
phase:
  description: V(diagnose), for the command.
  returned: always
  type: str
deadline_seconds:
  description: How long the inventory lets a run of the command take.
  returned: always
  type: int
  sample: 43200
rollout:
  description: How the inventory lets a change go through many hosts, for the command. The inputs
    of the role run, and how many hosts the inventory has.
  returned: always
  type: dict
"""
