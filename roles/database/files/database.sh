# Shell words about the database, on top of stack.sh.
#
# In: STACK_DATABASE, DATABASE_NAME, DATABASE_USER

# Runs one statement in the application's database, with deadlines for connecting, for it, and for
# the locks it waits for. Usage: database_statement SECONDS STATEMENT
database_statement() {
    inside "$STACK_DATABASE" "$(($1 + 1))" env PGCONNECT_TIMEOUT=2 \
        PGOPTIONS="-c statement_timeout=${1}s -c lock_timeout=5s" \
        psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d "$DATABASE_NAME" -c "$2"
}

database_query() {
    database_statement 3 "$1"
}

database_accepts() {
    inside "$STACK_DATABASE" 3 pg_isready -t 2 -U "$DATABASE_USER"
}

# A checkpoint first makes the stop, and the recovery after it, short; a hung server cannot.
# Usage: restart_database STOP_SECONDS START_SECONDS
restart_database() {
    id=$(container "$STACK_DATABASE") || exit
    inside "$STACK_DATABASE" 30 psql -X -q -U "$DATABASE_USER" -d postgres -c CHECKPOINT
    docker stop -t "$1" "$id" && docker start "$id" && wait_until "$2" database_accepts
}

# The sessions that those of "waiting" wait for, or that readers would, as they have a table locked; none of
# them waits itself. Another session's temporary table is nobody else's to read.
blocking="
    SELECT DISTINCT unnest(pg_blocking_pids(pid)) AS pid FROM waiting
    UNION SELECT pid FROM pg_locks JOIN pg_stat_user_tables ON relid = relation
        JOIN pg_class ON pg_class.oid = relid AND relpersistence <> 't'
    WHERE mode = 'AccessExclusiveLock' AND granted AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    EXCEPT SELECT pid FROM waiting"

