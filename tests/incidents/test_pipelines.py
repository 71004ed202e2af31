"""What a pipeline does for a real host: red triage, a plan, a person's yes, the cure, and green."""

import json

import github_jobs
import gitlab_jobs
import pytest
from practice import HOST, KEYS

WORKFLOWS = github_jobs.CI / "workflows"
TRIAGE, REMEDIATE, BACKUP = (
    WORKFLOWS / f"runbook-{n}.yml" for n in ("triage", "remediate", "backup")
)
ANYTHING = {"limit": "", "allow": "restart"}
VARIABLES = {"incident_pause_seconds": 1, "incident_hands_seconds": 0, "run_soak_seconds": 1}


@pytest.fixture
def made(practice, tmp_path, monkeypatch):
    """Make a machine, or a project, whose one host is the practice host; its key is a secret."""
    monkeypatch.delenv("RUNBOOK_LIMIT", raising=False)

    def make(kind):
        secrets = {
            "RUNBOOK_SSH_KEY": (KEYS / "id_ed25519").read_text(),
            "RUNBOOK_KNOWN_HOSTS": (KEYS / "known_hosts").read_text(),
        }
        found = kind(tmp_path, secrets, monkeypatch)
        at = {"ansible_host": "127.0.0.1", "ansible_port": practice.port, "ansible_user": "ops"}
        inventory = {"all": {"hosts": {HOST: at}, "vars": VARIABLES}}
        (found.checkout / "inventory/production.yml").write_text(json.dumps(inventory))
        return found

    return make


class OnGitHub:
    """The workflows, as somebody sees them who looks at a run and at the issues."""

    def __init__(self, made, tmp_path):
        self.machine, self.place = made(github_jobs.machine), tmp_path

    def _job(self, workflow, job, **contexts):
        self.machine.artifacts.pop("runbook", None)
        done = self.machine.run(workflow, job, **contexts)
        self.log = done.log
        return done

    def triage(self):
        return self._job(TRIAGE, "triage").ok

    def issue(self):
        found = github_jobs.issue(self.place)
        return found["body"] if found.get("open") else ""

    def plan(self):
        self.machine.artifacts.clear()
        done = self._job(REMEDIATE, "plan", inputs=ANYTHING)
        self.needs = {"plan": {"outputs": done.outputs}}
        return done.outputs["exit-code"]

    def remediate(self):
        done = self._job(REMEDIATE, "remediate", needs=self.needs)
        (kept,) = self.machine.artifacts["remediation"].glob("report.json")
        return str(json.loads(kept.read_text())["exit_code"]) if not done.ok else "0"

    def backup(self):
        return self._job(BACKUP, "backup").ok


class OnGitLab:
    """The template's jobs, as somebody sees them who looks at a pipeline and at the issues."""

    def __init__(self, made, issues):
        self.project, self.issues = made(gitlab_jobs.made), issues
        url = f"http://127.0.0.1:{issues.server_port}/api/v4"
        self.project.variables |= {"RUNBOOK_ISSUE_TOKEN": "canary-token", "CI_API_V4_URL": url}

    def _job(self, job):
        code = self.project.run(f"runbook:{job}")
        self.log = self.project.log
        return str(code)

    def triage(self):
        return self._job("triage") == "0"

    def issue(self):
        return "".join(e["description"] for e in self.issues.known if e["state"] == "opened")

    def plan(self):
        return self._job("plan")

    def remediate(self):
        return self._job("remediate")

    def backup(self):
        return self._job("backup") == "0"


@pytest.fixture(params=[OnGitHub, OnGitLab])
def pipeline(request, made, tmp_path):
    """Each of the two, one after the other."""
    with gitlab_jobs.served() as issues:
        yield request.param(made, tmp_path if request.param is OnGitHub else issues)


def test_from_red_over_a_yes_to_green(practice, pipeline):
    practice.inject("docker stop school_mgmt_db")
    assert not pipeline.triage()
    assert "Database connection failures" in pipeline.issue()
    before = practice.containers()
    assert pipeline.plan() == "3", pipeline.log
    assert practice.containers() == before
    assert pipeline.remediate() == "0", pipeline.log
    assert practice.report() == 200
    assert pipeline.triage(), pipeline.log
    assert pipeline.issue() == ""


@pytest.fixture
def planned(practice, pipeline):
    """Each of the two, where the cure of a database that is stopped was planned."""
    practice.inject("docker stop school_mgmt_db")
    assert pipeline.plan() == "3", pipeline.log
    return pipeline


def test_a_host_that_changed_since_is_left_as_it_is(practice, planned):
    practice.inject("docker start school_mgmt_db; docker stop -t 1 school_mgmt_frontend")
    before = practice.containers()
    assert planned.remediate() == "6", planned.log
    assert "changed since the plan" in planned.log
    assert practice.containers() == before


def test_what_was_mended_meanwhile_is_left_as_it_is(practice, planned):
    practice.inject("docker start school_mgmt_db; sleep 3")
    before = practice.containers()
    assert planned.remediate() == "0", planned.log
    assert practice.containers() == before


def test_a_backup_is_made_by_night_and_can_be_restored(practice, pipeline):
    assert pipeline.backup(), pipeline.log
    assert practice.run("sudo find /srv/school_mgmt/backups -name '*.dump*' -newermt '-5 min'")
