# shellcheck shell=sh
# Shell functions about the way from users to the services, on top of stack.sh: published ports, what the
# web server and the API answer on them, and the state of an API that does not answer.
#
# In: STACK_BACKEND, STACK_BACKEND_URL, STACK_HEALTH_PATH, STACK_FRONTEND, STACK_FRONTEND_URL,
#     PATH_API (a path of the API that the web server may pass on), PATH_FIREWALL ("True": read its rules),
#     PATH_PORTS_AWK, PATH_FIREWALL_AWK, PATH_START_AWK, PATH_PROCESSES_AWK: the texts of ports.awk, firewall.awk,
#     start.awk and processes.awk

# --- published ports --------------------------------------------------------------------------

# Prints what is wrong with the published ports and the names of the stack's containers, as one JSON
# object:
#   found   SERVICE:KIND, or host:KIND
#     taken       the service does not run, and somebody else holds a port of its
#     no_proxy    it runs, and nothing listens on its port, while Docker's proxy does on others
#     start_error Docker could not start it
#     no_name     on its networks it is not known by the service's name
#     resolver    a resolv.conf without Docker's own resolver is mounted into it
#     forwarding  the host forwards nothing, so nobody outside reaches a published port
#     firewall    a rule of the host's firewall drops what comes from outside for everybody
#   gate    something else listens on 80 or 443: users may come in by a proxy on the host, and need none
#           of the published ports
#   unread  what could not be read
#   why     for each that was found, a sentence
published_ports() {
    found=$(containers) || exit
    ids=$(printf '%s\n' "$found" | cut -s -d ' ' -f 1)
    [ -n "$ids" ] || { echo '{"found":[],"gate":false,"unread":"","why":{}}'; return; }
    # shellcheck disable=SC2086  # one word an id
    facts=$(docker container inspect --format "$off_network"'S	{{index .Config.Labels "com.docker.compose.service"}}	{{.State.Status}}	{{range $port, $bound := .HostConfig.PortBindings}}{{range $bound}},{{.HostPort}},{{end}}{{end}}	{{range $port, $bound := .NetworkSettings.Ports}}{{range $bound}},{{.HostIp}}={{.HostPort}}={{$port}},{{end}}{{end}}	{{range .NetworkSettings.Networks}}{{range .Aliases}},{{.}},{{end}}{{end}}	{{$off}}	{{.HostConfig.NetworkMode}}	{{range .Mounts}}{{if eq .Destination "/etc/resolv.conf"}}{{.Source}}{{end}}{{end}}	{{json .State.Error}}' $ids) ||
        unknown "docker did not answer"
    {
        # Of rootless Docker the forwarding is done elsewhere.
        [ ! -S /var/run/docker.sock ] || printf 'forward\t%s\n' "$(cat /proc/sys/net/ipv4/ip_forward 2>/dev/null)"
        printf 'listening\t%s\n' "$(listening_ports | paste -s -d , -)"
        case $facts in *"	/"*) foreign_resolvers "$facts" ;; esac
        for port in $(printf '%s\n' "$facts" | awk -F '\t' '$3 != "running" { gsub(/,+/, " ", $4); print $4 }'); do
            case ${STACK_CONTAINERS%%"-- others"*} in *",$port,"*) continue ;; esac
            ! holder=$(holder_of "$port") || printf 'holder\t%s\t%s\n' "$port" "$holder"
        done
        [ "$PATH_FIREWALL" != True ] || blocked_ports "$(application_ports "$facts")"
        printf '%s\n' "$facts"
    } | awk -F '\t' "$PATH_PORTS_AWK"
}

# Prints which services have a resolv.conf mounted that does not name Docker's own resolver, the only one
# that knows the stack's services: "resolver <tab> SERVICE <tab> FILE" a line. Usage: foreign_resolvers FACTS
foreign_resolvers() {
    printf '%s\n' "$1" | awk -F '\t' '$9 ~ /^\// { print $2 "\t" $9 }' | while IFS='	' read -r service file; do
        { cat "$file" || (as_root cat "$file"); } 2>/dev/null | grep -q '^nameserver *127\.0\.0\.11' ||
            printf 'resolver\t%s\t%s\n' "$service" "$file"
    done
}

