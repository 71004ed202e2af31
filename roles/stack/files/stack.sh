# shellcheck shell=sh
# Shell functions about the compose stack in $STACK_DIR, for probes and rungs.
#
# In: STACK_DIR; STACK_BACKEND, STACK_FRONTEND, STACK_DATABASE, STACK_BLOCKCHAIN, STACK_CACHE:
#     the compose service that plays each part, empty for a part that the stack does not have;
#     STACK_BACKEND_URL, STACK_HEALTH_STATUSES, STACK_REQUEST_HEADERS: how the API is asked;
#     STACK_SERVICE_URLS: where services that play no part are asked, NAME URL a line;
#     STACK_SERVERS, STACK_DATABASES, STACK_CLIENTS: what programs and images of each kind are called;
#     STACK_CONTAINERS_AWK, STACK_STATES_AWK, STACK_CAUSE_AWK, the texts of containers.awk, states.awk, cause.awk
# Exit status 69 says "could not be asked", with the reason on standard error.

newline="
"

# Ends the word: it could not be asked, and why. Usage: unknown WHY
unknown() {
    echo "$*" >&2
    exit 69
}

# Says that something may not be done here, and why. Usage: refuse WHY
refuse() {
    printf 'refused: %s\n' "$*" >&2
    exit 77
}

# What a label or a path says may be of several lines, which nobody shall take for lines of docker's: what it
# tells of things that are not this stack's begins with a word that only this channel knows.
line_mark=${RUNBOOK_CHANNEL:-}
# Reads lines and prints those that begin with it, without it.
marked() { sed -n "s/^$line_mark//p"; }

STACK_DIR=${STACK_DIR%/}
for name in compose.yaml compose.yml docker-compose.yaml docker-compose.yml ""; do
    compose_file=$STACK_DIR/$name
    [ ! -f "$compose_file" ] || break
done

# Refuses a host that has no stack: before every question, but for those about the host itself.
need_stack() {
    [ -d "$STACK_DIR" ] || unknown "no directory $STACK_DIR on this host: set stack_dir"
    [ -f "$compose_file" ] || unknown "no compose file in $STACK_DIR: set stack_dir"
}

# Prints the file that compose reads after the compose file, if there is one.
override_file() {
    for name in compose.override.yml compose.override.yaml docker-compose.override.yml docker-compose.override.yaml; do
        [ ! -f "$STACK_DIR/$name" ] || { echo "$STACK_DIR/$name"; return; }
    done
}

# Asks Docker once for every container of the engine, and lists those of the stack by label, never by
# a guessed name: ID SERVICE PROJECT STATUS… <tab> MOUNT,… <tab> PORT,… a line; below "-- others" those
# of others that hold a port of this host: NAME <tab> PROJECT <tab> DIRECTORY <tab> STATUS <tab> PORT,…
all_containers() {
    listed=$(docker ps -a --no-trunc --format "$line_mark"'{{.Label "com.docker.compose.oneoff"}}	{{.Label "com.docker.compose.project.working_dir"}}	{{.ID}} {{.Label "com.docker.compose.service"}} {{.Label "com.docker.compose.project"}}	{{.Status}}	{{.Mounts}}	{{.Ports}}	{{.Names}}') ||
        unknown "docker did not answer"
    # The label has the directory with symbolic links, or without.
    printf '%s\n' "$listed" | STACK_PHYSICAL=$(cd "$STACK_DIR" && pwd -P) awk -F '\t' -v mark="$line_mark" "$STACK_CONTAINERS_AWK"
}

# Lists the containers of the stack, as all_containers does. A diagnosis learns them once for all its
# probes, in STACK_CONTAINERS; a rung looks anew.
containers() {
    case ${STACK_CONTAINERS_STATUS:-} in
    "") listed=$(all_containers) || exit ;;
    0) listed=$STACK_CONTAINERS ;;
    *) unknown "docker did not answer (docker ps: exit status $STACK_CONTAINERS_STATUS)" ;;
    esac
    printf '%s' "${listed%%"-- others"*}"
}

# Prints the name of the one project in $STACK_DIR; nothing when it was never started.
project() {
    found=$(containers) || exit
    names=$(printf '%s\n' "$found" | cut -s -d ' ' -f 3 | sort -u)
    # shellcheck disable=SC2086  # lines become words
    [ "$(printf '%s\n' "$names" | wc -l)" -eq 1 ] ||
        unknown "more than one compose project in $STACK_DIR:" $names
    echo "$names"
}

# Whether the compose file has a service. Usage: defined SERVICE
defined() {
    [ -n "$1" ] && grep -Eq "^[[:space:]]+[\"']?$1[\"']?:[[:space:]]*(#.*)?\$" "$compose_file"
}

