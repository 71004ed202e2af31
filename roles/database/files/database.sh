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

# Percentage of the sessions that clients may have, without this one (max_connections less the
# slots reserved for superusers). A server too full to say so is at 100.
database_session_use() {
    if percent=$(database_query "
        SELECT round(100.0 * count(*) / (current_setting('max_connections')::int
               - current_setting('superuser_reserved_connections')::int), 1)
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()" 2>&1); then
        echo "$percent"
        return
    fi
    echo "$percent" >&2
    case $percent in
    *"too many clients"* | *"remaining connection slots"*) echo 100 ;;
    *FATAL*"does not exist"*) exit 1 ;;
    *) exit 69 ;;
    esac
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