# Prints of the facts the ports of API and web server that are published to more than this host:
# PORT=PORT_OF_THE_CONTAINER, with blanks between. Usage: application_ports FACTS
application_ports() {
    printf '%s\n' "$1" | awk -F '\t' '
        $3 == "running" && ($2 == ENVIRON["STACK_BACKEND"] || $2 == ENVIRON["STACK_FRONTEND"]) {
            count = split($5, bound, ",+")
            for (i = 1; i <= count; i++)
                if (split(bound[i], part, "=") == 3 && part[3] ~ /tcp$/ && part[1] !~ /^(127\.|::1)/) {
                    sub(/\/tcp$/, "", part[3])
                    printf "%s=%s ", part[2], part[3]
                }
        }'
}

# Prints of ports those that the firewall drops for everybody who comes from outside, "blocked <tab>
# PORT <tab> RULE" a line, or "unread <tab> …". A rule for some addresses only, or one after it, is no
# trouble: somebody may come in. Usage: blocked_ports "PORT=PORT_OF_THE_CONTAINER …"
blocked_ports() {
    as_user=
    [ "$(id -u)" -eq 0 ] || as_user="sudo -n"
    # Also where nobody may read them, this is one line in the log of the host: see the input.
    rules=$($as_user iptables-save 2>/dev/null) || { printf 'unread\tthe rules of the firewall\n'; return; }
    printf '%s\n' "$rules" | awk -v pairs="$1" "$PATH_FIREWALL_AWK"
}

# --- what is answered -------------------------------------------------------------------------

# Asks the API for its health path, and where that fails, for what a restart would destroy. Prints one JSON
# object:
#   code     HTTP status; 0 without an answer
#   inside   the same, asked at the container's own address; null when not asked
#   process  what is wrong with its process: stopped, waiting, zombie, open_files, busy, processes,
#            heap; "" when nothing is, or it was not looked at
#   stage    starting (it does not listen yet, within the time that its last starts took) or waiting (the
#            same, and it should by now); "" for one that has listened
#   reason   why it does not answer, in plain words
backend_state() {
    inside=null trouble='' stage='' reason=''
    answer=$(http 3 "$STACK_BACKEND_URL$STACK_HEALTH_PATH" 2>&1) || held_by_others "$?" "$answer"
    code=${answer##*"$newline"}
    if ! is_well "$code"; then
        explain_within 7
        reason=${answer%"$newline"*}
        case $reason in
        *"already in use"*) ;;
        *)
            [ "$code" != 000 ] || ! id=$(container "$STACK_BACKEND" 2>/dev/null) || look_inside "$id"
            [ -n "$trouble$stage" ] || is_well "$inside" || reason="$reason$(last_complaint "$STACK_BACKEND" 'rror:')"
            ;;
        esac
    fi
    printf '{"code":%d,"inside":%s,"process":"%s","stage":"%s","reason":"%s"}\n' "${code#00}" "$inside" "$trouble" "$stage" "$(json_text "$reason")"
}

# Prints the last line of a service's log that looks like trouble, to stand behind a reason. Usage:
# last_complaint SERVICE PATTERN
last_complaint() {
    line=$(complaints "$1" "$2" 2>&1 | tail -n 1)
    [ -z "$line" ] || printf '; its log: %.300s' "$line"
}

# A port that others hold answers for them: nothing of the stack is there. Sets answer; ends where the
# request could not be made for another reason. Usage: held_by_others STATUS TEXT
held_by_others() {
    case $2 in
    *"already in use"*) answer="$2${newline}000" ;;
    *)
        echo "$2" >&2
        exit "$1"
        ;;
    esac
}

