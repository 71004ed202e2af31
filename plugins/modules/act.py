# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.act``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: act
short_description: Changes a host by one titled step of shell
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - The only thing that changes a host. Runs one step of shell there, within a deadline that ends it
    with all its children, if its risk is allowed and no other run holds the host.
  - A step is a rung of a card (O(incident), O(rung), O(findings)), which says what is done, or it
    is told in full (O(title), O(risk), O(run)).
  - A step that fails does not fail its task. Only fresh probes say whether the incident is gone.
  - The task fails with RV(verdict=refused) without the allowance, and with RV(verdict=locked) when
    another run holds the host.
options:
  incident:
    description:
      - The incident whose card has the step. With O(rung) and O(findings) it stands for O(title),
        O(risk), O(run), O(timeout), O(changes) and O(costs).
      - Mutually exclusive with O(run). One of the two is required.
    type: str
  rung:
    description:
      - The rung of the card of O(incident). Of an O(operation), the name that its step has in the
        journal.
      - A step that has one is noted in the journal of the host, and is said to have failed in the
        fact C(incident_step_failed).
    type: str
    default: ""
  findings:
    description: What was found of the host, as M(oncall.runbook.judge) returned it. Required with
      O(incident).
    type: dict
  title:
    description: What this is, in words for people. Required with O(run).
    type: str
  risk:
    description:
      - What the step may do to users. V(restart) stops a part of the stack for moments, V(outage)
        the whole of it, V(data) touches data.
      - Required with O(run).
    type: str
    choices: [restart, outage, data]
  costs:
    description: What is lost by the step, in words for people.
    type: str
    default: ""
  run:
    description: The shell. It must do no harm when it is run twice.
    type: str
  timeout:
    description: The deadline of the step in seconds, which ends it with all its children.
    type: float
    default: 60
  changes:
    description:
      - Whether the step changed anything, a Jinja expression over RV(rc), RV(output) and
        RV(stderr).
      - By default a step that succeeded has, and one that failed has not.
    type: str
    default: "true"
  allow:
    description: The allowance. A step of a higher risk is refused.
    type: str
    choices: [restart, outage, data]
    default: restart
  lease:
    description: Whether to take the lease on the host, or to renew it, as M(oncall.runbook.lease)
      does.
    type: bool
    default: false
  run_id:
    description: The name of this run, by which others are told who has the lease.
    type: str
    default: ""
  whole:
    description:
      - Whether the step goes on to its end or deadline when its run is ended, or its connection
        breaks. The next look tells what it did.
      - With V(false) it is ended with them.
    type: bool
    default: true
  mark:
    description:
      - Whether the step counts as a change of the services, from which on logs and counters are
        read.
      - V(false) is for a step that leaves the services alone, so that what logs said before it goes
        on to count.
    type: bool
    default: true
  operation:
    description: The routine operation that the step belongs to, for the journal, and for its shell
      functions.
    type: str
    default: ""
extends_documentation_fragment: [oncall.runbook.host]
attributes:
  check_mode:
    support: full
    details: It says what it would run, and runs nothing. Whether that would change anything is a
      guess.
  diff_mode:
    support: partial
    details: In check mode it shows the shell that it would run, and what the card shows of the
      rung, such as the lines of a file that would change.
  idempotent:
    support: partial
    details: As far as the step is. The rungs of cards are written so that twice does no harm.
  action_group:
    membership: [oncall.runbook.runbook, oncall.runbook.allowance]
seealso:
  - module: oncall.runbook.judge
  - module: oncall.runbook.lease
"""

EXAMPLES = r"""
- name: Empty the list of what is to be sent
  oncall.runbook.act:
    title: Empty the list of what is to be sent
    risk: data
    run: find /srv/app/outbox -type f -print -delete
    timeout: 30
    changes: output | length > 0
    allow: data
    lease: true

- name: Ask what is wrong
  oncall.runbook.judge:
    incident: database_connection_failures
  register: state

- name: Climb the rung that the plan says
  oncall.runbook.act:
    incident: "{{ state.next.incident }}"
    rung: "{{ state.next.rung }}"
    findings: "{{ state.findings }}"
  when: state.next | length > 0
"""

RETURN = r"""
title:
  description: What this is.
  returned: always
  type: str
  sample: Restart the database
risk:
  description: What the step may do to users.
  returned: always
  type: str
  sample: restart
incident:
  description: The incident whose card has the step, empty for none.
  returned: always
  type: str
  sample: database_connection_failures
rung:
  description: The rung, empty for none.
  returned: always
  type: str
  sample: restart_database
costs:
  description: What is lost by the step.
  returned: always
  type: str
  sample: requests to the database, until it is up again
verdict:
  description: V(refused) without the allowance, or when the step says itself that it is not to be
    done. V(locked) when another run holds the host.
  returned: when the task fails for it
  type: str
  sample: refused
reason:
  description: Why the step was not done, or why it failed, in one line.
  returned: when it was not done, or failed
  type: str
  sample: ended at its deadline of 60 s
rc:
  description: The exit status of the step.
  returned: when it was run
  type: int
  sample: 0
output:
  description: What the step printed, capped, and freed of secrets.
  returned: when it was run
  type: str
  sample: runbook-postgres-1
stderr:
  description: What it printed on standard error, likewise.
  returned: when it was run
  type: str
  sample: ""
seconds:
  description: How long it took.
  returned: when it was run
  type: float
  sample: 2.31
msg:
  description: What it would run.
  returned: in check mode
  type: str
  sample: "would run: restart database"
diff:
  description: What it would run, below what its card shows of it.
  returned: in check mode
  type: dict
  contains:
    prepared:
      description: The shell, and what the card shows of the rung.
      returned: always
      type: str
      sample: restart database
command:
  description: The shell that was run.
  returned: when it was run
  type: str
  sample: restart database
"""
