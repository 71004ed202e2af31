# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.prove``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: prove
short_description: Says whether a routine operation is done
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Asks a host for the proof of a routine operation, for as long as it may take to show.
  - For workflows it gives its part of the run's document as a statistic of the play (C(runbook), as
    M(ansible.builtin.set_stats) does), unless the command runs it.
options:
  operation:
    description: The routine operation.
    type: str
    required: true
  did:
    description: What M(oncall.runbook.act) returned of its step.
    type: dict
    required: true
  pause_seconds:
    description: How long to wait before asking again.
    type: float
    default: 1
extends_documentation_fragment: [oncall.runbook.host]
attributes:
  check_mode:
    support: full
    details: It asks there as well, since it changes nothing.
  idempotent:
    support: full
    details: It never changes anything.
  action_group:
    membership: [oncall.runbook.runbook]
seealso:
  - module: oncall.runbook.look
"""

EXAMPLES = r"""
- name: Ask whether the restart is done
  oncall.runbook.prove:
    operation: restart
    did: "{{ did }}"
"""

RETURN = r"""
findings:
  description: What was found, by the id of each probe, as M(oncall.runbook.ask) returns it.
  returned: always
  type: dict
operation:
  description: The operation that was proven.
  returned: always
  type: str
  sample: restart
rung:
  description: The same, for the command.
  returned: always
  type: str
  sample: restart
held:
  description: Whether it is done.
  returned: always
  type: bool
verdict:
  description: V(fixed), V(not_fixed) or V(refused).
  returned: always
  type: str
  sample: fixed
reason:
  description: Why, in one line. It may be empty.
  returned: always
  type: str
phase:
  description: V(settle), for the command.
  returned: always
  type: str
"""