# Whether the database accepts connections, and what its sessions do, in one JSON object:
#   accepts, ready       exit status and words of pg_isready: 0 accepts, 1 rejects, 2 no response
#   error                why the application's database cannot be used though the server accepts
#   sessions_percent     of those that clients may have (max_connections less the slots reserved for
#                        superusers), without this one; a server too full to say so is at 100
#   idle_in_transaction  number of sessions, idle_seconds of the oldest
#   blocked              number of sessions that wait for a lock, blocked_seconds of the longest
#   blockers             sessions that others wait for, or would as they have a table locked against reads,
#                        and that wait for nobody: pid, kind, user, application, state, seconds since
#                        its transaction began, statement
#   running              the oldest statements that run for a second or more: pid, seconds, waits
#                        (for what), statement; longest_seconds of those that wait for no lock
#   hit_percent          buffers found in memory, of those read; null before the first
#   checksum_failures    pages of it that were read and are damaged (PostgreSQL 12 and later)
#   damage               what is lost or cannot be read any more, proven by reading it; empty for nothing
#   statements           whether pg_stat_statements is there; when sessions wait or statements run
#                        long, costliest says what it knows
# Texts in statements are masked: they may be anybody's data.
database_activity() {
    masked="left(regexp_replace(query, '''[^'']*(''|$)', '''?''', 'g'), 100)"
    said=$(inside "$STACK_DATABASE" 5 env PGCONNECT_TIMEOUT=2 PGOPTIONS='-c statement_timeout=3s' sh -c '
        said=$(psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$1" -d "$2" -c "$3" 2>&1)
        status=$? ready="accepting connections"
        [ "$status" -ne 2 ] || ready=$(pg_isready -t 1 -U "$1")
        printf "%s\n" "$? $ready" "$said"
        exit "$status"
        ' sh "$DATABASE_USER" "$DATABASE_NAME" "
        WITH client AS (
            SELECT *, extract(epoch FROM now() - query_start) AS seconds, $masked AS statement
            FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
        waiting AS (SELECT pid, seconds FROM client WHERE wait_event_type = 'Lock'),
        blocker AS ($blocking)
        SELECT json_build_object(
            'sessions_percent', (SELECT round(100.0 * count(*) / (
                current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int), 1) FROM client),
            'idle_in_transaction', (SELECT count(*) FROM client WHERE state LIKE 'idle in transaction%'),
            'idle_seconds', (SELECT round(extract(epoch FROM max(now() - state_change)))
                FROM client WHERE state LIKE 'idle in transaction%'),
            'blocked', (SELECT count(*) FROM waiting),
            'blocked_seconds', (SELECT coalesce(round(max(seconds), 1), 0) FROM waiting),
            'blockers', (SELECT coalesce(json_agg(json_build_object('pid', pid, 'kind', backend_type,
                'user', usename, 'application', application_name, 'state', state,
                'seconds', coalesce(round(extract(epoch FROM now() - xact_start)), 0),
                'statement', $masked) ORDER BY xact_start), '[]')
                FROM blocker LEFT JOIN pg_stat_activity USING (pid)),
            'running', (SELECT coalesce(json_agg(oldest), '[]') FROM (
                SELECT pid, round(seconds) AS seconds, wait_event AS waits, statement FROM client
                WHERE state = 'active' AND seconds >= 1 ORDER BY seconds DESC LIMIT 5) AS oldest),
            'longest_seconds', (SELECT coalesce(round(max(seconds), 1), 0) FROM client
                WHERE state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'),
            'hit_percent', (SELECT round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 2)
                FROM pg_stat_database WHERE datname = current_database()),
            'checksum_failures', (SELECT coalesce((to_jsonb(d) ->> 'checksum_failures')::int, 0)
                FROM pg_stat_database AS d WHERE datname = current_database()),
            'statements', to_regclass('pg_stat_statements') IS NOT NULL)")
    status=$?
    ready=${said%%"$newline"*} answer=${said#*"$newline"}
    accepts=${ready%% *}
    case $accepts$answer in
    0"{"*)
        case $answer in
        *'"running" : []'*'"statements" : true'* | *'"statements" : false'*) ;;
        *) answer="${answer%\}}, \"costliest\": $(database_statements json)}" ;;
        esac
        case $DATABASE_READ_ALL$answer in
        0*'"checksum_failures" : 0'*) ;;
        *) answer="${answer%\}}, \"damage\": \"$(json_text "$(unreadable)")\"}" ;;
        esac
        ;;
    0*"too many clients"* | 0*"remaining connection slots"*) answer='{"sessions_percent": 100, "blocked": null, "blockers": []}' ;;
    0*FATAL*database*"does not exist"*)
        restore_hint
        answer="{\"error\": \"$(json_text "$answer")\", \"damage\": \"there is no database $(json_text "$DATABASE_NAME")\"}"
        ;;
    0*FATAL*"does not exist"*) answer="{\"error\": \"$(json_text "$answer")\"}" ;;
    [123]*) answer='{"blockers": []}' ;;
    *) echo "$answer" >&2; [ "$status" -ne 0 ] || exit 69; [ "$accepts" != 0 ] || exit 69; exit "$status" ;;
    esac
    printf '{"accepts": %s, "ready": "%s", %s\n' "$accepts" "$(json_text "${ready#* }")" "${answer#?}"
}

# Reads every table, as a backup would, and prints why one cannot be read; a few seconds unless a restore
# was asked for, which wants it proven.
unreadable() {
    seconds=4
    [ "$DATABASE_READ_ALL" -eq 0 ] || seconds=600
    said=$(inside "$STACK_DATABASE" "$seconds" pg_dump -U "$DATABASE_USER" -d "$DATABASE_NAME" --lock-wait-timeout=2s -f /dev/null 2>&1)
    case $?$said in
    0* | *"lock timeout"*) return ;;
    124*) [ "$seconds" -eq 4 ] && echo "pages failed their checksums, and not all could be read within 4 s" ;;
    *) printf '%s\n' "$said" | grep -m 1 'ERROR' || return 0 ;;
    esac
    restore_hint
}

