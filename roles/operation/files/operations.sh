# shellcheck shell=sh
# Shell functions of the routine operations, on top of stack.sh, database.sh, blockchain.sh, disk.sh and
# backups.sh.
#
# In: OPERATION_SERVICES (names of services or parts, blanks between them), OPERATION_STEPS (those of the
#     plan that are allowed)
# A word plan_… changes nothing, and prints one JSON object:
#   steps    what would be done: step, title, risk
#   facts    what a person wants to know before
#   refused  why it will not be done at all; empty when it may

# --- plans ------------------------------------------------------------------------------------

# Prints a plan from lines of STEP <tab> RISK <tab> TITLE. Usage: … | plan [REFUSED]
plan() {
    awk -F '\t' -v refused="$(json_text "${1:-}")" '
        function quoted(text) { gsub(/\\/, "&&", text); gsub(/"/, "\\\"", text); gsub(/[\001-\037]/, " ", text); return "\"" text "\"" }
        NF >= 3 { steps = steps (steps == "" ? "" : ",") "{\"step\":" quoted($1) ",\"risk\":" quoted($2) ",\"title\":" quoted($3) "}" }
        END { printf "{\"steps\":[%s],\"refused\":\"%s\"}\n", refused == "" ? steps : "", refused }'
}

# Prints a line of a plan. Usage: step STEP RISK TITLE
step() { printf '%s\t%s\t%s\n' "$@"; }

# Prints a plan of one step, unless what is tried refuses. Usage: plan_after STEP RISK TITLE COMMAND…
plan_after() {
    what=$1 risk=$2 title=$3
    shift 3
    if why=$("$@" 2>&1 >/dev/null); then step "$what" "$risk" "$title" | plan; else plan "$(last_words "$why")" </dev/null; fi
}

# A plan without steps and without a reason would be one with nothing to do.
last_words() { printf '%s\n' "$1" | grep -v '^passed over' | grep . | tail -n 1 | grep . || echo "no reason was given"; }
# Whether a step is planned and allowed. Usage: is_step STEP
is_step() { case " $OPERATION_STEPS " in *" $1 "*) ;; *) return 1 ;; esac }

# --- services ---------------------------------------------------------------------------------

# Every service in the order in which they may be started: DATABASE CACHE BLOCKCHAIN BACKEND FRONTEND, and
# after them those that play no part.
services_in_order() {
    found=$(containers) || exit
    {
        for service in "$STACK_DATABASE" "$STACK_CACHE" "$STACK_BLOCKCHAIN" "$STACK_BACKEND" "$STACK_FRONTEND"; do
            ! defined "$service" || echo "$service"
        done
        printf '%s\n' "$found" | cut -s -d ' ' -f 2
    } | awk '!seen[$0]++'
}

# The services that were asked for, by name or by part; all of them when none was. Refuses unknown ones.
wanted_services() {
    known=$(services_in_order) || exit
    [ -n "$OPERATION_SERVICES" ] || { echo "$known"; return; }
    asked=
    for name in $OPERATION_SERVICES; do
        case $name in
        database) name=${STACK_DATABASE:-$name} ;;
        cache) name=${STACK_CACHE:-$name} ;;
        blockchain) name=${STACK_BLOCKCHAIN:-$name} ;;
        backend) name=${STACK_BACKEND:-$name} ;;
        frontend) name=${STACK_FRONTEND:-$name} ;;
        esac
        printf '%s\n' "$known" | grep -qxF "$name" ||
            unknown "there is no service $name here: $(printf '%s' "$known" | tr '\n' ' ')"
        asked="$asked$newline$name"
    done
    printf '%s\n' "$known" | grep -xF "${asked#"$newline"}"
}

