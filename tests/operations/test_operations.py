"""Routine operations, on two practice hosts at once and where something makes them hard."""

import re
import signal
import subprocess
import time

import pytest
from drill import the_stack_works
from practice import BOTH, HOST, INVENTORY, ctrl_c, lose_the_connection, play

SERVICES = ["postgres", "redis", "blockchain", "backend", "frontend", "pdf-service"]
# A site's own directory of logs, with an old one in it.
WITH_LOGS = ["-e", "stack_log_dir=/srv/logs"]
OLD_LOG = """mkdir_logs
head -c 30000000 /dev/zero >/srv/logs/combined-old.log
touch -d '60 days ago' /srv/logs/combined-old.log"""


@pytest.fixture
def two(practice_hosts, monkeypatch):
    """Two practice hosts in good order, and the command goes to both."""
    for host in practice_hosts:
        host.reset()
    monkeypatch.setenv("RUNBOOK_LIMIT", BOTH["RUNBOOK_LIMIT"])
    return practice_hosts, BOTH


def value(ran, name, operation):
    return ran.host(name)["findings"][operation]["value"]


def test_status_of_two_hosts_is_one_table(two, runbook):
    hosts, env = two
    hosts[0].run("docker stop school_mgmt_redis; docker rm school_mgmt_frontend -f")
    ran = runbook("ops", "status", "--format", "json", env=env)
    assert ran.code == 0
    for host in hosts:
        seen = {s["service"]: s["state"] for s in value(ran, host.name, "status")}
        expected = dict.fromkeys(SERVICES, "running")
        if host is hosts[0]:
            expected |= {"redis": "exited", "frontend": "absent"}
        assert seen == expected
    lines = runbook("ops", "status", env=env).stdout.splitlines()
    assert lines[0].split()[:4] == ["host", "service", "state", "health"]
    assert len([line for line in lines if line.startswith("runbook-lab-")]) == 2 * len(SERVICES)
    backend = next(s for s in value(ran, hosts[1].name, "status") if s["service"] == "backend")
    assert (backend["image"], backend["ports"].strip()) == ("school_mgmt/backend", "5007->5007/tcp")


def test_plain_ansible_says_what_is_seen_planned_and_done(practice):
    seen = play("-l", HOST, "oncall.runbook.ops_status")
    assert seen.returncode == 0
    assert "service redis, container /school_mgmt_redis, state running" in seen.stdout
    restart = ["-l", HOST, "oncall.runbook.ops_restart", "-e", "operation_services=redis"]
    before = started(practice)
    planned = play(*restart)
    assert planned.returncode == 0, planned.stdout
    assert "plan: " in planned.stdout
    assert "changed=1 " in play(*restart, "--tags", "remediate", "--check").stdout
    assert started(practice) == before
    done = play(*restart, "--tags", "remediate")
    assert done.returncode == 0, done.stdout
    assert "changed=1 " in done.stdout
    assert '"fixed"' in done.stdout
    assert started(practice) != before
    assert play(*restart, "--tags", "remediate", "-e", "operation_services=poem").returncode == 2


def test_a_hung_engine_costs_its_deadline_and_no_more(practice, runbook):
    practice.run("sudo pkill -STOP dockerd")
    try:
        for operation in ("status", "stats", "logs"):
            ran = runbook("ops", operation, "--format", "json")
            assert (ran.code, ran.host()["verdict"]) == (4, "unknown"), ran.host()["reason"]
            assert ran.host()["reason"]
    finally:
        practice.run("sudo pkill -CONT dockerd")


def test_logs_of_two_hosts_by_time_and_without_secrets(two, runbook):
    hosts, env = two
    for host in hosts:
        host.run("docker exec school_mgmt_backend sh -c 'echo lab-database-password >/proc/1/fd/2'")
        host.run("curl -s localhost/from-here")
    hosts[1].run("docker stop school_mgmt_redis")
    ran = runbook("ops", "logs", "backend", "frontend", "--since", "5m", env=env)
    assert ran.code == 0
    assert "lab-database-password" not in ran.stdout + ran.stderr
    assert "\x1b" not in ran.stdout
    for host in hosts:
        mine = [line for line in ran.stdout.splitlines() if line.startswith(f"{host.name} ")]
        assert any(f"{host.name} backend | " in line and "********" in line for line in mine)
        assert any("frontend | " in line and "/from-here" in line for line in mine)
        times = [line.split(" | ")[1].split()[0] for line in mine]
        assert times == sorted(times)
    found = runbook("ops", "logs", "--grep", "/from-here", "--tail", "5", env=env).stdout
    assert len(found.splitlines()) == 2
    # A service that is stopped has a log, too.
    stopped = runbook("ops", "logs", "redis", "--tail", "3", env=env).stdout.splitlines()
    assert len([line for line in stopped if line.startswith(hosts[1].name)]) == 3


