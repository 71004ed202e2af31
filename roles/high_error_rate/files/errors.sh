# shellcheck shell=sh
# Shell functions about the errors that the API logs, on top of stack.sh.
#
# In: ERRORS_AWK, the program in errors.awk; STACK_BACKEND; ERRORS_WINDOW_SECONDS, ERRORS_MINIMUM,
#     ERRORS_MINIMUM_REQUESTS, ERRORS_FRESH_SECONDS, ERRORS_ACCESS_LOG, ERRORS_IGNORE,
#     ERRORS_ROLL_BACK_TO: the inputs of high_error_rate

# Prints what the API logged as errors, as one JSON object:
#   lines, errors    read of the window, but nothing from before our last change; and of them real
#                    errors: answers to wrong requests (401, 404, validation) are none, nor is the
#                    shadow of another error; those of the cache, which the API works without, are
#                    cache_errors
#   requests, failed counted requests, and of them 5xx; percent: their share, null for too few
#   source           which of the two decides, in words; of that one
#   faults, quiet_seconds (since the newest)
#   seconds, failing_seconds, per_minute  of the newest row of faults without a pause of 30 s: since its
#                    first, in how many seconds there were any, and their rate
#   schema_errors    those of a column, table or function that is not there: one is proof enough
#   parts            what the errors point to: application, blockchain, database
# and with at least ERRORS_MINIMUM faults, or one of the schema, also
#   kinds, routes    the most frequent errors (kind, part, where, count, example, SQLSTATE, whether a
#                    restart may help), failing requests
#   advice           what the most frequent one means, if it is the database's
#   restart_may_help whether a new process could end most of them: not a missing column, say
#   onset            since when, in words; first_seconds: the same in seconds
#   after_start_seconds  from the start of the API's process to its first fault
#   previous_image   to roll back to; null when none was asked for, or the engine has none
backend_errors() {
    # A service without a container logs nothing.
    id=$(container "$STACK_BACKEND") || [ $? -eq 1 ] || exit 69
    NOW=$(date +%s)
    SINCE=$((NOW - ERRORS_WINDOW_SECONDS))
    change=$(last_change)
    [ "$change" -le "$SINCE" ] || SINCE=$change
    export NOW SINCE LINES
    found=$(count_since "$SINCE" 5000 500 50 5) || exit 69
    case $found in
    0*) printf '%s\n' "${found#*
}"; return ;;
    "1 bare"*) fields=$(texts_of "$id") ;;
    esac
    # shellcheck disable=SC2046  # words
    set -- $(docker inspect --format '{{.Created}} {{.State.StartedAt}} {{.Image}}' "$id")
    export DETAILS=1 CREATED="$1" STARTED="$2" IMAGE PREVIOUS=
    IMAGE=$(docker image inspect --format '{{.Created}}' "$3")
    [ -z "$ERRORS_ROLL_BACK_TO" ] || PREVIOUS=$(previous_image "$id" "$ERRORS_ROLL_BACK_TO")
    found=$(count_since "$((NOW - 86400))" 50000 5000 500 50 5) || exit 69
    printf '%s\n' "$found" | without_secrets "$id" | {
        read -r summary
        echo "$summary" >&2
        cat
    }
}

# Prints how many errors a minute the API logs, as the last minute shows it. Usage: errors_now CONTAINER
errors_now() {
    id=$1 NOW=$(date +%s)
    SINCE=$((NOW - 60))
    export NOW SINCE LINES
    log_of() { log_now "$@"; }
    found=$(count_since "$SINCE" 500 50) || exit
    found=${found#*'"per_minute":'}
    echo "${found%%[!0-9.]*}"
}

# Counts what was logged since then, in the first of these numbers of lines that can be read: one torn by
# a full disk ends every reading that meets it. Usage: count_since SINCE LINES…
count_since() {
    begin=$1
    shift
    for LINES; do
        ! logs "$begin" | count_errors || return 0
    done
    return 69
}

# Prints the end of the JSON log in the API's container, which has the texts that its console lacks;
# nothing where there is none. Usage: texts_of ID
texts_of() {
    docker exec "$1" timeout 3 tail -c 131072 logs/error.log 2>/dev/null
}

# Both streams of a container's log, each line with its time. Usage: log_of ID SINCE
log_of() {
    docker logs --timestamps --since "$2" --tail "$LINES" "$1" 2>&1
}

# The API's log, before it between marks the texts that its lines lack if they were asked for, and
# behind a mark the log of requests if one is named. Usage: logs SINCE
logs() {
    [ -z "${fields:-}" ] || printf '#fields\n%s\n#log\n' "$fields"
    [ -z "$id" ] || log_of "$id" "$1" || echo "#failed the API's log cannot be read"
    [ -n "$ERRORS_ACCESS_LOG" ] || return 0
    echo "#requests"
    case $ERRORS_ACCESS_LOG in
    service:*) id=$(container "${ERRORS_ACCESS_LOG#service:}") && log_of "$id" "$1" ;;
    *)
        if [ -r "$ERRORS_ACCESS_LOG" ]; then
            tail -n "$LINES" "$ERRORS_ACCESS_LOG"
        else
            as_root tail -n "$LINES" "$ERRORS_ACCESS_LOG"
        fi
        ;;
    esac || echo "#failed $ERRORS_ACCESS_LOG cannot be read: set high_error_rate_access_log"
}