# Whether a container runs one of those, by the name of its image and the words of its command, as docker inspect
# prints them, in quotes. Usage: runs_one_of "NAME…" IMAGE_AND_WORDS
runs_one_of() {
    kinds=" $1 "
    set -f
    # shellcheck disable=SC2046  # words
    set -- $(printf '%s' "$2" | tr -d '"')
    set +f
    image=${1-} found_kind=1
    image=${image##*/}
    case $kinds in *" ${image%%[:@]*} "*) found_kind=0 ;; esac
    [ "$#" -eq 0 ] || shift
    # What it runs says more than its image. Whoever uses the tools of a chain without being its node serves nobody.
    for word in "$@"; do
        word=${word##*/}
        case $word,$* in hardhat,*"hardhat node"*) ;; hardhat,*) return 1 ;; esac
        case " $STACK_CLIENTS " in *" $word "*) return 1 ;; esac
        case $kinds in *" $word "*) return 0 ;; esac
    done
    return "$found_kind"
}

# Prints the id of a service's container: of several replicas that of one that is up, if one is; an id stands for
# itself. Without one: exit status 1 when the compose file has the service, else 69.
container() {
    [ -n "$1" ] || unknown "this stack has no such part, says stack_services"
    found=$(containers) || exit
    # No here-document: bash before 5.1 writes it to a file, which a full disk has no room for.
    id='' of='' up='' rest=$found
    while [ -n "$rest" ]; do
        line=${rest%%"$newline"*}
        rest=${rest#"$line"} rest=${rest#"$newline"}
        this=${line%% *} line=${line#* }
        case $1 in "$this" | "${line%% *}") ;; *) continue ;; esac
        line=${line#* } project=${line%% *}
        [ "${of:-$project}" = "$project" ] || unknown "service $1 runs in more than one project in $STACK_DIR"
        of=$project
        case ${line#* } in *"(Paused)"*) ;; Up*) id=$this up=yes ;; esac
        [ -n "$up" ] || id=$this
    done
    if [ -z "$id" ]; then
        defined "$1" || unknown "no service $1 in $compose_file: set stack_services"
        echo "service $1 has no container" >&2
        exit 1
    fi
    echo "$id"
}

# For docker inspect: sets $off to the network that a container was made for, runs, and is not on; else to nothing.
# One that shares the network of another container has none of its own.
# shellcheck disable=SC2016  # Go's variables
off_network='{{$made := printf "%s" .HostConfig.NetworkMode}}{{if eq $made "default"}}{{$made = "bridge"}}{{end}}{{$off := ""}}{{if and .State.Running (ne (printf "%.10s" $made) "container:")}}{{$off = $made}}{{range $name, $network := .NetworkSettings.Networks}}{{if or (eq $name $made) (eq $network.NetworkID $made)}}{{$off = ""}}{{end}}{{end}}{{end}}'

# Prints the stack as one JSON object, part by part: what decides, and no environment, which
# holds passwords. A service of the compose file without a container is "absent". Containers
# that are not well are named on standard error. stopped_on_purpose: a command stopped it (asked to
# end, or ended, a process exits with 143 or 137; what Docker would have restarted, with any status),
# paused it, or took it off its network. off_network: of one that runs and is not on the network that it was made
# for, so in words; else nothing. loops: it ends again and again. returned: it ended by itself once or
# twice, and runs again since less than ten seconds, after which Docker itself takes it for stable; in words.
# part: which of the five it plays, alone; else nothing. steady: up, and no end of a loop is near. down: why it does not
# run, in words; empty of one that runs.
# not_looked_into: service and image of a database, cache, queue or web server that plays no part; else nothing.
# Of one that ended by itself, ended says why, and start_may_help whether one more start could end otherwise.
# Of a service's replicas the one that is meant by its name is that of container, others bear their own name behind it.
container_states() {
    found=$(containers) || exit
    ids=$(printf '%s\n' "$found" | cut -d ' ' -f 1)
    format=$off_network'{{index .Config.Labels "com.docker.compose.service"}} {"name":{{json .Name}},"id":{{json .ID}},"image":{{json .Image}},"not_looked_into":{{json .Config.Image}},"off_network":{{json $off}},"state":{{json .State.Status}},"exit_code":{{.State.ExitCode}},"oom_killed":{{.State.OOMKilled}},"error":{{json .State.Error}},"started":{{json .State.StartedAt}},"restarts":{{.RestartCount}},"health":{{with .State.Health}}{{json .Status}}{{else}}null{{end}},"stopped_on_purpose":{{or .State.Paused (eq .State.Status "created") (ne $off "") (and (eq .State.Status "exited") (not .State.OOMKilled) (eq .State.Error "") (or (eq .State.ExitCode 0) (eq .State.ExitCode 137) (eq .State.ExitCode 143) (eq .HostConfig.RestartPolicy.Name "always") (eq .HostConfig.RestartPolicy.Name "unless-stopped")))}}}'
    # shellcheck disable=SC2086  # one word an id
    states=$([ -z "$ids" ] || docker container inspect --format "$format" $ids) || exit
    for service in "$STACK_BACKEND" "$STACK_FRONTEND" "$STACK_DATABASE" "$STACK_BLOCKCHAIN" "$STACK_CACHE"; do
        case "
$states" in
        *"
$service {"*) ;;
        *) ! defined "$service" || states="$states
$service {\"state\":\"absent\",\"not_looked_into\":\"\",\"off_network\":\"\",\"stopped_on_purpose\":true}" ;;
        esac
    done
    LOOPS=$(printf '%s\n' "$states" | loops)
    ENDINGS=$(explain_within 6; printf '%s\n' "$states" | endings)
    export ENDINGS LOOPS
    printf '%s\n' "$found" "" "$states" | awk "$STACK_STATES_AWK"
}

# Reads what container_states inspects and prints the ids of those that end again and again.
loops() {
    while IFS= read -r line; do
        case $line in
        *'"state":"running"'*'"restarts":0,'* | *'"state":"restarting"'*'"restarts":0,'*) ;;
        *'"state":"running"'* | *'"state":"restarting"'*)
            id=${line#*'"id":"'} restarts=${line#*'"restarts":'} started=${line#*'"started":"'}
            ! is_in_loop "${id%%\"*}" "${restarts%%,*}" "${started%%\"*}" || echo "${id%%\"*}"
            ;;
        esac
    done
}

# Whether a container ends again and again: its policy has started it three times at least since a person did, a
# moment ago for the last time, and it ended as often within five minutes. One that crashed once is no loop.
# Usage: is_in_loop ID RESTARTS STARTED
is_in_loop() {
    [ "$2" -ge 3 ] && is_younger 60 "$3" || return 1
    ends=$(docker events --since 300s --until 0s --filter "container=$1" --filter event=die --format '{{.Time}}') || return 0
    [ "$(printf '%s\n' "$ends" | grep -c .)" -ge 3 ] || is_put_off "$1"
}

# Whether Docker waited longer than three seconds before it started a container again: after each end it waits twice
# as long as before, from 0.1 s to a minute, unless ten seconds of work lay between (restartmanager.go of Moby). Its
# events, the last 256 of all, may not reach back so far. Usage: is_put_off ID
is_put_off() {
    times=$(docker inspect --format '{{.State.Status}} {{.State.FinishedAt}} {{.State.StartedAt}}' "$1") || return 1
    case $times in restarting*) begun=$(date +%s) ;; *) begun=$(utc_seconds "${times##* }") || return 1 ;; esac
    times=${times#* }
    ended=$(utc_seconds "${times%% *}") && [ "$((begun - ended))" -ge 4 ]
}

# Whether a time of Docker's is less than so many seconds ago. Usage: is_younger SECONDS TIME
is_younger() {
    begun=$(utc_seconds "$2") || return 1
    [ "$(($(date +%s) - begun))" -lt "$1" ]
}

# Prints a time of Docker's as seconds since the epoch. Usage: utc_seconds TIME
utc_seconds() {
    moment=${1%%.*}
    moment=${moment%Z}
    date -u -d "${moment%%T*} ${moment#*T}" +%s 2>/dev/null
}

# Prints the directory of a container's control group, of version 1 that of its memory; nothing for one
# that does not run. Usage: control_group ID
control_group() {
    find_control_group "$1"
    [ -z "$group" ] || echo "$group"
}

# Sets group to that directory, or to nothing: no process is started for it.
find_control_group() {
    root=/sys/fs/cgroup/memory
    [ -d "$root" ] || root=/sys/fs/cgroup
    for group in "$root/docker/$1" "$root/system.slice/docker-$1.scope" "$root"/*/"$1" \
        "$root"/*/docker-"$1".scope "$root"/user.slice/*/*/*/docker-"$1".scope; do
        [ ! -d "$group" ] || return 0
    done
    group=
}

# Sets what a container's control group, of version 2 or 1, counts of its processor time: used, in milliseconds; periods,
# in how many of them its limit could have been met, and met, in how many it was. Fails where that cannot be
# read. No process is started for it. Usage: find_processor_time ID
find_processor_time() {
    used='' periods='' met=''
    find_control_group "$1"
    limits=$group
    # Version 1 has directories of their own for it, beside that of the memory.
    case $group in */memory/*) limits=${group%%/memory/*}/cpu/${group#*/memory/} ;; esac
    [ -r "$limits/cpu.stat" ] || return
    while read -r key value; do
        case $key in usage_usec) used=$((value / 1000)) ;; nr_periods) periods=$value ;; nr_throttled) met=$value ;; esac
    done <"$limits/cpu.stat"
    times=${group%%/memory/*}/cpuacct/${group#*/memory/}/cpuacct.usage
    [ ! -r "$times" ] || { read -r used <"$times" && used=$((used / 1000000)); }
}

