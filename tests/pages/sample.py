"""Documents as they are: an incident from its beginning to its review, a run, a list."""

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
BEGAN = datetime(2026, 11, 24, 3, 10, 24, tzinfo=UTC)
CARD = "database_connection_failures"
FIRST_RUN, SECOND_RUN = "20261124T031129Z-1578", "20261124T033012Z-9c41"
PERSON, ONCALL = "mira@workstation", "jonas@laptop"
MAIL, PUSH = "mailtos://smtp.example.com", "ntfys://ntfy.example.com"

PROBES = {
    "response_time_p95": ("95 of 100 answers of the API come within", "ms"),
    "read_time": ("A read of the database through the API takes", "ms"),
    "database_sessions": ("Client sessions in use, of those clients may have", "percent"),
    "blocked_sessions": ("Sessions that wait for a lock", ""),
    "error_percent": ("Requests that failed", "percent"),
    "memory_fullest": ("Memory used by the fullest container, of its limit", "percent"),
    "cpu_pressure": ("Work stood still for want of processor time", "percent of 10 s"),
    "disk_bytes": ("Bytes used on the fullest file system, of what users may have", "percent"),
    "buffer_hits": ("Database blocks found in memory", "percent"),
}
# minutes after it began; then a number for each probe
WEB1 = (
    (1.1, (8400, 30000, 97.9, 41, 38.2, 71, 43.0, 30, 98.6)),
    (5.2, (12150, 30000, 100, 58, 64.9, 72, 55.3, 30, 98.5)),
    (9.5, (9700, 21400, 88.4, 33, 41.0, 74, 38.8, 30, 98.5)),
    (20.0, (2310, 4100, 52.1, 6, 9.7, 74, 21.2, 31, 98.1)),
    (26.4, (412, 388, 12.4, 0, 0.8, 73, 9.9, 31, 97.2)),
    (38.8, (181, 151, 6.3, 0, 0, 73, 8.1, 31, 98.4)),
)
WEB2 = (
    (1.1, (176, 190, 4.2, 0, 0.1, 44, 6.2, 22, 99.1)),
    (20.0, (174, 174, 4.2, 0, 0, 44, 5.8, 22, 99.1)),
)


def text(moment):
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def after(minutes):
    """The time so many minutes after the incident began."""
    return text(BEGAN + timedelta(minutes=minutes))


def entry(minutes, kind, said, author=PERSON, run=None, host=None, **data):
    return {
        "at": after(minutes),
        "kind": kind,
        "author": author,
        "text": said,
        "run": run,
        "host": host,
        "data": data,
    }


def finding(minutes, numbers, host, run):
    unhealthy = [
        name
        for name, number, limit in zip(PROBES, numbers, (1000, 1000, 90, 0, 5), strict=False)
        if number > limit
    ]
    values = {
        name: {"value": number, "unit": unit, "title": title}
        for (name, (title, unit)), number in zip(PROBES.items(), numbers, strict=True)
    }
    causes = [CARD] if "database_sessions" in unhealthy or (minutes < 10 and unhealthy) else []
    said = (
        f"{host}: {len(unhealthy)} unhealthy of {len(PROBES)}" if unhealthy else f"{host}: healthy"
    )
    return entry(
        minutes, "finding", said, "runbook", run, host,
        root_causes=causes, unhealthy=unhealthy, values=values,
    )  # fmt: skip


def rung(minutes, name, said, risk, *, held, seconds, run):
    return entry(
        minutes, "rung", said, "runbook", run, "web1",
        rung=name, risk=risk, changed=True, seconds=seconds, held=held,
    )  # fmt: skip


def message(minutes, said, role, state, channel):
    return entry(minutes, "message", said, "runbook", role=role, state=state, channel=channel)


