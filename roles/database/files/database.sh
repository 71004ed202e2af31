# shellcheck shell=sh
# Shell functions about the database, on top of stack.sh.
#
# In: STACK_DATABASE, DATABASE_NAME, DATABASE_USER

# Runs one statement in the application's database, with deadlines for connecting, for it, and for
# the locks it waits for. Usage: database_statement SECONDS STATEMENT
database_statement() {
    inside "$STACK_DATABASE" "$(($1 + 1))" env PGCONNECT_TIMEOUT=2 \
        PGOPTIONS="-c statement_timeout=${1}s -c lock_timeout=5s" \
        psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d "$DATABASE_NAME" -c "$2"
}

# Runs a statement in the application's database, for three seconds. Usage: database_query STATEMENT
database_query() {
    database_statement 3 "$1"
}

# Whether the server accepts connections, in the words and with the exit status of pg_isready.
database_accepts() {
    inside "$STACK_DATABASE" 3 pg_isready -t 2 -U "$DATABASE_USER"
}

# A checkpoint first makes the stop, and the recovery after it, short; a hung server cannot.
# Usage: restart_database STOP_SECONDS START_SECONDS
restart_database() {
    id=$(container "$STACK_DATABASE") || exit
    inside "$STACK_DATABASE" 30 psql -X -q -U "$DATABASE_USER" -d postgres -c CHECKPOINT
    docker stop -t "$1" "$id" >/dev/null && docker start "$id" >/dev/null &&
        echo "restarted $STACK_DATABASE in good order, which ended every session" && wait_for "$STACK_DATABASE" "$2" database_accepts
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
#                        superusers, or the limit of the application's database), without this one; a
#                        server too full to say so is at 100
#   holder, holders      from 80 percent on: which containers hold them, the most first (session_holders);
#                        of holder, service is empty for one that is not this project's
#   idle_in_transaction  number of sessions, idle_seconds of the oldest
#   blocked              number of sessions that wait for a lock, blocked_seconds of the longest
#   blockers             sessions that others wait for, or would as they have a table locked against reads,
#                        and that wait for nobody: pid, kind, user, application, state, seconds since
#                        its transaction began, statement
#   running              the oldest statements that run for a second or more: pid, seconds, waits
#                        (for what), statement; longest_seconds of those that wait for no lock
#   read_only            why the application cannot write; empty when it can
#   shortages            what the server has nearly used up, with what a person may do, a text each
#   hit_percent          buffers found in memory, of those read; null before the first
#   checksum_failures    pages of it that were read and are damaged (PostgreSQL 12 and later)
#   damage               what is lost or cannot be read any more, proven by reading it; empty for nothing
#   statements           whether pg_stat_statements is there; when sessions wait or statements run
#                        long, costliest says what it knows
# Texts in statements are masked: they may be anybody's data.
database_activity() {
    need_database
    refused='' holder='"service": "", "who": "", "half": false'
    apart inside "$STACK_DATABASE" 5 env PGCONNECT_TIMEOUT=2 PGOPTIONS='-c statement_timeout=3s' \
        psql -X -q -A -t -v ON_ERROR_STOP=1 -U "$DATABASE_USER" -d "$DATABASE_NAME" -c "$(activity_statement)"
    case $? in
    0) accepts=0 ready="accepting connections" ;;
    1 | 3) unknown "$(reason_in "$complaint")" ;;
    *) database_refuses ;;
    esac
    [ "$accepts" -ne 0 ] || activity_details
    printf '{"accepts": %s, "ready": "%s", "holder": {%s}, %s\n' "$accepts" "$(json_text "$ready")" "$holder" "${answer#?}"
}

# Ends the probe, with the reason, where the database's container does not run.
need_database() {
    found=$(containers) || exit
    case $(printf '%s\n' "$found" | awk -v service="$STACK_DATABASE" '$2 == service { sub(/\t.*/, ""); print }') in
    *" Up "*"(Paused)") echo "$STACK_DATABASE is paused" >&2 ;;
    *" Up "* | "") return ;;
    *) echo "$STACK_DATABASE has ended: $(why_ended "$(container "$STACK_DATABASE")")" >&2 ;;
    esac
    exit 1
}

