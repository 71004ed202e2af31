# shellcheck shell=sh
# Shell functions about how the application sees its database, cache and chain, on top of stack.sh.
#
# In: STACK_BACKEND, STACK_BACKEND_URL, STACK_HEALTH_PATH, STACK_DATABASE; STACK_READ_PATH, STACK_READ_BODY,
#     STACK_READ_PROVES: a route that the inventory names; APPLICATION_JS and DATABASE_SETTINGS_AWK, the texts of
#     application.js and settings.awk

# Prints how the application sees what it depends on, as one JSON object:
#   way       "driver": its own, in its own container; "client": psql over the stack's network, as its role;
#             "none", with the reason in "missing"
#   database, cache, chain   null where none is configured, else outcome, reason, where, ms; see
#             application.js, whose outcomes have one more here: unknown, where that could not be asked
#   route     the like of the route that the inventory names, else null
# Exit status 69, with the reason, where the API has no container that runs.
application_view() {
    id=$(container "$STACK_BACKEND") || exit 69
    answers=$({ route_view & driver_view; wait; } 2>&1)
    view=$(printf '%s\n' "$answers" | grep '^{"way":')
    route=$(printf '%s\n' "$answers" | sed -n 's/^route //p')
    if [ -z "$view" ]; then
        why=$(printf '%s\n' "$answers" | grep -v '^route ' | without_secrets "$id" |
            awk '/[Ee]rror|[Ff]ailed|[Cc]annot|[Uu]nable|[Dd]enied/ && !why { why = $0 } NF { last = $0 } END { print why == "" ? last : why }')
        case $why in
        *"executable file not found"*) why="the container of the API has no Node.js" ;;
        *"is not running"* | *"is paused"* | *"is restarting"* | *"No such container"*) unknown "$why" ;;
        esac
        why=$(json_text "$why")
        unasked="{\"outcome\":\"unknown\",\"reason\":\"$why\"}"
        view="{\"way\":\"none\",\"missing\":\"$why\",\"cache\":$unasked,\"chain\":$unasked}"
    fi
    case $view in
    '{"way":"none"'*) view=$(with_client_view "$view") ;;
    esac
    printf '%s,"route":%s}\n' "${view%\}}" "${route:-null}"
}

# Asks in the API's own container, by a process of its own; hooks of the application's (NODE_OPTIONS)
# would report us as its traffic. Prints a line of JSON, or why it could not be asked.
driver_view() {
    group=$(control_group "$id")
    leaves_memory "$group" || { echo "the API's memory limit leaves no room for a process that asks"; return; }
    leaves_time "$group" || { echo "the API's processor limit leaves no time for a process that asks"; return; }
    printf '%s\n' "$APPLICATION_JS" | docker exec -i -e NODE_OPTIONS= -e APPLICATION_DATABASE "$id" node -
}

# Whether the memory limit of a container leaves the 96 MiB that a process of Node.js may need: where it
# does not, the application itself might be ended for it. Usage: leaves_memory CONTROL_GROUP
leaves_memory() {
    group=$1
    [ -n "$group" ] || return 0
    if [ -r "$group/memory.max" ]; then
        read -r limit <"$group/memory.max" && read -r used <"$group/memory.current" || return 0
        cache=inactive_file
    else
        read -r limit <"$group/memory.limit_in_bytes" && read -r used <"$group/memory.usage_in_bytes" || return 0
        cache=total_inactive_file
    fi 2>/dev/null
    # Without a limit version 2 says "max", version 1 a number of 19 digits.
    case $limit in *[!0-9]* | ????????????????*) return 0 ;; esac
    while read -r name bytes; do
        [ "$name" != "$cache" ] || used=$((used - bytes))
    done <"$group/memory.stat"
    [ "$((limit - used))" -ge 100663296 ]
}

