"""Canaries where a stack keeps its secrets: a run may show and keep their names, never them."""

import base64
import binascii
import contextlib
import os
import re
import secrets
from pathlib import Path

import pytest
from practice import HOST
from secret_forms import FORMS

COMPOSE = "/srv/school_mgmt/docker-compose.yml"
MASK = "********"
OUTPUTS = ("stdout", "stderr")
QUICK = ["-e", "incident_samples=1"]  # how long a cure holds is not what is asked here


class LeakError(AssertionError):
    """A canary stands where it may not."""


class Canaries(dict):
    """A secret under a name, unlike any other text, whose every piece can be searched for."""

    def __missing__(self, name):
        self[name] = f"canary{secrets.token_hex(8)}"
        return self[name]

    def found_in(self, text):
        """Names of the canaries in a text, also where it holds them as base64 (the channel)."""
        return sorted(name for name, value in self.items() if value in text + decoded(text))


def decoded(text):
    found = []
    for run in re.findall(r"[A-Za-z0-9+/]{24,}={0,2}", text):
        try:
            found.append(base64.b64decode(run, validate=True).decode("utf-8", "replace"))
        except binascii.Error:
            continue
    return "\n".join(found)


@pytest.fixture(scope="module")
def canaries():
    return Canaries()


@pytest.fixture(scope="module")
def environment(canaries):
    """What is added to the API's environment: one way to spell a secret a line."""
    return {
        "SMTP_PASSWORD": canaries["smtp"],
        "MAIL_PASS": canaries["mail"],
        "API_TOKEN": canaries["token"],
        "AMQP_URL": f"amqp://user:{canaries['amqp']}@mq:5672",
        "SESSION_SECRET": f"two words, {canaries['words']}; and more",
        "GREETING": canaries["greeting"],  # no name of a secret
        "PIN_TOKEN": "48151",  # too short to be looked for elsewhere: masked by its place alone
    }


@pytest.fixture(scope="module")
def practice(first_host, canaries, environment):
    """A practice host, its API started with the canaries."""
    host = first_host
    host.reset()
    try:
        add_to_the_environment(host, environment)
        yield host
    finally:
        host.reset()


def add_to_the_environment(host, environment):
    added = "".join(f"\\n      {name}: {value}" for name, value in environment.items())
    host.run(f"sed -i 's|^ *LOGIN_RATE_LIMIT:.*|&{added}|' {COMPOSE}")
    host.run(f"docker compose -f {COMPOSE} --progress quiet up -d --no-deps --wait backend")
    host.run("for i in $(seq 60); do curl -sf localhost:5007/health && break; sleep 0.5; done")


def log(practice, *lines):
    """Let the API say something, from outside: its own output is what Docker keeps as its log."""
    text = "\\n".join(lines)
    practice.run(f"docker exec school_mgmt_backend sh -c 'printf \"{text}\\n\" >/proc/1/fd/1'")


def no_leaks(canaries, places):
    found = {place: canaries.found_in(text) for place, text in places.items()}
    if leaks := {place: names for place, names in found.items() if names}:
        raise LeakError(leaks)


def files_below(*directories):
    """Every file with its content, but for another run's that is gone while we look."""
    found = {}
    for folder, _, names in (place for top in directories for place in os.walk(top)):
        for path in (Path(folder, name) for name in names):
            with contextlib.suppress(OSError):
                found[str(path)] = path.read_text(errors="replace") if path.is_file() else ""
    return found


def test_no_canary_is_shown_or_kept(practice, runbook, canaries, environment, tmp_path):
    given = tmp_path / "given.yml"
    given.write_text(f"mail: {{password: {canaries['file']}}}\n")
    state, scratch = tmp_path / "state", tmp_path / "scratch"
    scratch.mkdir()
    told = f"ansible_become_password={canaries['option']}"
    options = ["-l", HOST, *QUICK, "-e", told, "-e", f"@{given}"]
    env = {"ANSIBLE_LOCAL_TEMP": str(scratch), "TMPDIR": str(scratch)}
    log(
        practice,
        f"mailer: logging in with {canaries['smtp']}",
        f"mailer: password={canaries['logged']}",
    )
    seen = practice.run("docker inspect school_mgmt_backend; docker logs school_mgmt_backend 2>&1")
    practice.run("docker stop school_mgmt_db")

    ran = {
        "triage": runbook("triage", *options, env=env),
        "plan": runbook("plan", *options, "--format", "json", env=env),
        "remediate": runbook("remediate", "--yes", "-v", *options, env=env),
        "runs show": runbook("runs", "show", "last", "--format", "json"),
    }

    assert [done.code for done in ran.values()] == [3, 3, 0, 0], ran
    # The canaries were there to be found …
    assert canaries.found_in(seen) == sorted(set(canaries) - {"option", "file"})
    # … and are nowhere.
    shown = {f"{name} {end}": getattr(ran[name], end) for name in ran for end in OUTPUTS}
    kept = files_below(state)
    no_leaks(canaries, shown | kept | files_below("/dev/shm", scratch))
    on_the_host = "|".join(canaries.values())
    assert practice.shell.run(f"sudo grep -rlE '{on_the_host}' /dev/shm /tmp").stdout == ""
    # Evidence was kept all the same, with the names of what is masked.
    (evidence,) = state.glob(f"runbook/runs/*/evidence/{HOST}")
    containers = (evidence / "containers.txt").read_text()
    compose = (evidence / "compose_file.txt").read_text()
    for name, value in environment.items():
        masked = f"amqp://user:{MASK}@mq:5672" if "://" in value else MASK
        assert f'"{name}={masked}"' in containers
        assert f"{name}: {masked}\n" in compose
    logged = (evidence / "backend_log.txt").read_text()
    assert f"mailer: logging in with {MASK}\n" in logged
    assert f"mailer: password={MASK}\n" in logged