# Reads what container_states inspects and prints of what ended by itself: ID <tab> 1 if a start would be
# in vain, else 0 <tab> why. In vain: a run of ours started it within the last ten minutes, or its data,
# settings or program do not fit, which no start changes.
endings() {
    change=
    while IFS= read -r line; do
        id=${line#*'"id":"'} started=${line#*'"started":"'}
        case $line,$newline$LOOPS$newline in
        *'"state":"exited"'* | *'"state":"dead"'* | *'"state":"restarting"'* | *'"state":"created"'*) ;;
        *"$newline${id%%\"*}$newline"*)
            printf '%s\t0\t%s\n' "${id%%\"*}" "$(json_text "$(why_it_ends "${id%%\"*}")")"
            continue
            ;;
        *) continue ;;
        esac
        case $line in
        *'"error":""'*'"stopped_on_purpose":true'*) continue ;;
        esac
        [ -n "$change" ] || change=$(last_change)
        again=0
        if [ "$change" -gt "$(($(date +%s) - 600))" ]; then
            again=$(date -u -d "@$change" +%Y-%m-%dT%H:%M:%S | awk -v started="$started" '{ print ($0 <= started) }')
        fi
        why=$(why_ended "${id%%\"*}")
        case $why in *"not compatible"* | *ncompatible* | *"nitialized by"* | *"onfiguration file"* | *"nvalid value for"* | *"nrecognized configuration"* | *"xec format error"* | *"executable file not found"*) again=1 ;; esac
        printf '%s\t%s\t%s\n' "${id%%\"*}" "$again" "$(json_text "$why")"
    done
}

