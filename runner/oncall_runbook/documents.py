"""What documents hold: of runs, incidents and cards; and what stands for a field that one lacks.

A document may be an old one, or lack what its kind does not have: no field is certain to be there,
unless it was filled in here (`whole_run`, `whole_incident`, `whole_summary`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict, TypeVar, cast

from oncall_runbook.packed import Packed, unpacked

# What comes from hosts, ansible, inventories and YAML: it is looked at before it is believed.
Facts = Mapping[str, Any]
Document = TypeVar("Document", bound=Mapping[str, Any])
Step = TypeVar("Step", "PlannedStep", "DoneStep")


class Finding(TypedDict, total=False):
    """A probe's answer."""

    status: str
    healthy: bool
    title: str
    value: Any
    unit: str | None
    ms: float | None
    rc: int | None
    of: str
    command: str | None
    output: str | None
    stderr: str | None
    reason: str | None


class JudgedCard(TypedDict, total=False):
    """What was judged of a card on a host."""

    confirmed: bool | None
    not_applicable: str
    title: str
    severity: str
    why: str
    evidence: str
    because: list[str]
    reason: str
    explained_by: list[str]
    may_come_of: list[str]


class PlannedStep(TypedDict, total=False):
    """A rung, or a step of an operation, that would be done now."""

    rung: str
    incident: str
    title: str
    risk: str
    allowed: bool
    costs: str
    why: str
    shows: str
    spent: str


class DoneStep(TypedDict, total=False):
    """A rung that was climbed, or a step of an operation that was done."""

    rung: str
    incident: str
    title: str
    risk: str
    costs: str
    changed: bool
    seconds: float
    held: bool | None
    rc: int | None
    reason: str
    output: str
    why: str
    shows: str


class Diagnosis(TypedDict, total=False):
    """What was judged before anything was changed."""

    root_causes: list[str]
    incidents: dict[str, JudgedCard]


class Evidence(TypedDict, total=False):
    """What was kept before the first change."""

    path: str
    files: int


class HostDocument(Diagnosis, total=False):
    """What a run says of a host."""

    verdict: str
    reason: str
    unreachable: str
    findings: Mapping[str, Finding]
    uncovered: list[str]
    plan: list[PlannedStep] | None
    actions: list[DoneStep] | None
    evidence: Facts | None
    fetched: Facts | None
    diagnosis: Diagnosis | None
    changed_since: list[str]
    batch: int


class OrderDocument(TypedDict, total=False):
    """What was ordered, as far as a run's document keeps it."""

    inventory: str | None
    limit: str | None
    through: str | None
    operation: str | None
    inputs: dict[str, Any]
    acts: bool
    asks: bool
    extra_vars: bool
    plan: list[str]


class PlannedHost(TypedDict):
    """What was found on a host when a plan was made, and what shall be done there."""

    verdict: str
    reason: str
    resolved: Facts
    root_causes: list[str]
    incidents: dict[str, JudgedCard]
    findings: dict[str, Facts]
    plan: list[PlannedStep]


class PlanDocument(TypedDict):
    """A plan to be agreed to and carried out: `schema/plan.schema.json` describes it."""

    schema: int
    kind: str
    version: str
    run: str
    made: str
    hours: int
    author: str
    inventory: str
    incident: str | None
    allow: str
    cards: dict[str, str]
    hosts: dict[str, PlannedHost]
    digest: str


class RunDocument(TypedDict, total=False):
    """A run: `schema/run.schema.json` describes it."""

    schema: int
    run: str
    command: str
    incident: str | None
    author: str
    inventory: str
    order: OrderDocument
    resumes: str | None
    started: str
    finished: str | None
    seconds: float | None
    exit_code: int | None
    error: str | None
    warnings: list[str]
    hosts: dict[str, HostDocument]
    common_causes: dict[str, list[str]]
    state: str
    pid: int
    pid_started: int | None


class JournalEntry(TypedDict, total=False):
    """An event as a run's journal keeps it."""

    time: str
    host: str
    event: str
    phase: str | None
    task: str
    verdict: str | None
    changed: bool
    seconds: float | None
    incident: str
    rung: str
    title: str
    risk: str
    held: bool
    reason: str
    rc: int
    root_causes: list[str]
    findings: dict[str, str]
    values: dict[str, Finding]
    incidents: dict[str, JudgedCard]
    evidence: Facts
    message: str


class ReviewSummary(TypedDict, total=False):
    """How far the review of an incident is."""

    state: str
    due: str | None
    overdue: bool
    items_overdue: int


class ActionItem(TypedDict, total=False):
    """What shall be done after an incident."""

    id: int
    text: str
    owner: str | None
    deadline: str | None
    done: str | None
    overdue: bool


class Review(ReviewSummary, total=False):
    """What people found out about an incident."""

    root_cause: str | None
    resolution: str | None
    prevention: str | None
    checklist: list[str]
    items: list[ActionItem]