# Prints every container of the stack as a list of JSON, and services without one.
service_states() {
    found=$(containers) || exit
    wanted=$(wanted_services) || exit
    # shellcheck disable=SC2046  # one word an id
    states=$([ -z "$found" ] || docker container inspect --format '{{index .Config.Labels "com.docker.compose.service"}} {"service":{{json (index .Config.Labels "com.docker.compose.service")}},"container":{{json .Name}},"state":{{json .State.Status}},"health":{{with .State.Health}}{{json .Status}}{{else}}null{{end}},"started":{{json .State.StartedAt}},"restarts":{{.RestartCount}},"image":{{json .Config.Image}},"ports":"{{range $port, $bound := .NetworkSettings.Ports}}{{range $bound}}{{.HostPort}}->{{$port}} {{end}}{{end}}"}' \
        $(printf '%s\n' "$found" | cut -d ' ' -f 1)) || unknown "docker did not answer"
    printf '%s\n' "$wanted" | {
        separator='['
        while read -r service; do
            lines=$(printf '%s\n' "$states" | sed -n "s/^$service {/{/p")
            [ -n "$lines" ] || lines="{\"service\":\"$service\",\"container\":null,\"state\":\"absent\",\"health\":null,\"started\":null,\"restarts\":0,\"image\":null,\"ports\":\"\"}"
            printf '%s\n' "$lines" | while IFS= read -r line; do
                printf '%s%s' "$separator" "$line"
                separator=,
            done
            separator=,
        done
        echo ']'
    }
}

# Prints use of processor, memory, network and disk: {"services": […], "disks": […]}.
service_use() {
    wanted=$(wanted_services) || exit
    found=$(containers | awk '$4 == "Up" { print $1, $2 }') || exit
    ids=$(printf '%s\n' "$found" | awk -v wanted="$(printf '%s' "$wanted" | tr '\n' ' ')" 'index(" " wanted " ", " " $2 " ") { print $1 }')
    # shellcheck disable=SC2086  # one word each
    used=$([ -z "$ids" ] || docker stats --no-stream --no-trunc --format '{{.ID}}	{{.CPUPerc}}	{{.MemUsage}}	{{.MemPerc}}	{{.NetIO}}	{{.BlockIO}}	{{.PIDs}}' $ids) ||
        unknown "docker did not answer"
    printf '%s\n' "$found" "" "$used" | awk -F '\t' '
        NF < 2 { if (split($0, word, " ") == 2) service[word[1]] = word[2]; next }
        { split($3, memory, " / ")
          list = list (list == "" ? "" : ",") sprintf("{\"service\":\"%s\",\"cpu\":\"%s\",\"memory\":\"%s\",\"limit\":\"%s\",\"memory_percent\":\"%s\",\"network\":\"%s\",\"block\":\"%s\",\"processes\":%d}", \
              service[$1], $2, memory[1], memory[2], $4, $5, $6, $7) }
        END { printf "{\"services\":[%s],\"disks\":[", list }'
    figures / "$STACK_DIR" "$STACK_DOCKER_DIR" | awk -F '\t' '
        { printf "%s{\"path\":\"%s\",\"bytes_percent\":%d,\"inodes_percent\":%d,\"mib_available\":%d}", (NR > 1 ? "," : ""), $8, $1, $2, $3 }
        END { print "]}" }'
}

# Prints log lines of the services, by time: SERVICE <tab> TIME LINE, and first, as #next, from when on to
# read further. Usage: service_logs SINCE TAIL TEXT [UNTIL]
service_logs() {
    wanted=$(wanted_services) || exit
    until=${4:-$(date +%s.%N)}
    echo "#next $until"
    for service in $wanted; do
        id=$(container "$service" 2>/dev/null) || continue
        {
            docker logs --timestamps ${1:+--since "$1"} --until "$until" "$([ -z "$3" ] && echo "--tail=$2" || echo --tail=all)" "$id" 2>&1 ||
                echo "$(date -u +%Y-%m-%dT%H:%M:%S.000000000Z) its log cannot be read further"
        } | { [ -z "$3" ] && cat || grep -F -e "$3" | tail -n "$2"; } | without_secrets "$id" | sed "s/^/$service	/"
    done | sort -s -t '	' -k 2,2.30
}

# --- restart ----------------------------------------------------------------------------------

# Whether a service serves again.
is_back() {
    [ "$1" != "$STACK_BLOCKCHAIN" ] || { [ -n "$(node_facts "$STACK_BLOCKCHAIN_URL" "" 0 2>/dev/null)" ]; return; }
    # One that leads elsewhere, to TLS or a login, serves.
    [ "$1" != "$STACK_FRONTEND" ] || case $(http 2 "$STACK_FRONTEND_URL" 2>/dev/null) in [23]*) ;; *) return 1 ;; esac
    serves "$1"
}

