"""`runbook doctor` on a practice host: it sees what was made wrong there, and touches nothing."""

import json
import re

import jsonschema
import pytest
from practice import HOST, ROOT

BACKUPS = "/srv/school_mgmt/backups"
SCHEMA = json.loads((ROOT / "runner/oncall_runbook/schema/doctor.schema.json").read_text())


@pytest.fixture
def doctor(runbook):
    """Run the doctor; returns its exit code, and what it says of the host that is not ok."""

    def run(*arguments):
        ran = runbook("doctor", "--format", "json", *arguments)
        document = json.loads(ran.stdout)
        jsonschema.validate(document, SCHEMA)
        assert document["exit_code"] == ran.code
        said = [check for check in document["checks"] if check["host"] == HOST]
        assert {check["status"] for check in document["checks"] if not check["host"]} <= {
            "ok",
            "warning",
        }
        wrong = [check for check in said if check["status"] != "ok"]
        assert all(check["next"] for check in wrong)
        return ran.code, {check["check"]: (check["status"], check["text"]) for check in wrong}, said

    return run


@pytest.fixture
def backed_up(practice, runbook):
    """A host in good order, with a backup; returns the backup's path."""
    ran = runbook("ops", "backup", "--format", "json")
    assert ran.code == 0, ran.stdout
    return ran.host()["actions"][0]["output"].strip()


@pytest.fixture
def fake(practice):
    """Put a program of our own before the host's."""
    names = []

    def put(name, script):
        names.append(f"/usr/local/bin/{name}")
        practice.run(
            f"sudo tee {names[-1]} >/dev/null <<'END'\n#!/bin/sh\n{script}\nEND\n"
            f"/usr/bin/sudo chmod 755 {names[-1]}"
        )

    yield put
    practice.run(f"/usr/bin/sudo rm -f {' '.join(names)}")


def test_a_host_in_good_order_has_all_that_is_needed(practice, doctor, backed_up):
    before = practice.containers(), practice.run(f"ls -l {BACKUPS} /dev/shm /srv/school_mgmt")
    code, wrong, said = doctor()
    assert (code, wrong) == (0, {})
    told = {check["check"]: check["text"] for check in said}
    assert told["docker"].split()[1] in practice.run("docker --version")
    assert told["stack"].endswith("docker-compose.yml, project school_mgmt, 6 containers")
    assert backed_up.rpartition("/")[2] in told["backup"]
    assert told["root"] == "ops may use sudo"
    after = practice.containers(), practice.run(f"ls -l {BACKUPS} /dev/shm /srv/school_mgmt")
    assert after == before


def test_an_engine_that_hangs_hides_nothing_else(practice, doctor, backed_up):
    practice.run("sudo pkill -STOP dockerd")
    try:
        code, wrong, said = doctor()
    finally:
        practice.run("sudo pkill -CONT dockerd")
    assert code == 1
    assert wrong["docker"] == ("bad", "Docker did not answer within 5 s")
    assert wrong["stack"][0] == "unknown"
    assert set(wrong) == {"docker", "stack", "application"}
    assert {"clock", "disk", "backup", "root", "tools"} <= {check["check"] for check in said}


def test_an_engine_that_is_not_for_us(doctor, backed_up):
    code, wrong, _ = doctor("-e", "ansible_become=true", "-e", "ansible_become_user=nobody")
    assert code == 1
    assert wrong["docker"][0] == "bad"
    assert "permission denied" in wrong["docker"][1]
    assert wrong["root"][0] == "bad"


def test_without_a_backup(practice, doctor):
    code, wrong, _ = doctor()
    assert (code, wrong) == (1, {"backup": ("bad", f"there is no backup in {BACKUPS}")})


def test_a_backup_that_is_old(practice, doctor, backed_up):
    practice.run(f"sudo touch -d '25 hours ago' {backed_up}")
    assert doctor()[0:2] == (0, {})
    practice.run(f"sudo touch -d '27 hours ago' {backed_up}")
    code, wrong, _ = doctor()
    assert (code, set(wrong), wrong["backup"][0]) == (0, {"backup"}, "warning")
    assert "1 d 3 h old" in wrong["backup"][1]