# Prints on one line why a container ended: what the engine says of a start that failed, its exit
# status or signal, and the line of its own log since its last start that names a cause. An end without an
# error has none: what its log complains of before is another matter.
# Usage: why_ended ID
why_ended() {
    explain_within 6
    state=$(docker inspect --format '{{if eq .State.Status "running"}}running{{else}}{{.State.ExitCode}}{{end}} {{.State.OOMKilled}} {{.RestartCount}} {{.State.StartedAt}} {{.State.Error}}{{"\x1e"}}{{range .Config.Env}}{{println .}}{{end}}' "$1")
    # What its environment holds must be known before a word of its log is said.
    case $state in *"$separator_mark"*) ;; *) echo "exit status unknown"; return ;; esac
    variables=${state#*"$separator_mark"} state=${state%%"$separator_mark"*}
    code=${state%% *} error=${state#* * * * } state=${state#* }
    killed=${state%% *} state=${state#* }
    restarts=${state%% *} start=${state#* } start=${start%% *} error=${error%%"$newline"*}
    if [ -n "$error" ]; then
        echo "could not be started: $error"
        return
    fi
    case $killed,$code in
    # Started again since it was seen down: Docker has forgotten how it ended.
    *,running) why_it_ends "$1"; return ;;
    false,0) echo "exit status 0"; return ;;
    true,*) said="ended for want of memory" ;;
    *,12[5-9] | *,1[3-5][0-9]) [ "$code" -gt 128 ] && said="ended by signal $((code - 128))" || said="exit status $code" ;;
    *) said="exit status ${code:-unknown}" ;;
    esac
    # What ended by its own decision may have said why in other words, and last.
    case $said in "exit status"*) own=1 ;; *) own=0 ;; esac
    # A process may write, and end, before Docker notes when it started. What Docker itself started again ended for the
    # same reason before; else the second before the start may hold the last words of one that was told to stop.
    # One that was never started has no such second.
    before=$(utc_seconds "$start") && [ "$before" -gt 0 ] && before=$((before - 1)) || before=$start
    [ "$restarts" = 0 ] || start=$before
    cause=$(cause_since "$1" "$start" "$own")
    [ -n "$cause" ] || [ "$start" = "$before" ] || cause=$(cause_since "$1" "$before" 0)
    echo "$said${cause:+: $cause}"
}

# Prints what the log of a container that ends again and again, and runs just now, says of that. Usage: why_it_ends ID
why_it_ends() {
    variables=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$1") || return 0
    cause_since "$1" 60s 1
}

