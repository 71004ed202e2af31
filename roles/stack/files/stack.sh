# Shell words about the compose stack in $STACK_DIR, for probes and rungs.
#
# In: STACK_DIR; STACK_BACKEND, STACK_FRONTEND, STACK_DATABASE, STACK_BLOCKCHAIN, STACK_CACHE:
#     the compose service that plays each part
# Exit status 69 says "could not be asked", with the reason on standard error.

newline="
"

unknown() {
    echo "$*" >&2
    exit 69
}

[ -d "$STACK_DIR" ] || unknown "no directory $STACK_DIR on this host: set stack_dir"
STACK_DIR=${STACK_DIR%/}
for name in compose.yaml compose.yml docker-compose.yaml docker-compose.yml ""; do
    compose_file=$STACK_DIR/$name
    [ ! -f "$compose_file" ] || break
done
[ -n "$name" ] || unknown "no compose file in $STACK_DIR: set stack_dir"

# Prints the file that compose reads after the compose file, if there is one.
override_file() {
    for name in compose.override.yml compose.override.yaml docker-compose.override.yml docker-compose.override.yaml; do
        [ ! -f "$STACK_DIR/$name" ] || { echo "$STACK_DIR/$name"; return; }
    done
}

# Compose v2, else v1, for the project that runs here: its name and directory, as its containers
# bear them, decide which containers are its own.
compose() {
    project=$(project) || exit
    directory=$STACK_DIR
    if [ -n "$project" ]; then
        directory=$(docker inspect --format '{{index .Config.Labels "com.docker.compose.project.working_dir"}}' \
            "$(containers | awk 'NR == 1 {print $1}')") || exit
        set -- -p "$project" "$@"
    fi
    override=${compose_override:-$(override_file)}
    set -- -f "$compose_file" ${override:+-f "$override"} --project-directory "$directory" "$@"
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    elif command -v docker-compose >/dev/null; then
        docker-compose "$@"
    else
        unknown "neither docker compose nor docker-compose on this host"
    fi
}

# Usage: containers_of DIRECTORY, as compose wrote it into the label: with symbolic links or not.
containers_of() {
    docker ps -a --no-trunc --filter label=com.docker.compose.oneoff=False \
        --filter "label=com.docker.compose.project.working_dir=$1" --format \
        '{{.ID}} {{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.project"}} {{.Status}}	{{.Mounts}}'
}

# Lists the stack's containers by label, never by a guessed name:
# ID SERVICE PROJECT STATUS… <tab> MOUNT,…  a line. A diagnosis learns them once for all its probes, in
# STACK_CONTAINERS; a rung looks anew.
containers() {
    if [ -z "${STACK_CONTAINERS_STATUS:-}" ]; then
        found=$(containers_of "$STACK_DIR") || unknown "docker did not answer"
        physical=$(cd "$STACK_DIR" && pwd -P)
        if [ -z "$found" ] && [ "$physical" != "$STACK_DIR" ]; then
            found=$(containers_of "$physical") || unknown "docker did not answer"
        fi
        [ -z "$found" ] || printf '%s\n' "$found"
    elif [ "$STACK_CONTAINERS_STATUS" -eq 0 ]; then
        [ -z "$STACK_CONTAINERS" ] || printf '%s\n' "$STACK_CONTAINERS"
    else
        unknown "docker did not answer (docker ps: exit status $STACK_CONTAINERS_STATUS)"
    fi
}

# Prints the name of the one project in $STACK_DIR; nothing when it was never started.
project() {
    found=$(containers) || exit
    names=$(printf '%s\n' "$found" | cut -s -d ' ' -f 3 | sort -u)
    [ "$(printf '%s\n' "$names" | wc -l)" -eq 1 ] ||
        unknown "more than one compose project in $STACK_DIR:" $names
    echo "$names"
}

defined() {
    grep -Eq "^[[:space:]]+[\"']?$1[\"']?:[[:space:]]*(#.*)?\$" "$compose_file"
}

# Prints the id of a service's container. Without one: exit status 1 when the compose file has
# the service, else 69.
container() {
    found=$(containers) || exit
    found=$(printf '%s\n' "$found" | awk -v service="$1" '
        $2 == service { id = $1; if (!($3 in seen)) { seen[$3]; projects++ } }
        END { print (projects > 1 ? "several" : id) }')
    case $found in
    several) unknown "service $1 runs in more than one project in $STACK_DIR" ;;
    "")
        defined "$1" || unknown "no service $1 in $compose_file: set stack_services"
        echo "service $1 has no container" >&2
        exit 1
        ;;
    esac
    echo "$found"
}