# Whether the processor limit of a container leaves it a quarter of one: under less, a process that asks
# would hold the application up for seconds. Usage: leaves_time CONTROL_GROUP
leaves_time() {
    group=$1
    if [ -r "$group/cpu.max" ]; then
        read -r quota period <"$group/cpu.max"
    else
        group=/sys/fs/cgroup/cpu${group#/sys/fs/cgroup/memory}
        [ -r "$group/cpu.cfs_quota_us" ] || return 0
        read -r quota <"$group/cpu.cfs_quota_us" && read -r period <"$group/cpu.cfs_period_us"
    fi
    # Without a limit version 2 says "max", version 1 -1.
    case $quota in *[!0-9]*) return 0 ;; esac
    [ "$((quota * 4))" -ge "$period" ]
}

# Puts into a view that has none of the database what psql says of it. Usage: with_client_view VIEW
with_client_view() {
    database=$(client_view) way=client
    case $database in
    '{"outcome":"unknown"'*) way=none ;;
    esac
    printf '{"way":"%s","database":%s,%s\n' "$way" "$database" "${1#'{"way":"none",'}"
}

# Prints how psql, in the database's container, reaches the database that the API's environment names, over
# the stack's network and as the role that it names; what that cannot tell is unknown. The password
# goes by the environment, and is seen on no command line.
client_view() {
    settings=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$id" | database_settings)
    where=$(printf '%s\n' "$settings" | sed -n 's/^PGHOST=//p; s/^PGPORT=/:/p' | tr -d '\n')
    database=$(container "$STACK_DATABASE" 2>/dev/null) && [ -n "$where" ] || {
        echo '{"outcome":"unknown","reason":"no driver in the API'"'"'s container, and no database of this stack that its environment names"}'
        return
    }
    read -r start _ </proc/uptime
    said=$(
        # No here-document: bash before 5.1 would write the password to a file.
        set -f
        IFS=$newline
        # shellcheck disable=SC2163  # NAME=VALUE
        for setting in $settings; do export "$setting"; done
        unset IFS
        client_sql | docker exec -i -e PGHOST -e PGPORT -e PGUSER -e PGPASSWORD -e PGDATABASE -e PGCONNECT_TIMEOUT=3 \
            -e PGAPPNAME=runbook -e PGOPTIONS='-c lock_timeout=700 -c statement_timeout=1400' "$database" \
            timeout 5 psql -X -q -A -t -w -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -f - 2>&1 || echo "status=$?"
    )
    read -r end _ </proc/uptime
    outcome=$(client_outcome "$said")
    reason=$(printf '%s\n' "$said" | grep -E 'rror:|ERROR|FATAL' | head -n 1 | sed 's/^psql: *//; s/^<stdin>:[0-9]*: *//')
    [ "$outcome" != no_tables ] || { outcome=error reason="the database has no tables"; }
    [ "$outcome" != read_only ] || reason=${reason:-the database is read-only}
    printf '{"outcome":"%s","reason":"%s","where":"%s","ms":%d}\n' "$outcome" \
        "$(json_text "$(printf '%s\n' "${reason:-psql reads it as the role of the API}" | without_secrets "$id")")" \
        "$(json_text "$where")" "$(echo "$start $end" | awk '{ print ($2 - $1) * 1000 }')"
}

# Reads an environment and prints the settings of its database as those of libpq: PGHOST, PGPORT, PGUSER,
# PGPASSWORD, PGDATABASE; nothing when it names none.
database_settings() {
    LC_ALL=C awk "$DATABASE_SETTINGS_AWK"
}

# Prints what the client asks: whether there are tables, whether they may be written, and the first page of those
# that are read most.
client_sql() {
    printf '%s\n' "SELECT 'no_tables' WHERE NOT EXISTS (SELECT FROM pg_stat_user_tables);
SELECT 'read_only' WHERE current_setting('transaction_read_only') = 'on';
SELECT format('SELECT 1 FROM %s WHERE ctid = %L', relid::regclass, '(0,1)') FROM pg_stat_user_tables
ORDER BY has_table_privilege(relid, 'SELECT') DESC, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) DESC, relname LIMIT 3 \gexec"
}