# After a psql that got no session: sets accepts, ready, and answer from what pg_isready and its
# complaint say.
database_refuses() {
    reason=$(reason_in "$complaint")
    case $complaint in
    *"esource temporarily unavailable"*)
        accepts=2 ready="no response" answer='{"asked": false}'
        echo "no further process can be started in its container: $reason" >&2
        return
        ;;
    esac
    ready=$(inside "$STACK_DATABASE" 3 pg_isready -t 1 -U "$DATABASE_USER" 2>/dev/null)
    accepts=$?
    ready=${ready#* - }
    case $accepts$complaint in
    0*"too many c"* | 0*"remaining connection slots"*)
        refused=$reason # is said with who holds them
        answer='{"sessions_percent": 100, "crowded" : true, "blocked": null}'
        ;;
    0*FATAL*database*"does not exist"*)
        echo "$reason" >&2
        restore_hint
        answer="{\"error\": \"$(json_text "$reason")\", \"damage\": \"there is no database $(json_text "$DATABASE_NAME")\"}"
        ;;
    # A moment's state, over since.
    0*"administrator command"* | 0*"the database system is"* | 0*"crash of another"*) unknown "$reason" ;;
    0*FATAL*) echo "$reason" >&2; answer="{\"error\": \"$(json_text "$reason")\"}" ;;
    [123]*)
        stopped=$(stopped_by_signal "$STACK_DATABASE")
        echo "${stopped:-$reason}" >&2
        answer='{"asked": false}'
        ;;
    *) unknown "$reason" ;;
    esac
}

# Asks further, only where the answer says that something is wrong, and puts that into answer and holder.
activity_details() {
    case $answer in
    *'"running" : []'*'"statements" : true'* | *'"statements" : false'* | *'"crowded" : true, "blocked": null'* | *'"error": '*) ;;
    *) answer="${answer%\}}, \"costliest\": $(database_statements json)}" ;;
    esac
    case $answer in
    *'"crowded" : true'*)
        held=$(session_holders)
        case $held in
        *"who"*) holder=${held%%"$newline"*} answer="${answer%\}}, \"holders\": ${held#*"$newline"}}" ;;
        *) [ -z "$refused" ] || echo "$refused" >&2 ;;
        esac
        ;;
    esac
    case $DATABASE_READ_ALL$answer in
    *'"error": '* | *'"blocked": null'*) ;;
    0*'"checksum_failures" : 0'*) answer="${answer%\}}, \"damage\": \"\"}" ;;
    *) answer="${answer%\}}, \"damage\": \"$(json_text "$(unreadable)")\"}" ;;
    esac
}

# Prints the statement of database_activity.
activity_statement() {
    masked="left(regexp_replace(query, '''[^'']*(''|$)', '''?''', 'g'), 100)"
    printf '%s\n' "        WITH client AS (
            SELECT *, extract(epoch FROM now() - query_start) AS seconds, $masked AS statement
            FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
        use AS (SELECT round(greatest(100.0 * count(*) / (current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int
                - coalesce(current_setting('reserved_connections', true)::int, 0)),
                100.0 * count(*) FILTER (WHERE datname = current_database())
                / (SELECT nullif(greatest(datconnlimit, 0), 0) FROM pg_database
                   WHERE datname = current_database())), 1) AS percent FROM client),
        waiting AS (SELECT pid, seconds FROM client WHERE wait_event_type = 'Lock'),
        blocker AS ($blocking),
        held AS (SELECT relation, mode, fastpath FROM pg_locks WHERE granted)
        SELECT json_build_object(
            'sessions_percent', (SELECT percent FROM use),
            'crowded', (SELECT percent >= 80 FROM use),
            'sessions_allowed', least(current_setting('max_connections')::int
                - current_setting('superuser_reserved_connections')::int
                - coalesce(current_setting('reserved_connections', true)::int, 0),
                (SELECT nullif(greatest(datconnlimit, 0), 0) FROM pg_database
                 WHERE datname = current_database())),
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
            'statements', to_regclass('pg_stat_statements') IS NOT NULL,
            'read_only', $(read_only_expression),
            'shortages', (SELECT coalesce(json_agg(what), '[]') FROM ($(shortages_query)) AS short (what)))"
}

