# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.judge``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: judge
short_description: Says what is wrong with a host, what causes what, and what helps
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Asks what the cards of incidents need to know, each probe once, all in one round trip, and
    judges what the answers mean.
  - A diagnosis checks all inputs against their argument specs first.
  - For workflows it gives its part of the run's document as a statistic of the play (C(runbook), as
    M(ansible.builtin.set_stats) does), unless the command runs it.
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
  phase:
    description: What the look is for. V(diagnose) is the first one, and checks all inputs,
      V(settle) comes after a rung, V(verify) is the last one of a remediation.
    type: str
    choices: [diagnose, settle, verify]
    default: diagnose
  before:
    description: What this action returned before the first rung. Then RV(verdict) says how a
      remediation ended.
    type: dict
  last:
    description: What it returned the time before this one.
    type: dict
  known:
    description: The findings of a look just before, after which nothing was done. They are the
      first of the O(samples), for which the host is not asked.
    type: dict
  acted:
    description: The rungs that were climbed since O(before).
    type: list
    elements: raw
    default: []
  climbed:
    description: The incident for which a rung was just climbed.
    type: str
  rung:
    description: That rung.
    type: str
  settle_seconds:
    description: Ask again until all is well for O(samples) in a row, at most for that long.
    type: float
    default: 0
  recover_seconds:
    description: Once the climbed incident is gone, what it explained gets that long to recover.
    type: float
    default: 0
  samples:
    description: How many looks in a row must find all well.
    type: int
    default: 1
  pause_seconds:
    description: How long to wait between two looks.
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
    membership: [oncall.runbook.runbook, oncall.runbook.allowance]
seealso:
  - module: oncall.runbook.act
  - module: oncall.runbook.tell
"""

EXAMPLES = r"""
- name: Judge everything
  oncall.runbook.judge:
  register: state

- name: Ask until all is well, for a minute at most
  oncall.runbook.judge:
    incident: application_not_responding
    settle_seconds: 60
    samples: 3
    pause_seconds: 2
"""

RETURN = r"""
findings:
  description: What was found, by the id of each probe, as M(oncall.runbook.ask) returns it.
  returned: always
  type: dict
incidents:
  description:
    - Every incident that was judged, by its name, with C(title), C(severity), C(confirmed) (true,
      false, or null where it can be neither confirmed nor excluded), C(explained_by), C(because)
      (ids of the findings that decide), C(evidence) and C(reason), which say so in words. One that
      cannot be judged has C(may_come_of), which would explain it. One about a part that the stack
      does not have says so in C(not_applicable).
  returned: always
  type: dict
root_causes:
  description: The confirmed incidents that no other one explains, the gravest first.
  returned: always
  type: list
  elements: str
  sample: [database_connection_failures]
uncovered:
  description: Unhealthy findings of no incident, by their ids. No rung cures them.
  returned: always
  type: list
  elements: str
unfinished:
  description: Incidents that are gone, but whose cards ask for more.
  returned: always
  type: list
  elements: str
plan:
  description:
    - The rungs that would help now, with C(incident), C(rung), C(title), C(risk), C(allowed),
      C(costs), C(why), and where they are not to be climbed C(spent), which says why.
  returned: always
  type: list
  elements: dict
changed_since:
  description: What is not as it was when the plan was made that is carried out (C(incident_plan)),
    a line each.
  returned: where there is such a plan, and the host has changed
  type: list
  elements: str
decided:
  description: The findings that decided about the root causes, as a plan in a file keeps them.
  returned: by a diagnosis
  type: dict
resolved:
  description: Checksums of what the inventory's variables come to, C(address) and C(inputs), by
    which a plan knows its hosts.
  returned: by a diagnosis
  type: dict
next:
  description: The rung to climb now, with C(incident), C(rung), C(title) and C(risk). Empty where
    there is none.
  returned: always
  type: dict
  sample:
    incident: database_connection_failures
    rung: start_database
    title: Start the database
    risk: restart
verdict:
  description: V(healthy), V(incident) or V(unknown). With O(before) also V(fixed), V(not_fixed) or
    V(refused).
  returned: always
  type: str
  sample: incident
reason:
  description: Why, in one line. It may be empty.
  returned: always
  type: str
incident:
  description: The incident that was judged, null for all. With O(climbed) that one.
  returned: always
  type: str
rung:
  description: The rung that was climbed.
  returned: with O(climbed)
  type: str
held:
  description: Whether that holds, the incident gone and its ladder finished.
  returned: with O(climbed)
  type: bool
phase:
  description: What the look was for.
  returned: always
  type: str
  sample: diagnose
deadline_seconds:
  description: How long the inventory lets a run of the command take.
  returned: of a diagnosis
  type: int
  sample: 43200
rollout:
  description: How the inventory lets a change go through many hosts, for the command. The inputs
    of the role run, and how many hosts the inventory has.
  returned: of a diagnosis
  type: dict
"""
