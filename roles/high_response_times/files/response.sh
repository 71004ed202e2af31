# shellcheck shell=sh
# Shell functions about response times, of the API and of the host below it; on top of stack.sh.
#
# In: STACK_BACKEND, STACK_BACKEND_URL; RESPONSE_FIGURES_AWK, the text of figures.awk

# Times GET requests of the API, REQUESTS of each route and all at once: one after the other, the
# requests after a long one would meet an API that has just caught up. Slow answers are asked for once
# more, and only the second time counts: a moment is no incident. Prints one JSON object:
#   requests, answered, late (no answer within SECONDS), refused (those say nothing about slowness)
#   p50_ms, p95_ms     of those answered or late; null without any
#   slowest            the route
#   cpu_pressure, io_pressure, memory_pressure   percent of the last ten seconds in which some work
#                      (cpu) or all of it (io, memory) stood still; null where the kernel does not say
#   steal_percent      of the processors' time meanwhile, taken by the host below
#   throttled          service -> percent of its scheduler periods meanwhile in which its limit was met
#   replicas, scaling  only above LIMIT ms: containers of the API, and why it cannot have more
# Usage: response_times REQUESTS SECONDS LIMIT ROUTE…
response_times() {
    requests=$1 seconds=$2 limit=$3
    shift 3
    before=$(processors; throttling)
    figures=$(time_requests "$@" | response_figures)
    case $figures in
    *'"answered":0,'*) ;;
    *'"slow":true'*) figures=$(time_requests "$@" | response_figures) ;;
    esac
    case $figures in
    *'"slow":true'*)
        figures="${figures%\}},\"replicas\":$(containers | grep -c "^[^ ]* $STACK_BACKEND "),"
        # A compose file that cannot be read says why instead; warnings about it say nothing.
        apart not_scalable "$STACK_BACKEND" || answer=$(reason_in "$complaint")
        # shellcheck disable=SC1003  # a backslash is meant
        figures="$figures\"scaling\":\"$(printf '%s' "$answer" | tr -d '"\\' | paste -s -d , -)\"}"
        ;;
    esac
    printf '%s\n' "$figures"
}

# A line for each request: seconds, status code, route. On a port that others hold, none is made: the API
# is not there.
time_requests() {
    reach "$STACK_BACKEND_URL"
    if ! (need_own_port "$STACK_BACKEND_URL") 2>/dev/null; then
        for route; do echo "0 000 $STACK_BACKEND_URL$route"; done
    elif command -v curl >/dev/null; then
        for route; do
            shift
            number=0
            while [ "$number" -lt "$requests" ]; do
                set -- "$@" -o /dev/null "$reached$route"
                number=$((number + 1))
            done
        done
        set -- -s -K - --noproxy '*' -m "$seconds" -w '%{time_total} %{http_code} %{url_effective}\n' "$@"
        words=$(request_words "$STACK_BACKEND_URL")
        printf '%s\n' "$words" | curl --parallel --parallel-max 100 "$@"
        # Before 7.66 it does not know --parallel: then what it gets done in time, one by one.
        [ $? -ne 2 ] || printf '%s\n' "$words" | timeout "$seconds" curl "$@"
    else
        for route; do
            read -r start _ </proc/uptime
            code=$(http "$seconds" "$STACK_BACKEND_URL$route" 2>/dev/null) || unknown "neither curl nor wget on this host"
            read -r end _ </proc/uptime
            echo "$start $end $code $STACK_BACKEND_URL$route" | awk '{ print $2 - $1, $3, $4 }'
        done
    fi
}

# Prints the machine's time so far, as the kernel counts it.
processors() {
    read -r line </proc/stat
    echo "$line"
}

# A line for each container whose processor time is limited: how often the limit could have been met
# since its start, and was.
throttling() {
    containers 2>/dev/null | while read -r id service _; do
        find_processor_time "$id" && echo "throttling $service ${periods:-0} ${met:-0}"
    done
}

# Prints what share of the last ten seconds some work stood still for: pressure cpu|io|memory some|full PERCENT.
pressure() {
    for kind in cpu io memory; do
        while read -r share average _; do
            echo "pressure $kind $share ${average#avg10=}"
        done <"/proc/pressure/$kind"
    done 2>/dev/null
}

# Reads times of answers and prints them in figures, with what became of the machine meanwhile, as JSON.
response_figures() {
    times=$(cat)
    printf '%s\n' "before" "$before" "after" "$(processors; throttling; pressure)" "times" "$times" |
        awk -v limit="$limit" -v deadline="$seconds" -v url="$STACK_BACKEND_URL" "$RESPONSE_FIGURES_AWK"
}

# Prints what in the compose file keeps a service from running more than once; nothing when nothing does.
not_scalable() {
    configuration=$(compose config) || return
    printf '%s\n' "$configuration" | awk -v service="$1:" '
        /^[^ ]/ { section = $1 }
        /^  [^ ]/ { name = $1; list = "" }
        section == "services:" && name == service {
            if (/^    [^ -]/) list = $1
            if ($1 == "container_name:") print "container_name " $2 " is fixed"
            sub(/^ *- /, ""); gsub(/"/, "")
            if (list == "ports:" && ($1 == "published:" && $2 !~ /-/ || /^([0-9.]+:)?[0-9]+:/)) {
                split($1, port, ":")
                print "host port " ($1 == "published:" ? $2 : port[1]) " is fixed"
            }
        }' | sort -u
}