# Why the application cannot write, by the server's role and by who set what for whom; else ''.
read_only_expression() {
    printf '%s\n' "CASE
    WHEN pg_is_in_recovery() THEN 'it is read-only, a standby or a server that still recovers (pg_is_in_recovery)'
    WHEN current_setting('transaction_read_only') = 'on' THEN (
        SELECT 'it is read-only: default_transaction_read_only is on, set by ' || source
            || CASE source WHEN 'configuration file' THEN ' (ALTER SYSTEM RESET default_transaction_read_only, pg_reload_conf())'
               ELSE ' (ALTER DATABASE or ROLE … RESET default_transaction_read_only)' END
        FROM pg_settings WHERE name = 'default_transaction_read_only')
    ELSE coalesce((
        SELECT 'it is read-only for the role ' || string_agg(rolname, ', ') || ': ALTER ROLE … RESET default_transaction_read_only'
        FROM pg_db_role_setting JOIN pg_roles ON pg_roles.oid = setrole, unnest(setconfig) AS item
        WHERE setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
            AND rolcanlogin AND item ~* '^default_transaction_read_only=(on|true|yes|1)\$'), '')
END"
}

# What the server has a limited number of, and nearly none left. A sequence that somebody has locked
# is not asked, for that would wait; nor are thousands of them.
shortages_query() {
    printf '%s\n' "SELECT format('sequence %s has given %s of its %s numbers: ALTER SEQUENCE … AS bigint, and the column it fills', id::regclass, last, most)
FROM (SELECT seqrelid AS id, seqmax AS most, CASE WHEN has_sequence_privilege(seqrelid, 'SELECT')
        AND (SELECT count(*) FROM pg_sequence) <= 300 AND NOT pg_is_in_recovery()
        AND relpersistence = 'p' AND seqrelid NOT IN (SELECT relation FROM held WHERE relation IS NOT NULL
            AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'))
        THEN pg_sequence_last_value(seqrelid) END AS last
    FROM pg_sequence JOIN pg_class ON oid = seqrelid WHERE NOT seqcycle AND seqincrement > 0 OFFSET 0) AS sequence
WHERE last >= 0.95 * most
UNION ALL
SELECT format('database %s has used %s million of 2147 million transaction ids: VACUUM (FREEZE) it, after ending what holds them back',
    datname, greatest(age(datfrozenxid), mxid_age(datminmxid)) / 1000000)
FROM pg_database WHERE greatest(age(datfrozenxid), mxid_age(datminmxid)) > 1500000000
UNION ALL
SELECT format('prepared transaction %s of %s keeps its locks for %s s: COMMIT PREPARED or ROLLBACK PREPARED it',
    quote_literal(gid), owner, round(extract(epoch FROM now() - prepared)))
FROM pg_prepared_xacts WHERE prepared < now() - interval '10 minutes'
UNION ALL
SELECT format('role %s has all %s sessions that it may have: ALTER ROLE … CONNECTION LIMIT', rolname, rolconnlimit)
FROM pg_roles WHERE rolconnlimit > 0 AND NOT rolsuper
    AND (SELECT count(*) FROM client WHERE usesysid = pg_roles.oid) >= rolconnlimit
UNION ALL
SELECT format('%s of about %s places for locks are taken: raise max_locks_per_transaction', taken, places)
FROM (SELECT (SELECT count(*) FROM held WHERE NOT fastpath) AS taken,
    current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int
        + current_setting('max_prepared_transactions')::int) AS places) AS locks WHERE taken >= 0.9 * places"
}

