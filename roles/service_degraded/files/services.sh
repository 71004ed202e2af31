# shellcheck shell=sh
# Shell functions about services of the stack that play none of the five parts, on top of stack.sh.
#
# In: STACK_BACKEND … STACK_CACHE: the services that do; STACK_SERVERS, STACK_DATABASES: what serves others is
#     called; SERVICES_FRESH_SECONDS: how long a start counts as the one chance that a service gets;
#     SERVICES_CERTIFICATE_DAYS: how many days the certificates of those that are asked must stay good;
#     SERVICES_AWK, the text of services.awk

# Prints what is wrong with the services that no other card looks after, and with any health check, as one JSON
# object:
#   degraded       services that are down, restart again and again, are unhealthy, or do not answer where they
#                  are asked
#   startable      of them those that a start may help: stopped by somebody, or ended, and not just started
#   restartable    of them those that run unhealthy or silent, and not since a moment ago
#   running        whether all of them run
#   broken_checks  services of any part whose health check cannot be run
#   expiring       services whose certificate is about to expire
#   why            service -> a sentence
other_services() {
    told=$(troubled_services) || exit
    printf '%s\n' "$told" | awk -F '\t' "$SERVICES_AWK"
}

# Lists the services in trouble: SERVICE <tab> down, unhealthy, silent, broken_check or expiring <tab> startable,
# restartable or nothing <tab> sentence <tab> id of its container, if it has one. Of several replicas each is named by
# its container's name as well. Docker is asked only for what docker ps does not call well, or what does
# not answer.
troubled_services() {
    found=$(containers) || exit
    silent=
    if [ -n "$STACK_SERVICE_URLS" ]; then
        said=$(asked_services) || exit
        printf '%s\n' "$said" | awk -F '\t' '$2 == "expiring" || $2 == "down"'
        silent=$(printf '%s\n' "$said" | awk -F '\t' '$2 == "silent" || $2 == "refused"')
    fi
    replicated=$(printf '%s\n' "$found" | replicated_services)
    ids=$(printf '%s\n' "$found" | SILENT=$silent REPLICATED=$replicated awk -F '\t' '
        BEGIN {
            count = split(ENVIRON["SILENT"], line, "\n")
            for (i = 1; i <= count; i++) { split(line[i], field); silent[field[1]] }
            for (name in ENVIRON) if (name ~ /^STACK_(BACKEND|FRONTEND|DATABASE|BLOCKCHAIN|CACHE)$/) part[ENVIRON[name]]
            count = split(ENVIRON["REPLICATED"], line, "\n")
            for (i = 1; i <= count; i++) delete part[line[i]]
        }
        {
            split($1, word, " ")
            status = $1; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", status)
            if (word[2] in silent || status ~ /\(unhealthy\)/ || (!(word[2] in part) && status ~ /Paused|^Up (Less than a|[0-9]+) second/) \
                || ((!(word[2] in part) || word[2] == ENVIRON["STACK_CACHE"]) && status !~ /^Up/))
                print word[1]
        }')
    [ -n "$ids" ] || return 0
    # shellcheck disable=SC2086  # one word an id
    facts=$(docker container inspect --format '{{.ID}}{{.Name}}	{{index .Config.Labels "com.docker.compose.service"}}	{{.State.Status}}	{{.State.ExitCode}}	{{.State.OOMKilled}}	{{or .HostConfig.RestartPolicy.Name "no"}}	{{.RestartCount}}	{{.State.StartedAt}}	{{with .State.Health}}{{.Status}}{{else}}-{{end}}	{{$last := ""}}{{$status := 0}}{{with .State.Health}}{{range .Log}}{{$last = .Output}}{{$status = .ExitCode}}{{end}}{{end}}{{$status}}	{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}-	{{json $last}}	{{json .State.Error}}	{{json .Config.Image}} {{json .Path}}{{range .Args}} {{json .}}{{end}}' $ids) ||
        unknown "docker did not answer"
    printf '%s\n' "$facts" | name_troubles
}

# Reads containers and lists the services with several, of which one is up at least: no other card looks at each.
replicated_services() {
    awk -F '\t' '
        { split($1, word, " "); count[word[2]]++ }
        $1 ~ /^[^ ]+ [^ ]+ [^ ]+ Up/ && $1 !~ /Paused/ { up[word[2]] }
        END { for (service in up) if (count[service] > 1) print service }'
}

# Asks the services that have an address, side by side, and lists those of which something is to be said: SERVICE
# <tab> silent, refused (no restart of it can help), expiring or down <tab><tab> sentence. What docker ps does not
# call up is not asked.
asked_services() {
    command -v curl >/dev/null || command -v wget >/dev/null || unknown "neither curl nor wget on this host"
    up=$(printf '%s\n' "$found" | awk -F '\t' '$1 ~ /^[^ ]+ [^ ]+ [^ ]+ Up / && $1 !~ /Paused|unhealthy|starting/ { split($1, word, " "); print word[2] }')
    all=$(printf '%s\n' "$found" | cut -d ' ' -f 2)
    printf '%s\n' "$STACK_SERVICE_URLS" | {
        while read -r service url; do
            case $newline$up$newline,$newline$all$newline in
            *"$newline$service$newline"*,*) (ask_service </dev/null) & ;;
            *,*"$newline$service$newline"*) ;;
            *)
                defined "$service" || unknown "no service $service in $compose_file: set stack_service_urls"
                printf '%s\tdown\t\t%s has no container\n' "$service" "$service"
                ;;
            esac
        done
        wait
    }
}