# Prints the line of a container's log that names why it ended, without what variables keep secret. Usage:
# cause_since ID SINCE OR_LAST
cause_since() {
    docker logs --since "$2" --tail 60 "$1" 2>&1 | cause_of_end "$3" | without_secrets "$1" "$variables"
}

# Prints the line of a log that names why its process ended: the last that calls itself fatal, else the
# first that tells of an error, else with OR_LAST=1 the last; with the detail that PostgreSQL says below.
# Frames of stacks, and what ends a session or a statement of a client alone, name nothing.
# Usage: cause_of_end OR_LAST
cause_of_end() {
    awk -v or_last="${1:-0}" "$STACK_CAUSE_AWK"
}

# Sets now, in milliseconds since boot.
set_now() {
    read -r uptime _ </proc/uptime
    now=$((${uptime%.*} * 1000 + 1${uptime#*.} * 10 - 1000))
}

# Gives docker that many seconds from now, all its calls together, or what an earlier one left of them: they
# only explain what is known, and must not use up the time in which that is told. What is late fails.
# Usage: explain_within SECONDS
explain_within() {
    set_now
    [ "${explain_until:-$((now + $1 * 1000))}" -lt "$((now + $1 * 1000))" ] || explain_until=$((now + $1 * 1000))
    docker() {
        set_now
        [ "$now" -lt "$explain_until" ] || return 124
        timeout -s KILL "$(((explain_until - now + 999) / 1000))" docker "$@"
    }
}

# Runs a command in the container of a service; the deadline also holds in there. In the database's
# container the command may have no children (no sh -c): one that is left behind at the deadline is
# taken over by the server, which takes it for a crashed session and ends all others.
# Usage: inside SERVICE SECONDS COMMAND…
inside() {
    id=$(container "$1") || exit
    seconds=$2
    shift 2
    docker exec "$id" timeout "$seconds" "$@" && return
    set -- $?
    [ "$1" -ne 143 ] || set -- 124  # as busybox says it
    return "$1"
}

# Sets reached: an address as it is, but with a service of the stack for its host that service's own address on
# the stack's network, where an API without a published port is asked. Usage: reach URL
reach() {
    reached=$1 named=${1#*://}
    named=${named%%[/?:]*}
    case $named in "" | localhost | *[!A-Za-z0-9_-]* | "$(hostname)") return ;; esac
    named_id=$(container "$named" 2>/dev/null) || return 0
    named_at=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}' "$named_id" | grep -m 1 .) ||
        return 0
    reached=${1%%://*}://$named_at${1#*://"$named"}
}

# Prints what curl reads as its configuration: the headers that requests to the API are sent with, which may hold
# a key, and with JSON that. Usage: request_words URL [JSON]
request_words() {
    # Another port or host may begin as the API's address does.
    case $1 in
    "$STACK_BACKEND_URL" | "$STACK_BACKEND_URL"[/?#]*)
        [ -z "$STACK_REQUEST_HEADERS" ] ||
            printf '%s\n' "$STACK_REQUEST_HEADERS" | sed 's/[\\"]/\\&/g; s/.*/header = "&"/'
        ;;
    esac
    [ -z "${2-}" ] || printf 'header = "Content-Type: application/json"\ndata-raw = "%s"\n' "$(json_text "$2")"
}

# Refuses an address that headers belong to where wget must ask: they would stand on its command line. Usage:
# need_no_headers URL
need_no_headers() {
    [ -z "$(request_words "$1")" ] || unknown "headers are sent with curl only, which this host does not have"
}

# Prints the status code of a request, 000 without an answer, and on standard error why it has none, or
# the body of an error. Not asked (69): a port that is somebody else's. curl gets the words of
# curl_options as well. What is sent goes in by standard input: it may be a login, and every user of the
# host can read arguments. Usage: http SECONDS URL [JSON]
http() {
    need_own_port "$2"
    seconds=$1 url=$2 sent=${3-}
    reach "$url"
    if command -v curl >/dev/null; then
        # shellcheck disable=SC2086  # words
        answer=$(request_words "$url" "$sent" | curl -sS -K - --noproxy '*' ${curl_options:-} -m "$seconds" -w '\n<code>%{http_code}</code>' "$reached" 2>&1)
        status=$? code=${answer##*"<code>"} body=${answer%"$newline<code>"*}
        code=${code%%"</code>"*}
    elif command -v wget >/dev/null; then
        need_no_headers "$url"
        set --
        [ -z "$sent" ] || set -- --header 'Content-Type: application/json' --post-file /dev/stdin
        body=$(printf '%s' "$sent" | timeout "$seconds" wget -S -O /dev/null "$@" "$reached" 2>&1)
        status=$? code=$(printf '%s\n' "$body" | sed -n 's|^ *HTTP/[0-9.]* \([0-9]*\).*|\1|p' | tail -n 1)
        [ -z "$code" ] || status=0 body=
    else
        unknown "neither curl nor wget on this host"
    fi
    [ "$status" -eq 0 ] || code=000
    case $status,$code in
    0,[123]*) ;;
    0,*) error_body "$body" "$code" ;;
    *) no_answer "$status" "$body" "$seconds" "$url" ;;
    esac >&2
    echo "$code"
}

# Whether the API's health path answered what the inventory takes for well. Usage: is_well CODE
is_well() {
    case " $STACK_HEALTH_STATUSES " in *" $1 "*) ;; *) return 1 ;; esac
}

