"""Names that others chose, by the hundred, on a practice host's real disk, engine and database."""

import io
import json
import os
import shlex
import subprocess
import tarfile
import time

import pytest
from hostile import NAMES
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

# One example of 300 names: a host takes a moment to get each.
HUNDREDS = settings(
    max_examples=1,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
    derandomize=True,
)
OLD = 1_600_000_000
PRECIOUS = "find /srv/precious -type f -printf '%p %s %T@\\n' | sort | sha256sum; ls /srv/precious"


def send(practice, script, data=b""):
    """Run a script on the host as root, with bytes on its standard input."""
    command = [*practice.ssh_command()[:-1], f"sudo sh -c {shlex.quote(script)}"]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-500:]
    return done.stdout


def archive(names):
    """A tar of old files with these names, bytes as they are."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in names:
            info = tarfile.TarInfo(os.fsdecode(name))
            info.size, info.mtime = 5000, OLD
            tar.addfile(info, io.BytesIO(b"x" * 5000))
    return file.getvalue()


def drawn(strategy, count=300):
    """That many different values."""
    found = []

    @HUNDREDS
    @given(st.lists(strategy, min_size=count, max_size=count, unique=True))
    def draw(values):
        found.extend(values)

    draw()
    return found


@pytest.fixture
def precious(practice):
    """A directory of files that nobody may touch; what it holds is looked at afterwards."""
    send(
        practice,
        "mkdir -p /srv/precious && tar -xC /srv/precious",
        archive([b"a.log", b"b.dump", b"c"]),
    )
    before = practice.run(PRECIOUS)
    yield practice
    assert practice.run(PRECIOUS) == before


def test_old_logs_go_whatever_they_are_called_and_nothing_else(precious, runbook):
    trap = b"a\n/srv/precious/a"
    names = [name[:200] + b".log" for name in drawn(NAMES)]
    send(
        precious,
        "mkdir -p /srv/logs/dir && tar -xC /srv/logs && ln -s /srv/precious /srv/logs/elsewhere"
        " && ln -s /srv/precious/a.log /srv/logs/link.log && chown -R -h ops /srv/logs",
        archive([*dict.fromkeys(names), trap + b".log"]),
    )
    ran = runbook(
        *("ops", "clean", "--yes", "--allow", "data", "--format", "json"),
        *("-e", "stack_log_dir=/srv/logs"),
    )
    assert (ran.code, ran.host()["verdict"]) == (0, "fixed"), ran.host()["reason"]
    assert precious.run("find /srv/logs -type f | wc -l").strip() == "0"
    assert precious.run("test -L /srv/logs/link.log && echo there").strip() == "there"


def test_backups_of_others_stay_whatever_they_are_called(precious, runbook):
    names = [b"_" + name[:180] + b".dump" for name in drawn(NAMES)]
    send(
        precious,
        "mkdir -p /srv/school_mgmt/backups && tar -xC /srv/school_mgmt/backups"
        " && ln -s /srv/precious /srv/school_mgmt/backups/elsewhere",
        archive([*dict.fromkeys(names), b"a\n/srv/precious/b.dump"]),
    )
    count = "find /srv/school_mgmt/backups -type f | wc -l"
    before = precious.run(count)
    prune = ["ops", "backups", "prune", "--yes", "--allow", "data", "-e", "stack_backup_keep=0"]
    ran = runbook(*prune, "--format", "json")
    assert ran.code == 0, ran.host()["reason"]
    listed = runbook("ops", "backups", "list", "--format", "json")
    assert listed.code == 0, listed.host()["reason"]
    assert precious.run(count) == before


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def test_databases_of_others_stay_whatever_they_are_called(practice, runbook):
    text = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)
    traps = ["x\nschool_mgmt", "school_mgmt_restore_20260101T000000Z\nschool_mgmt", '"; DROP --']
    names = [*dict.fromkeys([*traps, *(f"{n}{name[:15]}" for n, name in enumerate(drawn(text)))])]
    psql = "docker exec -i school_mgmt_db psql -X -q -U postgres -d postgres"
    listing = "SELECT md5(string_agg(datname, ',' ORDER BY datname)), count(*) FROM pg_database"
    # As many as there is room for; they get other names in turn.
    now = [f"other{n}" for n in range(50)]
    try:
        made = "".join(f"CREATE DATABASE {name} TEMPLATE template0;\n" for name in now)
        send(practice, f"{psql} -f -", made.encode())
        assert runbook("ops", "backup", "--format", "json").code == 0
        commands = [["verify", "--deep"]]
        for first in range(0, 300, 50):
            then = names[first : first + 50]
            renamed = "".join(
                f"ALTER DATABASE {identifier(old)} RENAME TO {identifier(new)};\n"
                for old, new in zip(now, then, strict=True)
            )
            send(practice, f"{psql} -f -", renamed.encode())
            now, before = then, practice.query(listing)
            commands.append(["prune", "--yes", "--allow", "data"])
            for command in commands:
                late = ["-e", "stack_replaced_database_days=0"]
                ran = runbook("ops", "backups", *command, *late, "--format", "json")
                assert ran.code == 0, ran.host()["reason"]
                assert practice.query(listing) == before
            commands = []
    finally:
        drop = (
            "SELECT format('DROP DATABASE %I', datname) FROM pg_database"
            " WHERE datname NOT IN ('postgres', 'template0', 'template1', 'school_mgmt') \\gexec"
        )
        send(practice, f"{psql} -f -", drop.encode())


def test_containers_of_others_stay_whatever_their_labels_say(practice, runbook):
    victim = practice.run("docker inspect --format '{{.Id}}' school_mgmt_backend").strip()
    trap = f"\nFalse\t/srv/school_mgmt\t{victim} pdf-service school_mgmt\tExited (1)\t\t\tx"
    text = st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
    labels = ["project.working_dir", "service", "project", "oneoff"]
    sets = [
        {f"com.docker.compose.{labels[n % 4]}": value + trap * (n % 3 == 0), "other" + value: value}
        for n, value in enumerate(drawn(text))
    ]
    image = practice.run("docker inspect --format '{{.Image}}' school_mgmt_redis").strip()
    bodies = "".join(
        json.dumps({"Image": image, "Entrypoint": ["true"], "Labels": some}) + "\n" for some in sets
    )
    create = (
        "while IFS= read -r body; do printf '%s' \"$body\" | curl -sf -o /dev/null --unix-socket"
        " /var/run/docker.sock -H Content-Type:application/json -X POST -d @-"
        " http://localhost/containers/create || exit; done"
    )
    listing = "docker ps -aq --no-trunc | sort | sha256sum"
    try:
        send(practice, create, bodies.encode())
        time.sleep(1)
        before = practice.run(listing), practice.containers()
        ran = runbook("triage", "--format", "json")
        assert (ran.code, ran.host()["verdict"]) == (0, "healthy"), ran.host()["reason"]
        assert runbook("remediate", "--yes", "--format", "json").host()["actions"] == []
        assert (practice.run(listing), practice.containers()) == before
    finally:
        send(practice, "docker ps -aq --filter status=created | xargs -r docker rm >/dev/null")