# Whether the database rejects connections for a while: it recovers, or is a standby.
is_recovering() {
    case $(inside "$STACK_DATABASE" 3 pg_isready -t 2 -U "$DATABASE_USER" 2>/dev/null) in
    *rejecting*) ;;
    *) return 1 ;;
    esac
}

# Whether a restart of the node would lose its chain.
forgets() {
    is_in_memory "$(node_facts "$STACK_BLOCKCHAIN_URL" "" 0 2>/dev/null)" \
        "$(docker top "$(container "$STACK_BLOCKCHAIN")" -o pid,args 2>/dev/null)"
}

# Prints the plan of a restart: what is wanted, in order, less what had better not be restarted now.
plan_restart() {
    apart wanted_services || { plan "$(last_words "$complaint")" </dev/null; return; }
    wanted=$answer
    for service in $wanted; do
        state=$(state_of "$service" 2>/dev/null)
        if [ "$service" = "$STACK_DATABASE" ] && [ "$state" = running ] && is_recovering; then
            continue
        elif [ "$service" = "$STACK_BLOCKCHAIN" ] && [ -z "$OPERATION_SERVICES" ] && forgets; then
            continue
        fi
        step "$service" restart "$([ "$state" = running ] && echo Restart || echo Start) $service, and wait until it serves"
    done | plan
}

# Restarts what is planned, each waited for before the next. Usage: restart_services SECONDS
restart_services() {
    for service in $OPERATION_STEPS; do
        if [ "$(state_of "$service" 2>/dev/null)" != running ]; then
            start "$service"
        elif [ "$service" = "$STACK_DATABASE" ]; then
            restart_database 120 120 >/dev/null 2>&1 && echo "restarted $service"
        else
            restart "$service"
        fi && wait_for "$service" "$1" is_back "$service" || {
            echo "$service does not serve within $1 s; what comes after it was left alone" >&2
            return 1
        }
    done
}

# Whether every service that was to be restarted serves.
services_serve() {
    for service in $OPERATION_STEPS; do
        is_back "$service" || { echo "$service does not serve" >&2; return 1; }
    done
}

# --- reboot -----------------------------------------------------------------------------------

# Volumes without a name that containers of the stack mount: SERVICE NAME DESTINATION a line. A new container
# would get new, empty ones.
anonymous_volumes() {
    # shellcheck disable=SC2046  # one word each
    docker container inspect --format '{{$service := index .Config.Labels "com.docker.compose.service"}}{{range .Mounts}}{{if eq .Type "volume"}}{{println $service .Name .Destination}}{{end}}{{end}}' \
        $(containers | cut -d ' ' -f 1) | grep -E '^[^ ]+ [0-9a-f]{64} '
}

# Prints of each service that would come up otherwise than it was, what would be new; and why not all can be
# brought up together.
different_services() {
    {
        ( know_stack ) 2>&1 | sed -n 's/^refused: //p'
        for service in $(containers | awk '{ print $2 }' | sort -u); do
            ( would_change "$service" ) 2>&1 | sed "s|^refused: ||; s|^|$service: |"
        done
    } | paste -s -d ';' - | sed 's/;/; /g'
}

# Prints the plan of a reboot, or why there shall be none.
plan_reboot() {
    orphans=$(anonymous_volumes | awk '{ printf "%s%s of %s (%s)", (NR > 1 ? ", " : ""), $3, $1, substr($2, 1, 12) }')
    if [ -n "$orphans" ]; then
        plan "it would orphan volumes without a name: $orphans; give them names in the compose file first" </dev/null
    elif different=$(different_services) && [ -n "$different" ]; then
        plan "the new containers would not be those that are there: $different" </dev/null
    elif [ "$(state_of "$STACK_DATABASE" 2>/dev/null)" = running ] && is_recovering; then
        plan "the database is recovering: wait until it accepts connections" </dev/null
    else
        lost=''
        if defined "$STACK_BLOCKCHAIN" && [ -n "$(container "$STACK_BLOCKCHAIN" 2>/dev/null)" ] && forgets; then
            lost="; the blockchain forgets its chain, with every certificate"
        fi
        for service in $(containers | awk '{ print $2 }' | sort -u); do
            files=$(own_files "$service")
            lost=$lost${files:+; $service loses what was written into its container, $files}
        done
        step reboot "$([ -n "$lost" ] && echo data || echo outage)" "Take the whole stack down and up$lost" | plan
    fi
}