def lines_of(process, wanted, seconds=40):
    """Read the output until it has had all that is wanted."""
    text, end = "", time.monotonic() + seconds
    while not all(word in text for word in wanted):
        assert time.monotonic() < end, text
        text += process.stdout.readline()
    return text


def test_following_two_hosts_until_ctrl_c_leaves_nothing_there(two, start):
    hosts, _ = two
    process = start("ops", "logs", "frontend", "--tail", "1", "--follow")
    for turn in ("first", "second"):
        time.sleep(3)
        for host in hosts:
            host.run(f"curl -s localhost/{turn}-{host.name}")
        seen = lines_of(process, [f"/{turn}-{host.name}" for host in hosts])
        assert all(f"{host.name} frontend | " in seen for host in hosts)
        assert seen.count(f"/{turn}-{hosts[0].name}") == 1
        assert [line for line in seen.splitlines() if " frontend | " not in line] == []
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert "first-" not in rest
    assert process.returncode == 0
    time.sleep(3)
    for host in hosts:
        assert host.shell.run("pgrep -f 'docker log[s]|RUNBOOK_CHANNE[L]'").stdout == ""


def test_stats_of_two_hosts(two, runbook):
    hosts, env = two
    hosts[0].run("docker update --memory 300m --memory-swap 300m school_mgmt_backend")
    hosts[0].inject("pause school_mgmt_redis")
    ran = runbook("ops", "stats", "--format", "json", env=env)
    assert ran.code == 0
    for host in hosts:
        used = value(ran, host.name, "stats")
        assert {s["service"] for s in used["services"]} == set(SERVICES)
        backend = next(s for s in used["services"] if s["service"] == "backend")
        assert (backend["limit"] == "300MiB") == (host is hosts[0])
        assert backend["memory"].endswith("MiB")
        assert any(disk["bytes_percent"] > 0 for disk in used["disks"])


def test_stats_are_watched_until_ctrl_c(practice, start):
    process = start("ops", "stats", "backend", "--watch")
    seen = lines_of(process, [" cpu "])
    for _ in range(2):
        seen = lines_of(process, [" cpu ", " backend "])
    assert seen
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 0


def started(practice):
    said = practice.run("docker inspect --format '{{.Name}} {{.State.StartedAt}}' $(docker ps -aq)")
    return {
        line.split()[0][1:].removeprefix("school_mgmt_"): line.split()[1]
        for line in said.splitlines()
    }


def test_a_restart_goes_in_order_and_waits_on_two_hosts(two, runbook):
    hosts, env = two
    before = [started(host) for host in hosts]
    data = [host.data() for host in hosts]
    assert runbook("ops", "restart", "--format", "json", env=env).code == 6  # nobody agreed
    assert [started(host) for host in hosts] == before
    ran = runbook("ops", "restart", "--yes", "--format", "json", env=env)
    assert ran.code == 0
    for number, host in enumerate(hosts):
        assert ran.host(host.name)["verdict"] == "fixed"
        now = started(host)
        assert now["blockchain"] == before[number]["blockchain"]  # it would forget its chain
        assert now["db"] < now["redis"] < now["backend"] < now["frontend"]
        assert all(now[name] > before[number][name] for name in ("db", "redis", "backend"))
        assert host.data() == data[number]
        assert host.report() == 200


def test_a_part_is_restarted_by_its_name_and_what_is_stopped_is_started(practice, runbook):
    practice.run("docker stop school_mgmt_redis")
    before = started(practice)
    ran = runbook("ops", "restart", "cache", "frontend", "--yes", "--format", "json")
    assert ran.code == 0
    assert "started redis, which was stopped" in ran.host()["actions"][0]["output"]
    now = started(practice)
    assert {name for name in now if now[name] != before[name]} == {"redis", "frontend"}
    wrong = runbook("ops", "restart", "nginx", "--yes", "--format", "json")
    assert (wrong.code, wrong.host()["verdict"]) == (6, "refused")
    assert "there is no service nginx here: postgres redis" in wrong.host()["reason"]


