# GNU General Public License v3.0 or later (see LICENSE)
"""Finds in what programs print the line that says why something failed.

Where it stands differs: docker's last line is a summary, curl's is an address for help, psql's is
a hint, and a warning may come before all of them. So the first line that names a cause counts: of
a chain of errors the first is the cause, the others are its consequences.
"""

from __future__ import annotations

import re

_CAUSE = re.compile(
    r"error|fatal|panic|emerg|exception|fail|denied|refused|cannot|can't|could ?n.t|could not"
    r"|unable|no such|no space|no route|not (?:found|permitted|allowed|resolve)|does not exist"
    r"|already|invalid|incompatible|expired|timed? ?out|mismatch|unreachable|killed|too many"
    r"|(?-i:[A-Z]{2,}: |\bE[A-Z]{4,}\b)",
    re.I,
)
# Remarks and help beside an error, and what curl draws while it waits.
_NOISE = re.compile(
    r"^\W*(?:warning|notice|hint|detail|info|note|debug|usage)\b|^\W*time=\S+ level=(?:warn|info)"
    r"|please (?:visit|see)|for (?:more )?(?:help|details|information)|more details here"
    r"|^(?:Network|Container|Volume|Image) \S+\s+\w+$"  # compose's progress
    r"|^To learn more|^\s*[%\d]+\s+(?:Total|\d+)\s.*(?:%|--:--)|^exit status \d+$",
    re.I,
)
# An id of docker's, of 64 digits, would push the words behind it out of sight.
_LONG_ID = re.compile(r"\s*\(?\b(?:sha256:)?[0-9a-f]{64}\b\)?")
# What container engines say of a process that they shall start in a container that ends.
_ENDED_MEANWHILE = re.compile(
    r"init process is not running|exec in a stopped (?:container|state)"
    r"|process has not been created"
    r"|exec failed: .*(?:procReady not received|setns process)",
)


def reason(*texts: str) -> str:
    """Return the line of ``texts`` that says why: the first that names a cause.

    Without one, the last line of the first text that says anything but remarks; "" for nothing.
    """
    for text in texts:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = [line for line in lines if not _NOISE.search(line)]
        if said:
            return _in_words(next((line for line in said if _CAUSE.search(line)), said[-1]))
    return ""


def last(*texts: str) -> str:
    """Return the last line of the first of ``texts`` that says anything but remarks.

    There stands why something could not be asked or done, where our own shell functions say so.
    """
    for text in texts:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if said := [line for line in lines if not _NOISE.search(line)]:
            return _in_words(said[-1])
    return ""


def _in_words(line: str) -> str:
    if _ENDED_MEANWHILE.search(line):
        return "its container ended while it was asked"
    return _LONG_ID.sub("", line)


def lack(expression: str, value: object) -> str:
    """Return in words what an answer ``value`` lacks of what ``expression`` reads in it."""
    if value is None:
        return "there is no value"
    for path in re.findall(r"\bvalue((?:\.\w+)+)", expression):
        found: object = value
        for key in path[1:].split("."):
            if not isinstance(found, dict) or found.get(key) is None:
                return f"the answer does not say {path[1:]}"
            found = found[key]
    return "the answer has another form than expected"