# Asks a running API at its container's own address, and looks at its process. Sets inside, trouble,
# stage and reason. Usage: look_inside ID
look_inside() {
    port=${STACK_BACKEND_URL#*://}
    port=${port%%/*}
    case $port in *:[0-9]*) port=${port##*:} ;; *) port=80 ;; esac
    # shellcheck disable=SC2046  # words: state, process, start, addresses, and the ports it publishes
    set -- "$1" $(docker inspect --format '{{.State.Status}} {{.State.Pid}} {{.State.StartedAt}} {{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}} {{range $own, $bound := .NetworkSettings.Ports}}{{range $bound}}{{.HostPort}}={{$own}} {{end}}{{end}}' "$1")
    [ "${2:-}" = running ] || return 0
    id=$1 pid=$3 started=$4 address='' own=''
    shift 4
    for word; do
        case $word in
        "$port"=*) own=${word#*=} ;;
        *=*) ;;
        *) address=${address:-$word} ;;
        esac
    done
    if [ -n "$address" ] && [ -n "$own" ]; then
        place=$address:${own%/*}
        said=$(http 2 "http://$place$STACK_HEALTH_PATH" 2>&1)
        inside=$(printf '%d' "$(printf '%s\n' "$said" | sed -n '$s/^00*\([0-9]\)/\1/p')")
        reason=${said%"$newline"*}
    fi
    if is_well "$inside"; then
        reason="the API answers inside its container ($place), but not on its published port $port"
    else
        said=$(start_facts "$id" "$started" | awk "$PATH_START_AWK")
        [ -z "$said" ] || { stage=${said%% *} reason="${said#* }: $reason"; }
        [ "$stage" = starting ] || process_trouble "$id" "$pid"
    fi
}

# Prints when a container was started, as Docker remembers, when its log said that it listens, and when
# this start was: KIND TIME a line; "unread" where the log could not be read; and where its processor time is limited,
# "worked", the milliseconds of it since the start, how often it met that limit, and how often it could have.
# Usage: start_facts ID STARTED
start_facts() {
    echo "now $(date -u +%Y-%m-%dT%H:%M:%S)"
    find_processor_time "$1" && [ -n "$used" ] && echo "worked $used ${met:-0} ${periods:-0}"
    echo "begun ${2%%.*}"
    docker events --since 24h --until "$(date +%s)" --filter "container=$1" --filter event=start --format '{{.Time}}' |
        tail -n 5 | while read -r time; do date -u -d "@$time" '+start %Y-%m-%dT%H:%M:%S'; done
    { docker logs --timestamps --since 24h --tail 2000 "$1" 2>&1 || echo unread; } |
        sed -n -e 's/^unread$/&/p' \
            -e 's/^\([0-9T:-]*\)\.[0-9]*Z .*\([Ll]istening\|[Rr]unning on\|[Ss]erver \(is \)*\(ready\|started\|running\)\).*/ready \1/p'
}

# Names what keeps the processes of a container from their work, in trouble and reason; leaves them when
# nothing is seen. Usage: process_trouble ID PID
process_trouble() {
    for group in /sys/fs/cgroup/pids/*/"$1" /sys/fs/cgroup/pids/*/*"$1"* /sys/fs/cgroup/*/*"$1"*; do
        [ -r "$group/pids.max" ] || continue
        read -r most <"$group/pids.max"
        read -r many <"$group/pids.current"
        [ "$most" = max ] || [ "$many" -lt "$most" ] || {
            trouble=processes reason="its container has $many of $most processes it may have (pids limit)"
            return
        }
        break
    done
    told=$(docker exec "$1" timeout 3 sh -c "$LOOK_AT_PROCESSES" 2>&1)
    said=$(printf 'state %s\n%s\n' "$(cat "/proc/$2/stat" 2>/dev/null)" "$told" | judge_processes)
    [ -z "$said" ] || { trouble=${said%% *} reason=${said#* }; }
}

# What runs in a container, for judge_processes: its processes, half a second later again, and of each
# the open files and the memory with their limits. Of its environment nothing but the heap's size.
# shellcheck disable=SC2016  # the other shell expands it
LOOK_AT_PROCESSES='
look() { for p in /proc/[0-9]*; do [ -e "$p/exe" ] && echo "$1 ${p#/proc/} $(cat "$p/task/${p#/proc/}/stat")"; done 2>/dev/null; }
look first; sleep 0.5; look second
for p in /proc/[0-9]*; do
    [ -e "$p/exe" ] || continue
    echo "files ${p#/proc/} $(ls "$p/fd" | wc -l) $(sed -n "s/^Max open files *\([0-9]*\).*/\1/p" "$p/limits")"
    echo "heap ${p#/proc/} $(sed -n "s/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p" "$p/status") $({ tr "\0" "\n" <"$p/cmdline"; tr "\0" "\n" <"$p/environ"; } | sed -n "s/.*max[-_]old[-_]space[-_]size=\([0-9]*\).*/\1/p" | head -n 1)"
done 2>/dev/null'

# Prints the first thing that is wrong with the processes it reads of: KIND and a sentence.
judge_processes() {
    awk "$PATH_PROCESSES_AWK"
}

# Asks for the web page, and through the web server for the API. Prints one JSON object:
#   code         HTTP status; 0 without an answer
#   certificate  valid, expired, not_yet_valid, wrong_name, unknown_issuer or refused; "none" without TLS
#   host         that it was asked of; "" without TLS
#   days         until the certificate expires; null when not known
#   until        when that is, or was, in words
#   api_code     HTTP status of the API's path, 0 without an answer; null when not asked
#   configuration  the web server's own complaint that it cannot start with; "" without one
#   reason       why the page, or the API through it, does not answer, in plain words
frontend_state() {
    origin=$STACK_FRONTEND_URL led_to='' curl_options=''
    answer=$(http 3 "$origin" 2>&1) || held_by_others "$?" "$answer"
    case ${answer##*"$newline"} in 3*) follow_to_tls ;; esac
    code=${answer##*"$newline"} api_code=null certificate=none host='' days=null until='' configuration=''
    reason=${answer%"$code"}
    reason=${reason%"$newline"}
    case $origin in
    https:*)
        certificate_facts "$reason"
        host=${place%:*}
        ;;
    esac
    explain_within 6
    case $certificate,$code,$reason in
    *,[23]*) [ -z "$PATH_API" ] || api_through_web_server ;;
    *"already in use"*) ;;
    none,* | valid,*)
        case $code in 000) stopped=$(stopped_by_signal "$STACK_FRONTEND") ;; *) stopped='' ;; esac
        reason=${stopped:+$stopped, }$reason
        said=$(last_complaint "$STACK_FRONTEND" 'emerg|alert|crit')
        case $said in *"[emerg]"*) configuration=${said#; its log: } ;; esac
        reason=$reason$said
        ;;
    *) reason=$reason$until ;;
    esac
    printf '{"code":%d,"certificate":"%s","host":"%s","days":%s,"until":"%s","api_code":%s,"configuration":"%s","reason":"%s"}\n' \
        "${code#00}" "$certificate" "$(json_text "$host")" "$days" "$until" "$api_code" "$(json_text "$configuration")" "$(json_text "$reason")"
}