# Stops the stack, and makes it anew on the same volumes. Usage: reboot_stack SECONDS, which each service gets
reboot_stack() {
    [ -z "$(anonymous_volumes)" ] || unknown "it would orphan volumes without a name"
    different=$(different_services)
    [ -z "$different" ] || refuse "the new containers would not be those that are there: $different"
    inside "$STACK_DATABASE" 30 psql -X -q -U "$DATABASE_USER" -d postgres -c CHECKPOINT >/dev/null 2>&1
    know_stack
    # Stopped and made anew, not removed first: whoever is ended between the two leaves containers that say
    # what they were started from, and that can be started.
    compose stop -t 120 >&2 && bring_up --force-recreate >&2 || return
    echo "took the stack down and up"
    for service in $(services_in_order); do
        wait_for "$service" "$1" is_back "$service" || { echo "$service does not serve within $1 s" >&2; return 1; }
    done
}

# Whether every service serves; says which does not.
stack_serves() {
    for service in $(services_in_order); do
        is_back "$service" || { echo "$service does not serve" >&2; return 1; }
    done
}

# --- hold -------------------------------------------------------------------------------------

# Usage: plan_hold UNTIL AUTHOR REASON
plan_hold() {
    if [ "$1" -le "$(date +%s)" ]; then
        plan "on this host it is already $(date -u +%Y-%m-%dT%H:%M:%SZ)" </dev/null
    else
        step hold restart "Keep every change away until $(date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ): $3" | plan
    fi
}

# Keeps every change away, on disk or, where that cannot be, in memory until the host reboots.
# Usage: set_hold UNTIL AUTHOR REASON
set_hold() {
    file=$(hold_files "$STACK_DIR" | head -n 1)
    line=$(printf '%s\t%s\t%s' "$1" "$(printf '%s' "$2" | tr '\t\n' '  ')" "$(printf '%s' "$3" | tr '\t\n' '  ')")
    # Beside it, and then in its place: there is always a whole one.
    write='umask 022; printf "%s\n" "$2" >"$1.new" && mv -f -T "$1.new" "$1" || { rm -f "$1.new"; exit 1; }'
    if sh -c "$write" sh "$file" "$line" 2>/dev/null || (as_root sh -c "$write" sh "$file" "$line") 2>/dev/null; then
        echo "kept in $file"
    else
        place=$(place_of_marks make) || return
        sh -c "$write" sh "$place/$(key_of "$STACK_DIR").hold" "$line" && echo "kept in memory until the host reboots: $file cannot be written"
    fi
}

# Prints a plan of one step where the host is on hold, else one of none.
plan_lift() {
    held_by=$(on_hold "$STACK_DIR") || { plan </dev/null; return; }
    step hold_lift restart "Let changes in again: $held_by" | plan
}

# Removes what keeps changes away, wherever it is kept.
lift_hold() {
    hold_files "$STACK_DIR" | while IFS= read -r file; do
        [ ! -e "$file" ] && [ ! -L "$file" ] || rm -f "$file" 2>/dev/null || as_root rm -f "$file" || exit
    done && echo "lifted"
}

# --- clean ------------------------------------------------------------------------------------

# Prints what disk_space_full may free, as a plan.
plan_clean() {
    {
        large_logs | while IFS='	' read -r bytes service _; do
            step cut_large_logs restart "Cut the log of $service, $(mib "$bytes"), to its end, the service stopped for it"
        done
        old_logs | awk -F '\t' '{ n++; bytes += $1 } END { if (n) printf "remove_old_logs\trestart\tRemove %d old log files of the application, %d MiB\n", n, bytes / 1048576 }'
        [ -z "$(journal)" ] || step shrink_journal data "Shrink the host's journal"
        images=$(unused_images | wc -l)
        [ "$images" -eq 0 ] && [ -z "$(old_build_cache)" ] ||
            step remove_unused_images restart "Remove old build cache and $images unused images without a name"
        stopped_containers | while read -r id; do
            step remove_stopped_containers data "Remove container $(docker inspect --format '{{.Name}}, {{.Config.Image}}' "$id" | cut -c 2-), stopped long ago"
        done
        old_backups 2 2>/dev/null | awk -F '\t' '{ n++; bytes += $1 } END { if (n) printf "remove_old_backups\tdata\tRemove %d old backups, %d MiB\n", n, bytes / 1048576 }'
    } | plan
}

