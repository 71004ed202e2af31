"""A full disk: what must survive its cure, and what must work on it and afterwards."""

import pytest
from drill import FAULTS

INSERT = "BEGIN; INSERT INTO roles (name) VALUES ('written'); ROLLBACK"
# Everything that is another's: a stopped container with data in it and a large log, its volume,
# an image that its project built and one that has a name.
FOREIGN = """
    docker volume create archive_data
    docker run --name archive_web_1 -v archive_data:/data --entrypoint sh \
        --label com.docker.compose.project=archive --label com.docker.compose.service=web \
        school_mgmt/frontend -c 'echo kept >/data/file; echo kept >/file'
    sudo fallocate -l 150000000 "$(docker inspect --format '{{.LogPath}}' archive_web_1)"
    docker commit --change 'LABEL com.docker.compose.project=archive' \
        --change 'LABEL com.docker.compose.service=web' archive_web_1
    docker commit archive_web_1 archive/web
"""


def inject(practice, name):
    fault = FAULTS[name]
    practice.inject(fault.inject)
    return ["--allow", fault.allow, *fault.options]


def foreign(practice):
    return practice.run(
        "docker volume ls -q; docker ps -aq --no-trunc | sort;"
        " docker images -aq --no-trunc --filter label=com.docker.compose.project=archive | sort;"
        " sudo stat -c '%n %s' $(docker inspect --format '{{.LogPath}}' archive_web_1)"
    )


def output(ran):
    return "\n".join(action["output"] for action in ran.host()["actions"])


@pytest.mark.parametrize("name", ["disk_full_container_log", "disk_full_inodes"])
def test_the_database_writes_again_and_logs_are_readable(practice, runbook, name):
    options = inject(practice, name)
    assert practice.shell.run("sudo sh -c 'head -c 20000000 /dev/zero >/srv/probe'").rc != 0
    cured = runbook("remediate", "--yes", *options)
    assert cured.host()["findings"]["disk_database"]["value"] == "writable"
    practice.query(INSERT)
    for way in ("--tail 5", "--since 1m", "--since 1m --tail 100", ""):
        practice.run(f"timeout 10 docker logs {way} school_mgmt_backend >/dev/null")
    assert "freed " in output(cured)


def test_what_is_anothers_stays(practice, runbook):
    practice.run(FOREIGN)
    before = foreign(practice)
    cured = runbook("remediate", "--yes", *inject(practice, "disk_full_images"))
    assert "removed build cache" in output(cured)
    assert "removed image" in output(cured)
    assert foreign(practice) == before


def test_backups_are_removed_with_an_allowance_only_and_the_proven_ones_stay(practice, runbook):
    options = inject(practice, "disk_full_backups")
    every = practice.run("ls /srv/school_mgmt/backups").split()
    refused = runbook("remediate", "--yes", *FAULTS["disk_full_backups"].options)
    assert (refused.code, refused.host()["actions"]) == (6, [])
    assert practice.run("ls /srv/school_mgmt/backups").split() == every
    # Without a word from the site they may be of any database.
    runbook("remediate", "--yes", "--allow", "data", "--format", "json")
    assert practice.run("ls /srv/school_mgmt/backups").split() == every
    cured = runbook("remediate", "--yes", *options)
    kept = practice.run("ls /srv/school_mgmt/backups").split()
    assert set(kept) >= {f"backup-{age}.sql.gz" for age in (1, 10, 40, 50)}
    assert "backup-100.sql.gz" not in kept
    assert "backup-1.sql.gz, but not for a good one" in output(cured)
    practice.run("gzip -t /srv/school_mgmt/backups/backup-10.sql.gz")


def test_a_log_of_a_node_with_its_chain_in_memory_is_emptied_while_it_runs(practice, runbook):
    practice.run(
        """log=$(docker inspect --format '{{.LogPath}}' school_mgmt_blockchain)
        line=$(head -c 2000 /dev/zero | tr '\\0' x)
        docker exec -d school_mgmt_blockchain sh -c "yes $line | head -c 500000000 >/proc/1/fd/1"
        until [ "$(sudo stat -c %s "$log")" -gt 480000000 ]; do sleep 1; done
        sudo mkdir /srv/archive
        sudo fallocate -l $(($(stat -f -c '%a * %S' /srv) - 300000000)) /srv/archive/2019"""
    )
    before = practice.data()
    started = practice.containers()
    cured = runbook("remediate", "--yes", "--format", "json")
    assert [action["rung"] for action in cured.host()["actions"]] == ["cut_container_logs"]
    assert cured.host()["verdict"] == "fixed"
    assert practice.containers() == started
    assert practice.data() == before
    practice.run("timeout 10 docker logs --tail 50 school_mgmt_blockchain >/dev/null")