# Who holds the database's sessions: on the first line the container with the most as members of an object
# (service, who, sessions, half: whether it has that much of them), on the next lines all as a list; and
# in words on standard error. The server says it; where no session is left even for us, the titles of its
# processes do, seen from the host, and where those tell nothing the connections of its network.
session_holders() {
    id=$(container "$STACK_DATABASE") || exit
    rows=$(database_query "SELECT coalesce(host(client_addr), 'local'), usename, application_name,
        CASE WHEN state LIKE 'idle in transaction%' THEN 'idle in transaction' ELSE state END,
        round(extract(epoch FROM now() - backend_start))
        FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()" 2>/dev/null | tr '|' '\t')
    [ -n "$rows" ] || rows=$(docker top "$id" -o pid,etimes,args 2>/dev/null | sessions_of_titles)
    [ -n "$rows" ] || rows=$(sessions_of_network "$(docker inspect --format '{{.State.Pid}}' "$id")")
    # shellcheck disable=SC2046  # one word an id
    peers=$(docker inspect --format '{{$me := .}}{{$mark := "'"$line_mark"'"}}{{range .NetworkSettings.Networks}}{{if .IPAddress}}{{$mark}}{{.IPAddress}}	{{$me.ID}}	{{$me.Name}}	{{index $me.Config.Labels "com.docker.compose.project"}}	{{index $me.Config.Labels "com.docker.compose.service"}}{{println}}{{if .GlobalIPv6Address}}{{$mark}}{{.GlobalIPv6Address}}	{{$me.ID}}	{{$me.Name}}	{{index $me.Config.Labels "com.docker.compose.project"}}	{{index $me.Config.Labels "com.docker.compose.service"}}{{println}}{{end}}{{$mark}}{{.Gateway}}	host{{println}}{{end}}{{end}}' \
        $(docker ps -q --no-trunc) | marked)
    ours=$(containers | cut -d ' ' -f 1) clients=$(host_clients "$rows" "$peers")
    printf '%s\n' "$rows" | OURS=$ours PEERS=$peers HOST_CLIENTS=$clients REFUSED=${refused:-} name_holders
}

# Reads processes of a server and prints of each session ADDRESS ROLE APPLICATION STATE SECONDS, tab-separated.
sessions_of_titles() {
    awk '$3 == "postgres:" {
        for (i = 6; i <= NF && i <= 9; i++) if ($i == "[local]" || $i ~ /\([0-9]+\)$/) {
            address = $i; role = $(i - 2); state = ""
            for (k = i + 1; k <= NF; k++) state = state (state == "" ? "" : " ") $k
            sub(/\([0-9]+\)$/, "", address)
            if (role == "walsender") break
            if (address == "[local]") address = "local"
            if (state ~ /^idle in transaction/) state = "idle in transaction"
            else if (state != "idle") state = "active"
            printf "%s\t%s\t\t%s\t%s\n", address, role, state, $2
            break
        }
    }'
}

# The same as far as the connections of a process tell it: addresses only. Usage: sessions_of_network PID
sessions_of_network() {
    awk '
        function byte(hex) { return (index("0123456789ABCDEF", substr(hex, 1, 1)) - 1) * 16 + index("0123456789ABCDEF", substr(hex, 2, 1)) - 1 }
        $4 == "01" && $2 ~ /:1538$/ {
            split($3, peer, ":")
            last = substr(peer[1], length(peer[1]) - 7)
            printf "%d.%d.%d.%d\t\t\t\t\n", byte(substr(last, 7, 2)), byte(substr(last, 5, 2)), byte(substr(last, 3, 2)), byte(substr(last, 1, 2))
        }' "/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2>/dev/null
}

# Names the programs of this host that have a connection to a database server, if sessions come from it.
# Usage: host_clients ROWS PEERS
host_clients() {
    gateways=$(printf '%s\n' "$2" | sed -n 's/	host$//p' | sort -u)
    printf '%s\n' "$1" | cut -f 1 | grep -qxF "$gateways" || return 0
    port=$(docker port "$id" 5432 2>/dev/null | sed -n 's/.*://p' | head -n 1)
    (as_root ss -Htnp state established "( dport = :${port:-5432} or dport = :5432 )") 2>/dev/null |
        sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1, process \2/p' | grep -v '^docker-proxy' | sort | uniq -c | sort -rn |
        awk 'NR <= 3 { sub(/^ *[0-9]+ /, ""); printf "%s%s", (NR > 1 ? "; " : ""), $0 }'
}

