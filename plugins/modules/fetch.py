# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ansible-doc says of the action ``oncall.runbook.fetch``, which runs on the control host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: fetch
short_description: Copies a backup to the control host
version_added: 0.1.0
author: Runbook maintainers (@oncall)
description:
  - Copies a file of the host, with the manifest that lies beside it (C(NAME.manifest.json)), to the
    control host, below a directory of the host's name.
  - The copy is a stream of the connection, and hidden until its sha256 is the one in the manifest.
    What is not proven is removed again.
  - It changes nothing on the host.
options:
  path:
    description: The backup on the host. Of several lines the first counts.
    type: str
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
    details: It copies in check mode too. Leave it out there with C(when).
  become:
    support: none
    details: The user that the host is reached as must be able to read the file.
  idempotent:
    support: none
    details: It copies again, and puts the same file in the place of the first copy.
  action_group:
    membership: [oncall.runbook.runbook]
"""

EXAMPLES = r"""
- name: Fetch a backup to the control host
  oncall.runbook.fetch:
    path: /srv/school_mgmt/backups/school_mgmt-20260301T020000Z.dump
    to: ~/backups
"""

RETURN = r"""
fetched:
  description: The copy on the control host.
  returned: success
  type: dict
  contains:
    path:
      description: Where it is.
      returned: success
      type: str
    bytes:
      description: How large it is.
      returned: success
      type: int
  sample:
    path: /home/ops/backups/school.example.com/school_mgmt-20260301T020000Z.dump
    bytes: 182734
"""
