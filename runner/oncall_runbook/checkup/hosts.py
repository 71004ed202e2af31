"""Checks of every host, from the one document of the run that asked them all."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from oncall_runbook import clock
from oncall_runbook.checkup.check import Check, Status
from oncall_runbook.discovery import comparison
from oncall_runbook.run.host_state import as_mapping
from oncall_runbook.run.verdict import Verdict

if TYPE_CHECKING:
    from oncall_runbook.documents import Facts, Finding, HostDocument, RunDocument

_SKEW_SECONDS = 2
_NEAR_PERCENT = 10  # below the limit of disk_space_full
_OLD_SECONDS = 26 * 3600  # a nightly one may be late

_UNREACHABLE = {
    "machine": "try: ssh MACHINE runbook --version",
    "refused": "is it up, and does sshd listen where ansible_port says?",
    "timed out": "is it up, and does a firewall let this machine in?",
    "key": "check ansible_user, its key there, and the host's key in known_hosts",
    "name": "correct ansible_host, or the name's DNS",
    "disk full": "runbook diagnose disk_space_full, which needs no disk",
}
_DOCKER = {
    r"not installed": "install Docker, or point stack_dir's host elsewhere",
    r"permission denied": "put the user into the group docker, or set ansible_become",
}

_WAYS = {
    "driver": "its own driver, in its container, says",
    "client": "psql, over the stack's network and as its role, says",
    "none": "no driver and no client can be asked",
}


@dataclass(frozen=True)
class Asked:
    """When a host was asked, and when its answer was here, by this machine's clock."""

    began: float
    ended: float


def checks(document: RunDocument, times: Mapping[str, Asked]) -> Iterator[Check]:
    """Tell of every host whether it can be reached, and what an incident would lack there."""
    for host, state in document["hosts"].items():
        yield _reach(host, state)
        findings = state["findings"]
        if findings and host in times:
            yield from _clock(host, findings, times[host])
        no_stack = False
        for name, judge in _JUDGES.items():
            finding = findings.get(name)
            if not finding or finding["status"] == "not_applicable":
                continue
            if name == "application" and no_stack:
                continue
            for check in judge(host, finding):
                no_stack |= (name, check.status) == ("stack", "bad")
                yield check
        if "settings" in findings and not no_stack:
            yield from _settings(host, findings)


def _reach(host: str, state: HostDocument) -> Check:
    verdict, reason = state["verdict"], state["reason"]
    if verdict == Verdict.HEALTHY.value:
        return Check(host, "reach", "ok", "answers")
    more = f"runbook doctor -l {host} -vvv"
    if verdict == Verdict.UNREACHABLE.value:
        cause = state.get("unreachable", "other")
        text = f"cannot be reached ({cause}): {reason}"
        return Check(host, "reach", "unknown", text, _UNREACHABLE.get(cause, more))
    status: Status = "bad" if verdict == Verdict.ERROR.value else "unknown"
    return Check(host, "reach", status, f"does not answer as it should: {reason}", more)


def _clock(host: str, findings: Mapping[str, Finding], asked: Asked) -> Iterator[Check]:
    """Compare the host's clock with ours, as far as the time that the question took allows.

    All questions begin at once, so the clock was read no later than the slowest of them took
    before the answer; and not before the host was asked. Only what lies outside is a difference.
    """
    said = str(findings["doctor"].get("value") or "") if "doctor" in findings else ""
    if not re.fullmatch(r"\d+(\.\d+)?", said):
        return
    earliest, seconds = float(said), 0 if "." in said else 1
    slowest = max(f.get("ms") or 0 for f in findings.values()) / 1000
    latest = max(asked.began, asked.ended - slowest)
    ahead, behind = earliest - latest, asked.began - (earliest + seconds)
    skew = max(ahead, behind, 0)
    if skew <= _SKEW_SECONDS:
        within = math.ceil(_SKEW_SECONDS + seconds + latest - asked.began)
        yield Check(host, "clock", "ok", f"as this machine's, within {within} s")
        return
    how = f"{clock.span(skew * 1000)} {'ahead of' if ahead > behind else 'behind'} this machine"
    better = "let both follow a time server: timedatectl set-ntp true"
    yield Check(host, "clock", "warning", how, better)


def _failed(host: str, name: str, finding: Finding, better: str) -> Check | None:
    """Return what there is to say when a question was not answered with yes; else nothing."""
    if finding["status"] == "healthy":
        return None
    reason = str(finding.get("reason") or "it was not answered")
    status: Status = "bad" if finding["status"] == "unhealthy" else "unknown"
    return Check(host, name, status, reason, better)


def _docker(host: str, finding: Finding) -> Iterator[Check]:
    reason = str(finding.get("reason"))
    better = next((then for said, then in _DOCKER.items() if re.search(said, reason)), "")
    better = better or "is the engine up there? systemctl status docker"
    yield _failed(host, "docker", finding, better) or Check(
        host, "docker", "ok", f"Docker {finding['value']}"
    )


def _compose(host: str, finding: Finding) -> Iterator[Check]:
    better = "install the package docker-compose-plugin there"
    if failed := _failed(host, "compose", finding, better):
        yield failed
        return
    kind, _, version = str(finding["value"]).partition(" ")
    if kind == "v1":
        text = f"docker-compose {version}, which gets no updates since 2023"
        yield Check(host, "compose", "warning", text, better)
    else:
        yield Check(host, "compose", "ok", f"docker compose {version}")