def timeline():
    entries = [
        entry(1.0, "opened", "Login fails for everybody; every endpoint answers 500.",
              ONCALL),
        message(1.05, "Page sent to the on-call engineer", "on_call", "sent", PUSH),
        entry(1.08, "run", "triage of web1, web2", ONCALL, FIRST_RUN, command="triage"),
        *(finding(minutes, numbers, "web1", FIRST_RUN if minutes < 15 else SECOND_RUN)
          for minutes, numbers in WEB1),
        *(finding(minutes, numbers, "web2", FIRST_RUN if minutes < 15 else SECOND_RUN)
          for minutes, numbers in WEB2),
        entry(2.6, "acknowledged", "I have it.", ONCALL),
        entry(3.0, "changed", "SEV2 → SEV1", ONCALL, field="severity",
              **{"from": "SEV2", "to": "SEV1"}, reason="card database_connection_failures"),
        entry(3.9, "evidence", "11 files kept before the first change", "runbook", FIRST_RUN,
              "web1", path=f"runs/{FIRST_RUN}/evidence/web1", files=11,
              manifest_sha256="e3709120ae3bcb9fbd0783266144aeb53626f89a110c66933aa9efd8327c55f1"),
        rung(4.4, "end_stale_sessions", "End sessions left idle in transaction", "restart",
             held=False, seconds=1.2, run=FIRST_RUN),
        entry(5.3, "verdict", "web1: not fixed", "runbook", FIRST_RUN, "web1", verdict="not_fixed"),
        entry(6.8, "note", "Sessions come back within seconds, all from the reporting job:\n"
              "  application_name = 'term-report', 96 connections, none of them closed", ONCALL),
        message(7.5, "Update 1 could not be sent to the support team", "support", "failed",
                MAIL),
        message(8.1, "Update 1 sent to the support team", "support", "sent", MAIL),
        entry(11.0, "escalation", "Step 2 is due: database owner", "runbook", position=2,
              to=["database_owner"]),
        message(11.1, "Page sent to the database owner", "database_owner", "sent",
                PUSH),
        entry(13.4, "note", "Joined. Stopping the reporting job, it may run tonight.", PERSON),
        entry(16.0, "changed", "investigating → identified", ONCALL, field="status",
              **{"from": "investigating", "to": "identified"},
              reason="the reporting job opens a connection per pupil"),
        entry(18.8, "run", "remediate database_connection_failures on web1", ONCALL, SECOND_RUN,
              command="remediate"),
        rung(19.8, "end_stale_sessions", "End sessions left idle in transaction", "restart",
             held=False, seconds=1.1, run=SECOND_RUN),
        rung(23.9, "restart_backend", "Restart the API, so that its pool is made anew", "restart",
             held=True, seconds=14.6, run=SECOND_RUN),
        entry(24.4, "mitigated", "Logins work again; the reporting job stays off.", ONCALL),
        entry(26.5, "verdict", "web1: fixed", "runbook", SECOND_RUN, "web1", verdict="fixed"),
        message(27.0, "Update 2 sent to the support team", "support", "sent",
                MAIL),
        entry(40.0, "resolved", "Healthy for a quarter of an hour.", ONCALL),
        entry(40.2, "message", "The end was told to the support team", "runbook", role="support",
              state="sent", channel=MAIL),
        entry(1840, "review", "Root cause and resolution written.", PERSON),
        entry(1852, "item", "Added: give the reporting job a pool of its own", PERSON),
        entry(1853, "item", "Added: alert when 80 percent of the sessions are in use", PERSON),
    ]  # fmt: skip
    return sorted(entries, key=lambda entry: entry["at"])


def step(position, minutes, to, state, sent=None, note=""):
    return {
        "position": position,
        "after_minutes": minutes,
        "due": after(1 + minutes),
        "to": to,
        "note": note,
        "state": state,
        "sent": sent and after(sent),
    }


def posted(number, kind, role, channel, subject, state, created, sent=None, error="", attempts=1):
    return {
        "id": number,
        "kind": kind,
        "role": role,
        "channel": channel,
        "subject": subject,
        "state": state,
        "attempts": attempts,
        "created": after(created),
        "sent": sent and after(sent),
        "error": error,
    }