# Prints what the body of an error says: of a page its title. Usage: error_body BODY CODE
error_body() {
    case $1 in
    *"<title>"*"</title>"*)
        title=${1#*"<title>"}
        printf '%.200s\n' "${title%%"</title>"*}"
        ;;
    *[![:space:]]*) printf '%.500s\n' "$1" ;;
    *) echo "answered $2" ;;
    esac
}

# Prints in plain words why a request has no answer, from the exit status of curl or wget and what it
# said. Usage: no_answer STATUS TEXT SECONDS URL
no_answer() {
    place=${4#*://} text=${2##*"curl: ("}
    place=${place%%[/?]*} text=${text%%"$newline"*}
    place=${place##*@} text=${text#*") "}
    case $1,$2 in
    *[Cc]ertificate* | *CERTIFICATE* | 60,* | 51,*) certificate_trouble "$2" "${place%:*}" ;;
    6,* | *"bad address"* | *"nable to resolve"* | *"ould not resolve"*) echo "could not resolve ${place%:*}" ;;
    *"No route to host"* | *"etwork is unreachable"* | *"ost is unreachable"*) echo "no route to $place" ;;
    28,* | 124,* | 137,* | 143,* | *"timed out"*) echo "$place: timed out after $3 s" ;;
    7,* | *refused*) echo "connection to $place refused" ;;
    35,*) echo "no TLS connection with $place: $text" ;;
    47,*) echo "$place redirects without end" ;;
    52,* | *"Empty reply"* | *"No data received"*) echo "$place closed the connection without an answer" ;;
    56,* | *"reset by peer"* | *"error getting response"*) echo "the connection to $place broke off" ;;
    1,* | 3,* | *"scheme missing"*) echo "not an address that can be asked: $place" ;;
    *) echo "no answer from $place: ${text:-exit status $1}" ;;
    esac
}

# Prints why a certificate is refused, from the words of OpenSSL, GnuTLS or wget. Usage:
# certificate_trouble TEXT HOST
certificate_trouble() {
    case $1 in
    *expired*) echo "the certificate of $2 has expired" ;;
    *"not yet valid"* | *"not activated"* | *"not yet activated"*) echo "the certificate of $2 is not yet valid" ;;
    *elf[-\ ]signed*) echo "the certificate of $2 is self-signed: no issuer that this host knows" ;;
    *ssuer* | *"ignature"* | *"self signed"*) echo "the certificate of $2 is of an issuer that this host does not know" ;;
    *"subject name"* | *match* | *"ommon name"*) echo "the certificate is not for the name $2" ;;
    *) echo "the certificate of $2 is refused" ;;
    esac
}

# Refuses to ask a port of this host that the stack publishes, but that somebody else holds: what
# answers there says nothing about the stack. Costs a process only when no container of the stack
# has the port. Usage: need_own_port URL
need_own_port() {
    [ "${STACK_CONTAINERS_STATUS:-1}" -eq 0 ] || return 0
    place=${1#*://} port=80
    case $1 in https:*) port=443 ;; esac
    place=${place%%[/?]*}
    place=${place##*@}
    case $place in *:[0-9]*) port=${place##*:} ;; esac
    case ${place%:*} in localhost | 127.* | 0.0.0.0 | "[::1]" | "$(hostname)") ;; *) return 0 ;; esac
    case ${STACK_CONTAINERS%%"-- others"*} in *",$port,"*) return 0 ;; esac
    publishes "$port" || return 0
    holder=$(holder_of "$port") || return 0
    unknown "port $port is already in use by $holder: not asked, it is not this stack's"
}

# Whether the compose files give that port of the host to a service.
publishes() {
    override=$(override_file)
    grep -Eqs "(^|[^0-9])$1\}?[\"']?:[0-9]|published:[[:space:]]*[\"']?$1([^0-9]|\$)" "$compose_file" ${override:+"$override"}
}

