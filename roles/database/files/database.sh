# Shell words about the database, on top of stack.sh.
#
# In: STACK_DATABASE, DATABASE_NAME, DATABASE_USER

# Runs one statement in the application's database, with deadlines for connecting and for it.
database_query() {
    inside "$STACK_DATABASE" 4 env PGCONNECT_TIMEOUT=2 PGOPTIONS='-c statement_timeout=3s' \
        psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d "$DATABASE_NAME" -c "$1"
}

database_accepts() {
    inside "$STACK_DATABASE" 3 pg_isready -t 2 -U "$DATABASE_USER"
}

# Whether the database accepts connections, and what its sessions do, in one JSON object:
#   accepts, ready       exit status and words of pg_isready: 0 accepts, 1 rejects, 2 no response
#   error                why the application's database cannot be used though the server accepts
#   sessions_percent     of those that clients may have (max_connections less the slots reserved for
#                        superusers), without this one; a server too full to say so is at 100
#   idle_in_transaction  number of sessions, idle_seconds of the oldest
#   blocked              number of sessions that wait for a lock, blocked_seconds of the longest
#   blockers             sessions that others wait for and that wait for nobody: pid, user,
#                        application, state, seconds since its transaction began, statement
#   longest_seconds      the oldest statement that runs and waits for no lock
#   hit_percent          buffers found in memory, of those read; null before the first
#   statements           whether pg_stat_statements is there
database_activity() {
    said=$(inside "$STACK_DATABASE" 5 env PGCONNECT_TIMEOUT=2 PGOPTIONS='-c statement_timeout=3s' sh -c '
        ready=$(pg_isready -t 2 -U "$1")
        status=$?
        echo "$status $ready"
        [ "$status" -ne 0 ] || psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$1" -d "$2" -c "$3" 2>&1
        ' sh "$DATABASE_USER" "$DATABASE_NAME" "
        WITH client AS (
            SELECT *, extract(epoch FROM now() - query_start) AS seconds FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
        waiting AS (SELECT pid, seconds FROM client WHERE wait_event_type = 'Lock'),
        blocker AS (
            SELECT DISTINCT unnest(pg_blocking_pids(pid)) AS pid FROM waiting
            EXCEPT SELECT pid FROM waiting)
        SELECT json_build_object(
            'sessions_percent', (SELECT round(100.0 * count(*) / (
                current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int), 1) FROM client),
            'idle_in_transaction', (SELECT count(*) FROM client WHERE state LIKE 'idle in transaction%'),
            'idle_seconds', (SELECT round(extract(epoch FROM max(now() - state_change)))
                FROM client WHERE state LIKE 'idle in transaction%'),
            'blocked', (SELECT count(*) FROM waiting),
            'blocked_seconds', (SELECT coalesce(round(max(seconds), 1), 0) FROM waiting),
            'blockers', (SELECT coalesce(json_agg(json_build_object('pid', pid, 'user', usename,
                'application', application_name, 'state', state,
                'seconds', round(extract(epoch FROM now() - xact_start)),
                'statement', left(query, 100)) ORDER BY xact_start), '[]')
                FROM pg_stat_activity JOIN blocker USING (pid)),
            'longest_seconds', (SELECT coalesce(round(max(seconds), 1), 0) FROM client
                WHERE state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'),
            'hit_percent', (SELECT round(100.0 * blks_hit / nullif(blks_hit + blks_read, 0), 2)
                FROM pg_stat_database WHERE datname = current_database()),
            'statements', to_regclass('pg_stat_statements') IS NOT NULL)")
    status=$?
    ready=${said%%"$newline"*} answer=${said#*"$newline"}
    accepts=${ready%% *}
    case $accepts$answer in
    0"{"*) ;;
    0*"too many clients"* | 0*"remaining connection slots"*) answer='{"sessions_percent": 100, "blocked": null, "blockers": []}' ;;
    0*FATAL*"does not exist"*) answer="{\"error\": \"$(json_text "$answer")\"}" ;;
    [123]*) answer='{"blockers": []}' ;;
    *) echo "$answer" >&2; [ "$status" -ne 0 ] || exit 69; [ "$accepts" != 0 ] || exit 69; exit "$status" ;;
    esac
    printf '{"accepts": %s, "ready": "%s", %s\n' "$accepts" "$(json_text "${ready#* }")" "${answer#?}"
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
