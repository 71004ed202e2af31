"""This project as one of AWX: what its sync installs and lists, a job, and the survey before it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from oncall_runbook.cards import catalog
from oncall_runbook.commands.cli import cli

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
# Which files of a project AWX offers as playbooks, and which directories it passes over
# (awx/main/utils/ansible.py).
PLAYBOOK = re.compile(r"^\s*?-?\s*?(?:hosts|include|import_playbook):", re.M)
PASSED_OVER = {"roles", "tasks", "group_vars", "host_vars"}
# What AWX takes as a question (awx/api/views, JobTemplateSurveySpec).
TYPES = {"text", "textarea", "password", "integer", "float", "multiplechoice", "multiselect"}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project's tracked files, and what a sync installs of them."""
    place = tmp_path_factory.mktemp("awx")
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, names):
        copy = place / "project" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    # As awx/playbooks/project_update.yml does; forced, as this environment has the collection.
    subprocess.run(
        [
            *(BIN / "ansible-galaxy", "collection", "install", "--force"),
            *("-r", "requirements.yml", "--collections-path", place / "requirements_collections"),
        ],
        cwd=place / "project",
        check=True,
        capture_output=True,
    )
    return place / "project"


def test_a_sync_lists_every_playbook_and_no_other_file_of_ours(project):
    listed = {
        str(path.relative_to(project))
        for path in project.rglob("*.y*ml")
        if not PASSED_OVER & {*path.relative_to(project).parts}
        if not any(part.startswith(".") for part in path.relative_to(project).parts)
        if PLAYBOOK.search(path.read_text())
    }
    playbooks = {f"playbooks/{path.name}" for path in (ROOT / "playbooks").glob("*.yml")}
    inventories = {name for name in listed if name.startswith(("inventory/", "tests/"))}
    assert listed - inventories == playbooks


def test_a_job_finds_the_collection_that_the_sync_installed(project, tmp_path):
    installed = project.parent / "requirements_collections"
    (tmp_path / "hosts.yml").write_text("all: {hosts: {web: {ansible_connection: local}}}\n")
    job = subprocess.run(
        [
            *(BIN / "ansible-playbook", "-i", tmp_path / "hosts.yml"),
            *("playbooks/triage.yml", "-e", f"stack_dir={tmp_path}"),
        ],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(installed), "ANSIBLE_NOCOLOR": "1"},
    )
    assert job.returncode == 2
    assert f"no compose file in {tmp_path}: set stack_dir" in job.stdout
    assert f"Origin: {installed}/" in job.stdout + job.stderr


@pytest.mark.parametrize("name", catalog.Catalog().files)
def test_a_survey_asks_what_awx_can_ask(name):
    survey = json.loads(CliRunner().invoke(cli, ["show", name, "--format", "survey"]).output)
    assert set(survey) == {"name", "description", "spec"}
    variables = [question["variable"] for question in survey["spec"]]
    assert variables[:2] == ["incident_allow", "incident_present_fails"]
    assert len(variables) == len(set(variables))
    known = catalog.Catalog().inputs()[name]
    assert set(variables[2:]) <= set(known)
    for question in survey["spec"]:
        assert question["type"] in TYPES
        assert re.fullmatch(r"\w+", question["variable"])
        assert question["question_description"]
        if question["type"] == "multiplechoice":
            assert question["default"] in question["choices"]
        kinds = {"integer": int, "float": float}
        assert isinstance(question["default"], kinds.get(question["type"], str))


def test_answers_keep_their_types_and_what_no_question_can_ask_is_left_out():
    survey = json.loads(
        CliRunner().invoke(cli, ["show", "high_response_times", "--format", "survey"]).output
    )
    questions = {question["variable"]: question for question in survey["spec"]}
    assert questions["high_response_times_limit_ms"]["type"] == "integer"
    assert questions["incident_allow"]["choices"] == ["restart", "outage", "data"]
    assert "high_response_times_index" not in questions  # a mapping