# Asks one service at its address, and prints its line of asked_services.
ask_service() {
    origin=$url led_to='' curl_options='' certificate=none days='' until='' kind=''
    # What is not asked: a port that somebody else holds.
    answer=$(http 3 "$origin" 2>&1) || {
        answer=$answer${newline}000
        kind=refused
    }
    code=${answer##*"$newline"}
    reason=${answer%"$code"}
    case $kind,$origin in ,https:*) certificate_facts "$reason" ;; esac
    reason=$(printf '%.300s' "${reason%"$newline"}" | tr '\n\t' '  ')
    case $kind,$certificate,$code in
    refused,* | ,valid,[23]* | ,none,[23]*) ;;
    ,valid,* | ,none,*) kind=silent ;;
    *) kind=refused ;;
    esac
    case $kind,$code in
    ,*)
        [ "${days:-$SERVICES_CERTIFICATE_DAYS}" -lt "$SERVICES_CERTIFICATE_DAYS" ] || return 0
        printf '%s\texpiring\t\tthe certificate of %s is about to expire%s\n' "$service" "$service" "$until"
        ;;
    *,000) printf '%s\t%s\t\t%s does not answer: %s\n' "$service" "$kind" "$service" "$reason$until" ;;
    *) printf '%s\t%s\t\t%s answers %s: %s\n' "$service" "$kind" "$service" "$code" "$reason" ;;
    esac
}

# Reads the facts of troubled_services, and prints its lines.
name_troubles() {
    while IFS='	' read -r id service state code oom policy restarts started health check_code ports check error runs; do
        called=$service name=${id#*/} id=${id%%/*}
        ! is_replicated || called="$service ($name)"
        [ -z "$service" ] || trouble_of_service
    done
}

# Prints the line of one service, from what is set by troubled_services; nothing for one that is well, or
# a job that is done.
trouble_of_service() {
    case $state,$health in
    running,unhealthy)
        case $check_code,$check in
        -1,* | 126,* | 127,* | *"executable file not found"* | *": not found"* | *"No such file"*)
            printf '%s\tbroken_check\t\tthe health check of %s cannot be run: %s\n' "$called" "$called" "$check"
            health=-
            ;;
        esac
        ;;
    esac
    ! is_part || return 0
    case $state,$health in
    running,unhealthy)
        running_ill unhealthy "$called is unhealthy: $check"
        return
        ;;
    running,*)
        if ! is_in_loop "$id" "$restarts" "$started"; then
            said=$(printf '%s\n' "$silent" | awk -F '\t' -v service="$service" '$1 == service { print $2 ":" $4 }')
            [ -z "$said" ] || running_ill silent "${said#*:}" "${said%%:*}"
            return
        fi
        state=restarting
        ;;
    exited,*) ! is_done || return 0 ;;
    esac
    step=startable status=$code
    # Docker restarts what ended by itself.
    case $state,$policy,$error in exited,always,'""' | exited,unless-stopped,'""') code=stopped ;; esac
    case $state,$oom,$code in
    restarting,*)
        step='' why="ended by itself and is started again"
        [ "$restarts" -lt 3 ] || why="restarts again and again ($restarts times)"
        why="$why: $(why_ended "$id")"
        ;;
    paused,* | created,*) why="is $state" ;;
    exited,true,*) why="was killed for want of memory" ;;
    exited,false,0 | exited,false,137 | exited,false,143 | exited,false,stopped) why="was stopped (exit status $status)" ;;
    *)
        if [ "$error" = '""' ]; then why="ended by itself: $(why_ended "$id")"; else why="is down"; fi
        leave_the_fresh_alone
        ;;
    esac
    [ "$error" = '""' ] || why="$why; docker could not start it: $error"
    for port in ${ports%-}; do
        [ "$state" != restarting ] || break
        holder=$(holder_of "$port") || continue
        step='' why="$why; its port $port is already in use by $holder"
    done
    leave_databases_alone
    printf '%s\tdown\t%s\t%s %s\t%s\n' "$called" "$step" "$called" "$why" "$id"
}