# Prints the outcome that the words of psql mean. Usage: client_outcome SAID
client_outcome() {
    case $1 in
    *"could not translate host name"*) echo no_name ;;
    *"No route to host"* | *"Network is unreachable"*) echo no_route ;;
    *"Connection refused"*) echo refused ;;
    *"timeout expired"* | *status=124* | *status=143* | *" 57014: "*) echo timed_out ;;
    *"password authentication failed"* | *"no password supplied"* | *"no pg_hba.conf entry"* | *"is not permitted to log in"*) echo wrong_password ;;
    *FATAL*"role "*"does not exist"*) echo wrong_password ;;
    *FATAL*"database "*"does not exist"*) echo no_database ;;
    *"too many"*"connections"* | *"too many clients"* | *"remaining connection slots"*) echo no_session_left ;;
    *"starting up"* | *"shutting down"* | *"in recovery mode"* | *"not yet accepting connections"*) echo starting ;;
    *" 42501: "*) echo permission ;;
    *" 55P03: "*) echo lock ;;
    *" 25006: "* | *read_only*) echo read_only ;;
    *no_tables*) echo no_tables ;;
    *status=12[5-7]*) echo unknown ;;
    *status=*) echo error ;;
    *) echo works ;;
    esac
}

# Whether the API answers, and its application can use its database as far as that can be told.
application_works() {
    is_well "$(http 2 "$STACK_BACKEND_URL$STACK_HEALTH_PATH" 2>/dev/null)" || return
    case $(application_view) in
    '{"way":'*'"database":{"outcome":"works"'* | '{"way":"none"'*) ;;
    *) return 1 ;;
    esac
}

# Prints why the application's role may not work in a database that is not in its place yet; nothing where
# it may, or its driver cannot be asked. Usage: application_refusal DATABASE
application_refusal() {
    APPLICATION_DATABASE=$1
    export APPLICATION_DATABASE
    case $(application_view 2>/dev/null) in
    '{"way":"driver"'*'"database":{"outcome":"permission"'*) application_complaint ;;
    esac
    unset APPLICATION_DATABASE
}

# Prints what the application says of its database, in words.
application_complaint() {
    application_view 2>&1 | sed 's/.*"database":{"outcome":"[a-z_]*","reason":"\(\([^"\\]\|\\.\)*\)".*/\1/'
}

# Prints "route" and what the named route tells of the database: a status that is declared, or else success,
# proves that it works; 5xx, or no answer, that it does not; any other says nothing about it.
route_view() {
    [ -n "$STACK_READ_PATH" ] || return 0
    read -r start _ </proc/uptime
    code=$(http 4 "$STACK_BACKEND_URL$STACK_READ_PATH" ${STACK_READ_BODY:+"$STACK_READ_BODY"} 2>/dev/null)
    read -r end _ </proc/uptime
    ms=$(echo "$start $end" | awk '{ printf "%d", ($2 - $1) * 1000 }')
    outcome=unknown reason="$STACK_READ_PATH answered $code"
    case $code in
    000)
        outcome=refused reason="$STACK_READ_PATH did not answer"
        [ "$ms" -lt 3900 ] || outcome=timed_out
        ;;
    5??) outcome=error ;;
    2??) [ -n "$STACK_READ_PROVES" ] || outcome=works ;;
    esac
    case " $(printf '%s' "$STACK_READ_PROVES" | tr -cs 0-9 ' ') " in *" $code "*) outcome=works ;; esac
    [ "$outcome" != unknown ] || reason="$reason, which proves nothing about the database"
    printf 'route {"outcome":"%s","reason":"%s","status":%d,"ms":%d}\n' "$outcome" "$(json_text "$reason")" "$code" "$ms"
}
