"""What no linter sees: the promises that cards, rungs and playbooks make to each other."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.oncall.runbook.plugins.plugin_utils import cards, channel, conditions
from jinja2 import Environment, meta
from shells import shells_of_roles

ROOT = Path(__file__).parents[2]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())
SPECIFIED = [role for role in ROLES if (ROOT / "roles" / role / "defaults" / "main.yml").exists()]


def load(*parts):
    return yaml.safe_load(ROOT.joinpath(*parts).read_text())


VARS = {
    path.parts[-3]: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / "roles").glob("*/vars/main.yml"))
}
CARDS = {
    path.parent.name: yaml.safe_load(path.read_text())
    for path in sorted((ROOT / "roles").glob("*/card.yml"))
}
STACK = VARS["stack"]["stack_probes"]
SHARED = STACK | {
    probe["id"]: probe
    for card in CARDS.values()
    for probe in card["probes"]
    if isinstance(probe, dict)
}
OPERATIONS = VARS["operation"]["operation_kinds"]
SHELL = sorted([*ROOT.glob("roles/*/files/*.sh"), *ROOT.glob("plugins/**/*.sh")])
PLAYBOOKS = sorted((ROOT / "playbooks").glob("*.yml"))
# Playbooks of a role of their own.
APART = {"leave", "response", "through", "triage_fleet", "watch"}

JINJA = Environment()
JINJA.filters["quote"] = str  # of ansible
INPUTS = tuple(f"{owner}_" for owner in [*SPECIFIED, *CARDS])

every_card = pytest.mark.parametrize("name", CARDS)


def names_in(expression):
    return meta.find_undeclared_variables(JINJA.parse("{{ " + expression + " }}"))


def asked_by(card):
    return {probe if isinstance(probe, str) else probe["id"] for probe in card["probes"]}


def conditions_of(card):
    """Every condition of a card over findings and inputs, but for when it explains another."""
    yield card["confirmed"]
    yield card.get("until", "true")
    yield card.get("independent_when", "true")
    yield from (rung["when"] for rung in card["ladder"])


def expressions_of(card):
    """Every other expression of a card over findings and inputs."""
    yield from card.get("shell", {}).get("environment", {}).values()
    yield card.get("silence_seconds", "0")


def commands():
    """Every text that becomes shell on a host, with where it stands."""
    for name, card in CARDS.items():
        for probe in card["probes"]:
            if isinstance(probe, dict) and "run" in probe:
                yield f"{name}: {probe['id']}", probe["run"]
        for probe in card.get("evidence", []):
            yield f"{name}: {probe['id']}", probe["run"]
        for rung in card["ladder"]:
            yield f"{name}: {rung['rung']}", rung["run"]
    for id, probe in STACK.items():
        if "run" in probe:
            yield f"stack: {id}", probe["run"]
    for probe in VARS["stack"]["stack_evidence"]:
        yield f"evidence: {probe['id']}", probe["run"]
    for name, operation in OPERATIONS.items():
        for what in ("look", "do", "proof"):
            text = operation.get(what, {})
            yield f"{name}: {what}", text if isinstance(text, str) else text.get("run", "")
        for probe in operation.get("also", []):
            yield f"{name}: {probe['id']}", probe["run"]


def test_the_collection_in_use_is_this_checkout():
    assert Path(channel.__file__).resolve() == ROOT / "plugins" / "plugin_utils" / "channel.py"


@pytest.mark.parametrize("role", SPECIFIED)
def test_defaults_equal_their_specs(role):
    (spec,) = load("roles", role, "meta", "argument_specs.yml")["argument_specs"].values()
    options = spec["options"]
    defaults = load("roles", role, "defaults", "main.yml")
    assert {name: option["default"] for name, option in options.items()} == defaults


@pytest.mark.parametrize("role", SPECIFIED)
def test_inputs_wear_the_roles_name_and_say_what_they_are(role):
    lines = (ROOT / "roles" / role / "defaults" / "main.yml").read_text().splitlines()
    for number, line in enumerate(lines):
        if name := re.match(r"(\w+):", line):
            assert name[1].startswith(f"{role}_")
            above = lines[number - 1]
            assert above.startswith("# ") or re.match(r"\w+:", above), f"{name[1]}: say what it is"


def test_every_shared_probe_is_asked():
    always = VARS["stack"]["stack_always"] + VARS["stack"]["stack_judged"]
    asked = set(always).union(*map(asked_by, CARDS.values()))
    sources = {STACK[id].get("of") for id in asked & STACK.keys()}
    sources |= {
        probe.get("of")
        for card in CARDS.values()
        for probe in card["probes"]
        if isinstance(probe, dict)
    }
    assert STACK.keys() - asked - sources == set()


@every_card
def test_a_card_is_complete(name):
    card = CARDS[name]
    assert set(card) >= {
        "title",
        "severity",
        "symptoms",
        "explains",
        "probes",
        "confirmed",
        "ladder",
    }
    assert re.fullmatch(r"SEV[1-4]", card["severity"])
    assert card["symptoms"]
    assert set(card["explains"]) <= set(CARDS) - {name}
    assert set(card.get("explains_when", {})) <= set(card["explains"])
    assert {probe for probe in card["probes"] if isinstance(probe, str)} <= set(SHARED)


@every_card
def test_a_probe_asks_the_host_or_reads_what_another_asked(name):
    for probe in [*SHARED.values(), *(p for p in CARDS[name]["probes"] if isinstance(p, dict))]:
        assert ("run" in probe) != ("of" in probe and "value" in probe), probe["title"]
        assert probe.get("of", "containers") in {*SHARED, *asked_by(CARDS[name])}


@every_card
def test_conditions_only_use_what_the_card_asks(name):
    card = CARDS[name]
    for condition in [*conditions_of(card), *expressions_of(card)]:
        used = {word for word in names_in(condition) if not word.startswith((f"{name}_", "stack_"))}
        assert used <= asked_by(card), condition
    for other, condition in card.get("explains_when", {}).items():
        used = {word for word in names_in(condition) if not word.startswith((f"{name}_", "stack_"))}
        assert used <= asked_by(card) | asked_by(CARDS[other]), condition


@every_card
def test_conditions_are_written_in_the_language_of_cards(name):
    card = CARDS[name]
    for condition in [*conditions_of(card), *card.get("explains_when", {}).values()]:
        conditions.judge(condition, {}, {}.__getitem__)


@every_card
def test_a_rung_says_what_it_does_and_how_long_that_may_take(name):
    needed, more = {"rung", "title", "risk", "when", "run"}, {"timeout", "costs", "changes"}
    for rung in CARDS[name]["ladder"]:
        assert needed <= set(rung) <= needed | more | {"settle_seconds", "shows"}, rung["rung"]


@every_card
def test_a_ladder_climbs_from_the_least_invasive(name):
    risks = [("restart", "outage", "data").index(rung["risk"]) for rung in CARDS[name]["ladder"]]
    assert risks == sorted(risks)


@every_card
def test_a_rung_that_takes_something_away_says_what_it_costs(name):
    words = ("restart", "recreate", "remove", "end_", "cancel", "drop", "roll_back", "restore")
    for rung in CARDS[name]["ladder"]:
        takes = rung["risk"] != "restart" or rung["rung"].startswith(words)
        if takes and rung["rung"] != "create_index":
            assert rung.get("costs"), rung["rung"]


@every_card
def test_an_input_says_what_it_is(name):
    for key, option in CARDS[name].get("inputs", {}).items():
        assert set(option) >= {"type", "default", "description"}, key


def test_causes_stand_before_what_they_explain():
    """Ladders are climbed in this order, so that a cure is given time to reach its symptoms."""
    order = list(cards.library().cards)
    assert set(order) == set(CARDS)
    for name in order:
        assert all(order.index(name) < order.index(other) for other in CARDS[name]["explains"])


@every_card
def test_a_rung_runs_on_what_was_found_and_on_inputs(name):
    asked = asked_by(CARDS[name])
    for rung in CARDS[name]["ladder"]:
        for text in (rung["run"], str(rung.get("timeout", ""))):
            used = meta.find_undeclared_variables(JINJA.parse(text))
            assert {word for word in used if not word.startswith(INPUTS)} <= asked, rung["rung"]


@pytest.mark.parametrize(("where", "command"), list(commands()))
def test_values_in_commands_are_quoted_or_numbers(where, command):
    for expression in re.findall(r"{{(.*?)}}", command, re.S):
        literal = re.fullmatch(r"\s*\"{{\..*", expression + "}}")
        safe = r"\|\s*(int|quote|map\('quote'\) \| join\(' '\))\s*$"
        assert literal or re.search(safe, expression), f"{where}: {expression}"


NEVER = [
    r"--volumes",
    # Of the build cache alone nothing else can be removed, and it is nobody's data; by age.
    r"(?<!docker builder )\bprune\b",
    r"\bbuilder prune\b(?! --force --filter \"until=)",
    r"\bdown\b.*\s-v\b",
    r"\brm\b.*\s-v\b",
    r"\bvolume rm\b",
    r"FLUSHALL",
    r"FLUSHDB",
    r"\bpg_wal\b",
    # What CREATE INDEX CONCURRENTLY leaves INVALID holds no data, and blocks its next try.
    # Of databases those that bear our own comment (scratch, replaced), by a name asked for by it.
    r"\bDROP\b(?! INDEX CONCURRENTLY\b| DATABASE (IF EXISTS )?\$\(quoted_name|\|ALTER\|CREATE)",
    r"\brm -[a-z]*r",
    r"kill (-s )?-?(9|KILL)",
    # A child left behind in there is taken over by the server, and its end for a crashed session.
    r"inside \"\$STACK_DATABASE\"[^\n]*(\\\n[^\n]*)*\bsh -c",
    r"docker exec [^\n]*\bkill\b",
]


@pytest.mark.parametrize("pattern", NEVER)
def test_what_is_never_done(pattern):
    texts = [text for _, text in commands()]
    texts += [path.read_text() for path in SHELL if path.name != "channel.sh"]
    assert not [text for text in texts if re.search(pattern, text)]


def test_no_shell_word_has_a_here_document():
    """A bash before 5.1 writes each to a file: no answer on a full disk, and secrets left there."""
    texts = [text for _, text in commands()] + [path.read_text() for path in SHELL]
    assert not [text for text in texts if re.search(r"<<-?\s*[\w\"'\\$]", text)]


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_shell_is_posix(path):
    subprocess.run(["dash", "-n", path], check=True)


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_every_function_says_what_it_takes_and_prints(path):
    functions = re.compile(r"^(?:(#.*)\n)?(\w+)\(\) [{(]", re.MULTILINE)
    program = re.compile(r"^\w+='\n.*?'$", re.MULTILINE | re.DOTALL)  # for another shell
    found = functions.findall(program.sub("", path.read_text()))
    assert found
    assert [name for before, name in found if not before] == []


# Of awk within quotes: what stands before it on its line, or lines, and its text.
QUOTED_AWK = re.compile(r"\bawk\b(?:[^'\n|]|'[^'\n]*'|\\\n)*?'([^']*\n[^']*)'")
SHORT = 15  # lines


def test_long_awk_is_a_file_of_its_own():
    texts = [*commands(), *((path.name, path.read_text()) for path in SHELL)]
    found = [
        (where, program.strip().splitlines())
        for where, text in texts
        for program in QUOTED_AWK.findall(text)
    ]
    assert len(found) > 10
    assert [(where, lines[0]) for where, lines in found if len(lines) >= SHORT] == []


ALWAYS = VARS["stack"]["stack_shell"]


@pytest.mark.parametrize(("role", "shell"), list(shells_of_roles()))
def test_a_library_has_its_programs_wherever_it_is_used(role, shell):
    wanted, given = set(), {**ALWAYS["files"], **shell.get("files", {})}
    for library in [*ALWAYS["libraries"], *shell.get("libraries", [])]:
        wanted |= set(re.findall(r"\$(\w+_AWK)", (ROOT / "roles" / library).read_text()))
    assert wanted - given.keys() == set()
    if role != "stack":
        assert {name for name in shell.get("files", {}) if name.endswith("_AWK")} <= wanted


def test_every_program_is_used():
    files = {file for _, shell in shells_of_roles() for file in shell.get("files", {}).values()}
    programs = {str(path.relative_to(ROOT / "roles")) for path in ROOT.glob("roles/*/files/*.awk")}
    assert programs <= files


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: path.stem)
def test_a_playbook_is_a_table_of_contents(path):
    if path.stem == "triage_fleet":
        few, many = yaml.safe_load(path.read_text())
        assert few["roles"] == many["roles"][1:] == ["oncall.runbook.incident"]
        assert many["roles"][0] == "oncall.runbook.fleet"
        return
    (play,) = yaml.safe_load(path.read_text())
    assert set(play) - {"vars"} == {"name", "hosts", "gather_facts", "roles"}
    assert play["gather_facts"] is False
    operation = "operation" if path.stem.startswith("ops_") else "incident"
    role = path.stem if path.stem in APART else operation
    assert play["roles"] == [f"oncall.runbook.{role}"]


def test_looking_is_the_default_and_acting_waits_for_its_tag():
    tasks = [
        task
        for role in ("incident", "operation")
        for task in load("roles", role, "tasks", "main.yml")
    ]
    looks, remediates, *operation = tasks
    assert [task["ansible.builtin.import_tasks"] for task in (looks, *operation)] == [
        "diagnose.yml",
        "look.yml",
        "do.yml",
    ]
    acting = ["never", "remediate"]
    assert [task["tags"] for task in tasks] == [["always"], acting, ["always"], acting]
    assert remediates["ansible.builtin.include_tasks"]["apply"] == {"tags": ["remediate"]}


def test_every_incident_and_every_operation_has_its_playbook():
    operations = {f"ops_{name}" for name in OPERATIONS}
    assert {path.stem for path in PLAYBOOKS} == {*CARDS, "triage", *APART, *operations}
    for path in PLAYBOOKS:
        play, *_ = yaml.safe_load(path.read_text())
        if path.stem in operations:
            assert play["vars"] == {"operation_name": path.stem.removeprefix("ops_")}
            assert play["name"] == OPERATIONS[play["vars"]["operation_name"]]["title"]
        elif path.stem not in APART:
            name = "" if path.stem == "triage" else path.stem
            assert play["vars"] == {"incident_name": name}


def test_an_operation_that_acts_says_its_risk_and_how_it_is_proven():
    for name, operation in OPERATIONS.items():
        assert {"title", "look"} <= set(operation), name
        acting = {"risk", "do", "timeout", "proof"}
        assert set(operation) & acting in (set(), acting), name


def test_entry_points_are_named_without_extension():
    for path in [*PLAYBOOKS, *(ROOT / "roles").glob("*/tasks/**/*.yml")]:
        assert not re.search(r"tasks_from: .*\.ya?ml", path.read_text()), path


def test_nothing_that_writes_runs_in_check_mode():
    for path in (ROOT / "roles").glob("*/tasks/**/*.yml"):
        assert "check_mode: false" not in path.read_text(), path


def test_only_builtin_and_our_own_actions_are_used():
    for path in (ROOT / "roles").glob("*/tasks/**/*.yml"):
        for word in re.findall(r"^\s+([a-z_]+\.[a-z_]+\.[a-z_]+):", path.read_text(), re.M):
            assert word.startswith(("ansible.builtin.", "oncall.runbook.")), path


def test_the_entries_of_the_change_log_can_be_read():
    sections = {name for name, _title in load("changelogs", "config.yaml")["sections"]}
    for path in (ROOT / "changelogs" / "fragments").glob("*.yml"):
        entries = load(path)
        assert entries.keys() <= sections, path
        assert all(isinstance(entry, str) for texts in entries.values() for entry in texts), path