# Reads sessions and prints their holders, as session_holders does.
# In: OURS (ids), PEERS (ADDRESS ID NAME PROJECT SERVICE, or ADDRESS host), HOST_CLIENTS, REFUSED (why the
#     server tells nothing itself)
name_holders() {
    awk -F '\t' '
        function quoted(text) { gsub(/[\\"]/, "\\\\&", text); gsub(/[\001-\037]/, " ", text); return "\"" text "\"" }
        function age(s) { return s >= 7200 ? int(s / 3600) " h" : s >= 120 ? int(s / 60) " min" : s + 0 " s" }
        function name(address,   who) {
            if (address == "local") return "the database'\''s own container"
            if (address in host) return "this host, or who comes through it" (ENVIRON["HOST_CLIENTS"] == "" ? "" : " (" ENVIRON["HOST_CLIENTS"] ")")
            if (!(address in id)) return address ", no container here"
            who = "container " title[address]
            if (id[address] in ours) return (service[address] == ENVIRON["STACK_BACKEND"] ? "the API'\''s " : "") who
            return who (project[address] == "" ? ", of no project" : " of project " project[address])
        }
        function states(key,   text) {
            if (n[key, "idle"]) text = n[key, "idle"] " idle"
            if (n[key, "idle in transaction"]) text = text (text == "" ? "" : ", ") n[key, "idle in transaction"] " idle in transaction"
            if (n[key, "active"]) text = text (text == "" ? "" : ", ") n[key, "active"] " active"
            return text == "" ? count[key] : text
        }
        BEGIN {
            lines = split(ENVIRON["OURS"], line, "\n")
            for (l = 1; l <= lines; l++) ours[line[l]]
            lines = split(ENVIRON["PEERS"], line, "\n")
            for (l = 1; l <= lines; l++) {
                if (split(line[l], field, "\t") == 2) { host[field[1]]; continue }
                id[field[1]] = field[2]; title[field[1]] = substr(field[3], 2); project[field[1]] = field[4]; service[field[1]] = field[5]
            }
            for (address in id) delete host[address]
        }
        NF {
            total++; key = name($1); count[key]++; n[key, $4]++
            if ($1 in id && id[$1] in ours) { serves[key] = service[$1]; is[key] = id[$1] }
            as = $2 ($2 == "" || $3 == "" ? "" : ", ") $3
            if (as != "" && index(";" roles[key] ";", ";" as ";") == 0) roles[key] = roles[key] (roles[key] == "" ? "" : ";") as
            if ($5 + 0 > oldest[key]) oldest[key] = $5 + 0
        }
        END {
            if (!total) exit
            for (rank = 1; rank <= 5; rank++) {
                best = ""
                for (key in count) if (best == "" || count[key] > count[best]) best = key
                if (best == "") break
                as = roles[best]; gsub(/;/, "; ", as)
                words = states(best) " of " best (as == "" ? "" : " (" as ")") (oldest[best] ? ", oldest " age(oldest[best]) : "")
                object = "\"service\": " quoted(serves[best]) ", \"container\": " quoted(is[best]) ", \"who\": " quoted(best) ", \"sessions\": " count[best] ", \"half\": " (count[best] * 2 >= total ? "true" : "false")
                if (rank == 1) { first = object; told = total " sessions: " words } else told = told "; " words
                list = list (list == "" ? "" : ", ") "{" object ", \"words\": " quoted(words) "}"
                delete count[best]
            }
            print first; print "[" list "]"
            print (ENVIRON["REFUSED"] == "" ? "" : ENVIRON["REFUSED"] ": ") told >"/dev/stderr"
        }'
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
    *) printf '%s\n' "$said" | grep -m 1 'ERROR' | tee /dev/stderr | grep . || return 0 ;;
    esac
    restore_hint
}

# Says how a backup would be restored, where that was not asked for.
restore_hint() {
    [ "$DATABASE_READ_ALL" -ne 0 ] ||
        echo "to restore the newest proven backup: -e database_connection_failures_restore_from=newest --allow data" >&2
}

# Ends sessions of the application that stayed idle in transaction too long, the oldest first;
# prints one line for each. Usage: end_stale_sessions SECONDS AT_MOST
end_stale_sessions() {
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

# Cancels the statements of clients that have run too long and wait for no lock, the oldest first;
# prints one line for each. Usage: cancel_long_statements SECONDS AT_MOST
cancel_long_statements() {
    database_query "
        SELECT 'cancelled the statement of session ' || pid || ' (' || usename || '), which ran for '
               || round(extract(epoch FROM now() - query_start)) || ' s'
        FROM (SELECT pid, usename, query_start FROM pg_stat_activity
              WHERE backend_type = 'client backend' AND datname = current_database()
                AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Lock'
                AND query_start < now() - interval '$1 seconds' AND pid <> pg_backend_pid()
              ORDER BY query_start LIMIT $2) AS long
        WHERE pg_cancel_backend(pid)"
}

# Restarts the container that holds half of all sessions or more: that lets them go without a word to
# the server's own processes. One that is not this project's, or would lose something by it, is left alone.
# Usage: restart_holder SECONDS, which it gets to serve again
restart_holder() {
    held=$(session_holders) || exit
    service=${held#'"service": "'} id=${held#*'"container": "'} count=${held#*'"sessions": '}
    service=${service%%'"'*} id=${id%%'"'*}
    case $service,$held in
    ,* | "$STACK_DATABASE",* | "$STACK_BLOCKCHAIN",*) unknown "no service of this project that may be restarted holds the sessions" ;;
    *'"half": true'"$newline"*) ;;
    *) unknown "no service holds half of the sessions any more" ;;
    esac
    holder=$id left=0
    addresses=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$holder")
    docker restart "$holder" >/dev/null || exit
    restarted=$(date +%s)
    echo "restarted $service"
    echo "it held ${count%%,*} sessions"
    wait_for "$service" "$1" serves_or_is_kept_out "$service" || exit
    [ "$left" -eq 0 ] || echo "ended $left sessions that it left behind"
    serves "$service" >/dev/null 2>&1 || {
        echo "its sessions are still there: their statements run on, though nobody waits for them" >&2
        exit 1
    }
}

