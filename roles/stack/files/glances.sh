# shellcheck shell=sh
# What a look between two diagnoses reads: figures that cost next to nothing, on top of stack.sh.

# Prints an id and the figure that a command prints, or nothing behind it. Usage: glance ID COMMAND…
glance() {
    glanced=$1
    shift
    printf '%s %s\n' "$glanced" "$("$@" 2>/dev/null)"
}

# Prints what the processes of a container call themselves, a line each, and others. Those of a PostgreSQL tell whom
# they serve, and whether that waits. Nothing where nobody may read it. Usage: database_processes CONTAINER
database_processes() {
    find_control_group "$1"
    [ -n "$group" ] || return
    set --
    while read -r pid; do set -- "$@" "/proc/$pid/cmdline"; done <"$group/cgroup.procs"
    [ "$#" -eq 0 ] || cat "$@" 2>/dev/null | tr '\0' '\n'
}

# Prints the percentage of the sessions clients may have that is in use. Usage: sessions_now CONTAINER ALLOWED
sessions_now() {
    database_processes "$1" | awk -v allowed="$2" '
        !/^postgres: / { next }
        / (\[local\]|[^ ]*\([0-9]+\)) / { sessions++ }
        { known = 1 }
        END { if (known && allowed > 0) printf "%.1f\n", 100 * sessions / allowed }'
}

# Prints how many sessions wait for a lock. Usage: waiting_now CONTAINER
waiting_now() {
    database_processes "$1" | awk '
        /^postgres: / { known = 1; if (/ waiting$/) waiting++ }
        END { if (known) print waiting + 0 }'
}

# Prints how many of these containers run no more, or are paused; nothing where none can be seen. Usage:
# down_now CONTAINER…
down_now() {
    seen=0 down=0
    for id; do
        find_control_group "$id"
        if [ -z "$group" ] || is_frozen "$group"; then down=$((down + 1)); fi
        [ -z "$group" ] || seen=1
    done
    [ "$seen" = 0 ] || echo "$down"
}

# Whether a control group stands still, of version 2 or 1. Usage: is_frozen DIRECTORY
is_frozen() {
    frozen=
    for file in "$1/cgroup.freeze" "/sys/fs/cgroup/freezer/${1#/sys/fs/cgroup/memory/}/freezer.state"; do
        [ ! -r "$file" ] || read -r frozen <"$file"
    done
    case $frozen in 1 | FROZEN) ;; *) return 1 ;; esac
}

# Prints the milliseconds after which the API had answered the slowest of these routes, asked once each; 3000 for
# one that does not answer. Headers may be a key: they go to nobody else who holds the port. Usage: answer_now ROUTE…
answer_now() {
    [ -z "$STACK_REQUEST_HEADERS" ] || need_own_port "$STACK_BACKEND_URL"
    reach "$STACK_BACKEND_URL"
    for route; do
        shift
        set -- "$@" -o /dev/null "$reached$route"
    done
    request_words "$STACK_BACKEND_URL" |
        curl -s -K - --noproxy '*' -m 3 -w '%{time_total} %{http_code}\n' "$@" | awk '
            $2 == 0 && $1 < 2.9 { exit }
            $1 > slowest { slowest = $1 }
            { answers++ }
            END { if (answers) printf "%d\n", 1000 * (slowest > 3 ? 3 : slowest) }'
}

# Both streams of a container's log, each line with its time. The engine is asked itself where that can be done: a
# start of docker's client costs more than all other figures together. Usage: log_now CONTAINER SINCE
log_now() {
    socket=/var/run/docker.sock
    if [ -z "${DOCKER_HOST:-}${DOCKER_CONTEXT:-}" ] && [ -w "$socket" ] && command -v curl >/dev/null; then
        curl -sf -m 3 --unix-socket "$socket" \
            "http://docker/containers/$1/logs?stdout=1&stderr=1&timestamps=1&since=$2&tail=${LINES:-500}" | without_frames
    else
        docker logs --timestamps --since "$2" --tail "${LINES:-500}" "$1" 2>&1
    fi
}

# Reads a log as the engine sends it and prints its lines: before each stand up to eight bytes that tell its stream and
# its length, which a line of its own may end.
without_frames() {
    tr -d '\000' | sed -n 's/^.\{0,8\}\([0-9]\{4\}-[0-9][0-9]-[0-9][0-9]T[0-9:.]*Z \)/\1/p'
}