# Prints the line of a service that runs, and serves nobody: a restart may help, but where it was just started, or
# what refuses is not the service. Usage: running_ill KIND SENTENCE [refused]
running_ill() {
    step=restartable why=
    [ "${3-}" != refused ] || step=''
    leave_the_fresh_alone
    leave_databases_alone
    printf '%s\t%s\t%s\t%s\t%s\n' "$called" "$1" "$step" "$2$why" "$id"
}

# Whether it is a job that is done: it ended well, nothing starts it again, and it is nothing that serves others.
is_done() {
    [ "$code,$policy,$health,$ports" = 0,no,-,- ] && ! runs_one_of "$STACK_SERVERS" "$runs"
}

# Takes the step from a service that is a database: what its data needs is not known here. Adds to why.
leave_databases_alone() {
    runs_one_of "$STACK_DATABASES" "$runs" || return 0
    step='' why="$why; it is a database that is not looked into, which people start"
}

# Whether another card looks after it: after the cache while it runs, after the other parts always.
is_part() {
    has_card && return
    case $service,$state in "$STACK_CACHE",running | "$STACK_CACHE",paused) ;; *) return 1 ;; esac
}

# Whether an incident of its own is about it: all parts but the cache, and but one of several replicas, of which
# another is up.
has_card() {
    case $service in
    "$STACK_BACKEND" | "$STACK_FRONTEND" | "$STACK_DATABASE" | "$STACK_BLOCKCHAIN") ! is_replicated ;;
    *) return 1 ;;
    esac
}

# Whether it is a service of replicated. What an update that broke off left behind under another name is none.
is_replicated() {
    hex='[0-9a-f][0-9a-f][0-9a-f][0-9a-f]'
    # shellcheck disable=SC2254  # a pattern is meant
    case $name in $hex$hex${hex}_*) return 1 ;; esac
    case $newline$replicated$newline in *"$newline$service$newline"*) ;; *) return 1 ;; esac
}

# Takes the step from a service that was started so lately that it has had its chance. Adds to why.
leave_the_fresh_alone() {
    is_younger "$SERVICES_FRESH_SECONDS" "$started" || return 0
    step='' why="$why; it was started less than $SERVICES_FRESH_SECONDS s ago, and again would not help"
}

# Does one step (start, restart) to each service that needs it. Usage: mend_services startable|restartable WORD
mend_services() {
    told=$(troubled_services) || exit
    printf '%s\n' "$told" | awk -F '\t' -v step="$1" '$3 == step { print $5, $1 }' | while read -r id called; do
        "$2" "$called" "$id"
    done
}

# Joins the services that no other card looks after to their networks again, each under its name.
reconnect_services() {
    found=$(containers) || exit
    replicated=$(printf '%s\n' "$found" | replicated_services)
    printf '%s\n' "$found" | while read -r id service _; do
        name=''
        [ -z "$id" ] || has_card || [ -z "$(off_network_of "$id")" ] || reconnect "$service" "$id"
    done
}