# Whether a service that was restarted serves again, or what it left in the database keeps it out: ten seconds later
# the server has no session for anybody yet. Where one can be had, it ends what was left. Usage:
# serves_or_is_kept_out SERVICE; reads holder, its addresses from before and when it was restarted, and counts left
serves_or_is_kept_out() {
    ! serves "$1" || return 0
    started=$(docker inspect --format '{{.State.StartedAt}}' "$holder") || return 1
    said=$(database_query "
        SELECT pid FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND backend_start < '$started'
          AND client_addr = ANY (string_to_array(trim('$addresses'), ' ')::inet[]) AND pg_terminate_backend(pid)" 2>&1)
    case $?,$said in
    0,*) left=$((left + $(printf '%s' "$said" | grep -c .))) ;;
    *"too many c"* | *"remaining connection slots"*) [ "$(date +%s)" -lt "$((restarted + 10))" ] || return 0 ;;
    esac
    return 1
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
    case $how in cancel) which="state = 'active'" done='cancelled the statement of' ;; *) which=true done=ended ;; esac
    database_query "
        WITH waiting AS (SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'),
        blocker AS ($blocking)
        SELECT '$done session ' || pid || ' (' || application_name || '), ' || state
               || ', in its transaction for ' || round(extract(epoch FROM now() - xact_start)) || ' s'
        FROM (SELECT * FROM pg_stat_activity JOIN blocker USING (pid)
              WHERE backend_type = 'client backend' AND datname = current_database()
                AND xact_start < now() - interval '$seconds seconds' AND pid <> pg_backend_pid()
                AND application_name NOT IN ('runbook'$spared) AND $which
              ORDER BY xact_start LIMIT $at_most) AS blocking
        WHERE pg_${how}_backend(pid)"
}

# Waits until nobody keeps a lock that others need, or the oldest transaction that does is SECONDS old.
# Usage: wait_for_lock SECONDS
wait_for_lock() {
    wait_until "$(($1 + 10))" lock_is_free_or_old "$1"
}

# Usage: lock_is_free_or_old SECONDS
lock_is_free_or_old() {
    age=$(database_query "
        WITH waiting AS (SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'),
        blocker AS ($blocking)
        SELECT floor(extract(epoch FROM max(now() - xact_start))) FROM pg_stat_activity JOIN blocker USING (pid)") || return
    [ -z "$age" ] || [ "$age" -gt "$1" ]
}

# Creates an index without locking its table against writers, unless there is one like it. An
# INVALID leftover of that name is removed first; one of our own that fails is not left behind.
# Usage: create_index SECONDS NAME TABLE COLUMN…
create_index() {
    seconds=$1 index=$2 table=$3
    shift 3
    columns='' names=''
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