# Prints the stack as one JSON object, part by part: what decides, and no environment, which
# holds passwords. A service of the compose file without a container is "absent". Containers
# that are not well are named on standard error.
container_states() {
    found=$(containers) || exit
    ids=$(printf '%s\n' "$found" | cut -d ' ' -f 1)
    printf '%s\n' "$found" | cut -f 1 | awk 'NF && ($4 != "Up" || /unhealthy|Paused/) {
        printf "%s%s:", separator, $2; for (i = 4; i <= NF; i++) printf " %s", $i; separator = ", "
    }' >&2
    format='{{index .Config.Labels "com.docker.compose.service"}} {"name":{{json .Name}},"id":{{json .ID}},"image":{{json .Image}},"state":{{json .State.Status}},"exit_code":{{.State.ExitCode}},"oom_killed":{{.State.OOMKilled}},"started":{{json .State.StartedAt}},"restarts":{{.RestartCount}},"health":{{with .State.Health}}{{json .Status}}{{else}}null{{end}},"networks":{{len .NetworkSettings.Networks}}}'
    # shellcheck disable=SC2086  # one word an id
    states=$([ -z "$ids" ] || docker container inspect --format "$format" $ids) || exit
    for service in "$STACK_BACKEND" "$STACK_FRONTEND" "$STACK_DATABASE" "$STACK_BLOCKCHAIN" "$STACK_CACHE"; do
        case "
$states" in
        *"
$service {"*) ;;
        *) ! defined "$service" || states="$states
$service {\"state\":\"absent\",\"networks\":0}" ;;
        esac
    done
    printf '%s\n' "$states" | awk '
        BEGIN {
            part[ENVIRON["STACK_BACKEND"]] = "backend"; part[ENVIRON["STACK_FRONTEND"]] = "frontend"
            part[ENVIRON["STACK_DATABASE"]] = "database"; part[ENVIRON["STACK_CACHE"]] = "cache"
            part[ENVIRON["STACK_BLOCKCHAIN"]] = "blockchain"
            printf "{"
        }
        NF {
            name = $1 in part ? part[$1] : $1
            printf "%s\"%s\":%s", separator, name, substr($0, length($1) + 2); separator = ","
        }
        END { print "}" }'
}

# Fails for a service that is down or has just been restarted by its policy once more. Docker
# itself takes a container for stable that ran for ten seconds.
steady() {
    id=$(container "$1") || exit
    status=$(containers | cut -f 1 | sed -n "s/^$id [^ ]* [^ ]* //p")
    echo "$status"
    case $status in
    "Up Less than a second"* | "Up "[0-9]" second"*)
        restarts=$(docker inspect --format '{{.RestartCount}}' "$id") || exit
        [ "$restarts" -eq 0 ] || { echo "restarted $restarts times, now $status" >&2; exit 1; }
        ;;
    Up*) ;;
    *) echo "$status" >&2; exit 1 ;;
    esac
}

# Runs a command in the container of a service; the deadline also holds in there.
# Usage: inside SERVICE SECONDS COMMAND…
inside() {
    id=$(container "$1") || exit
    seconds=$2
    shift 2
    docker exec "$id" timeout "$seconds" "$@"
}

# Prints the status code of a request, 000 without an answer; the body goes to standard error.
# Usage: http SECONDS URL [JSON]
http() {
    if command -v curl >/dev/null; then
        [ $# -lt 3 ] || set -- "$1" "$2" -H 'Content-Type: application/json' --data-raw "$3"
        seconds=$1 url=$2
        shift 2
        answer=$(curl -sS --noproxy '*' -m "$seconds" -w '\n%{http_code}' "$@" "$url")
        printf '%s' "${answer%
*}" | head -c 500 >&2
        printf '%s\n' "${answer##*
}"
    elif command -v wget >/dev/null; then
        [ $# -lt 3 ] || set -- "$1" "$2" --header 'Content-Type: application/json' --post-data "$3"
        seconds=$1 url=$2
        shift 2
        code=$(timeout "$seconds" wget -S -q -O /dev/null "$@" "$url" 2>&1 |
            sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' | tail -n 1)
        echo "${code:-000}"
    else
        unknown "neither curl nor wget on this host"
    fi
}

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
        figures="$figures\"scaling\":\"$(not_scalable "$STACK_BACKEND" 2>&1 | tr -d '"\\' | paste -s -d , -)\"}"
        ;;
    esac
    printf '%s\n' "$figures"
}

