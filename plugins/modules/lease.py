# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.lease``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lease
short_description: Takes a host for a run, and leaves it to others
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Takes the lease on a host's stack, or gives it back. One run at a time changes a host.
  - The task fails with RV(verdict=locked) when another run holds the host, and with
    RV(verdict=refused) where people hold changes back, or no lease can be taken. To leave a host is
    never held back by people.
  - A lease ends by itself five minutes after it was taken or renewed, at once when its holder
    was a process of this machine that is gone, and after a step during which the connection was
    lost.
options:
  state:
    description:
      - Whether the host is to be V(taken), which also renews, or V(left) to others.
      - V(abandoned) is for a run that was ended before it could leave the host itself; what it did
        last is told by the next look.
    type: str
    choices: [taken, left, abandoned]
    required: true
  run_id:
    description: The name of this run, by which others are told who has the lease.
    type: str
    default: ""
  held:
    description:
      - The rung that cured, with C(incident) and C(rung), as M(oncall.runbook.judge) returned it.
        It is noted for those who come after.
    type: dict
extends_documentation_fragment: [oncall.runbook.host]
attributes:
  check_mode:
    support: full
    details: It does nothing there.
  idempotent:
    support: full
    details: It is never a change of the host. Whoever has the lease keeps it.
  action_group:
    membership: [oncall.runbook.runbook]
seealso:
  - module: oncall.runbook.act
"""

EXAMPLES = r"""
- name: Take the host for this run
  oncall.runbook.lease:
    state: taken
    run_id: "{{ incident_run }}"

- name: Leave the host to others
  oncall.runbook.lease:
    state: left
    run_id: "{{ incident_run }}"
"""

RETURN = r"""
state:
  description: What was wanted.
  returned: always
  type: str
  sample: taken
verdict:
  description: V(locked) or V(refused).
  returned: when the task fails for it
  type: str
  sample: locked
reason:
  description: Who holds the host and until when, or why nobody may take it.
  returned: when the task fails for it
  type: str
"""
