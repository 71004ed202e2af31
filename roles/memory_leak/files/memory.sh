# shellcheck shell=sh
# Shell functions about memory, on top of stack.sh. What a container holds is read from its control
# group's files, version 1 or 2: that costs no process, and works while Docker hangs.
#
# In: MEMORY_SAMPLES_AWK, MEMORY_AWK, MEMORY_OVERRIDE_AWK: the texts of samples.awk, memory.awk and override.awk

# Lists the stack's containers: ID SERVICE DIRECTORY STATUS… a line, with the directory of the control
# group, or "-" for a container that does not run.
memory_groups() {
    containers | while IFS='	' read -r line _; do
        # shellcheck disable=SC2086  # words: id, service, project, status…
        set -- $line
        [ $# -ge 4 ] || continue
        id=$1 service=$2
        shift 3
        directory=$(control_group "$id")
        echo "$id $service ${directory:--} $*"
    done
}

# Prints what the groups of its input hold, and whether to look for kills: a line for the host
#   host TOTAL AVAILABLE SWAP_TOTAL SWAP_FREE
# and one a container, with the growth a minute over the window, or "-" when it does not grow
#   SERVICE ID UP USED WORKING_SET UNRECLAIMABLE LIMIT SWAP OOM_KILLS GROWTH PROCESSES PROCESS_LIMIT SUSPECT
# in bytes; a limit is 0 without one, threads are processes. SUSPECT is 1 for a container that was started
# lately, 2 for one that was killed or had a process killed. It grows when, from the lowest reading on
# (a heap that was just collected starts there), the lowest of each fifth is well above that of the
# fifth before: a busy heap goes up and down, a cache that warms up becomes slower, a leak does neither.
# A leaking heap is collected too: a single fall in the whole window may take a fifth's growth back. After
# one of half of all that was seen, a window tells nothing: it watches for as long again, and judges that.
# Usage: memory_samples WINDOW RECENT GROWTH_MIB
memory_samples() {
    awk -v window="$1" -v recent="$2" -v growth_mib="$3" "$MEMORY_SAMPLES_AWK"
}

# Prints the percentage of the host's memory that is in use.
host_now() {
    awk '/^MemTotal:/ { total = $2 } /^MemAvailable:/ { printf "%.1f\n", 100 - 100 * $2 / total }' /proc/meminfo
}

# Prints of containers the one that is nearest to its own limit: the percentage of it that cannot be taken back.
# Usage: fullest_now CONTAINER…
fullest_now() {
    for id; do
        find_control_group "$id"
        [ -z "$group" ] || echo "$id $id $group Up 9 hours"
    done | memory_samples 0 0 0 | awk '
        $1 != "host" { known = 1; if ($7 > 0 && 100 * $6 / $7 > most) most = 100 * $6 / $7 }
        END { if (known) printf "%.1f\n", most }'
}

# Prints when a process was ended lately for want of memory: ID SECONDS_SINCE_THE_EPOCH SOURCE a line.
# No source tells all: Docker forgets after 256 events, a container's flag is reset at its start, and
# the kernel's log, which knows killed children too, needs root. Usage: memory_kills SINCE NOW
memory_kills() {
    # shellcheck disable=SC2046  # words: a filter for each container
    events=$(docker events --since "$1" --until "$2" --filter event=oom --filter event=die \
        --format '{{.Action}} {{.Actor.ID}} {{.Time}} {{.Actor.Attributes.exitCode}}' \
        $(containers | awk '{ print "--filter container=" $1 }'))
    printf '%s\n' "$events" | awk '$1 == "oom" { print $2, $3, "docker" }'
    # A heap with a limit of its own, like that of Node.js, ends its process itself, and says why.
    printf '%s\n' "$events" | awk '$1 == "die" && $4 !~ /^(0|137|143)$/ && !seen[$2]++ { print $2, $3 }' |
        while read -r id time; do
            docker logs --since "$1" "$id" 2>&1 | grep 'heap out of memory' | sed "s/.*/$id $time heap/"
        done
    { as_root dmesg || journalctl -k -o short-monotonic; } 2>/dev/null | awk -v since="$1" -v now="$2" '
        BEGIN { getline < "/proc/uptime"; uptime = $1 }
        /oom-kill:/ && match($0, /task_memcg=[^,]*/) {
            group = substr($0, RSTART + 11, RLENGTH - 11)
            sub(/\.scope.*/, "", group)
            sub(/^\[ */, "")
            if (now - uptime + $1 >= since)
                printf "%s %d kernel\n", substr(group, length(group) - 63), now - uptime + $1
        }'
}

# Prints the memory of the containers, by part, and of the host as one JSON object, in MiB:
#   working_set    in use, less the file cache that was not used lately
#   unreclaimable  in use, less all file cache: what the kernel cannot take back
#   limit          the container's own, and percent of it; null without one
#   growth         MiB a minute over the window, null when it does not grow or was not watched;
#                  minutes until the limit, or until the host is full, at that rate
#   kills          recent ones; kills_since_start are those that the kernel counts
#   trouble        why this container matters: full, growing, killed, down, host
# and over all: cramped (parts that can start no more processes, and cramped_why), affected (parts), and the
# services that a rung may act upon (restart, chain, widen);
# what is wrong is told on standard error as well.
# Usage: memory_state WINDOW RECENT GROWTH_MIB LIMIT_PERCENT HOST_PERCENT MINUTES WANTED_LIMIT
memory_state() {
    samples=$(memory_groups | memory_samples "$1" "$2" "$3") || exit
    [ -n "$samples" ] || unknown "nothing known of the containers"
    kills='' restarts=''
    case "$samples
" in
    *" "[12]"
"*)
        # shellcheck disable=SC2046  # one word an id
        restarts=$(docker inspect --format '{{.Id}} {{.RestartCount}} {{.State.OOMKilled}}' \
            $(containers | cut -d ' ' -f 1))
        ;;
    esac
    case "$samples
,$restarts" in
    *" 2
"* | *,*" "[1-9]*)
        now=$(date +%s) since=$(last_change)
        [ "$since" -gt $((now - $2)) ] || since=$((now - $2))
        kills=$(memory_kills "$since" "$now" 2>/dev/null)
        ;;
    esac
    state=$(printf '%s\n' "$samples" | KILLS=$kills RESTARTS=$restarts awk -v full="$4" -v host_full="$5" -v soon="$6" \
        -v wanted="$(bytes "${7:-0}")" "$MEMORY_AWK") || exit
    widen=${state##*\"widen\":[}
    widen=$(echo "${widen%%]*}" | tr -d '"' | tr , ' ')
    # shellcheck disable=SC2086  # one word a service
    change=$([ -z "$widen" ] || memory_override_change "$7" $widen)
    printf '%s,"override":"%s"}\n' "$state" "$(printf '%s' "$change" | awk '{ printf "%s\\n", $0 }')"
}

memory_override_mark='# Memory limits set in an incident (oncall.runbook.memory_leak).'

# Prints the path of the file that compose reads after the compose file, be it there or not.
memory_override_path() {
    path=$(override_file)
    echo "${path:-${compose_file%.y*ml}.override.yml}"
}

# Prints the file as it should be: the limits of these services are set, and all else stays as it is, comments
# too. Usage: memory_override LIMIT SERVICE…
memory_override() {
    memory_limit=$1
    shift
    path=$(memory_override_path)
    if [ -f "$path" ]; then cat "$path"; else printf '%s\nservices:\n' "$memory_override_mark"; fi |
        awk -v limit="$memory_limit" -v new=" $* " "$MEMORY_OVERRIDE_AWK"
}

# Prints what would change in it; fails, with the reason, where that is not ours to do. Usage: as memory_override
memory_override_change() {
    know_stack
    chose_itself || { echo "the stack was started from $compose_files: set mem_limit there by hand" >&2; return 1; }
    path=$(memory_override_path) before=/dev/null
    if [ -L "$path" ]; then
        echo "$path is a link to another file: set mem_limit there by hand" >&2
        return 1
    elif [ -e "$path" ]; then
        before=$path
        [ -f "$path" ] && [ "$(head -n 1 "$path")" = "$memory_override_mark" ] || {
            echo "$path is not ours: set mem_limit there by hand" >&2
            return 1
        }
    fi
    memory_override "$@" | diff -u -L "$path, now" -L "$path, then" "$before" -
    [ $? -le 1 ]
}

# Prints what compose makes of its files, without the memory limits of services. Usage: without_limits SERVICE…
without_limits() {
    configuration=$(compose config) || return
    printf '%s\n' "$configuration" | awk -v services=" $* " '
        /^[^ ]/ { section = $1 }
        /^  [^ ]/ { name = $1; sub(/:$/, "", name) }
        section != "services:" || !index(services, " " name " ") || !/^    mem(swap)?_limit:/'
}

# Limits the memory of running services at once, and in the override file, so that the next `up` agrees;
# all of it or nothing. Usage: limit_memory LIMIT SERVICE…
limit_memory() {
    change=$(memory_override_change "$@") || exit
    limit=$1
    path=$(memory_override_path)
    new=$(mktemp "$path.XXXXXX") || exit
    trap 'rm -f "$new"' EXIT
    if [ -f "$path" ]; then cp -p "$path" "$new"; else chmod 644 "$new"; fi && memory_override "$@" >"$new" || exit
    shift
    was=$(without_limits "$@") && is=$(compose_override=$new without_limits "$@") || exit
    [ "$was" = "$is" ] || unknown "$path is written in a way that only a person can change: set mem_limit there by hand"
    limited=
    for service in "$@"; do
        id=$(container "$service") && old=$(docker inspect --format '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' "$id") &&
            docker update --memory "$limit" --memory-swap "$limit" "$id" >/dev/null ||
            { put_limits_back "$limited"; exit 1; }
        limited="$limited$id $old$newline"
    done
    mv -f -T "$new" "$path" || { put_limits_back "$limited"; exit 1; }
    for service in "$@"; do
        echo "$service: at most $limit of memory, from now on"
        [ "$(state_of "$service")" = running ] || restart "$service"
        wait_for "$service" 30 service_is_well "$service"
    done
    printf '%s\n' "$change"
}

# Gives containers the limits back that they had. Docker knows no way back to none: it is all that the host
# has. Usage: put_limits_back "ID MEMORY SWAP a line"
put_limits_back() {
    all=$(awk '$1 == "MemTotal:" { printf "%.0f", $2 * 1024 }' /proc/meminfo)
    printf '%s' "$1" | while read -r id memory swap; do
        if [ "$memory" = 0 ]; then memory=$all swap=-1; fi
        docker update --memory "$memory" --memory-swap "$swap" "$id" >/dev/null
    done
}

# Tells whether a service is up again, as far as that can be asked of it.
service_is_well() {
    case $1 in
    "$STACK_BACKEND") is_well "$(http 3 "$STACK_BACKEND_URL$STACK_HEALTH_PATH")" ;;
    *) docker inspect --format '{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}' "$(container "$1")" |
        grep -Eq '^running (healthy)?$' ;;
    esac
}

# Restarts services, and starts those that are down, the database in good order; waits until they
# are well, and the API, which may have lost one of them, with them.
# Usage: restart_for_memory STOP_SECONDS START_SECONDS SERVICE…
restart_for_memory() {
    stop_seconds=$1 start_seconds=$2
    shift 2
    for service in "$@"; do
        case $service,$(state_of "$service") in
        "$STACK_DATABASE",running) restart_database "$stop_seconds" "$start_seconds" >/dev/null && echo "restarted $service" ;;
        *,running | *,restarting) restart "$service" ;;
        *) start "$service" ;;
        esac || exit
    done
    for service in "$@" ${STACK_BACKEND:+"$STACK_BACKEND"}; do wait_for "$service" "$start_seconds" service_is_well "$service"; done
}

# Prints 512m and the like in bytes.
bytes() {
    case $1 in
    *[kK]) echo $((${1%?} * 1024)) ;;
    *[mM]) echo $((${1%?} * 1048576)) ;;
    *[gG]) echo $((${1%?} * 1073741824)) ;;
    *) echo "$((${1%[bB]}))" ;;
    esac
}
