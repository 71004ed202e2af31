"""The contract of a card, tried: its text, its conditions, and on a practice host its cure."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oncall_runbook.cards import catalog
from oncall_runbook.cards.linting import complaints
from oncall_runbook.errors import BadInputError, RunbookError

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts

_STATUSES = ("healthy", "unhealthy", "unknown")
# So many findings are tried in every combination; of more, a condition is too long to be read.
_FINDINGS = 8
_CODES = {"fixed": 0, "not_fixed": 5, "refused": 6}
# What a look may not change: files of the host, and its containers.
_RECORD = (
    "sudo -n true 2>/dev/null && root=sudo || root=;"
    " $root find /srv /etc /home /root /opt /usr/local -xdev -type f -printf '%p %s %T@\\n' | sort;"
    " docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}' | sort"
)


@dataclass(frozen=True)
class Check:
    """One thing that was tried: what it is, and what was wrong; nothing where it was right."""

    what: str
    wrong: str = ""


def checks(name: str, known: catalog.Catalog, host: PracticeHost | None) -> Iterator[Check]:
    """Try the contract of the card `name`, on a practice host too if there is one."""
    text = "\n".join(complaints([known.files[name]]) if known.is_own(name) else complaints([]))
    yield Check("its text is a card", text)
    if text:
        return
    card = known.card(name)
    yield from _conditions(card)
    if host is None:
        yield Check("not tried on a host: name a practice host with --practice HOST")
        return
    yield from _on_host(name, known.files[name].parent, host)


# --- conditions -------------------------------------------------------------------------------


def _conditions(card: Facts) -> Iterator[Check]:
    from ansible_collections.oncall.runbook.plugins.plugin_utils import conditions

    ids = [probe if isinstance(probe, str) else probe["id"] for probe in card["probes"]]
    texts = {"confirmed": card["confirmed"]}
    texts |= {f"when of {rung['rung']}": rung["when"] for rung in card["ladder"]}
    for what, text in texts.items():
        used = [id for id in ids if id in conditions.names_in(text)]
        by_value = any(f"{id}.value" in text for id in used)
        yield Check(f"{what} is decided by every answer", _undecided(text, used, by_value, what))


def _undecided(text: str, used: list[str], by_value: bool, what: str) -> str:
    """Return for which statuses of findings a condition comes to what it must not."""
    from ansible_collections.oncall.runbook.plugins.plugin_utils.conditions import judge

    if len(used) > _FINDINGS:
        return f"it speaks of {len(used)} findings; derive one from some of them"
    for statuses in product(_STATUSES, repeat=len(used)):
        findings = {
            id: {"status": status, "healthy": status == "healthy", "value": None}
            for id, status in zip(used, statuses, strict=True)
        }
        truth = judge(text, findings, _no_input).truth
        shown = ", ".join(f"{id} {status}" for id, status in zip(used, statuses, strict=True))
        if truth is None and "unknown" not in statuses and not by_value:
            return f"it is not decided where {shown}"
        if truth and used and set(statuses) == {"unknown"}:
            return "it is true where nothing is known"
        if truth and used and set(statuses) == {"healthy"} and what == "confirmed":
            return "it is true where all is well"
    return ""


def _no_input(name: str) -> Any:
    raise LookupError(name)


# --- on a practice host -----------------------------------------------------------------------


@dataclass(frozen=True)
class PracticeHost:
    """A host that may be broken: its name, its inventory, and where cards are besides there."""

    name: str
    inventory: str
    cards: tuple[str, ...]

    def run(self, script: str) -> str:
        """Run shell on the host, as whom ansible reaches it; raises RunbookError if that fails."""
        # In base64, so that nothing of it is taken for a template.
        packed = base64.b64encode(script.encode()).decode()
        ansible = str(Path(sys.executable).with_name("ansible"))
        module = ["-m", "ansible.builtin.raw", "-a", f"echo {packed} | base64 -d | bash"]
        done = subprocess.run(
            [ansible, self.name, "-i", self.inventory, *module],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        said = done.stdout.partition(">>\n")[2]
        if done.returncode != 0:
            last = (said or done.stdout or done.stderr).strip().splitlines()[-1:]
            raise RunbookError(f"{self.name}: {' '.join(last) or 'it failed'}")
        return said

    def runbook(self, *arguments: str) -> Facts:
        """Run the command on the host; return its part of the document, with the exit code."""
        cards = [word for place in self.cards for word in ("--cards", place)]
        where = ["-i", self.inventory, "-l", self.name, *cards, "--format", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "oncall_runbook", *arguments, *where],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        document = json.loads(done.stdout) if done.stdout.startswith("{") else {}
        if self.name not in document.get("hosts", {}):
            raise RunbookError(done.stderr.strip() or f"{self.name} is not in {self.inventory}")
        return {**document["hosts"][self.name], "exit_code": done.returncode}


def _on_host(name: str, folder: Path, host: PracticeHost) -> Iterator[Check]:
    before = host.run(_RECORD)
    looks = [host.runbook("diagnose", name) for _ in range(2)]
    yield Check("it is not there on a host that is well", _confirmed(looks[0], name))
    changes = set(before.splitlines()) ^ set(host.run(_RECORD).splitlines())
    yield Check("its probes change nothing", "\n".join(sorted(changes)[:10]))
    if fault := _case(folder / "faults" / f"{name}.yml"):
        yield from _fault(fault, host)
    if near_miss := _case(folder / "near_misses" / f"{name}.yml"):
        yield from _near_miss(near_miss, host)


def _confirmed(look: Facts, name: str) -> str:
    confirmed = look["incidents"][name]["confirmed"]
    return "" if confirmed is False else f"confirmed: {confirmed}; {look.get('reason') or ''}"


def _case(path: Path) -> Facts:
    if not path.is_file():
        return {}
    case = catalog.load_yaml(path.read_text(encoding="utf-8"))
    if not isinstance(case, dict) or "inject" not in case:
        raise BadInputError(f"{path} holds no case: title and inject, as runbook new writes them")
    return case


def _fault(fault: Facts, host: PracticeHost) -> Iterator[Check]:
    host.run(str(fault["inject"]))
    try:
        found = host.runbook("triage")
        wanted = list(fault.get("root_causes", []))
        wrong = "" if found["root_causes"] == wanted else f"triage says {found['root_causes']}"
        yield Check(f"triage names {', '.join(wanted)}", wrong)
        allow = ["--allow", str(fault.get("allow", "restart"))]
        cured = host.runbook("remediate", "--yes", *allow)
        rungs = [action["rung"] for action in cured.get("actions", [])]
        ends = fault.get("ends", "fixed")
        right = (rungs, cured["exit_code"]) == (list(fault.get("rungs", [])), _CODES[ends])
        told = f"{cured['verdict']} by {rungs or 'no rung'}: {cured.get('reason') or ''}"
        yield Check(f"a remediation ends {ends}", "" if right else told)
        again = host.runbook("remediate", "--yes", *allow)
        more = [action["rung"] for action in again.get("actions", [])]
        yield Check("once more it does nothing", f"it climbs {more}" if more else "")
    finally:
        host.run(str(fault.get("revert", "true")))


def _near_miss(case: Facts, host: PracticeHost) -> Iterator[Check]:
    host.run(str(case["inject"]))
    try:
        found = host.runbook("remediate", "--yes")
        right = found["verdict"] == "healthy" and not found.get("actions")
        told = f"{found['verdict']}, {found['root_causes']}: {found.get('reason') or ''}"
        yield Check("what only looks like it is left alone", "" if right else told)
    finally:
        host.run(str(case.get("revert", "true")))