restore_hint() {
    [ "$DATABASE_READ_ALL" -ne 0 ] ||
        echo "to restore the newest proven backup: -e database_connection_failures_restore_from=newest --allow data" >&2
}

# Ends sessions of the application that stayed idle in transaction too long, the oldest first;
# prints one line for each. Usage: end_stale_sessions SECONDS AT_MOST
end_stale_sessions() {
    database_query "SELECT 1" >/dev/null 2>&1 || make_room "$1"
    database_query "
        SELECT 'ended session ' || pid || ', idle in transaction for '
               || round(extract(epoch FROM now() - state_change)) || ' s'
        FROM (SELECT pid, state_change FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND datname = current_database()
                AND state IN ('idle in transaction', 'idle in transaction (aborted)')
                AND state_change < now() - interval '$1 seconds' AND pid <> pg_backend_pid()
              ORDER BY state_change LIMIT $2) AS stale
        WHERE pg_terminate_backend(pid)"
}

# When even the superusers' slots are taken, nobody can ask the server who is stale. But its
# processes show their state in their titles, and one that was never scheduled for SECONDS did
# nothing in that time: up to five of those get SIGTERM, as pg_terminate_backend would send.
make_room() {
    inside "$STACK_DATABASE" "$(($1 + 15))" sh -c '
        idle() {
            for process in /proc/[0-9]*; do
                tr "\0" " " <"$process/cmdline" | grep -q "idle in transaction" &&
                    echo "${process#/proc/}" $(grep ctxt_switches "$process/status")
            done 2>/dev/null
        }
        before=$(idle)
        sleep "$1"
        idle | grep -Fx "$before" | head -n 5 | while read -r pid _; do
            kill -s TERM "$pid" && echo "ended process $pid, idle in transaction for $1 s or more"
        done' sh "$1"
}

# Prints whether the database can write: "writable", "full", or why not in a word. A table that
# is rolled back asks the disk for room; the message flushes WAL and leaves no row.
database_takes_writes() {
    if said=$(database_query "
        BEGIN;
        CREATE TEMPORARY TABLE runbook_write_test AS SELECT repeat('-', 1000) FROM generate_series(1, 1000);
        ROLLBACK;
        SELECT FROM pg_logical_emit_message(true, 'runbook', 'write test')" 2>&1); then
        echo writable
        return
    fi
    case $said in
    *"No space left"* | *"Disk quota"*) echo full ;;
    *read-only*) echo read-only ;;
    *) echo silent ;;
    esac
}

# The statements that took the longest on average, by pg_stat_statements, whose columns changed their
# names with PostgreSQL 13. Usage: database_statements [json]
database_statements() {
    column=$(database_query "SELECT attname FROM pg_attribute
        WHERE attrelid = to_regclass('pg_stat_statements') AND attname IN ('mean_time', 'mean_exec_time')") || exit
    if [ -z "$column" ]; then
        echo "pg_stat_statements is not installed: shared_preload_libraries, a restart of the database, and CREATE EXTENSION would"
        return
    fi
    rows="SELECT round($column::numeric, 1) AS mean_ms, calls, left(query, 200) AS statement
        FROM pg_stat_statements
        WHERE calls > 1 AND query NOT LIKE '%pg_stat_%' ORDER BY $column DESC LIMIT"
    case ${1:-} in
    json) database_query "SELECT coalesce(json_agg(costly), '[]') FROM ($rows 3) AS costly" ;;
    *) database_query "$rows 20" ;;
    esac
}

