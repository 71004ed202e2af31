"""A drill: break a practice host as a fault file says, run the commands, look at the host."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from json import dumps
from pathlib import Path

import recordings
import yaml

from oncall_runbook.text import report

TESTS = Path(__file__).parents[1]
# What a remediation ends with. A `finding` is what no card covers: it is said, and nothing is done.
CODES = {"fixed": 0, "not_fixed": 5, "refused": 6}
RISKS = ["restart", "outage", "data"]
EVERYTHING = "everything"  # what a near miss touches that says nothing of it
AT_ONCE = 6  # near misses on one host


@dataclass(frozen=True)
class Drill:
    """What is broken, what triage must say of it, and how a remediation ends."""

    name: str
    title: str
    inject: str
    root_causes: list = field(default_factory=list)
    also_right: list = field(default_factory=list)  # other lists of root causes, as right as that
    says: list = field(default_factory=list)  # expressions, each in what triage or plan prints
    tells: list = field(default_factory=list)  # the same of the remediation
    report: str = ""  # address of the public report of somebody whom this happened to
    explained: list = field(default_factory=list)  # incidents that must be, by the root causes
    uncovered: list = field(default_factory=list)  # findings that may be said beside root causes
    ends: str = "healthy"
    rungs: list = field(default_factory=list)
    allow: str = "restart"
    loses: list = field(default_factory=list)  # of what Practice.data() looks at
    still: str = "true"  # a command that must succeed after the cure, or the look at a near miss
    recovers: bool = False  # the fault itself ended the database's server badly
    findings: dict = field(default_factory=dict)
    extra_vars: dict = field(default_factory=dict)
    # Of a near miss: parts of the host whose state it sets, alone; and those that it only adds to,
    # beside others. One that declares neither has a host for itself.
    touches: list = field(default_factory=list)
    adds_to: list = field(default_factory=list)
    passes: bool = False  # is over by itself soon, and so made last

    @classmethod
    def load(cls, path):
        given = yaml.safe_load(path.read_text())
        alone = not {"touches", "adds_to"} & set(given)
        return cls(path.stem, **({"touches": [EVERYTHING]} if alone else {}) | given)

    def fits(self, other):
        """Whether two near misses leave each other alone on one host."""
        mine, its = {*self.touches, *self.adds_to}, {*other.touches, *other.adds_to}
        apart = not (mine & {*other.touches} or its & {*self.touches})
        return (
            apart
            and EVERYTHING not in mine | its
            and self.extra_vars.keys().isdisjoint(other.extra_vars)
        )

    def causes_in(self, host):
        """The root causes that a run names; they must be the right ones, in any of their forms."""
        assert host["root_causes"] in [self.root_causes, *self.also_right], host
        return host["root_causes"]

    def ending(self, causes):
        """Verdict and exit code of a remediation of these root causes."""
        if self.ends == "finding":
            return ("not_fixed", 5) if causes else ("healthy", 0)
        return self.ends, CODES[self.ends]

    @cached_property
    def options(self):
        return options(self)


def options(*drills):
    """The options of a command for drills on one host."""
    given = {name: value for drill in drills for name, value in drill.extra_vars.items()}
    return ["-e", dumps(given), "--format", "json"]


def together(name, root_causes, rungs, ends="fixed"):
    """The drill of several faults at once; their names are joined by +."""
    faults = [FAULTS[part] for part in name.split("+")]
    return Drill(
        name,
        title="; ".join(fault.title for fault in faults),
        inject="\n".join(fault.inject for fault in faults),
        still=" && ".join(fault.still for fault in faults),
        root_causes=root_causes,
        rungs=rungs,
        ends=ends,
        recovers=any(fault.recovers for fault in faults),
        uncovered=[id for fault in faults for id in fault.uncovered],
        allow=max((fault.allow for fault in faults), key=RISKS.index),
        loses=[what for fault in faults for what in fault.loses],
        extra_vars={k: v for fault in faults for k, v in fault.extra_vars.items()},
    )


def side_by_side(near_misses):
    """Near misses in few groups that one host takes at once; first those that fit few others."""
    near_misses, groups = list(near_misses), []
    for drill in sorted(near_misses, key=lambda one: sum(map(one.fits, near_misses))):
        fitting = (g for g in groups if len(g) < AT_ONCE and all(map(drill.fits, g)))
        group = next(fitting, None)
        if group is None:
            groups.append(group := [])
        group.append(drill)
    return groups


def make(practice, near_misses):
    """Make near misses on one host at the same time; those that pass when all others are there."""
    for passing in (False, True):
        scripts = [drill.inject for drill in near_misses if drill.passes is passing]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(practice.inject, scripts))


def every(folder):
    return {path.stem: Drill.load(path) for path in sorted((TESTS / folder).glob("*.yml"))}


FAULTS = every("faults")
NEAR_MISSES = every("near_misses")


def kept(practice, drill):
    """Everything that must be as before, but for what this fault itself takes away."""
    return {name: value for name, value in practice.data().items() if name not in drill.loses}


def the_stack_works(practice):
    """On the host itself: containers, /health, page, database and PDF service through the API."""
    states = practice.run(
        "docker ps -a --filter label=com.docker.compose.project=school_mgmt"
        " --format '{{.Names}} {{.State}}'"
    ).split()
    assert states[1::2] == ["running"] * 6
    assert practice.status("http://localhost:5007/health") == 200
    assert practice.report() == 200
    assert practice.status("http://localhost") == 200


def said(expressions, *ran):
    """Find each of the expressions in the text that `runbook runs show` has of finished runs."""
    text = "\n".join(line.plain for one in ran for line in report.lines(one.document, full=True))
    for expression in expressions:
        assert re.search(expression, text, re.IGNORECASE), f"{expression} is not in\n{text}"


def harm_to_the_database(practice, drill, since):
    """Return what its log tells of since then, and a command may never do: crashes, recoveries."""
    never = ["terminated by signal", "untracked child process", "server process .* exited"]
    never += [] if drill.recovers else ["was not properly shut down", "redo starts"]
    log = practice.shell.run(f"docker logs --since {since} school_mgmt_db 2>&1").stdout
    return [line for line in log.splitlines() if re.search("|".join(never), line)]


def diagnosed(drill, runbook, command):
    """What `triage` or `plan` finds of the fault: its root causes, and nothing beside them."""
    found = runbook(command, *drill.options)
    causes = drill.causes_in(found.host())
    incident = (3, "incident") if causes else (0, "healthy")
    assert (found.code, found.host()["verdict"]) == incident, found.host()
    beside = {*found.host().get("uncovered", [])} if causes else set()
    assert beside <= {*drill.uncovered}, found.host()["reason"]
    for name in drill.explained:
        assert found.host()["incidents"][name]["explained_by"], found.host()["incidents"]
    return found


def walk_through(drill, practice, runbook, *, record=False):
    """Find the fault, plan, cure it or say why not, look at the host, and again what was cured.

    Returns the seconds of plan and cure.

    A plan says all that a triage does; where both are recorded, both are asked for.
    """
    before = kept(practice, drill)
    practice.inject(drill.inject)
    since = practice.run("date +%s.%N").strip()

    broken = practice.identities()
    commands = ["triage", "plan"] if recordings.path(drill.name).exists() else ["plan"]
    looks = [diagnosed(drill, runbook, command) for command in commands]
    planned = looks[-1]
    causes = planned.host()["root_causes"]
    risks = RISKS[: RISKS.index(drill.allow) + 1]
    steps = [step["rung"] for step in planned.host()["plan"] if step["risk"] in risks]
    assert steps[:1] == drill.rungs[:1], planned.host()["plan"]
    assert practice.identities() == broken
    said(drill.says, *looks)

    remediate = ["remediate", "--yes", "--allow", drill.allow, *drill.options]
    cured = runbook(*remediate)
    host = cured.host()
    verdict, code = drill.ending(causes)
    assert [action["rung"] for action in host["actions"]] == drill.rungs, host
    assert (cured.code, host["verdict"]) == (code, verdict), host["reason"]
    said(drill.tells, cured)
    documents = [ran.document for ran in (*looks, cured)]
    recordings.check(drill.name, *documents, record=record)
    fixed = verdict == "fixed"
    if fixed:
        assert host["actions"][-1]["held"]
        the_stack_works(practice)
        assert kept(practice, drill) == before
        practice.run(drill.still)
    elif causes:
        assert host["reason"]

    if host["actions"]:  # where nothing was done, there is nothing that could be done twice
        # What is broken still may restart by its own policy; what is cured may not move at all.
        seen = practice.containers if fixed else practice.identities
        after = seen()
        again = runbook(*remediate)
        assert again.host()["actions"] == [], again.host()
        assert again.host()["verdict"] == ("healthy" if fixed else verdict), again.host()["reason"]
        assert seen() == after
    assert harm_to_the_database(practice, drill, since) == []
    return planned.document["seconds"], cured.document["seconds"]