def test_a_restart_stops_at_the_service_that_does_not_come_back(practice, runbook):
    practice.run("sed -i 's/listen/lissen/' /srv/school_mgmt/frontend/nginx.conf")
    ran = runbook(
        *("ops", "restart", "redis", "frontend", "--yes", "--format", "json"),
        *("-e", "operation_serve_seconds=15"),
    )
    assert (ran.code, ran.host()["verdict"]) == (5, "not_fixed")
    assert "frontend does not serve within 15 s" in ran.host()["reason"]


def test_a_database_in_recovery_is_left_alone(practice, runbook):
    data = "/var/lib/postgresql/data"
    practice.run(
        "docker exec school_mgmt_db psql -U postgres -c 'ALTER SYSTEM SET hot_standby = off';"
        f"docker exec -u postgres school_mgmt_db touch {data}/standby.signal;"
        "docker restart school_mgmt_db"
    )
    try:
        time.sleep(3)
        before = started(practice)
        planned = runbook("ops", "restart", "--check", "--format", "json").host()["plan"]
        assert "postgres" not in [step["rung"] for step in planned]
        refused = runbook("ops", "reboot", "--yes", "--allow", "data", "--format", "json")
        assert (refused.code, refused.host()["verdict"]) == (6, "refused")
        assert "recovering" in refused.host()["reason"]
        for command in (["backup"], ["restore", "newest", "--yes", "--allow", "data"]):
            ran = runbook("ops", *command, "--format", "json")
            assert (ran.code, ran.host()["verdict"]) == (6, "refused"), ran.host()
        assert started(practice) == before
    finally:
        practice.run(
            f"docker exec school_mgmt_db rm {data}/standby.signal;"
            f"docker exec school_mgmt_db sed -i /hot_standby/d {data}/postgresql.auto.conf;"
            "docker restart school_mgmt_db"
        )


def test_a_reboot_takes_two_stacks_down_and_up(two, runbook):
    hosts, env = two
    before = [(host.identities(), host.data()) for host in hosts]
    ran = runbook("ops", "reboot", "--yes", "--allow", "outage", "--format", "json", env=env)
    assert (ran.code, [host.identities() for host in hosts]) == (6, [ids for ids, _ in before])
    assert "needs --allow data" in ran.host(hosts[0].name)["reason"]  # the chain is in memory
    ran = runbook("ops", "reboot", "--yes", "--allow", "data", "--format", "json", env=env)
    assert ran.code == 0
    for host, (ids, data) in zip(hosts, before, strict=True):
        assert ran.host(host.name)["verdict"] == "fixed"
        assert not set(re.findall(r"[0-9a-f]{64}", ids)) & set(
            re.findall(r"[0-9a-f]{64}", host.identities())
        )
        now = host.data()
        assert (now["rows"], now["volumes"]) == (data["rows"], data["volumes"])
        assert host.report() == 200


@pytest.mark.parametrize("end", [ctrl_c, lose_the_connection])
def test_a_reboot_goes_on_when_its_operator_goes(practice, runbook, start, wrap, end):
    wrap('case "$*" in *" stop -t 120") touch /tmp/wrapped; sleep 4 ;; esac')
    before, data = practice.identities(), practice.data()
    process = start("ops", "reboot", "--yes", "--allow", "data", "--format", "json")
    practice.run("timeout 60 sh -c 'until [ -e /tmp/wrapped ]; do sleep 0.2; done'")
    end(process)
    # Whoever comes meanwhile is told, and changes nothing.
    locked = runbook("ops", "restart", "redis", "--yes", "--format", "json")
    assert (locked.code, locked.host()["verdict"]) == (7, "locked"), locked.host()
    going = '[ -n "$(grep -ls RUNBOOK_CHANNE[L]= /proc/[0-9]*/environ)" ]'
    practice.run(f"sudo timeout 150 sh -c 'while {going}; do sleep 1; done'")
    ids = [set(re.findall(r"[0-9a-f]{64}", text)) for text in (before, practice.identities())]
    assert ids[0].isdisjoint(ids[1])
    assert practice.data()["rows"] == data["rows"]
    seen = runbook("triage", "--format", "json").host()["findings"]["unheard_step"]["value"]
    assert seen.startswith("Take the whole stack down and up (run ")
    assert seen.endswith("with exit status 0")


