"""Secrets in every form in which they are known, in many places of a host at once."""

from canaries import COMPOSE, QUICK, Canaries, files_below, no_leaks, outputs_of, say_in
from practice import HOST
from secret_forms import FORMS

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
    assert "the end" in ran["logs"].stdout
    state = files_below(tmp_path / "state")
    assert sum("the end" in text for text in state.values()) >= len(PLACES)
    no_leaks(planted, outputs_of(ran) | state | files_below("/dev/shm"))
    practice.run("rm -f /srv/school_mgmt/.env")