# Prints who holds a port of the host: a container of others, with project, directory and age, or a
# process. Exit status 1: nobody. Usage: holder_of PORT
holder_of() {
    found=$(printf '%s\n' "${STACK_CONTAINERS#*"-- others"}" | awk -F '\t' -v port="$1" '
        index($5, "," port ",") {
            printf "container %s of %s, %s\n", $1, $2 == "" ? "no project" : "another project, " $2 " in " $3, $4
            exit
        }')
    [ -n "$found" ] || found=$(process_on "$1")
    [ -n "$found" ] && echo "$found"
}

# Prints which process listens on a port of the host: who it is where that may be seen. Not Docker's proxy,
# which serves a container that is known, or restarts; nor what is gone a moment later, as the proxy of a
# container that restarts again and again. Usage: process_on PORT
process_on() {
    listening_ports | grep -qx "$1" || return
    pid=$( { (as_root ss -ltnp "sport = :$1") 2>/dev/null || ss -ltnp "sport = :$1" 2>/dev/null; } | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1)
    if [ -z "$pid" ]; then
        sleep 0.5
        listening_ports | grep -qx "$1" && echo "a process that this user may not see"
        return
    fi
    args=$(ps -o args= -p "$pid" | cut -c 1-80)
    case ${args%% *} in "" | docker-proxy | */docker-proxy) return 1 ;; esac
    echo "process $pid, started $(ps -o lstart= -p "$pid"): $args"
}

# Lists the TCP ports that something on this host listens on.
listening_ports() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '
        $4 == "0A" {
            split($2, place, ":"); port = 0
            for (i = 1; i <= 4; i++) port = port * 16 + index("0123456789ABCDEF", substr(place[2], i, 1)) - 1
            if (!seen[port]++) print port
        }'
}

# What the API says, at level error as well, to requests that are wrong: no fault of anybody's, and no
# reason of any trouble. An extended regular expression over lower case.
wrong_requests="unauthori[sz]ed|forbidden|not found|invalid (access |refresh |csrf )?(credential|token|csrf|session|signature|input|request|email|password|id|role)|csrf|jwt (expired|malformed)|invalid signature|validation|is required|must be |bad request|too many (login|requests|attempts)|access denied|already (exists|in use|taken|verified|in active)|not verified|do not have permission|account is disabled|is not active|(^|: )(account|class|department|role|section|staff|student|teacher|token|user)s? does not exist|request aborted|entity too large|is not valid json|unexpected token"

# Prints what looks like trouble in a service's log since it was last started, to standard error:
# the reason beside a failed probe. What is older than ten minutes, and refusals to visitors, are none.
# Usage: complaints SERVICE PATTERN
complaints() {
    id=$(container "$1") || return 0
    # A start by the restart policy is one more try, whose reasons are those of the tries before.
    start=$(docker inspect --format '{{if eq .RestartCount 0}}{{.State.StartedAt}}{{end}}' "$id")
    docker logs --timestamps --since 10m --tail 50 "$id" 2>&1 |
        awk -v start="$start" '$1 >= start { sub(/^[^ ]+ /, ""); print }' |
        grep -E "$2" | grep -ivE "$wrong_requests" | tail -n 3 | without_secrets "$id" >&2
}

# Prints the API's environment, a variable a line.
api_environment() {
    docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$(container "$STACK_BACKEND")" 2>/dev/null
}

# Masks in its input what a container's environment holds under the name of a secret: nothing
# else on the way would know such a value for one. Usage: without_secrets ID [ENVIRONMENT], where it is known
without_secrets() {
    environment=${2-}
    [ "$#" -gt 1 ] || environment=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$1") ||
        { cat >/dev/null; return; }
    secrets=$(printf '%s\n' "$environment" |
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

# Prints text so that it can stand in a string of JSON; control codes become blanks.
json_text() {
    case $1 in
    *[[:cntrl:]\\\"]*) printf '%s' "$1" | tr '[:cntrl:]' ' ' | sed 's/[\\"]/\\&/g' ;;
    *) printf '%s' "$1" ;;
    esac
}

# Whether a service serves, as far as its container can tell.
serves() {
    case $1 in
    "$STACK_DATABASE") database_accepts ;;
    "$STACK_BACKEND") application_works ;;
    *) [ "$(docker inspect --format '{{with .State.Health}}{{.Status}}{{else}}{{$.State.Status}}{{end}}' "$(container "$1")" | sed 's/running/healthy/')" = healthy ] ;;
    esac
}