def test_a_backup_that_is_broken(practice, doctor, backed_up):
    practice.run(
        f"cd {BACKUPS}; sudo touch -d '1 hour ago' {backed_up};"
        f" sudo head -c 2000 {backed_up} | sudo tee newer.dump >/dev/null"
    )
    code, wrong, _ = doctor()
    assert (code, wrong["backup"][0]) == (0, "warning")
    assert "the newest, newer.dump, is not proven whole: pg_restore cannot" in wrong["backup"][1]
    assert f"{backed_up.rpartition('/')[2]}, " in wrong["backup"][1]
    practice.run(f"printf X | sudo dd of={backed_up} bs=1 seek=500 conv=notrunc status=none")
    code, wrong, _ = doctor()
    assert (code, wrong["backup"][0]) == (1, "bad")
    assert "nor is any of 2" in wrong["backup"][1]


def fill(practice, percent):
    """Let the file system of the stack have that many percent used, of what users may have."""
    practice.run(
        "sudo rm -f /srv/filler; set -- $(stat -f -c '%b %f %a %S' /srv);"
        f"all=$(($1 - $2 + $3)); sudo fallocate -l $((({percent} * all / 100 - ($1 - $2)) * $4))"
        " /srv/filler"
    )


@pytest.mark.parametrize(
    ("percent", "expected"), [(76, (0, None)), (84, (0, "warning")), (93, (1, "bad"))]
)
def test_a_disk_that_fills_up(practice, doctor, backed_up, percent, expected):
    fill(practice, percent)
    try:
        code, wrong, _ = doctor()
    finally:
        practice.run("sudo rm /srv/filler")
    assert (code, wrong["disk"][0] if wrong else None) == expected
    assert set(wrong) <= {"disk"}


@pytest.mark.parametrize(("by", "how"), [("+1 hour", "ahead of"), ("-1 hour", "behind")])
def test_a_clock_that_is_wrong(doctor, fake, backed_up, by, how):
    fake("date", f"exec /usr/bin/date -d '{by}' \"$@\"")
    code, wrong, _ = doctor()
    assert (code, set(wrong), wrong["clock"][0]) == (0, {"clock"}, "warning")
    assert how in wrong["clock"][1]
    assert wrong["clock"][1].startswith(("1 h", "59 m"))


def test_without_sudo(doctor, fake, backed_up):
    fake("sudo", "echo 'sudo: a password is required' >&2; exit 1")
    code, wrong, _ = doctor()
    assert code == 1
    assert wrong["root"] == ("bad", "sudo: a password is required")


def test_a_tool_that_is_not_there(practice, doctor, backed_up):
    practice.run("sudo mv /usr/bin/flock /usr/bin/flock.away")
    try:
        code, wrong, _ = doctor()
    finally:
        practice.run("sudo mv /usr/bin/flock.away /usr/bin/flock")
    assert (code, wrong) == (1, {"tools": ("bad", "missing: flock")})


def test_a_host_without_the_stack_is_looked_at_all_the_same(doctor, backed_up):
    code, wrong, said = doctor("-e", "stack_dir=/srv/nowhere", "-e", f"stack_backup_dir={BACKUPS}")
    assert code == 1
    assert wrong == {"stack": ("bad", "no directory /srv/nowhere on this host")}
    assert {"docker", "compose", "disk", "root"} <= {check["check"] for check in said}


def test_a_stack_that_never_ran(practice, doctor, backed_up):
    practice.run("sudo mkdir -p /srv/other && sudo cp /srv/school_mgmt/*.yml /srv/other/")
    code, wrong, _ = doctor("-e", "stack_dir=/srv/other", "-e", f"stack_backup_dir={BACKUPS}")
    practice.run("sudo rm -r /srv/other")
    assert (code, set(wrong)) == (1, {"stack"})
    assert "has no container" in wrong["stack"][1]


def test_compose_files_that_cannot_be_read_name_the_line(practice, doctor, backed_up):
    practice.run("sed -i '7s/.*/ image: [/' /srv/school_mgmt/docker-compose.yml")
    code, wrong, _ = doctor()
    assert (code, wrong["stack"][0]) == (1, "bad")
    assert "compose cannot read its files: " in wrong["stack"][1]
    assert re.search(r"line \d+", wrong["stack"][1])


def test_a_port_where_nobody_listens(doctor):
    code, wrong, said = doctor("-e", "ansible_port=9")
    assert (code, len(said)) == (4, 1)
    assert wrong["reach"][0] == "unknown"
    assert wrong["reach"][1].startswith("cannot be reached (refused): ")


def test_a_user_that_is_not_let_in(doctor):
    code, wrong, _ = doctor("-e", "ansible_user=stranger")
    assert code == 4
    assert wrong["reach"][1].startswith("cannot be reached (key): ")
