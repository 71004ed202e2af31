# shellcheck shell=sh
# Shell functions about services of the stack that play none of the five parts, on top of stack.sh.
#
# In: STACK_BACKEND … STACK_CACHE: the services that do; STACK_SERVERS, STACK_DATABASES: what serves others is called; SERVICES_FRESH_SECONDS: how long a start counts as
#     the one chance that a service gets; SERVICES_AWK, the text of services.awk

# Prints what is wrong with the services that no other card looks after, and with any health check, as one JSON
# object:
#   degraded       services that are down, restart again and again, or are unhealthy
#   startable      of them those that a start may help: stopped by somebody, or ended, and not just started
#   restartable    of them those that run unhealthy, and not since a moment ago
#   running        whether all of them run
#   broken_checks  services of any part whose health check cannot be run
#   why            service -> a sentence
other_services() {
    told=$(troubled_services) || exit
    printf '%s\n' "$told" | awk -F '\t' "$SERVICES_AWK"
}

# Lists the services in trouble: SERVICE <tab> down, unhealthy or broken_check <tab> startable, restartable or
# nothing <tab> sentence. Docker is asked only for what docker ps does not call well.
troubled_services() {
    found=$(containers) || exit
    ids=$(printf '%s\n' "$found" | awk -F '\t' '
        BEGIN { for (name in ENVIRON) if (name ~ /^STACK_(BACKEND|FRONTEND|DATABASE|BLOCKCHAIN|CACHE)$/) part[ENVIRON[name]] }
        {
            split($1, word, " ")
            status = $1; sub(/^[^ ]+ [^ ]+ [^ ]+ /, "", status)
            if (status ~ /\(unhealthy\)/ || (!(word[2] in part) && status ~ /Paused|^Up (Less than a|[0-9]+) second/) \
                || ((!(word[2] in part) || word[2] == ENVIRON["STACK_CACHE"]) && status !~ /^Up/))
                print word[1]
        }')
    [ -n "$ids" ] || return 0
    # shellcheck disable=SC2086  # one word an id
    facts=$(docker container inspect --format '{{.ID}}	{{index .Config.Labels "com.docker.compose.service"}}	{{.State.Status}}	{{.State.ExitCode}}	{{.State.OOMKilled}}	{{or .HostConfig.RestartPolicy.Name "no"}}	{{.RestartCount}}	{{.State.StartedAt}}	{{with .State.Health}}{{.Status}}{{else}}-{{end}}	{{$last := ""}}{{$status := 0}}{{with .State.Health}}{{range .Log}}{{$last = .Output}}{{$status = .ExitCode}}{{end}}{{end}}{{$status}}	{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}-	{{json $last}}	{{json .State.Error}}	{{json .Config.Image}} {{json .Path}}{{range .Args}} {{json .}}{{end}}' $ids) ||
        unknown "docker did not answer"
    printf '%s\n' "$facts" | name_troubles
}

# Reads the facts of troubled_services, and prints its lines.
name_troubles() {
    while IFS='	' read -r id service state code oom policy restarts started health check_code ports check error runs; do
        trouble_of_service
    done
}

# Prints the line of one service, from what is set by troubled_services; nothing for one that is well, or
# a job that is done.
trouble_of_service() {
    case $state,$health in
    running,unhealthy)
        case $check_code,$check in
        -1,* | 126,* | 127,* | *"executable file not found"* | *": not found"* | *"No such file"*)
            printf '%s\tbroken_check\t\tthe health check of %s cannot be run: %s\n' "$service" "$service" "$check"
            return
            ;;
        esac
        ! is_part || return 0
        step=restartable why=
        ! is_fresh || step=''
        leave_databases_alone
        printf '%s\tunhealthy\t%s\t%s is unhealthy: %s\n' "$service" "$step" "$service" "$check$why"
        return
        ;;
    running,*)
        [ "$restarts" -gt 0 ] || return 0
        state=restarting
        ;;
    exited,*) ! is_done || return 0 ;;
    esac
    ! is_part || return 0
    step=startable status=$code
    # Docker restarts what ended by itself.
    case $state,$policy,$error in exited,always,'""' | exited,unless-stopped,'""') code=stopped ;; esac
    case $state,$oom,$code in
    restarting,*) step='' why="restarts again and again ($restarts times): $(why_ended "$id")" ;;
    paused,* | created,*) why="is $state" ;;
    exited,true,*) why="was killed for want of memory" ;;
    exited,false,0 | exited,false,137 | exited,false,143 | exited,false,stopped) why="was stopped (exit status $status)" ;;
    *)
        ! is_fresh || step=''
        if [ "$error" = '""' ]; then why="ended by itself: $(why_ended "$id")"; else why="is down"; fi
        ;;
    esac
    [ "$error" = '""' ] || why="$why; docker could not start it: $error"
    for port in ${ports%-}; do
        [ "$state" != restarting ] || break
        holder=$(holder_of "$port") || continue
        step='' why="$why; its port $port is already in use by $holder"
    done
    leave_databases_alone
    printf '%s\tdown\t%s\t%s %s\n' "$service" "$step" "$service" "$why"
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
    case $service in
    "$STACK_BACKEND" | "$STACK_FRONTEND" | "$STACK_DATABASE" | "$STACK_BLOCKCHAIN") ;;
    "$STACK_CACHE") case $state in running | paused) ;; *) return 1 ;; esac ;;
    *) return 1 ;;
    esac
}

# Whether it was started so lately that it has had its chance.
is_fresh() {
    begun=${started%%.*}
    begun=$(date -u -d "${begun%%T*} ${begun#*T}" +%s 2>/dev/null) || return 1
    [ "$(($(date +%s) - begun))" -lt "$SERVICES_FRESH_SECONDS" ]
}

# Does one step (start, restart) to each service that needs it. Usage: mend_services startable|restartable WORD
mend_services() {
    told=$(troubled_services) || exit
    printf '%s\n' "$told" | awk -F '\t' -v step="$1" '$3 == step { print $1 }' | while read -r service; do
        "$2" "$service"
    done
}
