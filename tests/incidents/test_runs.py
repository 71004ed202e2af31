"""What holds for every run: healthy hosts, hosts that cannot be judged, gates, lease, cancel."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
import yaml
from ansible_collections.oncall.runbook.plugins.plugin_utils import lock
from practice import BOTH, BROKEN_DEPLOYMENT, FIRST, HOST, INVENTORY, ROOT, play

from oncall_runbook.cards import catalog

STOP_DATABASE = "docker stop school_mgmt_db"


def files(practice):
    """Every file of the host with size and time.

    Directories without their time, and no runc-process files: Docker's own health checks pass
    through /tmp.
    """
    return practice.run(
        "sudo find /srv /etc /home /root /tmp /opt /usr/local /dev/shm -xdev"
        " -name 'runc-process*' -prune"
        " -o -type d -printf '%p\\n'"
        " -o -printf '%p %s %T@\\n' | sort"
    )


def kept(tmp_path):
    (run,) = sorted((tmp_path / "state" / "runbook" / "runs").iterdir())[-1:]
    return run


@pytest.mark.parametrize(
    "command",
    [
        ["triage"],
        ["plan"],
        ["diagnose", "application_not_responding"],
        ["diagnose", "database-connection-failures"],
        ["plan", "database_connection_failures"],
        ["remediate", "--yes"],
    ],
)
def test_a_healthy_host_is_not_touched(practice, runbook, command):
    before = practice.containers(), files(practice), practice.data()
    ran = runbook(*command, "--format", "json")
    assert (ran.code, ran.host()["verdict"], ran.host()["reason"]) == (0, "healthy", "")
    assert {i["confirmed"] for i in ran.host()["incidents"].values()} == {False}
    assert ran.host().get("actions", []) == []
    assert (practice.containers(), files(practice), practice.data()) == before


def test_triage_judges_every_incident(practice, runbook):
    incidents = runbook("triage", "--format", "json").host()["incidents"]
    assert set(incidents) == set(catalog.Catalog().files)


def test_an_unreachable_host_says_why_and_the_others_are_judged(practice, runbook, tmp_path):
    inventory = yaml.safe_load(INVENTORY.read_text())
    group = inventory["school_mgmt"]
    group["vars"]["inventory_dir"] = str(INVENTORY.parent)
    for key in ("ansible_ssh_private_key_file", "ansible_ssh_common_args"):
        group["vars"][key] = group["vars"][key].replace(
            "{{ inventory_dir }}", str(INVENTORY.parent)
        )
    group["hosts"] = {
        HOST: None,
        "nobody-listens": {"ansible_port": 1},
        "no-such-name": {"ansible_host": "no-such-name.invalid"},
        "wrong-key": {"ansible_port": 2200 + FIRST, "ansible_user": "nobody"},
    }
    path = tmp_path / "inventory.yml"
    path.write_text(yaml.safe_dump(inventory))
    ran = runbook("triage", "-i", path, "--format", "json", env={"RUNBOOK_LIMIT": "all"})
    assert ran.code == 4
    assert ran.host()["verdict"] == "healthy"
    reasons = {name: host.get("unreachable") for name, host in ran.document["hosts"].items()}
    assert reasons["nobody-listens"] == "refused"
    assert reasons["no-such-name"] == "name"
    assert reasons["wrong-key"] == "key"


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("stack_dir=/srv/elsewhere", "no directory /srv/elsewhere on this host: set stack_dir"),
        ("stack_dir=/srv", "no compose file in /srv: set stack_dir"),
        ('{"stack_services": {"database": "oracle"}}', "no service oracle in /srv/school_mgmt"),
    ],
)
@pytest.mark.parametrize("command", [["triage"], ["remediate", "--yes"]])
def test_what_is_not_there_is_unknown_never_healthy(practice, runbook, command, extra, reason):
    ran = runbook(*command, "-e", extra, "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (4, "unknown")
    assert reason in ran.host()["reason"]
    assert ran.host().get("actions", []) == []


@pytest.mark.parametrize("path", ["/srv/school_mgmt/", "/srv/school"])
def test_a_stack_is_found_by_any_of_its_paths(practice, runbook, path):
    practice.run("sudo ln -sfn /srv/school_mgmt /srv/school")
    options = ["-e", f"stack_dir={path}", "--format", "json"]
    assert runbook("triage", *options).host()["verdict"] == "healthy"
    # A container made anew belongs to the same project as the others.
    practice.run("docker rm -f school_mgmt_frontend")
    cured = runbook("remediate", "--yes", *options).host()
    assert (cured["verdict"], len(cured["actions"])) == ("fixed", 1)
    assert runbook("triage", "--format", "json").host()["verdict"] == "healthy"


def test_a_wrong_input_is_one_clear_line(practice, runbook):
    ran = runbook("triage", "-e", "database_connection_failures_limit_percent=many")
    assert ran.code == 1
    assert "database_connection_failures_limit_percent" in ran.stdout
    assert "Traceback" not in ran.stdout + ran.stderr


@pytest.mark.parametrize("command", [["plan"], ["remediate", "--yes"]])
def test_the_ladder_of_an_explained_incident_is_refused(practice, runbook, command):
    # An API that starts asks the node first, and listens only when that has answered.
    practice.inject("pause school_mgmt_blockchain; docker restart -t 1 school_mgmt_backend")
    time.sleep(2)
    before = practice.identities()
    ran = runbook(*command, "application_not_responding", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (6, "refused")
    assert "blockchain_service_unavailable" in ran.host()["reason"]
    assert practice.identities() == before
    paused = practice.run("docker inspect -f '{{.State.Paused}}' school_mgmt_blockchain")
    assert paused.strip() == "true"


def test_without_a_yes_nothing_is_done(practice, runbook):
    practice.run(STOP_DATABASE)
    ran = runbook("remediate", "--format", "json")
    assert (ran.code, ran.host()["verdict"], ran.host()["actions"]) == (6, "refused", [])
    assert practice.run("docker inspect -f '{{.State.Running}}' school_mgmt_db").strip() == "false"


def test_a_riskier_rung_waits_for_its_allowance(practice, runbook):
    """A broken deployment: nothing we may do cures it, and the outage is not ours to choose."""
    practice.run(BROKEN_DEPLOYMENT)
    chain = "docker inspect -f '{{.Id}} {{.State.StartedAt}}' school_mgmt_blockchain"
    before, data = practice.run(chain), practice.data()["rows"]
    quick = ["--yes", "--format", "json", "-e", "incident_settle_seconds=2"]
    first = runbook("remediate", *quick).host()
    assert (first["verdict"], [a["rung"] for a in first["actions"]]) == (
        "not_fixed",
        ["recreate_application"],
    )
    assert "restart_stack needs --allow outage" in first["reason"]
    second = runbook("remediate", "--allow", "outage", *quick).host()
    # What did not hold a moment ago is not climbed again.
    assert [a["rung"] for a in second["actions"]] == ["restart_stack"]
    assert second["verdict"] == "not_fixed"
    third = runbook("remediate", "--allow", "outage", *quick)
    assert (third.code, third.host()["verdict"], third.host()["actions"]) == (6, "refused", [])
    assert "did not hold" in third.host()["reason"]
    # The chain is in memory: a restart would have lost every certificate.
    assert practice.run(chain) == before
    assert practice.data()["rows"] == data


@contextmanager
def held_by_another(practice):
    """Hold the lease of a host as a run on another machine does."""
    text = lock.shell("/srv/school_mgmt", "20261123T000000Z-0000", 60)
    foreign = text.replace(lock.owner(), "another-machine:1")
    ssh = practice.ssh_command()
    subprocess.run(ssh, input=f"{foreign}\ntake_lock\n", text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(ssh, input=f"{foreign}\nrelease_lock\n", text=True, check=True)


def test_a_host_that_another_run_holds_is_left_alone_until_resumed(practice_hosts, runbook):
    practice, other = practice_hosts
    for host in practice_hosts:
        host.reset()
    practice.run(STOP_DATABASE)
    with held_by_another(practice):
        held = runbook("remediate", "--yes", "--format", "json", env=BOTH)
    assert (held.code, held.host()["verdict"], held.host()["actions"]) == (7, "locked", [])
    assert "20261123T000000Z-0000" in held.host()["reason"]
    assert held.document["hosts"][other.name]["verdict"] == "healthy"
    assert practice.run("docker inspect -f '{{.State.Running}}' school_mgmt_db").strip() == "false"
    again = runbook("runs", "resume", "last", "--yes", "--format", "json")
    assert (again.code, list(again.document["hosts"])) == (0, [HOST])
    assert [a["rung"] for a in again.host()["actions"]] == ["start_database"]


@pytest.mark.parametrize(
    ("done", "then"),
    # What is paused a run continues, so it is no longer theirs; the other it leaves alone.
    [("pause", (0, "fixed")), ("restart -t 1", (6, "refused"))],
)
def test_what_somebody_did_a_moment_ago_is_left_to_them(practice, runbook, tmp_path, done, then):
    # The practice hosts' inventory says that all is broken by hand there.
    text = INVENTORY.read_text().replace("    incident_hands_seconds: 0\n", "")
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(text.replace("{{ inventory_dir }}", str(INVENTORY.parent)))
    env = {"RUNBOOK_INVENTORY": str(inventory)}
    remediate = ["remediate", "--yes", "--format", "json"]
    # The host was put in order by hand as well: the last window must reach back to here alone.
    time.sleep(6)
    began = time.monotonic()
    practice.run("docker stop -t 1 school_mgmt_redis")
    practice.run(f"docker {done} school_mgmt_frontend")
    before = practice.identities()
    refused = runbook(*remediate, env=env)
    assert (refused.code, refused.host()["verdict"]) == (6, "refused"), refused.host()
    assert refused.host()["actions"] == []
    assert "school_mgmt_frontend was " in refused.host()["reason"]
    assert "--take-over" in refused.host()["reason"]
    assert practice.identities() == before
    cured = runbook(*remediate, "--take-over", env=env)
    assert (cured.code, cured.host()["verdict"]) == (0, "fixed"), cured.host()
    # What breaks by itself is nobody's hand.
    practice.run("sudo kill -STOP $(docker inspect -f '{{.State.Pid}}' school_mgmt_redis)")
    window = f"incident_hands_seconds={int(time.monotonic() - began) + 5}"
    again = runbook(*remediate, "-e", window, env=env)
    assert (again.code, again.host()["verdict"]) == then, again.host()


def test_evidence_is_kept_before_the_first_change(practice, runbook, tmp_path):
    practice.run(STOP_DATABASE)
    runbook("remediate", "--yes", "--format", "json")
    run = kept(tmp_path)
    place = run / "evidence" / HOST
    manifest = json.loads((place / "manifest.json").read_text())["files"]
    assert {"containers", "database_log", "backend_log", "compose_file"} <= set(manifest)
    for entry in manifest.values():
        data = (place / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
    assert "database system is shut down" in (place / "database_log.txt").read_text()
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    order = [e.get("phase") or e.get("rung") for e in events if e.get("phase") or e.get("rung")]
    assert order.index("evidence") < order.index("start_database")


def test_without_room_for_evidence_nothing_is_done(practice, runbook, tmp_path):
    practice.run(STOP_DATABASE)
    (tmp_path / "state").write_text("not a directory")
    ran = runbook("remediate", "--yes")
    assert ran.code == 1
    assert practice.run("docker inspect -f '{{.State.Running}}' school_mgmt_db").strip() == "false"


OURS = "grep -lsE 'RUNBOOK_(CHANNEL|RUN_ID)=' /proc/[0-9]*/environ || true"


def there(practice):
    """Processes on a practice host that carry our mark."""
    return practice.run(f"sudo sh -c {json.dumps(OURS)}").split()


def here(tmp_path):
    """Processes on this machine that carry our mark and are of this test; others test beside it."""
    found = subprocess.run(["sh", "-c", OURS], capture_output=True, text=True, check=True).stdout
    mine = ["grep", "-ls", f"XDG_STATE_HOME={tmp_path}/", *found.split()]
    return found and subprocess.run(mine, capture_output=True, text=True, check=False).stdout


def ctrl_c(process, _runbook):
    process.send_signal(signal.SIGINT)


def runs_cancel(_process, runbook):
    assert runbook("runs", "cancel", "last").stdout.rstrip().endswith("was cancelled")


@pytest.mark.parametrize("cancel", [ctrl_c, runs_cancel])
def test_a_cancelled_run_leaves_nothing_running(practice, runbook, tmp_path, cancel):
    practice.run("sudo pkill -STOP -x dockerd")
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "oncall_runbook", "triage", "-i", INVENTORY, "-l", HOST],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )
        until(lambda: there(practice))
        assert here(tmp_path)
        cancel(process, runbook)
        output = "".join(process.communicate(timeout=30))
        until(lambda: not there(practice))
    finally:
        practice.run("sudo pkill -CONT -x dockerd")
    assert process.returncode == 130
    assert "Traceback" not in output
    until(lambda: not here(tmp_path))
    assert json.loads((kept(tmp_path) / "run.json").read_text())["exit_code"] == 130


def test_a_host_that_freezes_is_unreachable_and_the_others_are_judged(practice_hosts, runbook):
    well, frozen = practice_hosts
    for host in practice_hosts:
        host.reset()
    frozen.run("sudo pkill -STOP -x dockerd")  # so that its probes last until it freezes
    freezer = threading.Thread(
        target=lambda: (
            until(lambda: there(frozen)),
            subprocess.run(["docker", "pause", frozen.name], check=True, capture_output=True),
        )
    )
    freezer.start()
    # A connection of its own: one that plain ansible left open would not look whether it lives.
    apart = {"ANSIBLE_SSH_ARGS": "-o ControlMaster=no -o ControlPath=none"}
    try:
        ran = runbook("triage", "--format", "json", "--timeout", 180, env={**BOTH, **apart})
    finally:
        freezer.join()
        subprocess.run(["docker", "unpause", frozen.name], check=True, capture_output=True)
        frozen.run("sudo pkill -CONT -x dockerd")
    assert ran.code == 4
    assert ran.host(frozen.name)["verdict"] == "unreachable"
    assert ran.host(well.name)["verdict"] == "healthy"


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.1)


def test_plain_ansible_only_looks_and_with_the_tag_does_the_same(practice, tmp_path):
    practice.run(STOP_DATABASE)
    playbook = ["-l", HOST, "oncall.runbook.database_connection_failures"]
    evidence = ["-e", f"incident_evidence_dir={tmp_path}"]
    running = "docker inspect -f '{{.State.Running}}' school_mgmt_db"
    looked = play(*playbook)
    assert looked.returncode == 2, looked.stdout
    assert "SEV1 database_connection_failures" in looked.stdout
    planned = play(*playbook, "--tags", "remediate", "--check", "--diff", *evidence)
    assert planned.returncode == 2
    title = "Start, or continue, the database's container"
    assert f"changed: [{HOST}] => (item={title})" in planned.stdout
    assert 'start "$STACK_DATABASE"' in planned.stdout
    assert f"plan: {title} [restart]" in planned.stdout
    assert practice.run(running).strip() == "false"
    cured = play(*playbook, "--tags", "remediate", *evidence)
    assert cured.returncode == 0, cured.stdout
    assert "changed=1 " in cured.stdout
    assert cured.stdout.count("rung | Start") == 1
    assert cured.stdout.count("skipping") == 1  # that it climbs on
    assert practice.run(running).strip() == "true"
    assert (tmp_path / HOST / "manifest.json").exists()
    again = play(*playbook, "--tags", "remediate", *evidence)
    assert (again.returncode, "changed=0 " in again.stdout) == (0, True)


def test_plain_ansible_says_every_verdict_and_ends_with_its_status(practice, tmp_path):
    triage = ["-l", HOST, "oncall.runbook.triage", "-e", f"incident_evidence_dir={tmp_path}"]
    well = play(*triage)
    assert (well.returncode, '"healthy"' in well.stdout) == (0, True), well.stdout
    away = play(*triage, "-e", "ansible_port=9")
    assert (away.returncode, "UNREACHABLE!" in away.stdout) == (4, True), away.stdout
    practice.run(BROKEN_DEPLOYMENT)
    quick = ["--tags", "remediate", "-e", "incident_settle_seconds=2"]
    with held_by_another(practice):
        locked = play(*triage, *quick)
    assert locked.returncode == 2, locked.stdout
    assert '"msg": "locked: ' in locked.stdout, locked.stdout
    assert "changed=0 " in locked.stdout
    tried = play(*triage, *quick)
    assert tried.returncode == 2, tried.stdout
    assert '"msg": "not_fixed: ' in tried.stdout
    assert "restart_stack needs --allow outage" in tried.stdout
    refused = play(*triage, *quick)
    assert refused.returncode == 2, refused.stdout
    assert '"msg": "refused: ' in refused.stdout
    assert "changed=0 " in refused.stdout


def test_two_hosts_with_different_troubles_are_both_cured(practice_hosts, runbook):
    one, two = practice_hosts
    for host in practice_hosts:
        host.reset()
    one.run(STOP_DATABASE)
    two.run("docker stop -t 1 school_mgmt_backend")
    # Of several hosts one is a canary; the first uses the other, which is cured before it.
    after = {"RUNBOOK_EXTRA_VARS": json.dumps({"run_after": [two.name]})}
    ran = runbook("remediate", "--yes", "--format", "json", env={**BOTH, **after})
    assert ran.code == 0
    assert [ran.document["hosts"][host.name]["batch"] for host in practice_hosts] == [2, 1]
    started = "docker inspect -f '{{.State.StartedAt}}' school_mgmt_"
    assert two.run(f"{started}backend") < one.run(f"{started}db")
    assert "batch 1: 1 of 2 hosts, 1 wait" in ran.stderr
    rungs = {
        name: [a["rung"] for a in host["actions"]] for name, host in ran.document["hosts"].items()
    }
    assert rungs == {one.name: ["start_database"], two.name: ["start_application"]}
    for host in practice_hosts:
        assert host.report() == 200


def test_one_stopped_database_is_said_in_six_lines(practice, runbook):
    practice.run("docker stop -t 5 school_mgmt_db")
    lines = runbook("triage").stdout.splitlines()
    assert len(lines) <= 6, lines
    assert "SEV1 Database connection failures" in lines[1]
    assert lines[2].strip().startswith("postgres was stopped")
    assert lines[2].endswith("somebody or something stopped it")
    # The web page that is served no more is not what decides: its container is.
    practice.run("docker stop -t 5 school_mgmt_frontend")
    said = [line.strip() for line in runbook("triage").stdout.splitlines()]
    assert len(said) <= 8, said
    assert len([line for line in said if line.startswith("frontend was stopped")]) == 1, said
    assert len([line for line in said if line.startswith("postgres was stopped")]) == 1, said
    assert not [line for line in said if "refused" in line], said