# A line for each request: seconds, status code, route.
time_requests() {
    if command -v curl >/dev/null; then
        for route; do
            shift
            number=0
            while [ "$number" -lt "$requests" ]; do
                set -- "$@" -o /dev/null "$STACK_BACKEND_URL$route"
                number=$((number + 1))
            done
        done
        set -- -s --noproxy '*' -m "$seconds" -w '%{time_total} %{http_code} %{url_effective}\n' "$@"
        curl --parallel --parallel-max 100 "$@"
        # Before 7.66 it does not know --parallel: then what it gets done in time, one by one.
        [ $? -ne 2 ] || timeout "$seconds" curl "$@"
    else
        for route; do
            read -r start _ </proc/uptime
            code=$(http "$seconds" "$STACK_BACKEND_URL$route" 2>/dev/null) || unknown "neither curl nor wget on this host"
            read -r end _ </proc/uptime
            echo "$start $end $code $STACK_BACKEND_URL$route" | awk '{ print $2 - $1, $3, $4 }'
        done
    fi
}

processors() {
    read -r line </proc/stat
    echo "$line"
}

# A line for each container whose processor time is limited: how often the limit could have been met
# since its start, and was. From the files of cgroup v2 and v1, whatever cgroup driver Docker has.
throttling() {
    containers 2>/dev/null | while read -r id service _; do
        for file in /sys/fs/cgroup/*/*"$id"*/cpu.stat /sys/fs/cgroup/cpu/*/*"$id"*/cpu.stat; do
            [ -r "$file" ] || continue
            periods=0 met=0
            while read -r key value; do
                case $key in nr_periods) periods=$value ;; nr_throttled) met=$value ;; esac
            done <"$file"
            echo "throttling $service $periods $met"
            break
        done
    done
}

pressure() {
    for kind in cpu io memory; do
        while read -r share average _; do
            echo "pressure $kind $share ${average#avg10=}"
        done <"/proc/pressure/$kind"
    done 2>/dev/null
}

response_figures() {
    times=$(cat)
    printf '%s\n' "before" "$before" "after" "$(processors; throttling; pressure)" "times" "$times" |
        awk -v limit="$limit" -v deadline="$seconds" -v url="$STACK_BACKEND_URL" '
        /^(before|after|times)$/ { part = $1; next }
        $1 == "cpu" {
            for (i = 2; i <= 9; i++) ticks[part] += $i
            steal[part] = $9
        }
        $1 == "throttling" { periods[part, $2] = $3; met[part, $2] = $4; services[$2] }
        $1 == "pressure" { pressed[$2, $3] = $4 }
        part == "times" && NF == 3 {
            requests++
            if ($2 == "000" && $1 < 0.9 * deadline) { refused++; next }
            if ($2 == "000") late++; else answered++
            for (i = ++count; i > 1 && sorted[i - 1] > $1; i--) sorted[i] = sorted[i - 1]
            sorted[i] = $1
            if ($1 >= longest) { longest = $1; slowest = substr($3, length(url) + 1) }
        }
        function rank(share) { return int(count * share) + (count * share > int(count * share)) }
        function given(value) { return value == "" ? "null" : value }
        END {
            p95 = count ? sprintf("%d", 1000 * sorted[rank(0.95)]) : "null"
            printf "{\"requests\":%d,\"answered\":%d,\"late\":%d,\"refused\":%d", requests, answered, late, refused
            printf ",\"p50_ms\":%s,\"p95_ms\":%s", count ? sprintf("%d", 1000 * sorted[rank(0.5)]) : "null", p95
            printf ",\"slow\":%s,\"slowest\":\"%s\"", (p95 + 0 > limit + 0) ? "true" : "false", slowest
            printf ",\"cpu_pressure\":%s,\"io_pressure\":%s,\"memory_pressure\":%s", given(pressed["cpu", "some"]),
                given(pressed["io", "full"]), given(pressed["memory", "full"])
            passed = ticks["after"] - ticks["before"]
            printf ",\"steal_percent\":%d,\"throttled\":{", (passed > 0) ? 100 * (steal["after"] - steal["before"]) / passed : 0
            for (name in services) {
                passed = periods["after", name] - periods["before", name]
                if (passed > 0) {
                    printf "%s\"%s\":%d", separator, name, 100 * (met["after", name] - met["before", name]) / passed
                    separator = ","
                }
            }
            print "}}"
        }'
}

