# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.tell``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: tell
short_description: Says in words what was found of a host
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Says the verdict with its reason, what was done, each root cause with the findings that decide,
    what is explained by what, and the command to type next, a line each. Of a routine operation it
    says what that saw.
  - Fails with the same words where not all is well, so that a job is red while an incident is
    present.
  - It reaches no host, and changes nothing.
options:
  state:
    description: What M(oncall.runbook.judge), M(oncall.runbook.look) or M(oncall.runbook.prove)
      returned of the host.
    type: dict
    required: true
  acted:
    description: The rungs that were climbed.
    type: list
    elements: str
    default: []
  plan:
    description: Whether to say the steps that would be taken, with their risk, and what they lack.
    type: bool
    default: false
  fails:
    description: Whether to fail unless the verdict is V(healthy) or V(fixed).
    type: bool
    default: true
extends_documentation_fragment: [oncall.runbook.host]
attributes:
  check_mode:
    support: full
    details: It says the same there.
  idempotent:
    support: full
    details: It never changes anything.
  platform:
    details: It runs on the control host.
  become:
    support: none
  connection:
    support: none
    details: It reaches no host.
  delegation:
    support: none
  action_group:
    membership: [oncall.runbook.runbook]
seealso:
  - module: oncall.runbook.judge
  - module: oncall.runbook.look
"""

EXAMPLES = r"""
- name: Ask what is wrong
  oncall.runbook.judge:
  register: state

- name: Say it, and fail where an incident is present
  oncall.runbook.tell:
    state: "{{ state }}"
"""

RETURN = r"""
verdict:
  description: The verdict that was told.
  returned: always
  type: str
  sample: incident
msg:
  description: What was told, a list of lines. Where the task fails, one string, with V(; ) between
    them.
  returned: always
  type: raw
  sample:
    - incident
    - "SEV1 database_connection_failures: The database accepts connections: unhealthy - no response"
    - "next: ansible-playbook oncall.runbook.database_connection_failures --tags remediate -l web1"
"""