def incident():
    """A database that ran out of sessions, resolved, its review half written."""
    return {
        "id": 7,
        "title": "Nobody can log in: the database has no session left",
        "incident": CARD,
        "severity": "SEV1",
        "severity_reason": f"card {CARD} (run {FIRST_RUN})",
        "status": "resolved",
        "impact": "Nobody could log in for 23 minutes; about 340 people tried. No data was lost.",
        "owner": "jonas",
        "eta": None,
        "hosts": ["web1", "web2"],
        "runs": [FIRST_RUN, SECOND_RUN],
        "began": after(0),
        "detected": after(0.9),
        "opened": after(1.0),
        "acknowledged": after(2.6),
        "acknowledged_by": "jonas",
        "mitigated": after(24.4),
        "resolved": after(40.0),
        "response_due": after(6),
        "response": "met",
        "update_due": None,
        "update_overdue": False,
        "escalation": {
            "state": "fixed",
            "steps": [
                step(1, 0, ["on_call"], "sent", 1.05),
                step(2, 10, ["database_owner"], "sent", 11.1, "not fixed by then"),
                step(3, 30, ["team_lead", "head_of_it"], "stopped", note="whoever answers decides"),
            ],
        },
        "messages": [
            posted(1, "page", "on_call", PUSH, "SEV1: nobody can log in", "sent", 1.0, 1.05),
            posted(2, "update", "support", MAIL, "Update 1: we are working on it", "sent", 7.4, 8.1,
                   "timed out after 30 s, sent again", 2),
            posted(3, "page", "database_owner", PUSH, "SEV1: no login works", "sent", 11.0, 11.1),
            posted(4, "update", "support", MAIL, "Update 2: logins work again", "sent", 26.9, 27.0),
            posted(5, "reminder", "team_lead", MAIL, "The review is due on Friday", "failed", 2900,
                   error="550 mailbox unavailable", attempts=3),
        ],
        "timeline": timeline(),
        "review": {
            "state": "draft",
            "due": "2026-11-27T03:50:24.000Z",
            "overdue": True,
            "root_cause": "The reporting job opens one connection for each pupil and closes none "
            "before it ends.\n\nAt 03:10 it met the nightly backup, which holds a snapshot: the "
            "job's transactions waited, its sessions stayed, and the API got none.",
            "resolution": "The job was stopped, its sessions ended, and the API restarted so that "
            "its pool was made anew.",
            "prevention": None,
            "checklist": [
                "Was the database stopped by a person, a deployment, the kernel, or a full disk?",
                "Who held sessions idle in transaction, and does that code close its transactions?",
                "Is idle_in_transaction_session_timeout set?",
                "Is the application's pool smaller than the sessions it may have?",
            ],
            "items": [
                {"id": 1, "text": "Give the reporting job a pool of its own, of four connections",
                 "owner": "mira", "deadline": "2026-12-04", "done": None},
                {"id": 2, "text": "Alert when 80 percent of the sessions are in use",
                 "owner": None, "deadline": None, "done": None},
                {"id": 3, "text": "Set idle_in_transaction_session_timeout to 60 s",
                 "owner": "jonas", "deadline": "2026-11-25", "done": "2026-11-25T10:02:11.000Z"},
            ],
        },
        "measures": {"detect": 54.0, "acknowledge": 96.0, "mitigate": 1464.0, "resolve": 2400.0},
    }  # fmt: skip


def run():
    """A remediation of two hosts: one fixed, one that needs an allowance."""
    document = json.loads(Path(__file__).with_name("run.json").read_text())
    document["hosts"]["web2"] = _refused(document["hosts"]["web1"])
    document["exit_code"] = 6
    document["warnings"] = ["Could not match supplied host pattern, ignoring: web9"]
    return document