# Prints what in the compose file keeps a service from running more than once; nothing when nothing does.
not_scalable() {
    compose config | awk -v service="$1:" '
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

# What the cache says of itself, as one JSON object: latency_ms and slow (above LIMIT); answers
# (whether it did at all), used_percent of maxmemory, used_bytes, policy, evicted and hit_percent
# since its start. A slow answer is asked for twice more: the quickest counts. Usage: cache_activity LIMIT
cache_activity() {
    for _ in 1 2 3; do
        figures=$(cache_info | cache_figures "$1") || unknown "the cache could not be asked"
        case $figures in *'"slow":true,"answers":true'*) ;; *) break ;; esac
    done
    printf '%s\n' "$figures"
}

# INFO of the cache, and the seconds that took. Its protocol is lines of text, as that of dict:// is:
# at a published port curl asks for a tenth of what a client in the container costs.
cache_info() {
    answer=$(curl -s --noproxy '*' -m 2 -w '\nseconds:%{time_total}' "dict://${STACK_CACHE_URL#*://}/INFO")
    case $?$answer in
    *used_memory:* | 28*) printf '%s\n' "$answer" ;;
    *)
        read -r start _ </proc/uptime
        inside "$STACK_CACHE" 2 redis-cli INFO || [ $? -eq 124 ] || exit
        read -r end _ </proc/uptime
        echo "between:$start:$end"
        ;;
    esac
}

cache_figures() {
    awk -F : -v limit="$1" '
        { sub(/\r$/, ""); value[$1] = $2 }
        $1 == "between" { value["seconds"] = $3 - $2 }
        END {
            if (value["seconds"] == "") exit 1
            answers = "used_memory" in value
            printf "{\"latency_ms\":%d,\"slow\":%s,\"answers\":%s", 1000 * value["seconds"],
                (1000 * value["seconds"] > limit) ? "true" : "false", answers ? "true" : "false"
            reads = value["keyspace_hits"] + value["keyspace_misses"]
            if (answers)
                printf ",\"used_percent\":%.1f,\"used_bytes\":%.0f,\"policy\":\"%s\",\"evicted\":%.0f,\"hit_percent\":%s",
                    (value["maxmemory"] > 0) ? 100 * value["used_memory"] / value["maxmemory"] : 0,
                    value["used_memory"], value["maxmemory_policy"], value["evicted_keys"],
                    reads ? sprintf("%.1f", 100 * value["keyspace_hits"] / reads) : "null"
            print "}"
        }'
}

# Drops the keys that begin with a PREFIX, and no others, a bounded batch at a time.
# Usage: drop_cache_keys SECONDS PREFIX…
drop_cache_keys() {
    [ $# -gt 1 ] || unknown "no prefixes of cache keys: set high_response_times_cache_prefixes"
    for prefix; do [ -n "$prefix" ] || unknown "an empty prefix is that of every key"; done
    inside "$STACK_CACHE" "$1" sh -c '
        batch="local page = redis.call(\"SCAN\", ARGV[1], \"MATCH\", ARGV[2], \"COUNT\", 2000)
            if #page[2] > 0 then redis.call(\"UNLINK\", unpack(page[2])) end
            return page[1] .. \" \" .. #page[2]"
        end=$(($(date +%s) + $1 - 5))
        shift
        for prefix; do
            pattern=$(printf "%s" "$prefix" | sed "s/[][*?\\\\]/\\\\&/g")\*
            cursor=0 dropped=0
            while set -- $(redis-cli --raw EVAL "$batch" 0 "$cursor" "$pattern") && [ "$#" -eq 2 ]; do
                cursor=$1 dropped=$((dropped + $2))
                [ "$cursor" != 0 ] && [ "$(date +%s)" -lt "$end" ] || break
            done
            echo "dropped $dropped keys $prefix*"
        done' sh "$@"
}

# Prints what looks like trouble in a service's log since it was last started, to standard error:
# the reason beside a failed probe. Usage: complaints SERVICE PATTERN
complaints() {
    id=$(container "$1") || return 0
    # A start by the restart policy is one more try, whose reasons are those of the tries before.
    start=$(docker inspect --format '{{if eq .RestartCount 0}}{{.State.StartedAt}}{{end}}' "$id")
    docker logs --since "${start:-1h}" --tail 30 "$id" 2>&1 | grep -E "$2" | tail -n 3 |
        without_secrets "$id" >&2
}

# Masks in its input what a container's environment holds under the name of a secret: nothing
# else on the way would know such a value for one.
without_secrets() {
    secrets=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$1" |
        grep -iE '^[^=]*(pass|pwd|secret|token|key|credential|url|uri|dsn)[^=]*=' | cut -d = -f 2- |
        sed 'p; s|^.*://[^:/]*:\([^@]*\)@.*$|\1|')
    SECRETS=$secrets awk '
        BEGIN { count = split(ENVIRON["SECRETS"], secret, "\n") }
        {
            for (i = 1; i <= count; i++) {
                if (length(secret[i]) < 6) continue
                rest = $0; $0 = ""
                while (at = index(rest, secret[i])) {
                    $0 = $0 substr(rest, 1, at - 1) "********"
                    rest = substr(rest, at + length(secret[i]))
                }
                $0 = $0 rest
            }
            print
        }'
}

