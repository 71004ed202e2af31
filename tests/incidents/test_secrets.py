"""Canaries where a stack keeps its secrets: a run may show and keep their names, never them."""

import pytest
from canaries import COMPOSE, QUICK, Canaries, files_below, no_leaks, outputs_of, say_in
from practice import HOST

MASK = "********"


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
    """Let the API say something."""
    say_in(practice, "school_mgmt_backend", "".join(f"{line}\n" for line in lines))


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
    kept = files_below(state)
    no_leaks(canaries, outputs_of(ran) | kept | files_below("/dev/shm", scratch))
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