# Reads logs. A line begins with the time the engine gave it, else it has one of its own. Understood
# are winston's console (TIME LEVEL: MESSAGE, coloured or not, with a stack below), JSON (level,
# message, stack), what Node.js itself prints when it dies, or by console.log of an error, several lines
# with the code of the database's; and as requests the formats common, combined, and morgan's dev, short
# and tiny, in any of those or alone. Prints what errors.awk says there.
count_errors() {
    # Some awk stop at a NUL.
    tr -d '\000' | WRONG_REQUESTS=$wrong_requests awk "$ERRORS_AWK"
}

# Prints the id of the image to roll a container back to: the one WANTED names, or for "previous" the
# newest that is older than the container's, starts the same way, is of the same repository or has lost
# its tag, and was built for the same service of the same project as the container's, as far as compose
# built either. Once rolled back, there is nothing further to roll back to.
# Usage: previous_image CONTAINER WANTED
previous_image() {
    # shellcheck disable=SC2046  # one word each
    set -- "$2" $(docker inspect --format '{{.Image}} {{.Config.Image}}' "$1")
    if [ "$1" != previous ]; then
        docker image inspect --format '{{.Id}}' "$1" | grep -vxF "$2"
        return
    fi
    # shellcheck disable=SC2046  # one word each
    docker image inspect --format \
        "$line_mark"'{{.Id}}{{"\t"}}{{.Created}}{{"\t"}}{{json .Config.Entrypoint}} {{json .Config.Cmd}} {{.Config.WorkingDir}} {{json .Config.ExposedPorts}}{{"\t"}}{{range .RepoTags}}{{.}} {{end}}{{range .RepoDigests}}{{.}} {{end}}{{"\t"}}{{with .Config.Labels}}{{index . "com.docker.compose.project"}}/{{index . "com.docker.compose.service"}}{{else}}/{{end}}' \
        $(docker images -a -q --no-trunc | sort -u) | marked |
        CURRENT=$2 REPOSITORY=$(repository "$3") awk -F '\t' '
            { gsub(/\[\]/, "null", $3); id[NR] = $1; made[NR] = $2; shape[NR] = $3; names[NR] = " " $4; built[NR] = $5; if ($1 == ENVIRON["CURRENT"]) now = NR }
            END {
                mine = " " ENVIRON["REPOSITORY"]
                for (i = 1; i <= NR; i++) {
                    if (index(names[i], mine ":rolled-back-") && made[i] > made[now]) exit
                    if (made[i] < made[now] && shape[i] == shape[now] && made[i] > made[best] && built[i] == built[now] \
                        && (names[i] == " " || index(names[i], mine ":") || index(names[i], mine "@"))) best = i
                }
                if (best) print id[best]
            }'
}

# The name of an image without tag and digest.
repository() { echo "$1" | sed 's|@.*||; s|:[^:/]*$||'; }

# Gives a service's image name to another image, and makes its container anew from that. The image it
# had keeps a name. Usage: roll_back SERVICE IMAGE
roll_back() {
    id=$(container "$1") || exit
    name=$(docker inspect --format '{{.Config.Image}}' "$id")
    case $name in
    sha256:* | *@*) unknown "$1 is pinned to $name: change the compose file" ;;
    esac
    need_same "$1"
    kept=$(repository "$name"):rolled-back-$(date -u +%Y%m%d-%H%M%S)
    docker tag "$(docker inspect --format '{{.Image}}' "$id")" "$kept" &&
        docker tag "$2" "$name" && recreate "$1" >&2 &&
        echo "$1 runs the image $2 again; the one it had is kept as $kept"
}

# Waits until the API answers; what it logged before counts no more. Usage: forget_errors SECONDS
forget_errors() {
    wait_until "$1" answers && note_change
}
# Whether the API answers at its health path that it is well.
answers() { is_well "$(http 3 "$STACK_BACKEND_URL$STACK_HEALTH_PATH")"; }