# Kills a step, with all that it started and the shell that waits for it, some seconds after this.
KILL_IN = """\
    mark=$(tr '\\0' '\\n' </proc/self/environ | grep RUNBOOK_CHANNEL=)
    kill="kill -s KILL \\$(grep -lsF '$mark' /proc/[0-9]*/environ | cut -d / -f 3)"
    env -u RUNBOOK_CHANNEL sh -c "sleep {}; $kill" </dev/null >/dev/null 2>&1 &"""


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_reboot_that_was_killed_is_finished_by_the_next_run(practice, runbook, wrap, seconds):
    data = practice.data()
    wrap(f'case "$*" in *" up "*) {KILL_IN.format(seconds)} ;; esac')
    killed = runbook("ops", "reboot", "--yes", "--allow", "data", "--format", "json")
    assert killed.code in (4, 5), killed.host()
    practice.run("sudo rm /usr/local/bin/docker")
    cured = runbook("remediate", "--yes", "--format", "json")
    assert (cured.code, cured.host()["verdict"]) == (0, "fixed"), cured.host()
    the_stack_works(practice)
    now = practice.data()
    assert (now["rows"], now["volumes"]) == (data["rows"], data["volumes"])


def test_a_host_on_hold_is_changed_by_nobody(practice, runbook):
    hold = ["hold", HOST, "--format", "json"]
    held = runbook(*hold, "--until", "1h", "--reason", "the vendor {{ migrates }} 'it'")
    assert (held.code, held.host()["verdict"]) == (0, "fixed"), held.host()
    practice.run("docker stop school_mgmt_redis")
    before = practice.containers()
    refused = runbook("remediate", "--yes", "--format", "json")
    assert (refused.code, refused.host()["verdict"]) == (6, "refused"), refused.host()
    assert "the vendor {{ migrates }} 'it'" in refused.host()["reason"]
    refused = runbook("ops", "restart", "--yes", "--format", "json")
    assert (refused.code, refused.host()["verdict"]) == (6, "refused"), refused.host()
    assert practice.containers() == before
    for look in (["triage"], ["ops", "status"]):
        finding = runbook(*look, "--format", "json").host()["findings"]["on_hold"]
        assert finding["status"] == "unhealthy"
        assert "on hold until 2" in finding["value"]
    lifted = runbook(*hold, "--lift")
    assert (lifted.code, lifted.host()["verdict"]) == (0, "fixed"), lifted.host()
    again = runbook("remediate", "--yes", "--format", "json")
    assert (again.code, again.host()["verdict"]) == (0, "fixed"), again.host()


