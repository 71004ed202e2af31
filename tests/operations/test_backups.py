"""Backups and restores on a real PostgreSQL: whatever happens, never less data than before."""

import json
import re
import shlex
import subprocess
import time

import pytest
from practice import HOST, ctrl_c, lose_the_connection

BACKUPS = "/srv/school_mgmt/backups"
RESTORE = ["ops", "restore", "newest", "--yes", "--allow", "data", "--format", "json"]
CONTENT = "SELECT count(*) AS n, md5(string_agg(r::text, chr(10) ORDER BY r::text)) AS h"
ROWS = f"""SELECT string_agg(t || ' ' || x, ';' ORDER BY t)
    FROM (SELECT relname AS t, query_to_xml(format('{CONTENT} FROM public.%I AS r', relname),
            false, true, '')::text AS x
        FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r') AS tables"""


def rows(practice):
    """Every table with its row count and a hash of its content."""
    return practice.query(ROWS)


def settled_rows(practice):
    """The same once the database accepts connections; it may have been interrupted just now."""
    for _ in range(60):
        if practice.shell.run("docker exec school_mgmt_db pg_isready -q -U postgres").rc == 0:
            return rows(practice)
        time.sleep(1)
    return rows(practice)


def back_up(runbook):
    ran = runbook("ops", "backup", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (0, "fixed"), ran.host()["reason"]
    return ran.host()["actions"][0]["output"].strip()


def files(practice):
    return set(practice.run(f"ls {BACKUPS}").split())


def said(ran):
    return ran.host()["actions"][0]["output"]


def lose_a_table(practice):
    practice.query("DROP TABLE user_leaves CASCADE")


def lose_the_database(practice):
    practice.run("docker exec school_mgmt_db dropdb -U postgres --force school_mgmt")


def damage_a_page(practice):
    practice.inject("damage_table user_leaves")


def test_a_backup_is_proven_and_has_its_manifest(practice, runbook):
    path = back_up(runbook)
    manifest = json.loads(practice.run(f"cat {path}.manifest.json"))
    count = practice.query("SELECT count(*) FROM users")
    assert manifest["tables"]["public.users"] == int(count)
    assert manifest["rows"] == sum(manifest["tables"].values())
    assert manifest["sha256"] == practice.run(f"sha256sum {path}").split()[0]
    assert manifest["bytes"] == int(practice.run(f"stat -c %s {path}"))
    assert set(manifest) >= {"server_version", "time", "seconds", "newest_row", "database"}
    listed = runbook("ops", "backups", "list", "--format", "json").host()["findings"]
    (backup,) = listed["backups_list"]["value"]
    assert (backup["file"], backup["whole"]) == (path.rpartition("/")[2], True)


@pytest.mark.parametrize("break_it", [lose_a_table, lose_the_database, damage_a_page])
def test_a_restore_brings_everything_back(practice, runbook, break_it):
    before = practice.data()
    back_up(runbook)
    break_it(practice)
    refused = runbook("ops", "restore", "newest", "--yes", "--format", "json")
    assert (refused.code, refused.host()["actions"]) == (6, [])
    ran = runbook(*RESTORE)
    assert (ran.code, ran.host()["verdict"]) == (0, "fixed"), ran.host()
    assert practice.data() == before
    assert practice.report() == 200
    kept = re.search(r"kept what is there now as (\S+)", said(ran))
    assert bool(kept) == (break_it is not lose_the_database)
    if break_it is damage_a_page:
        assert kept[1].endswith(".data.tar")
        practice.run(f"tar -tf {kept[1]} | grep -q PG_VERSION")
    if kept:
        assert "the database before is kept as school_mgmt_before_" in said(ran)
    for _ in range(5):  # the API has been restarted, and sets its clients up
        triage = runbook("triage", "--format", "json").host()
        if triage["verdict"] == "healthy":
            break
        time.sleep(2)
    assert (triage["verdict"], triage["root_causes"]) == ("healthy", []), triage["incidents"]


SETTINGS = """
    SELECT datacl, datconnlimit, shobj_description(d.oid, 'pg_database'),
        (SELECT array_agg(setrole::regrole || ' ' || setconfig::text ORDER BY 1)
         FROM pg_db_role_setting WHERE setdatabase = d.oid)
    FROM pg_database AS d WHERE datname = 'school_mgmt'"""


CHANGES = r"""
CREATE ROLE "read ""only"; CREATE ROLE clerk;
REVOKE ALL ON DATABASE school_mgmt FROM PUBLIC;
GRANT CONNECT ON DATABASE school_mgmt TO "read ""only" WITH GRANT OPTION;
ALTER DATABASE school_mgmt CONNECTION LIMIT 97;
ALTER DATABASE school_mgmt SET search_path TO "$user", public, '';
ALTER DATABASE school_mgmt SET app.note TO E'two\nlines, ''quoted'' \\ %s';
ALTER DATABASE school_mgmt SET lock_timeout TO '90s';
ALTER ROLE clerk IN DATABASE school_mgmt SET search_path TO '';
ALTER ROLE clerk IN DATABASE school_mgmt SET statement_timeout TO '1min';
COMMENT ON DATABASE school_mgmt IS E'of the school''s\noffice';
"""
CHANGES_UNDONE = """
COMMENT ON DATABASE school_mgmt IS NULL;
ALTER DATABASE school_mgmt CONNECTION LIMIT -1;
GRANT CONNECT, TEMPORARY ON DATABASE school_mgmt TO PUBLIC;
ALTER ROLE clerk IN DATABASE school_mgmt RESET ALL;
REVOKE ALL ON DATABASE school_mgmt FROM "read ""only";
DROP OWNED BY clerk; DROP ROLE clerk;
"""


def statements(practice, text):
    """Run them as the server's superuser, as they stand."""
    psql = "docker exec -i school_mgmt_db psql -X -q -v ON_ERROR_STOP=1 -U postgres -d school_mgmt"
    practice.run(f"printf %s {shlex.quote(text)} | {psql}")


def test_a_restore_keeps_who_may_connect_and_what_was_set(practice, runbook):
    statements(practice, CHANGES)
    try:
        before = practice.query(SETTINGS)
        assert "two" in before
        back_up(runbook)
        ran = runbook(*RESTORE)
        assert (ran.code, ran.host()["verdict"]) == (0, "fixed"), ran.host()
        assert practice.query(SETTINGS) == before
    finally:
        practice.reset()
        statements(practice, CHANGES_UNDONE)
        for kept in practice.query(
            "SELECT datname FROM pg_database WHERE datname LIKE 'school_mgmt_before_%'"
        ).split():
            practice.run(f"docker exec school_mgmt_db dropdb -U postgres --force {kept}")
        statements(practice, 'DROP ROLE "read ""only";')


def test_a_backup_that_lacks_what_the_code_names_is_not_switched_to(practice, runbook):
    practice.query("ALTER TABLE user_profiles RENAME class_name TO form")
    back_up(runbook)
    practice.query("ALTER TABLE user_profiles RENAME form TO class_name")
    before = practice.data(), practice.containers()
    ran = runbook(*RESTORE)
    assert (ran.code, ran.host()["verdict"]) == (5, "not_fixed"), ran.host()
    assert "column public.user_profiles.class_name" in ran.host()["reason"]
    assert (practice.data(), practice.containers()) == before


def test_a_backup_without_the_columns_that_nothing_names_is_restored(practice, runbook):
    back_up(runbook)
    practice.query("ALTER TABLE users ADD left_over_by_somebody int")
    ran = runbook(*RESTORE)
    assert (ran.code, ran.host()["verdict"]) == (0, "fixed"), ran.host()


def test_a_restored_database_that_the_role_of_the_api_may_not_read_is_switched_back(
    practice, runbook
):
    practice.run(
        'docker exec school_mgmt_db psql -qU postgres -d school_mgmt -c "CREATE ROLE app LOGIN'
        " PASSWORD 'app-password'\" -c 'GRANT ALL ON ALL TABLES IN SCHEMA public TO app'"
        " && sed -i 's|//postgres:[^@]*@|//app:app-password@|' /srv/school_mgmt/docker-compose.yml"
        " && cd /srv/school_mgmt && docker compose --progress quiet up -d --no-deps backend"
        " && until curl -sf -m 2 http://localhost:5007/health; do sleep 0.5; done"
        " && docker exec school_mgmt_db pg_dump -x -O -U postgres school_mgmt"
        f" | {{ mkdir -p {BACKUPS} && gzip >{BACKUPS}/nightly.sql.gz; }}"
    )
    try:
        before = practice.data()
        ran = runbook(*RESTORE, "-e", "stack_restore_api_seconds=12")
        assert (ran.code, ran.host()["verdict"]) == (5, "not_fixed"), ran.host()
        assert "role app may read no table" in ran.host()["reason"]
        # Its sessions were ended for the switch, and with them its process.
        practice.run("timeout 60 sh -c 'until curl -sf localhost:5007/health; do sleep 0.5; done'")
        assert practice.data() == before
        assert practice.report() == 200
    finally:
        practice.reset()
        practice.query("DROP OWNED BY app; DROP ROLE app")


def test_a_restore_says_what_is_lost_in_time(practice, runbook):
    back_up(runbook)
    practice.query("UPDATE users SET last_login = now() WHERE id = 1")
    ran = runbook(*RESTORE)
    assert re.search(r"newest row in the backup is .* older", said(ran)), said(ran)


@pytest.fixture
def lost(practice, runbook):
    """A host that lost a table and has a backup; its rows before, and now."""
    whole = rows(practice)
    back_up(runbook)
    lose_a_table(practice)
    return whole, rows(practice)


KILLER = """\
    mkdir -p /tmp/wrapped
    n=$(($(cat /tmp/wrapped/count 2>/dev/null || echo 0) + 1)); echo $n >/tmp/wrapped/count
    if [ "$n" -eq "$(cat /tmp/wrapped/at 2>/dev/null || echo 0)" ]; then
        mark=$(tr '\\0' '\\n' </proc/self/environ | grep RUNBOOK_CHANNEL=)
        kill -s KILL $(grep -lsF "$mark" /proc/[0-9]*/environ | cut -d / -f 3)
    fi"""


def test_a_restore_killed_at_each_of_its_steps(practice, runbook, wrap, lost):
    whole, now = lost
    wrap(KILLER)
    runbook(*RESTORE)
    assert rows(practice) == whole
    steps = int(practice.run("cat /tmp/wrapped/count"))
    lose_a_table(practice)
    points = [1 + round(n * (steps - 1) / 11) for n in range(12)]
    reached = 0
    for point in points:
        practice.run(f"echo 0 >/tmp/wrapped/count; echo {point} >/tmp/wrapped/at")
        killed = runbook(*RESTORE)
        # Steps that wait are not always as many.
        reached += int(practice.run("cat /tmp/wrapped/count")) == point
        assert (killed.code in (4, 5)) or rows(practice) == whole, (point, killed.host())
        assert settled_rows(practice) in (whole, now), point
        if rows(practice) == whole:
            lose_a_table(practice)
    assert reached >= 8
    practice.run("rm /tmp/wrapped/at")
    assert runbook(*RESTORE).code == 0
    assert rows(practice) == whole
    assert not [name for name in practice.run(f"ls -A {BACKUPS}").split() if "partial" in name]
    assert practice.report() == 200


def wait_until_wrapped(practice):
    """Wait until a step in the background has come to what a wrapper waits for."""
    for _ in range(120):
        if practice.shell.run("test -e /tmp/wrapped").rc == 0:
            break
        time.sleep(0.5)


@pytest.mark.parametrize("end", [ctrl_c, lose_the_connection])
def test_a_restore_whose_operator_goes(practice, runbook, start, wrap, lost, end):
    whole, now = lost
    wrap('case "$*" in *--exit-on-error*) touch /tmp/wrapped; sleep 4 ;; esac')
    process = start(*RESTORE)
    wait_until_wrapped(practice)
    end(process)
    assert settled_rows(practice) in (whole, now)
    time.sleep(4)
    assert settled_rows(practice) in (whole, now)
    practice.run("sudo rm -f /usr/local/bin/docker")
    assert runbook(*RESTORE).code == 0
    assert rows(practice) == whole


def test_of_two_restores_the_second_is_told_who_holds_the_host(
    practice, runbook, start, wrap, lost
):
    wrap('case "$*" in *--exit-on-error*) touch /tmp/wrapped; sleep 8 ;; esac')
    first = start(*RESTORE)
    wait_until_wrapped(practice)
    second = runbook(*RESTORE)
    assert (second.code, second.host()["verdict"]) == (7, "locked")
    assert "held by" in second.host()["reason"]
    assert first.wait(120) == 0
    assert rows(practice) == lost[0]


def test_a_disk_that_fills_halfway(practice, runbook, wrap, lost):
    # As somebody who is not root: what root may take in reserve, nobody could give back.
    fill = "cat /dev/zero >/tmp/filler 2>/dev/null"
    wrap(f'case "$*" in *--exit-on-error*) {fill} ;; esac')
    ran = runbook(*RESTORE)
    assert (ran.code, ran.host()["verdict"]) == (5, "not_fixed"), ran.host()
    practice.run("sudo rm -f /tmp/filler /usr/local/bin/docker")
    assert settled_rows(practice) == lost[1]
    assert runbook(*RESTORE).code == 0
    assert rows(practice) == lost[0]


@pytest.mark.parametrize("command", [["ops", "backup", "--format", "json"], RESTORE])
def test_without_room_it_is_refused_with_both_figures(practice, runbook, lost, command):
    before = practice.containers(), files(practice)
    practice.run(
        "sudo sh -c 'fallocate -l $(($(stat -f -c \"%a * %S\" /srv) - 500000)) /srv/filler'"
    )
    ran = runbook(*command)
    practice.run("sudo rm /srv/filler")
    assert (ran.code, ran.host()["verdict"]) == (6, "refused")
    assert re.search(r"about \d+ MiB are needed, \d+ MiB are free", ran.host()["reason"])
    assert (practice.containers(), files(practice)) == before


def test_a_damaged_newest_backup_is_passed_over_loudly(practice, runbook, lost):
    good = files(practice)
    newest = back_up(runbook)
    practice.run(f"printf X | dd of={newest} bs=1 seek=500 conv=notrunc status=none")
    ran = runbook(*RESTORE)
    assert ran.code == 0
    assert f"passed over {newest}: its sha256 is not the one" in said(ran)
    assert f"restoring {BACKUPS}/{min(good)}" in said(ran)
    assert rows(practice) == lost[0]


PLAIN = f"docker exec school_mgmt_db pg_dump -U postgres school_mgmt >{BACKUPS}/bad.sql"
BAD = {
    "missing": ("true", "gone.dump", "there is no backup"),
    "empty": (f": >{BACKUPS}/bad.dump", "bad.dump", "is empty"),
    "a directory": (f"mkdir -p {BACKUPS}/bad.dump", "bad.dump", "is no file"),
    "of no kind": (f"echo x >{BACKUPS}/bad.txt", "bad.txt", "is neither .dump"),
    "truncated": (
        f"cd {BACKUPS}; for f in *.dump; do head -c 9000 $f >bad.dump; done",
        "bad.dump",
        "is no whole backup: pg_restore cannot read it",
    ),
    "truncated with its manifest": (
        f"cd {BACKUPS}; for f in s*.dump; do head -c 9000 $f >bad.dump;"
        " cp $f.manifest.json bad.dump.manifest.json; done",
        "bad.dump",
        "its sha256 is not the one",
    ),
    "truncated text": (
        f"{PLAIN}; head -n 100 {BACKUPS}/bad.sql | gzip >{BACKUPS}/bad.sql.gz",
        "bad.sql.gz",
        "cut short",
    ),
    "of a newer server": (
        f"{PLAIN}; sed -i 's/database version [0-9]*/database version 99/' {BACKUPS}/bad.sql",
        "bad.sql",
        "is of PostgreSQL 99",
    ),
    "of another database": (
        f"docker exec school_mgmt_db pg_dump -Fc -U postgres postgres >{BACKUPS}/bad.dump",
        "bad.dump",
        "is of another database: postgres",
    ),
    "reaching beyond its database": (
        f"docker exec school_mgmt_db pg_dump -C -U postgres school_mgmt >{BACKUPS}/bad.sql",
        "bad.sql",
        "reaches beyond its database",
    ),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_backup_that_cannot_be_restored_is_refused_before_anything_stops(practice, runbook, bad):
    make, name, why = BAD[bad]
    back_up(runbook)
    practice.run(make)
    before = practice.containers(), files(practice), rows(practice)
    ran = runbook("ops", "restore", name, *RESTORE[3:])
    practice.run(f"rm -rf {BACKUPS}/bad.*")
    assert (ran.code, ran.host()["verdict"], ran.host()["actions"]) == (6, "refused", [])
    assert why in ran.host()["reason"]
    assert "\n" not in ran.host()["reason"]
    assert (practice.containers(), rows(practice)) == (before[0], before[2])


def test_a_backup_of_the_sites_own_making_is_listed_verified_and_restored(practice, runbook):
    whole = rows(practice)
    practice.inject("back_up_database")
    lose_a_table(practice)
    listed = runbook("ops", "backups", "list", "--format", "json").host()["findings"]
    (backup,) = listed["backups_list"]["value"]
    assert (backup["file"], backup["whole"], backup["rows"]) == ("nightly.sql.gz", True, None)
    assert runbook("ops", "backups", "verify", "nightly.sql.gz", "--deep").code == 0
    assert runbook(*RESTORE).code == 0
    assert rows(practice) == whole


def test_a_broken_backup_is_told(practice, runbook):
    practice.inject("back_up_database")
    practice.run(f"cd {BACKUPS}; head -c 2000 nightly.sql.gz >newer.sql.gz")
    ran = runbook("ops", "backups", "verify", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (5, "not_fixed")
    assert "1 of 2 backups are not proven whole" in ran.host()["reason"]
    assert "broken: newer.sql.gz: it is cut short" in said(ran)
    practice.run(f"rm {BACKUPS}/*.gz")
    none = runbook("ops", "backups", "verify", "--format", "json")
    assert (none.code, none.host()["reason"]) == (5, f"there is no backup in {BACKUPS}")


def test_an_interrupted_backup_leaves_nothing_that_looks_like_one(practice, runbook, wrap):
    wrap(KILLER)
    back_up(runbook)
    good = files(practice)
    steps = int(practice.run("cat /tmp/wrapped/count"))
    for point in range(1, steps + 1):
        practice.run(f"echo 0 >/tmp/wrapped/count; echo {point} >/tmp/wrapped/at")
        assert runbook("ops", "backup", "--format", "json").code in (4, 5)
        assert {name for name in files(practice) if name.endswith(".dump")} <= good
    practice.run("rm /tmp/wrapped/at")
    back_up(runbook)
    assert "partial" not in practice.run(f"ls -A {BACKUPS}")


def test_a_suddenly_small_backup_is_kept_and_complained_of(practice, runbook, lost):
    practice.query(
        "TRUNCATE user_profiles, permissions, access_controls, user_leave_policy CASCADE"
    )
    ran = runbook("ops", "backup", "--format", "json")
    assert (ran.code, ran.host()["verdict"]) == (5, "not_fixed"), ran.host()
    assert "suspicious" in ran.host()["reason"]
    assert len([name for name in files(practice) if name.endswith(".dump")]) == 2
    assert runbook("ops", "backup", "--format", "json").code == 0
    # Good again for whatever comes after it.
    older = min(name for name in files(practice) if name.endswith(".dump"))
    assert runbook("ops", "restore", older, *RESTORE[3:]).code == 0
    assert rows(practice) == lost[0]


def test_pruning_keeps_the_newest_proven_ones_whatever_their_age(practice, runbook):
    for age in range(6):
        path = back_up(runbook)
        practice.run(
            f"cd {BACKUPS}; mv {path} old-{age}.dump;"
            f" touch -d '{100 - age} days ago' old-{age}.dump;"
            f" mv {path}.manifest.json old-{age}.dump.manifest.json"
        )
    # The two newest are broken: they neither count nor go.
    practice.run(
        f"cd {BACKUPS}; : >>old-5.dump; echo x >>old-5.dump; echo x >>old-4.dump;"
        " touch -d '95 days ago' old-5.dump; touch -d '96 days ago' old-4.dump"
    )
    prune = ["ops", "backups", "prune", "-e", "stack_backup_keep=2", "--format", "json"]
    planned = runbook(*prune, "--check", "--allow", "data")
    assert [step["title"].split(",")[0] for step in planned.host()["plan"]] == [
        "Remove backup old-0.dump",
        "Remove backup old-1.dump",
    ]
    assert runbook(*prune, "--yes").code == 6
    assert runbook(*prune, "--yes", "--allow", "data").code == 0
    left = {name for name in files(practice) if name.endswith(".dump")}
    assert left == {f"old-{n}.dump" for n in (2, 3, 4, 5)}
    again = runbook(*prune, "--yes", "--allow", "data")
    assert (again.code, again.host()["verdict"], again.host()["actions"]) == (0, "healthy", [])


def test_the_database_that_a_restore_replaced_goes_after_some_days(practice, runbook, lost):
    assert runbook(*RESTORE).code == 0
    kept = "SELECT count(*) FROM pg_database WHERE datname LIKE 'school_mgmt_before_%'"
    prune = ["ops", "backups", "prune", "--yes", "--allow", "data", "--format", "json"]
    assert runbook(*prune).host()["verdict"] == "healthy"
    assert practice.query(kept) == "1"
    assert runbook(*prune, "-e", "stack_replaced_database_days=0").host()["verdict"] == "fixed"
    assert practice.query(kept) == "0"
    assert rows(practice) == lost[0]


def test_a_backup_is_fetched_and_proven_here(practice, runbook, tmp_path):
    ran = runbook("ops", "backup", "--fetch", tmp_path / "here", "--format", "json")
    copy = ran.host()["fetched"]["path"]
    source = ran.host()["actions"][0]["output"].strip()
    sums = practice.run(f"sha256sum {source}").split()[0]
    here = subprocess.run(["sha256sum", copy], capture_output=True, text=True, check=True).stdout
    assert here.split()[0] == sums
    assert copy.startswith(str(tmp_path / "here" / HOST))


def test_a_backup_leaves_the_services_and_the_past_alone(practice, runbook):
    practice.run("curl -s localhost:5007/api/v1/classes; rm -f /dev/shm/runbook.*/*.change")
    before = practice.containers()
    back_up(runbook)
    assert runbook("ops", "backups", "verify", "--deep").code == 0
    assert practice.containers() == before
    practice.run("! ls /dev/shm/runbook.*/*.change")