def _refused(fixed):
    host = copy.deepcopy(fixed)
    said = "FATAL: the database system is in recovery mode"
    for name, status in (
        ("database_accepts", "unhealthy"),
        ("database_damage", "unhealthy"),
        ("backend_reads_database", "unhealthy"),
        ("database_sessions", "unknown"),
        ("statement_statistics", "unknown"),
    ):
        host["findings"][name] |= {
            "status": status,
            "healthy": False,
            "value": None,
            "output": "",
            "reason": said if status == "unhealthy" else "not asked: the database does not answer",
        }
    return {
        **host,
        "evidence": None,
        "verdict": "refused",
        "reason": "Restore the newest backup needs --allow data",
        "root_causes": host["diagnosis"]["root_causes"],
        "incidents": host["diagnosis"]["incidents"],
        "plan": [
            {"rung": "restore_backup", "incident": CARD, "title": "Restore the newest backup",
             "risk": "data", "allowed": False, "why": "the database is damaged",
             "shows": "- school_mgmt (412 MiB)\n+ school_mgmt from nightly-20261124.dump"},
        ],
        "actions": [
            {"rung": "start_database", "incident": CARD, "risk": "restart", "changed": True,
             "title": "Start, or continue, the database's container", "seconds": 8.4,
             "held": False, "rc": 0, "output": "started postgres, which was stopped"},
        ],
    }  # fmt: skip


# What is wrong with the hosts of a fleet: of so many of 100, with this verdict, these incidents.
# The first is the root cause, and explains those after it.
FLEET = (
    (17, "incident", ("disk_space_full", "database_connection_failures", "high_error_rate")),
    (9, "incident", ("memory_leak", "high_response_times")),
    (3, "refused", ("database_connection_failures", "application_not_responding")),
    (2, "not_fixed", ("disk_space_full",)),
    (4, "fixed", ("memory_leak",)),
    (5, "unreachable", ()),
    (4, "unknown", ()),
    (1, "healthy", ("certificate_expiring",)),
)
WHY = {
    "disk_space_full": "Bytes used on the fullest file system, of what users may have: 98 percent",
    "memory_leak": "Memory of the fullest container grows by 14 MiB an hour: 91 percent of it",
    "database_connection_failures": "The database accepts connections: unhealthy (2 exit status)",
}
REASONS = {
    "refused": "Restore the newest backup needs --allow data",
    "not_fixed": "every rung was tried, and the file system is still full",
    "unreachable": "ssh: connect to host 10.0.3.7 port 22: Connection refused",
    "unknown": "the engine does not answer: Cannot connect to the Docker daemon",
}


def fleet(number):
    """A triage of so many hosts: most are well, the others have what a fleet can have."""
    well = run()["hosts"]["web1"]
    known = {**well["incidents"], **{
        name: {"confirmed": False, "title": name.replace("_", " ").capitalize(), "severity": "SEV3",
               "explained_by": []}
        for name in ("certificate_expiring", "clock_skewed", "service_degraded", "backup_overdue")
    }}  # fmt: skip
    kinds = [kind for share, *kind in FLEET for _ in range(share)]
    hosts = {
        f"{'web' if n % 3 else 'db'}{n:03}.site-{'abc'[n % 3]}": _of_fleet(kinds, n, well, known)
        for n in range(1, number + 1)
    }
    return {**run(), "command": "triage", "exit_code": 4, "seconds": 9.4, "hosts": hosts,
            "common_causes": {}}  # fmt: skip


def _of_fleet(kinds, n, well, known):
    place = n * 37 % 100  # spreads the kinds over the hosts
    verdict, names = kinds[place] if place < len(kinds) else ("healthy", ())
    if n % 6 == 0:
        left_out = {"not_applicable": "the stack has no blockchain node"}
        known = {**known, "blockchain_service_unavailable":
                 {**known["blockchain_service_unavailable"], **left_out}}  # fmt: skip
    host = {"verdict": verdict, "reason": REASONS.get(verdict, ""), "root_causes": [],
            "incidents": known, "findings": well["findings"]}  # fmt: skip
    if verdict == "unreachable":
        return {**host, "incidents": {}, "findings": {}, "unreachable": "refused"}
    if verdict == "unknown":
        silent = {"status": "unknown", "reason": REASONS["unknown"]}
        return {**host, "incidents": {name: {**card, "confirmed": None}
                                      for name, card in known.items()},
                "findings": {name: {**finding, **silent}
                             for name, finding in well["findings"].items()}}  # fmt: skip
    return {**host, **_ill(verdict, names, known, well)} if names else host