# Frees what is planned and allowed; prints what went, and how much that freed where.
clean_host() {
    before=$(file_systems)
    for word in cut_large_logs remove_old_logs shrink_journal remove_unused_images remove_stopped_containers remove_old_backups; do
        ! is_step "$word" || "$word" 2>&1
    done
    file_systems | BEFORE=$before awk -F '\t' '
        BEGIN { n = split(ENVIRON["BEFORE"], line, "\n"); for (i = 1; i <= n; i++) { split(line[i], f, "\t"); was[f[8]] = f[6] } }
        $6 - was[$8] > 0 { printf "freed %d MiB on %s\n", $6 - was[$8], $8 }'
}

# --- backups ----------------------------------------------------------------------------------

# Tells whether a backup could be made now.
room_for_backup() {
    database_exists "$DATABASE_NAME" || unknown "there is no database $DATABASE_NAME"
    need=$(backup_estimate) || exit
    directory=$STACK_BACKUP_DIR
    [ -d "$directory" ] || directory=${directory%/*}
    need_room "$need" "$directory"
}

# Proves the named backup, or all; fails when one is broken, or there is none. Usage: verify_backups FILE deep|""
verify_backups() {
    if [ -n "$1" ]; then
        case $1 in /*) paths=$1 ;; *) paths=$STACK_BACKUP_DIR/$1 ;; esac
        in_backups test -f "$paths" || unknown "there is no backup $paths: see runbook ops backups list"
    else
        paths=$(backup_files | cut -f 3-)
    fi
    [ -n "$paths" ] || { echo "there is no backup in $STACK_BACKUP_DIR" >&2; return 5; }
    printf '%s\n' "$paths" | {
        broken=0
        while IFS= read -r path; do
            if why=$({ prove "$path" && { [ -z "$2" ] || verify_deep "$path"; }; } 2>&1 </dev/null); then
                echo "${why:-whole: ${path##*/}}"
            else
                echo "broken: ${path##*/}: $(printf '%s\n' "$why" | tail -n 1)"
                broken=$((broken + 1))
            fi
        done
        [ "$broken" -eq 0 ] || { echo "$broken of $(printf '%s\n' "$paths" | wc -l) backups are not proven whole" >&2; exit 5; }
    }
}

# Prints what may go, as a plan.
plan_prune() {
    {
        old_proven_backups | while IFS='	' read -r bytes path; do
            step remove_backups data "Remove backup ${path##*/}, $(mib "$bytes")"
        done
        replaced_databases | while IFS= read -r name; do
            step remove_backups data "Remove database $name, replaced by a restore"
        done
    } | plan
}

# Tells whether there is a proven backup left, if there was any.
backup_is_left() {
    [ -z "$(backup_files)" ] || [ -n "$(proven_backups 1 2>/dev/null)" ]
}

# Tells whether a backup could be restored now, and prints which.
could_restore() {
    chosen=$(choose_backup "$1") || exit
    need_room "$(restore_estimate "$chosen")" "$STACK_DOCKER_DIR"
    ! database_exists "$DATABASE_NAME" || need_room "$(backup_estimate)" "$STACK_BACKUP_DIR"
    echo "$chosen"
}

# Prints the plan of a restore, or why there shall be none. Usage: plan_restore newest|FILE
plan_restore() {
    if ! apart could_restore "$1"; then
        plan "$(last_words "$complaint")" </dev/null
        return
    fi
    printf '%s\n' "$complaint" | grep '^passed over' >&2
    chosen=$answer
    step restore data "Restore $chosen$(newest=$(told "$chosen" newest_row); [ -z "$newest" ] || echo ", whose newest row is of $newest"); back up what is there now, and keep it beside" | plan
}

# Tells whether the application works on the database.
restored() { application_reads || { echo "the application does not read its database" >&2; return 1; }; }