# Asks the web server for a path that it may pass on to the API; what it answers itself is as good. Sets
# api_code and reason. A gateway without an answer is asked for its own words: which address it asks.
api_through_web_server() {
    answer=$(http 3 "${origin%/}$PATH_API" 2>&1)
    api_code=${answer##*"$newline"}
    case $api_code in
    502 | 504 | 000)
        said=$(complaints "$STACK_FRONTEND" 'upstream' 2>&1)
        asked=$(printf '%s\n' "$said" | sed -n 's|.*upstream: "[a-z]*://\([^"/]*\).*|\1|p' | tail -n 1)
        addresses=$(docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$(container "$STACK_BACKEND")")
        reason="the web server gets no answer from its upstream (${answer%"$newline"*})"
        case " $addresses" in
        *" ${asked%:*} "*) reason="$reason at $asked" ;;
        *) reason="$reason${asked:+ at $asked, but $STACK_BACKEND is at ${addresses% } now}" ;;
        esac
        ;;
    esac
    api_code=$(printf '%d' "${api_code#00}")
}

# Where the web server sends everybody on to TLS, at a port that it publishes itself, the page is asked
# there: sets answer, origin, led_to (HOST:PORT) and curl_options. Under another name than the one that was
# asked only where the certificate there bears it; else it is a page of some other host.
follow_to_tls() {
    command -v curl >/dev/null || return 0
    target=$(curl -s --noproxy '*' -m 2 -o /dev/null -w '%{redirect_url}' "$STACK_FRONTEND_URL")
    case $target in https://?*) ;; *) return 0 ;; esac
    place=$(place_of "$target") asked=$(place_of "$STACK_FRONTEND_URL")
    containers | awk -F '\t' -v port="${place##*:}" '
        { split($1, word, " ") }
        word[2] == ENVIRON["STACK_FRONTEND"] && index($3, "," port ",") { found = 1 }
        END { exit !found }' || return 0
    asked=${asked%:*}
    [ "${place%:*}" = "$asked" ] ||
        certificate_at "$asked:${place##*:}" "${place%:*}" -checkhost "${place%:*}" | grep -q 'does match' || return 0
    led_to=$asked:${place##*:} origin=https://$place curl_options="--connect-to ::$asked:"
    answer=$(http 3 "$target" 2>&1)
}

# Lets the web server resolve the API's address anew: nginx by a reload, which nobody notices; another by a restart.
reload_frontend() {
    id=$(container "$STACK_FRONTEND") || exit
    if docker exec "$id" nginx -v 2>/dev/null; then
        docker exec "$id" nginx -t && docker exec "$id" nginx -s reload && echo "reloaded $STACK_FRONTEND"
    else
        restart "$STACK_FRONTEND"
    fi
}
