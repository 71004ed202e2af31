# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.watch``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: watch
short_description: Looks at a host again and again at next to no cost
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Judges a host as M(oncall.runbook.judge) does, and between two judgements reads those figures
    that cost next to nothing. One call is one look; C(until) and C(retries) of the task make more
    of it.
  - It judges again when a figure crosses its limit, and after a while in any case.
  - What it remembers between two looks is its last result. The task must C(register) it.
  - A host that cannot be reached is no failure, but a look that says so. The next one tries again.
options:
  incident:
    description: The incident whose figures are read; empty for those of all of them.
    type: str
    default: ""
  well_seconds:
    description: After how many seconds of being healthy RV(is_over) is true; 0 for never.
    type: float
    default: 0
  judge_seconds:
    description: After how many seconds a host that is healthy is judged again.
    type: float
    default: 300
  judge_ill_seconds:
    description: After how many seconds any other host is judged again.
    type: float
    default: 60
extends_documentation_fragment: [oncall.runbook.host]
attributes:
  check_mode:
    support: full
    details: It looks there as well, since it changes nothing.
  idempotent:
    support: full
    details: It never changes anything.
  action_group:
    membership: [oncall.runbook.runbook]
seealso:
  - module: oncall.runbook.judge
"""

EXAMPLES = r"""
- name: Wait until a host has been well for half a minute
  oncall.runbook.watch:
    well_seconds: 30
  register: look
  until: look.is_over
  retries: 1000
  delay: 5
"""

RETURN = r"""
figures:
  description: What was read, by the id of its probe.
  returned: always
  type: dict
  contains:
    title:
      description: What the figure is about.
      type: str
      returned: always
    unit:
      description: Its unit; empty where it has none.
      type: str
      returned: always
    value:
      description: The figure; nothing where it could not be read.
      type: float
      returned: always
    status:
      description: V(healthy), V(unhealthy) or V(unknown).
      type: str
      returned: always
verdict:
  description: Verdict on the host, as M(oncall.runbook.judge) returns it with all that it found.
  returned: by a look that judged
  type: str
lost:
  description: Why the host could not be reached.
  returned: by a look that did not reach it
  type: str
is_over:
  description: Whether the host has been healthy for as long as was asked for.
  returned: always
  type: bool
memory:
  description: What the next look needs of this one.
  returned: always
  type: dict
phase:
  description: V(watch), for the command.
  returned: always
  type: str
"""