class EscalationStep(TypedDict, total=False):
    """A step of an incident's escalation."""

    position: int
    after_minutes: int
    due: str | None
    to: list[str]
    note: str
    state: str
    sent: str | None


class Escalation(TypedDict, total=False):
    """Whom an incident goes to, and how far that is."""

    state: str
    steps: list[EscalationStep]


class Message(TypedDict, total=False):
    """A message about an incident, as its document tells of it."""

    id: int
    kind: str
    role: str
    channel: str
    subject: str
    state: str
    attempts: int
    error: str
    created: str | None
    sent: str | None


class PreviewedMessage(TypedDict):
    """A message that would be queued now."""

    incident: int
    kind: str
    role: str
    channel: str
    subject: str
    body: str


class TimelineEntry(TypedDict, total=False):
    """Something that happened to an incident; `date` is filled in for pages."""

    at: str
    date: str
    kind: str
    author: str
    text: str
    run: str | None
    host: str | None
    data: dict[str, Any]


class Measures(TypedDict, total=False):
    """How long it took, in seconds."""

    detect: float | None
    acknowledge: float | None
    mitigate: float | None
    resolve: float | None


class IncidentSummary(TypedDict, total=False):
    """An incident in short; `incident` is the name of its card."""

    id: int
    title: str
    incident: str | None
    severity: str
    status: str
    owner: str | None
    hosts: list[str]
    began: str | None
    detected: str | None
    opened: str | None
    acknowledged: str | None
    mitigated: str | None
    resolved: str | None
    response_due: str | None
    response: str
    update_due: str | None
    update_overdue: bool
    review: Review
    measures: Measures


class IncidentDocument(IncidentSummary, total=False):
    """All that is known of an incident: `schema/incident.schema.json` describes it."""

    schema: int
    severity_reason: str | None
    impact: str | None
    eta: str | None
    runs: list[str]
    acknowledged_by: str | None
    escalation: Escalation
    messages: list[Message]
    timeline: list[TimelineEntry]


class StatusUpdate(TypedDict):
    """The text of a status update, and the roles it goes to."""

    incident: int
    text: str
    to: list[str]


class CardProbe(TypedDict, total=False):
    """A probe of a card, as it is shown."""

    id: str
    title: str
    of: str
    unit: str
    healthy: str
    shared: bool


class CardRung(TypedDict, total=False):
    """A rung of a card's ladder, as it is shown."""

    rung: str
    title: str
    risk: str
    costs: str
    when: str


class CardInput(TypedDict):
    """An input of a card, as it is shown."""

    name: str
    default: Any
    help: str


class SurveyQuestion(TypedDict):
    """A question of a survey of AWX."""

    variable: str
    question_name: str
    question_description: str
    type: str
    choices: list[str]
    default: str | int | float
    required: bool
    min: int | None
    max: int | None


class SurveyDocument(TypedDict):
    """A survey of AWX, as its `survey_spec` takes it."""

    name: str
    description: str
    spec: list[SurveyQuestion]


class CardDocument(TypedDict, total=False):
    """A card, as it is shown; `incident` is its name."""

    incident: str
    title: str
    severity: str
    part: str
    symptoms: list[str]
    explains: list[str]
    explains_when: dict[str, str]
    independent_when: str
    silence_seconds: int
    until: str
    confirmed: str
    probes: list[CardProbe]
    ladder: list[CardRung]
    evidence: list[CardProbe]
    inputs: list[CardInput]
    checklist: list[str]
    limits: str


class ContactFacts(TypedDict):
    """Somebody by their role, without addresses, which are secrets."""

    role: str
    title: str
    name: str
    phone: str
    email: str
    channels: list[str]


class LadderStep(TypedDict):
    """A step of the escalation of a severity."""

    after_minutes: int
    to: list[str]
    note: str


class SeverityFacts(TypedDict):
    """A severity: how fast people respond, whom it goes to, and its escalation."""

    severity: str
    title: str
    response_minutes: int
    update_minutes: int
    goes_to: list[str]
    escalation: list[LadderStep]


class ContactsDocument(TypedDict):
    """Who is who for some hosts, and what would keep somebody from being told."""

    hosts: list[str]
    contacts: list[ContactFacts]
    severities: list[SeverityFacts]
    problems: list[str]


# What stands for what a document lacks.