def _ill(verdict, names, known, well):
    if verdict == "healthy":
        return {"uncovered": ["disk_inodes"], "findings": {**well["findings"], "disk_inodes": {
            **well["findings"]["disk_inodes"], "status": "unhealthy", "value": 91}}}  # fmt: skip
    root, *explained = names
    judged = {**known, root: {**known[root], "confirmed": True, "why": WHY[root]}}
    for name in explained:
        judged[name] = {**known[name], "confirmed": True, "explained_by": [root]}
    found = {"root_causes": [root], "incidents": judged}
    if verdict == "fixed":
        return {"diagnosis": found, "actions": well["actions"]}
    return {**found, "actions": well["actions"]} if verdict == "not_fixed" else found


def summary(number, title, card, severity, opened, resolve=None, **more):
    """One incident in short."""
    ended = datetime.fromisoformat(opened) + timedelta(seconds=resolve) if resolve else None
    return {
        "id": number,
        "title": title,
        "incident": card,
        "severity": severity,
        "status": "resolved" if resolve else "investigating",
        "owner": "jonas",
        "hosts": ["web1"],
        "opened": opened,
        "detected": opened,
        "acknowledged": None,
        "mitigated": None,
        "resolved": ended and text(ended),
        "response": "met",
        "response_due": None,
        "update_overdue": False,
        "review": {"state": "closed" if resolve else "none", "due": None, "overdue": False},
        "measures": {
            "detect": 40.0,
            "acknowledge": 180.0,
            "mitigate": resolve and resolve * 0.7,
            "resolve": resolve,
        },
        **more,
    }


def summaries():
    """Ten incidents of four months: three open, two of them overdue, one review overdue."""
    late = {"state": "draft", "due": "2026-11-27T03:50:24.000Z", "overdue": True}
    return [
        summary(1, "Disk of web1 full of container logs", "disk_space_full", "SEV1",
                "2026-08-03T05:12:00.000Z", 5400.0, status="reviewed"),
        summary(2, "API out of memory every two hours", "memory_leak", "SEV2",
                "2026-08-19T14:02:00.000Z", 15120.0, status="reviewed"),
        summary(3, "Database stopped by the kernel", CARD, "SEV1",
                "2026-09-02T22:41:00.000Z", 1260.0, status="reviewed"),
        summary(4, "Answers take ten seconds", "high_response_times", "SEV2",
                "2026-09-21T09:15:00.000Z", 7980.0, status="reviewed"),
        summary(5, "Disk of web2 full of old images", "disk_space_full", "SEV1",
                "2026-10-11T03:30:00.000Z", 2700.0, status="reviewed"),
        summary(6, "Certificates are not issued", "blockchain_service_unavailable", "SEV2",
                "2026-10-28T12:00:00.000Z", 3480.0, status="reviewed"),
        summary(7, "Nobody can log in: the database has no session left", CARD, "SEV1",
                "2026-11-24T03:11:24.000Z", 2400.0, review=late, hosts=["web1", "web2"]),
        summary(8, "Uploads of large files fail", None, "SEV3", "2026-11-28T10:20:00.000Z",
                status="identified"),
        summary(9, "Every tenth request fails", "high_error_rate", "SEV2",
                "2026-11-30T08:12:00.000Z", update_overdue=True, owner="mira"),
        summary(10, "Application does not answer", "application_not_responding", "SEV1",
                "2026-11-30T08:47:00.000Z", response="overdue", owner=None,
                response_due="2026-11-30T08:52:00.000Z"),
    ]  # fmt: skip


def nothing():
    """An incident of which nothing is known but that it is there."""
    empty = dict.fromkeys(incident(), None)
    return {**empty, "id": 8, "detected": after(0), "opened": after(0), "status": "investigating"}