def test_a_reboot_that_would_orphan_a_volume_is_refused(practice, runbook):
    practice.run(
        "cd /srv/school_mgmt && printf 'services:\\n  redis:\\n    volumes: [/extra]\\n'"
        " >docker-compose.override.yml && docker compose --progress quiet up -d --no-deps redis"
    )
    before = practice.containers()
    ran = runbook("ops", "reboot", "--yes", "--allow", "data", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (6, "refused")
    assert "/extra of redis" in ran.host()["reason"]
    assert practice.containers() == before
    practice.run("rm /srv/school_mgmt/docker-compose.override.yml")


@pytest.fixture
def production(practice):
    """A stack that was started from another file than the one that compose would choose."""
    practice.run(
        "cd /srv/school_mgmt && docker compose --progress quiet down"
        " && sed 's/postgres_data/production_data/g' docker-compose.yml >production.yml"
        " && docker compose --progress quiet -f production.yml up -d --wait"
    )
    yield practice
    # What was made from that file goes with it; the volume of before has stayed.
    practice.run("docker ps -aq | xargs docker rm -f; docker volume rm school_mgmt_production_data")
    practice.reset()


def database_volumes(practice):
    mounted = "docker inspect --format '{{range .Mounts}}{{.Name}} {{end}}' school_mgmt_db"
    return sorted(practice.run(mounted).split())


def test_a_stack_comes_up_from_the_files_that_it_was_started_from(production, runbook):
    volumes, rows = database_volumes(production), production.data()["rows"]
    assert "school_mgmt_production_data" in volumes
    ran = runbook("ops", "reboot", "--yes", "--allow", "data", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (0, "fixed"), ran.host()["reason"]
    assert (database_volumes(production), production.data()["rows"]) == (volumes, rows)

    before = production.containers()
    production.run("mv /srv/school_mgmt/production.yml /srv/school_mgmt/moved.yml")
    ran = runbook("ops", "reboot", "--yes", "--allow", "data", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (6, "refused")
    assert "production.yml, which it was started from, is gone" in ran.host()["reason"]
    assert production.containers() == before

    production.run(
        "cd /srv/school_mgmt && sed 's/production_data/another/g' moved.yml >production.yml"
    )
    ran = runbook("ops", "reboot", "--yes", "--allow", "data", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (6, "refused")
    assert "postgres: another volume than" in ran.host()["reason"]
    assert production.containers() == before


def test_backup_list_verify_and_prune_on_two_hosts(two, runbook, tmp_path):
    hosts, env = two
    as_json = ["--format", "json"]
    made = runbook("ops", "backup", "--fetch", tmp_path, *as_json, env=env)
    assert made.code == 0
    listed = runbook("ops", "backups", "list", *as_json, env=env)
    for host in hosts:
        (backup,) = value(listed, host.name, "backups_list")
        assert backup["whole"]
        assert (tmp_path / host.name / backup["file"]).stat().st_size == backup["bytes"]
    assert runbook("ops", "backups", "verify", "--deep", *as_json, env=env).code == 0
    pruned = runbook("ops", "backups", "prune", "--yes", "--allow", "data", *as_json, env=env)
    assert (pruned.code, {h["verdict"] for h in pruned.document["hosts"].values()}) == (
        0,
        {"healthy"},
    )
    restored = runbook("ops", "restore", "newest", "--yes", "--allow", "data", *as_json, env=env)
    assert restored.code == 0
    hosts[0].run("docker stop school_mgmt_db")
    again = runbook("ops", "backup", *as_json, env=env)
    assert again.code == 6
    assert again.host(hosts[0].name)["verdict"] == "refused"
    assert again.host(hosts[1].name)["verdict"] == "fixed"


def test_clean_frees_what_nobody_needs_on_two_hosts(two, runbook):
    hosts, env = two
    for host in hosts:
        host.inject(OLD_LOG)
    before = [(host.data(), host.containers()) for host in hosts]
    planned = runbook("ops", "clean", "--check", "--format", "json", *WITH_LOGS, env=env)
    assert planned.code == 0
    for host in hosts:
        assert "remove_old_logs" in [s["rung"] for s in planned.host(host.name)["plan"]]
        host.run("test -e /srv/logs/combined-old.log")
    cleaned = runbook("ops", "clean", "--yes", "--format", "json", *WITH_LOGS, env=env)
    assert cleaned.code == 0
    for host, (data, containers) in zip(hosts, before, strict=True):
        host.run("test ! -e /srv/logs/combined-old.log")
        assert host.data() == data
        assert host.containers() == containers
        assert re.search(
            r"removed 1 log files, 28 MiB", cleaned.host(host.name)["actions"][0]["output"]
        )


def test_clean_works_on_a_full_disk(practice, runbook):
    # Larger than what the file system keeps for root: the database's own user must have room again.
    large = OLD_LOG.replace("30000000", "300000000")
    practice.inject(f"{large}; fill_disk")
    ran = runbook("ops", "clean", "--yes", "--format", "json", *WITH_LOGS)
    assert (ran.code, ran.host()["verdict"]) == (0, "fixed"), ran.host()
    assert "freed" in ran.host()["actions"][0]["output"]
    practice.query("CREATE TABLE after_clean (n int); DROP TABLE after_clean")


def test_the_same_operations_by_plain_ansible(practice):
    done = subprocess.run(
        [
            "ansible-playbook",
            "oncall.runbook.ops_restart",
            "-l",
            practice.name,
            "-i",
            INVENTORY,
            "-e",
            "operation_services=redis",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
