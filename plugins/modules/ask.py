# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.ask``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ask
short_description: Asks a host probes of one's own
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Asks a host many things at once, in one round trip, and says of each answer whether it is
    healthy. Judges no incident.
options:
  probes:
    description: The probes to ask, as in the notes.
    type: list
    elements: raw
    required: true
  shell:
    description:
      - What they run in, C(environment) (exported, names and Jinja expressions over the host's
        variables), C(libraries) (shell files below C(roles/) whose functions they call) and
        C(files) (names of variables, and the files whose texts they hold).
    type: dict
    default: {}
notes:
  - A probe has an C(id), a C(title), shell in C(run), and optionally C(timeout) (seconds, 5),
    C(limit) (bytes kept of each of its streams, 32768), C(parse) (V(text), V(lines), V(int),
    V(float), V(json), V(json_lines)), C(unit), C(healthy) (a Jinja expression over C(value), C(rc),
    C(output), C(stderr) and the host's variables; without it, exit status 0 is healthy), C(reason)
    (one that says why it is not), C(early) (do not wait for the list of containers, which a
    diagnosis asks for once and before all others).
  - Exit status 69, 126, 127, a passed deadline, or an answer that cannot be read make it
    V(unknown). Any other but 0 makes it V(unhealthy).
  - A card's own functions stand in its C(shell) (C(environment), C(libraries), C(files)). Its
    probes, its evidence and its rungs may use them, after those of the stack. A shared probe names
    the incident whose functions it uses.
  - A derived probe asks nothing. It has an C(id), a C(title), C(of) (the id of another probe),
    C(value) (a Jinja expression over that finding, with C(value), C(ms), C(rc) and all else), and
    optionally C(unit), C(healthy), C(reason) and C(unanswered) (what is read of a finding that has
    no value). It is V(unknown) when the other one is, or does not have the value, and where the
    value is none, unless C(healthy) says what none means.
  - A probe with a number may say how to read it at a C(glance), a command that prints the same at
    next to no cost, whose templates may use what a diagnosis found; M(oncall.runbook.watch) does
    so between two of them.
  - A probe that is a C(circumstance) (V(true)) says more about an incident, and is no trouble by
    itself.
  - Templates and expressions see the host's variables, below them the defaults of the collection's
    roles, and above them the roles' own variables.
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
  - module: oncall.runbook.judge
"""

EXAMPLES = r"""
- name: Ask one question, and read a second figure from its answer
  oncall.runbook.ask:
    probes:
      - id: disk
        title: The file system has room
        run: df -P "$PLACE" | awk 'NR == 2 { printf "{\"used\":%d,\"free\":%d}\n", $5, $4 }'
        parse: json
        healthy: value.used < 90
      - id: disk_free
        title: Room that is left
        of: disk
        value: value.free / 1024
        unit: MiB
    shell:
      environment:
        PLACE: stack_dir
  register: asked
"""

RETURN = r"""
findings:
  description: What was found, by the id of each probe.
  returned: always
  type: dict
  contains:
    title:
      description: What the probe says.
      returned: always
      type: str
    status:
      description: V(healthy), V(unhealthy) or V(unknown).
      returned: always
      type: str
    healthy:
      description: Whether the status is V(healthy).
      returned: always
      type: bool
    value:
      description: What was read, as C(parse) of the probe says. None where nothing was.
      returned: always
      type: raw
    unit:
      description: What the value counts.
      returned: always
      type: str
    rc:
      description: The exit status. None where the answer broke off.
      returned: always
      type: int
    ms:
      description: How long it took, in milliseconds. It comes from C(/proc/uptime) and counts in
        tens.
      returned: always
      type: int
    command:
      description: The shell that was run.
      returned: always
      type: str
    output:
      description: What it printed, capped, freed of colours and of secrets.
      returned: always
      type: str
    stderr:
      description: What it printed on standard error, likewise.
      returned: always
      type: str
    cut:
      description: Whether it printed more than its limit.
      returned: always
      type: bool
    late:
      description: Whether its deadline had passed.
      returned: always
      type: bool
    of:
      description: The probe that it is read from.
      returned: of a derived probe
      type: str
    reason:
      description: Why it is not healthy, in one line.
      returned: always
      type: str
  sample:
    disk_free:
      title: Room that is left
      status: healthy
      healthy: true
      value: 20133.2
      unit: MiB
"""