# Runs a command with its streams kept apart, in the variables answer and complaint, whatever is in
# them: warnings stand before many an answer. Returns its exit status. Usage: apart COMMAND…
apart() {
    complaint=$({
        answer=$("$@" 2>&3 3>&-)
        printf '\036%s\n%s\036' "$?" "$answer"
    } 3>&1)
    answer=${complaint#*"$separator_mark"} complaint=${complaint%%"$separator_mark"*}
    complaint=${complaint%"$newline"}
    status=${answer%%"$newline"*} answer=${answer#*"$newline"}
    answer=${answer%"$separator_mark"}
    return "$status"
}
separator_mark=$(printf '\036')

# The line of a complaint that says what is wrong, past warnings, details and hints; else its last one.
reason_in() {
    printf '%s\n' "$1" | awk '
        /FATAL|ERROR|PANIC|[Ee]rror/ && !why { why = $0; sub(/^.*(FATAL|ERROR|PANIC): */, "", why) }
        NF { last = $0 }
        END { print (why != "" ? why : last) }'
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

# Waits until a command of a service succeeds, as long as its container lasts: one that has exited does
# not come back by waiting, and says why. Usage: wait_for SERVICE SECONDS COMMAND…
wait_for() {
    waits_for=$1 end=$(($(date +%s) + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        case $(state_of "$waits_for" 2>/dev/null) in
        exited | dead)
            echo "$waits_for has ended: $(why_ended "$(container "$waits_for")")" >&2
            return 1
            ;;
        esac
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 0.5
    done
}

# Prints the state of a service's container, as docker calls it. Usage: state_of SERVICE
state_of() {
    docker inspect --format '{{.State.Status}}' "$(container "$1")"
}

# Starts what is stopped, continues what is paused, creates what is absent; touches nothing that
# runs. Here as in the words below, a part that the stack does not have needs nothing, and of a service's replicas
# one is meant by its id. Usage: start SERVICE [ID]
start() {
    [ -n "$1" ] || return 0
    replica=${2:-$1} done=started
    state=$(state_of "$replica" 2>/dev/null)
    case $state in
    paused) done=continued && docker unpause "$(container "$replica")" ;;
    exited | created | dead) docker start "$(container "$replica")" && state=stopped ;;
    "") know_stack "$1"; compose up -d --no-deps --no-recreate "$1" ;;
    *) return 0 ;;
    esac >/dev/null && echo "$done $1, which was ${state:-absent}"
}

# Restarts a service's container, and says so. Usage: restart SERVICE [ID]
restart() {
    [ -n "$1" ] || return 0
    id=$(container "${2:-$1}") || exit
    docker restart "$id" >/dev/null && echo "restarted $1"
}

# Prints how many processes of a service are stopped by a signal, in words; nothing where none is. Usage:
# stopped_by_signal SERVICE   (some engines list no processes without their ids)
stopped_by_signal() {
    docker top "$(container "$1")" -o pid,stat 2>/dev/null |
        awk -v service="$1" '$2 ~ /^T/ { stopped++ } END { if (stopped) print service ": " stopped " of its processes " (stopped > 1 ? "are" : "is") " stopped by a signal" }'
}

# Continues the processes of a service that were stopped by a signal; says so if there are any. It is
# done from the host; who is not root there reaches only the first process of the container.
resume() {
    id=$(container "$1") || exit
    stopped=$(docker top "$id" -o pid,stat | awk '$2 ~ /^T/ { print $1 }')
    [ -n "$stopped" ] || { echo "no process is stopped" >&2; return 0; }
    # shellcheck disable=SC2086  # one word a process
    (as_root kill -s CONT $stopped) || docker kill -s CONT "$id" >/dev/null || return
    echo "continued $(printf '%s\n' "$stopped" | wc -l) stopped processes of $1"
}

# Prints the network that a service's container was made for and is not on; nothing where it is. Usage:
# off_network_of SERVICE
off_network_of() {
    id=$(container "$1") || exit
    docker inspect --format "$off_network"'{{$off}}' "$id"
}

# Joins a service to the network that it was made for, under its own name; one that is there without its name, once
# more with it. Usage: reconnect SERVICE [ID]
reconnect() {
    [ -n "$1" ] || return 0
    network=$(off_network_of "${2:-$1}") || exit
    id=$(container "${2:-$1}") || exit
    if [ -z "$network" ]; then
        networks=$(docker inspect --format '{{range $name, $network := .NetworkSettings.Networks}}{{range $network.Aliases}}{{println $name .}}{{end}}{{println $name}}{{end}}' "$id")
        ! printf '%s\n' "$networks" | grep -q " $1\$" || return 0
        network=$(printf '%s\n' "$networks" | awk 'NF {print $1; exit}')
        [ -n "$network" ] || unknown "$1 has no network of its own"
        docker network disconnect "$network" "$id"
    fi
    docker network connect --alias "$1" "$network" "$id" && echo "joined $1 to $network"
}
