# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of ``oncall.runbook.judge_all``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: judge_all
short_description: Judges all hosts of a play at once, in one process
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Does on every host of the play what M(oncall.runbook.judge) does in its first look, over
    connections of asyncssh that one process holds, instead of one process of Ansible and two of
    OpenSSH for each host.
  - Give the task C(run_once), as it asks all hosts of the play. Variables, vaults and the options
    of the connection P(ansible.builtin.ssh#connection) are read as for any task.
  - Host keys are checked strictly, by the same files as OpenSSH does.
  - What asyncssh would do in another way than OpenSSH, it leaves to M(oncall.runbook.judge), that
    is hosts with a password, with another connection, with C(become), or with an option of ssh that
    is not known to mean the same. With C(-v) it says why.
requirements: [asyncssh >= 2.24 on the control host]
options:
  incident:
    description: The incident to judge, with what may explain it. Empty for all.
    type: str
    default: ""
  allow:
    description: The riskiest rungs that the plan may call allowed.
    type: str
    choices: [restart, outage, data]
    default: restart
  ends:
    description: Whether this is what a remediation comes to where nothing is to be done. Then that
      is written as well, as M(oncall.runbook.judge) says it in its last look.
    type: bool
    default: false
  to:
    description: A file on the control host. What is found on each host is added to it as soon as it
      is known, a line of JSON with C(host), C(task), C(kind) (V(start), V(ok) or V(unreachable))
      and C(result).
    type: path
    required: true
  at_once:
    description: How many hosts are asked at a time.
    type: int
    default: 50
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
  - module: oncall.runbook.judge
"""

EXAMPLES = r"""
- name: Judge all hosts
  oncall.runbook.judge_all:
    to: /tmp/told
  register: asked
  run_once: true

- name: Judge what is left
  oncall.runbook.judge:
  when: inventory_hostname in asked.left
"""

RETURN = r"""
left:
  description: The hosts of which nothing was written, for M(oncall.runbook.judge) to ask.
  returned: always
  type: list
  elements: str
"""