# Runs a command as root, for the little that needs it.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        unknown "needs root: let $(id -un) use sudo without a password, or set ansible_become"
    fi
}

# Prints both streams of a container's log, each line with its time, the newest LINES since SINCE
# (seconds since the epoch). Asked over the engine's socket it costs a third of a docker client; bytes
# of the engine's framing may stand before a time. Usage: container_log ID SINCE LINES
container_log() {
    socket=/var/run/docker.sock
    if [ -z "${DOCKER_HOST:-}" ] && [ -w "$socket" ] && command -v curl >/dev/null; then
        curl -sSf --noproxy '*' --unix-socket "$socket" \
            "http://engine/containers/$1/logs?stdout=1&stderr=1&timestamps=1&since=$2&tail=$3"
    else
        docker logs --timestamps --since "$2" --tail "$3" "$1" 2>&1
    fi
}

# Prints when a run of ours last changed this host, in seconds since the epoch; 0 for never. What
# a log said before that is about a state that is gone.
last_change() {
    stat -c %Y "/dev/shm/runbook-$(printf '%s' "$STACK_DIR" | cksum | cut -d ' ' -f 1).change" 2>/dev/null || echo 0
}

# Prints text so that it can stand in a string of JSON; control codes become blanks.
json_text() {
    printf '%s' "$1" | tr '[:cntrl:]' ' ' | sed 's/[\\"]/\\&/g'
}

# Waits until a command succeeds, asking twice a second. Usage: wait_until SECONDS COMMAND…
wait_until() {
    end=$(($(date +%s) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.5
    done
}

state_of() {
    docker inspect --format '{{.State.Status}}' "$(container "$1")"
}

# Starts what is stopped, continues what is paused, creates what is absent; touches nothing that
# runs.
start() {
    state=$(state_of "$1" 2>/dev/null)
    case $state in
    paused) docker unpause "$(container "$1")" ;;
    exited | created | dead) docker start "$(container "$1")" ;;
    "") compose up -d --no-deps --no-recreate "$1" ;;
    *) return 0 ;;
    esac >/dev/null && echo "started $1, which was ${state:-absent}"
}

restart() {
    id=$(container "$1") || exit
    docker restart "$id" >/dev/null && echo "restarted $1"
}

# Continues the processes of a service that were stopped by a signal; says so if there are any.
resume() {
    id=$(container "$1") || exit
    stopped=$(docker top "$id" -o pid,stat | grep -c '^[0-9]* *T')
    [ "$stopped" -gt 0 ] || { echo "no process is stopped" >&2; return 0; }
    docker exec "$id" sh -c 'kill -s CONT $(ls /proc | grep "^[0-9][0-9]*$")' 2>/dev/null
    docker kill -s CONT "$id" >/dev/null && echo "continued $stopped stopped processes of $1"
}

# A new container with the same volumes, without touching what it depends on.
recreate() {
    compose up -d --no-deps --force-recreate "$1"
}

networks_of() {
    docker inspect --format '{{len .NetworkSettings.Networks}}' "$(container "$1")"
}

# Joins a service that lost its network to the one its neighbours are on, under its own name.
reconnect() {
    [ "$(networks_of "$1")" -eq 0 ] || return 0
    network=$(docker inspect --format '{{range $name, $_ := .NetworkSettings.Networks}}{{println $name}}{{end}}' \
        $(containers | cut -d ' ' -f 1) | sed '/^$/d' | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}')
    [ -n "$network" ] || unknown "no container of this project has a network"
    docker network connect --alias "$1" "$network" "$(container "$1")"
}