def _stack(host: str, finding: Finding) -> Iterator[Check]:
    better = "set stack_dir to where its compose file is"
    if "cannot read its files" in str(finding.get("reason")):
        better = "mend them: nothing can be made anew until docker compose config reads them"
    if failed := _failed(host, "stack", finding, better):
        yield Check(host, "stack", failed.status, failed.text.split(": set ")[0], failed.next)
        return
    file, project, count = [*str(finding["value"]).split("\t"), "", ""][:3]
    if not project:
        better = "docker compose up -d there, or set stack_dir to where it was started"
        yield Check(host, "stack", "bad", f"{file} has no container", better)
        return
    yield Check(host, "stack", "ok", f"{file}, project {project}, {count} containers")


def _application(host: str, finding: Finding) -> Iterator[Check]:
    """Tell by which way an incident will see what the application sees, and what that misses."""
    triage, name_route = f"runbook triage -l {host}", "name a route in stack_read_path"
    if failed := _failed(host, "application", finding, triage):
        yield failed
        return
    view = as_mapping(finding["value"])
    parts = {name: as_mapping(view.get(name)) for name in ("database", "cache", "chain", "route")}
    states = {name: part["outcome"] for name, part in parts.items() if part}
    found = ", ".join(f"{name} {word}" for name, word in states.items() if word != "unknown")
    unseen = [name for name, word in states.items() if word == "unknown"]
    text = f"{_WAYS[view['way']]}: {found or 'nothing'}"
    text += f"; not seen: {', '.join([*unseen, 'routes behind a session'])}"
    wrong = [part["reason"] for part in parts.values() if _is_wrong(part)]
    if wrong:
        yield Check(host, "application", "bad", f"{text}; {'; '.join(wrong)}", triage)
    elif view["way"] == "driver" or states.get("route") == "works":
        yield Check(host, "application", "ok", text)
    else:
        yield Check(host, "application", "warning", f"{text} ({view['missing']})", name_route)


def _is_wrong(part: Facts) -> bool:
    return bool(part) and part["outcome"] not in ("works", "unknown")


def _disks(host: str, finding: Finding) -> Iterator[Check]:
    if failed := _failed(host, "disk", finding, "df -h; df -i"):
        yield failed
        return
    limit, *lines = str(finding["value"]).splitlines()
    well = []
    for line in lines:
        used, inodes, mib, *_, path = line.split("\t")
        text = f"{path}: {used} % of bytes and {inodes} % of inodes used, {mib} MiB left"
        worst = max(int(used), int(inodes))
        if worst >= int(limit):
            better = f"runbook remediate disk_space_full -l {host}"
            yield Check(host, "disk", "bad", f"{text} (limit {limit} %)", better)
        elif worst >= int(limit) - _NEAR_PERCENT:
            better = f"runbook ops clean --check -l {host}"
            yield Check(host, "disk", "warning", f"{text} (limit {limit} %)", better)
        else:
            well.append(text)
    if well:
        yield Check(host, "disk", "ok", "; ".join(well))


def _backup(host: str, finding: Finding) -> Iterator[Check]:
    better = f"runbook ops backups verify -l {host}"
    if failed := _failed(host, "backup", finding, better):
        yield failed
        return
    found = finding["value"]
    newest, proven = as_mapping(found["newest"]), as_mapping(found["proven"])
    make = f"runbook ops backup -l {host}, and every night"
    if not newest:
        yield Check(host, "backup", "bad", f"there is no backup in {found['directory']}", make)
        return
    broken = f"the newest, {newest['file']}, is not proven whole: {found['wrong']}"
    if not proven:
        yield Check(host, "backup", "bad", f"{broken}; nor is any of {found['count']}", make)
        return
    text = f"{proven['file']}, {clock.span(proven['age'] * 1000)} old, is whole"
    if found["wrong"]:
        yield Check(host, "backup", "warning", f"{broken}; {text}", f"{make}; {better}")
    elif proven["age"] > _OLD_SECONDS:
        yield Check(host, "backup", "warning", f"the newest is old: {text}", make)
    else:
        yield Check(host, "backup", "ok", text)


def _root(host: str, finding: Finding) -> Iterator[Check]:
    user = str(finding.get("output") or "").strip()
    better = f"let {user or 'the user'} use sudo without a password, or set ansible_become"
    text = "root" if user == "root" else f"{user} may use sudo"
    yield _failed(host, "root", finding, better) or Check(host, "root", "ok", text)


def _tools(host: str, finding: Finding) -> Iterator[Check]:
    missing = str(finding.get("value") or "").split("\n") if finding.get("value") else []
    better = "install them there: coreutils, util-linux, findutils, gzip, curl"
    if missing:
        text = f"missing: {', '.join(missing)}"
        yield Check(host, "tools", "bad", text, better)
        return
    yield _failed(host, "tools", finding, better) or Check(
        host, "tools", "ok", "all that probes and rungs need"
    )


def _settings(host: str, findings: Mapping[str, Finding]) -> Iterator[Check]:
    """Tell where the inventory and the containers of the host differ."""
    try:
        found = [*comparison.told_in(findings).differences()]
    except comparison.NotTold:
        return  # Docker's own check says why
    better = "correct them, or write them anew: runbook init --force"
    for text in found:
        yield Check(host, "settings", "warning", text, better)
    if not found:
        yield Check(host, "settings", "ok", "as the containers are")


_JUDGES: dict[str, Callable[[str, Finding], Iterator[Check]]] = {
    "docker": _docker,
    "compose": _compose,
    "stack": _stack,
    "application": _application,
    "disks": _disks,
    "backup": _backup,
    "root": _root,
    "tools": _tools,
}