def say_in(practice, container, text):
    """Let a service's container say this, as log() does, of whatever signs it is made."""
    encoded = base64.b64encode(text.encode()).decode()
    inside = f"docker exec -i {container} sh -c 'cat >/proc/1/fd/1'"
    practice.run(f"echo {encoded} | base64 -d | {inside}")


# Where a form may stand: (name of the place, what puts all its lines there).
PLACES = {
    "log of the API": lambda host, text: say_in(host, "school_mgmt_backend", text),
    "log of the web server": lambda host, text: say_in(host, "school_mgmt_frontend", text),
    "log of another service": lambda host, text: say_in(host, "school_mgmt_pdf_service", text),
    "log of the node": lambda host, text: say_in(host, "school_mgmt_blockchain", text),
}
# Each with a secret of its own, in a place of its own.
ALONE = {
    "statement in the log of the database": (
        "docker exec school_mgmt_db psql -U postgres -c \"alter role nobody password '{}'\" || true"
    ),
    "statement that goes on": (
        "docker exec -d school_mgmt_db psql -U postgres -c \"select pg_sleep(60), 'password={}'\""
    ),
    "name of a session": (
        "docker exec -d -e PGAPPNAME=token={} school_mgmt_db"
        " psql -U postgres -c 'select pg_sleep(60)'"
    ),
    "command line on the host": "setsid sh -c 'sleep 60; : --password={}' >/dev/null 2>&1 &",
    "command line in a container": (
        "docker exec -d school_mgmt_backend sh -c 'sleep 60; : --api-key {}'"
    ),
    "address that was asked": "curl -s 'http://localhost/api/v1/classes?api_key={}' -o /dev/null",
    "path that was asked": "curl -s 'http://localhost/v2/{}0a1b2c3d' -o /dev/null",
    "credentials that were sent": "curl -s -u 'app:{}' http://localhost/ -o /dev/null",
    "comment of the compose file": f"sed -i '1i # db_password: {{}}' {COMPOSE}",
    "environment file": "echo 'STRIPE_KEY={}' | sudo tee -a /srv/school_mgmt/.env >/dev/null",
    "label of a container": (
        "docker run -d --name other --label note=password={} school_mgmt/redis >/dev/null"
    ),
    "environment of a neighbour": (
        "docker run -d --name another -e DB_PASSWORD={} school_mgmt/redis >/dev/null"
    ),
}


def test_sixty_forms_and_places_are_shown_nowhere(practice, runbook, tmp_path):
    planted = Canaries()
    practice.reset()
    for place, command in ALONE.items():
        practice.run(command.replace("{}", planted[place]))
    forms = {place: [] for place in PLACES}
    for number, form in enumerate(FORMS):
        place = [*PLACES][number % len(PLACES)]
        forms[place].append(form.replace("{}", planted[f"{place}: {form}"]))
    for place, put in PLACES.items():
        put(practice, "\n".join(["", *forms[place], "the end"]) + "\n")
    assert len(planted) >= 60
    practice.run("docker stop -t 1 school_mgmt_frontend")
    options = ["-l", HOST, *QUICK]
    ran = {
        "triage": runbook("triage", *options, "-vvv"),
        "plan": runbook("plan", *options, "--format", "json"),
        "remediate": runbook("remediate", "--yes", *options, "--incident", "new"),
        "status": runbook("ops", "status", *options),
        "logs": runbook("ops", "logs", *options, "--tail", "200"),
        "stats": runbook("ops", "stats", *options),
        "show": runbook("runs", "show", "last", "--format", "json"),
        "report": runbook("incident", "show", "1", "--format", "json"),
        "doctor": runbook("doctor", *options),
    }
    assert ran["remediate"].code == 0, ran["remediate"]
    shown = {f"{name} {end}": getattr(ran[name], end) for name in ran for end in OUTPUTS}
    assert "the end" in ran["logs"].stdout
    state = files_below(tmp_path / "state")
    assert sum("the end" in text for text in state.values()) >= len(PLACES)
    no_leaks(planted, shown | state | files_below("/dev/shm"))
    practice.run("rm -f /srv/school_mgmt/.env")


def shown_and_kept(done, tmp_path):
    return {"stdout": done.stdout, "stderr": done.stderr} | files_below(tmp_path / "state")


def test_a_secret_in_a_complaint_is_masked_in_a_diagnosis(practice, runbook, canaries, tmp_path):
    for _ in range(8):
        log(practice, f"error: Error: mail server refused {canaries['mail']}")
        practice.run("sleep 1")
    done = runbook("triage", "-l", HOST, "--format", "json")
    assert "mail server refused" in done.stdout, "the complaint was not shown"
    no_leaks(canaries, shown_and_kept(done, tmp_path))


def test_a_secret_of_a_variable_is_masked_in_evidence(practice, runbook, canaries, tmp_path):
    log(practice, f"mailer: logging in with {canaries['variable']}")
    practice.run("docker stop school_mgmt_db")
    told = f"ansible_become_password={canaries['variable']}"
    options = ["--yes", "-l", HOST, *QUICK, "-e", told]
    done = runbook("remediate", *options, check=[0])
    no_leaks(canaries, shown_and_kept(done, tmp_path))


def test_the_most_verbose_output_does_not_show_the_channel(practice, runbook, canaries, tmp_path):
    practice.run("docker stop school_mgmt_db")
    done = runbook("remediate", "--yes", "-vvv", "-l", HOST, *QUICK, check=[0])
    no_leaks(canaries, {"stderr": done.stderr})
