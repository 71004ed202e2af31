# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.keep``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: keep
short_description: Keeps on the control host what a change would destroy
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Asks a host for the evidence of the stack and of incidents that are about to be remedied, and
    keeps it below a directory of the host's name on the control host, with a manifest of their
    sha256.
  - Fails where a file cannot be written. What is not kept must not be destroyed.
options:
  incidents:
    description: The incidents that are about to be remedied.
    type: list
    elements: str
    required: true
  to:
    description: A directory on the control host. It is made, for its owner alone, where it is not
      there.
    type: path
    required: true
extends_documentation_fragment: [oncall.runbook.host]
attributes:
  check_mode:
    support: none
    details: It keeps in check mode too. Leave it out there with C(when).
  idempotent:
    support: partial
    details: It never changes the host. On the control host it puts what it finds now in the place
      of what was kept before.
  action_group:
    membership: [oncall.runbook.runbook]
"""

EXAMPLES = r"""
- name: Keep what a change would destroy
  oncall.runbook.keep:
    incidents: [database_connection_failures]
    to: ~/evidence
  when: not ansible_check_mode
"""

RETURN = r"""
evidence:
  description: What was kept.
  returned: always
  type: dict
  contains:
    path:
      description: Where it is.
      returned: always
      type: str
    files:
      description: How many files.
      returned: always
      type: int
    bytes:
      description: How large they are.
      returned: always
      type: int
  sample:
    path: /home/ops/evidence/school.example.com
    files: 31
    bytes: 182734
phase:
  description: V(evidence), for the command.
  returned: always
  type: str
  sample: evidence
"""
