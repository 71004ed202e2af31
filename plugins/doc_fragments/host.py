# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the documentation of every action that reaches a host has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """How these actions reach a host, and what they take of a play."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: What it does in check mode.
  diff_mode:
    description: Whether it says in diff mode what differs.
    support: none
  idempotent:
    description: A second time with the same options changes nothing.
  platform:
    description: What it can be used on.
    details: Hosts with a POSIX shell. No Python is needed there, and nothing is written to their
      disk.
    support: full
    platforms: posix
  action_group:
    description: Its groups for C(module_defaults).
    support: full
  action:
    description: It is an action plugin, which runs on the control host.
    support: full
  async:
    description: Can be used with the C(async) keyword.
    support: none
  become:
    description: Can be used with C(become) keywords.
    support: full
  bypass_host_loop:
    description: It runs once for all hosts.
    support: none
  connection:
    description: It uses the connection of the host, such as ssh, local or container.
    support: full
  delegation:
    description: Can be used with C(delegate_to) and related keywords.
    support: full
"""