_MILESTONES = ("began", "detected", "opened", "acknowledged", "mitigated", "resolved")
SUMMARY = cast(
    IncidentSummary,
    {
        **dict.fromkeys(("incident", "owner", *_MILESTONES, "response_due", "response")),
        "id": "?",
        "title": "(no title)",
        "severity": "no severity",
        "status": "not known",
        "hosts": [],
        "update_overdue": False,
        "review": {"state": "none", "due": None, "overdue": False, "items_overdue": 0},
        "measures": dict.fromkeys(("detect", "acknowledge", "mitigate", "resolve")),
    },
)
_INCIDENT = cast(
    IncidentDocument,
    {
        **SUMMARY,
        **dict.fromkeys(("severity_reason", "impact", "eta", "acknowledged_by", "update_due")),
        "runs": [],
        "messages": [],
        "timeline": [],
        "escalation": {"state": "not armed", "steps": []},
        "review": {
            **SUMMARY["review"],
            **dict.fromkeys(("root_cause", "resolution", "prevention")),
            "checklist": [],
            "items": [],
        },
    },
)
_ENTRY = TimelineEntry(kind="note", author="", text="", run=None, host=None, data={})
_ESCALATION_STEP = EscalationStep(after_minutes=0, due=None, to=[], note="", state="", sent=None)
_MESSAGE = cast(
    Message,
    {
        **dict.fromkeys(("kind", "role", "channel", "subject", "state", "error"), ""),
        **dict.fromkeys(("created", "sent")),
        "attempts": 0,
    },
)
_ITEM = cast(ActionItem, {**dict.fromkeys(("text", "owner", "deadline", "done")), "overdue": False})
_RUN = cast(
    RunDocument,
    {
        **dict.fromkeys(
            ("incident", "inventory", "started", "seconds", "exit_code", "error", "state")
        ),
        "run": "?",
        "command": "unknown command",
        "warnings": [],
        "common_causes": {},
        "hosts": {},
    },
)
_HOST = cast(
    HostDocument,
    {
        **dict.fromkeys(("reason", "unreachable"), ""),
        **dict.fromkeys(("diagnosis", "evidence", "fetched", "plan", "actions")),
        "root_causes": [],
        "uncovered": [],
        "incidents": {},
        "findings": {},
    },
)
JUDGED = JudgedCard(title="", severity="", why="", evidence="", explained_by=[])
_FINDING = cast(
    Finding,
    {
        **dict.fromkeys(("value", "unit", "ms")),
        **dict.fromkeys(("title", "reason", "stderr", "output"), ""),
    },
)
_DIAGNOSIS = Diagnosis(root_causes=[], incidents={})
_STEP = dict.fromkeys(("title", "incident", "output", "why", "shows"), "")


def with_defaults(pattern: Document, document: Facts | None) -> Document:
    """Return the document with every field of the pattern; what is null there is as in it."""
    whole = {**pattern, **(document or {})}
    for key, empty in pattern.items():
        if isinstance(whole[key], Packed):
            continue
        if isinstance(empty, dict):
            whole[key] = with_defaults(empty, whole[key])
        elif whole[key] is None:
            whole[key] = empty
    return cast(Document, whole)


def whole_summary(document: Facts) -> IncidentSummary:
    """Return an incident in short with all fields that it may have."""
    return with_defaults(SUMMARY, document)


def whole_incident(document: Facts) -> IncidentDocument:
    """Return the document of an incident with all fields that it may have."""
    incident = with_defaults(_INCIDENT, document)
    incident["timeline"] = [with_defaults(_ENTRY, each) for each in incident["timeline"]]
    incident["messages"] = [with_defaults(_MESSAGE, each) for each in incident["messages"]]
    escalation, review = incident["escalation"], incident["review"]
    escalation["steps"] = [with_defaults(_ESCALATION_STEP, each) for each in escalation["steps"]]
    review["items"] = [with_defaults(_ITEM, each) for each in review["items"]]
    for entry in incident["timeline"]:
        entry["date"] = entry["at"][:10]
    return incident


def whole_run(document: Facts) -> RunDocument:
    """Return the document of a run with all fields that it may have."""
    run = with_defaults(_RUN, document)
    run["hosts"] = {name: _whole_host(state) for name, state in run["hosts"].items()}
    return run


def _whole_host(state: HostDocument) -> HostDocument:
    host = with_defaults(_HOST, state)
    findings = host["findings"]
    if isinstance(findings, Packed):
        host["findings"] = findings.changed(_whole_findings)
    else:
        host["findings"] = _whole_findings(findings)
    host["incidents"] = _whole_cards(host["incidents"])
    diagnosis = with_defaults(_DIAGNOSIS, host["diagnosis"])
    host["diagnosis"] = {**diagnosis, "incidents": _whole_cards(diagnosis["incidents"])}
    host["plan"] = _whole_steps(host["plan"])
    host["actions"] = _whole_steps(host["actions"])
    return host


def with_findings(state: HostDocument) -> HostDocument:
    """Return a host with its findings unpacked, for whoever asks for more than one of them."""
    return {**state, "findings": unpacked(state["findings"])}


def _whole_findings(findings: Mapping[str, Finding]) -> dict[str, Finding]:
    return {name: with_defaults(_FINDING, each) for name, each in findings.items()}


def _whole_cards(judged: Mapping[str, JudgedCard]) -> dict[str, JudgedCard]:
    return {name: with_defaults(JUDGED, each) for name, each in judged.items()}


def _whole_steps(steps: list[Step] | None) -> list[Step] | None:
    return None if steps is None else [cast(Step, with_defaults(_STEP, each)) for each in steps]