# Cancels the statements, or ends the sessions, of those that others wait for; the oldest first, a line
# each. Only clients in this database whose transaction is older than SECONDS, and none of the
# applications named. Usage: relieve cancel|terminate SECONDS AT_MOST [APPLICATION…]
relieve() {
    how=$1 seconds=$2 at_most=$3
    shift 3
    spared=
    for application; do
        spared="$spared, '$(printf '%s' "$application" | sed "s/'/''/g")'"
    done
    case $how in cancel) which="state = 'active'" done='cancelled the statement' ;; *) which=true done=ended ;; esac
    database_query "
        WITH waiting AS (SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'),
        blocker AS ($blocking)
        SELECT '$done of session ' || pid || ' (' || application_name || '), ' || state
               || ', in its transaction for ' || round(extract(epoch FROM now() - xact_start)) || ' s'
        FROM (SELECT * FROM pg_stat_activity JOIN blocker USING (pid)
              WHERE backend_type = 'client backend' AND datname = current_database()
                AND xact_start < now() - interval '$seconds seconds' AND pid <> pg_backend_pid()
                AND application_name NOT IN ('runbook'$spared) AND $which
              ORDER BY xact_start LIMIT $at_most) AS blocking
        WHERE pg_${how}_backend(pid)"
}

# Creates an index without locking its table against writers, unless there is one like it. An
# INVALID leftover of that name is removed first; one of our own that fails is not left behind.
# Usage: create_index SECONDS NAME TABLE COLUMN…
create_index() {
    seconds=$1 index=$2 table=$3
    shift 3
    columns= names=
    for word in "$index" "$table" "$@"; do
        printf '%s\n' "$word" | grep -Eqx '[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?' ||
            unknown "not the name of an index, table or column: $word"
    done
    for word in "$@"; do
        columns="$columns${columns:+, }$word" names="$names${names:+,}$word"
    done
    found=$(database_query "
        SELECT CASE
            WHEN EXISTS (SELECT FROM pg_stat_progress_create_index WHERE relid = '$table'::regclass)
                THEN 'an index of $table is being built'
            WHEN likeness.indexrelid IS NOT NULL THEN 'equivalent: ' || likeness.indexrelid::regclass
            WHEN named.oid IS NULL THEN 'absent'
            WHEN leftover.indexrelid IS NOT NULL THEN 'invalid: ' || leftover.indexrelid::regclass
            ELSE 'the name $index is taken' END
        FROM pg_class AS t
        LEFT JOIN pg_class AS named ON named.relnamespace = t.relnamespace AND named.relname = '$index'
        LEFT JOIN pg_index AS leftover ON leftover.indexrelid = named.oid
            AND leftover.indrelid = t.oid AND NOT leftover.indisvalid
        LEFT JOIN LATERAL (
            SELECT indexrelid FROM pg_index WHERE indrelid = t.oid AND indisvalid
                AND indpred IS NULL AND indexprs IS NULL
                AND (SELECT string_agg(attname, ',' ORDER BY place)
                     FROM unnest(indkey) WITH ORDINALITY AS key (number, place)
                     JOIN pg_attribute ON attrelid = t.oid AND attnum = number) = '$names'
            LIMIT 1) AS likeness ON true
        WHERE t.oid = '$table'::regclass") || exit
    case $found in
    absent) ;;
    invalid:*)
        database_statement "$seconds" "DROP INDEX CONCURRENTLY ${found#*: }" || exit
        echo "removed ${found#*: }, which was INVALID"
        ;;
    *) unknown "no index made: $found" ;;
    esac
    if database_statement "$seconds" "CREATE INDEX CONCURRENTLY $index ON $table ($columns)"; then
        echo "created index $index on $table ($columns)"
    else
        left=$(database_query "SELECT indexrelid::regclass FROM pg_index JOIN pg_class ON oid = indexrelid
            WHERE relname = '$index' AND indrelid = '$table'::regclass AND NOT indisvalid")
        [ -z "$left" ] || database_statement "$seconds" "DROP INDEX CONCURRENTLY $left"
        exit 1
    fi
}
