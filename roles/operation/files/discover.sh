# shellcheck shell=sh
# Shell functions of `runbook init`, on top of all the others: what compose stacks there are on a host. They look,
# and change nothing.

# Prints of each container that compose made here, a line of JSON: project, directory, service, image, command,
# ports, health check, names of its environment (never values), and of a database its name and role.
compose_containers() {
    ids=$(docker ps -aq --no-trunc --filter label=com.docker.compose.project) || unknown "docker did not answer"
    [ -n "$ids" ] || return 0
    # shellcheck disable=SC2086  # one word an id
    docker container inspect --format '{"project":{{json (index .Config.Labels "com.docker.compose.project")}},"directory":{{json (index .Config.Labels "com.docker.compose.project.working_dir")}},"service":{{json (index .Config.Labels "com.docker.compose.service")}},"oneoff":{{json (index .Config.Labels "com.docker.compose.oneoff")}},"state":{{json .State.Status}},"image":{{json .Config.Image}},"command":[{{json .Path}}{{range .Args}},{{json .}}{{end}}],"published":{{json .HostConfig.PortBindings}},"bound":{{json .NetworkSettings.Ports}},"exposed":{{json .Config.ExposedPorts}},"health":{{with .Config.Healthcheck}}{{json .Test}}{{else}}null{{end}},"environment":[{{range $at, $one := .Config.Env}}{{if $at}},{{end}}{{json (index (split $one "=") 0)}}{{end}}],"database":{ {{- $sep := ""}}{{range .Config.Env}}{{$pair := split . "="}}{{$name := index $pair 0}}{{if and (or (eq $name "POSTGRES_DB") (eq $name "POSTGRES_USER")) (gt (len $pair) 1)}}{{$sep}}{{json $name}}:{{json (index $pair 1)}}{{$sep = ","}}{{end}}{{end -}} } }' $ids
}

# Prints what the running services of every stack answer at paths that health is often asked at, to a GET at
# their own address, a line of JSON: project, service, port, path, status. Databases, caches, queues and tools, which
# speak otherwise, and what has a health check that asks by HTTP, are left alone.
service_answers() {
    ids=$(docker ps -q --no-trunc --filter label=com.docker.compose.project) || unknown "docker did not answer"
    [ -n "$ids" ] || return 0
    # shellcheck disable=SC2086  # one word an id
    docker container inspect --format '{{index .Config.Labels "com.docker.compose.project"}}	{{index .Config.Labels "com.docker.compose.service"}}	{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}-	{{range $own, $_ := .NetworkSettings.Ports}}{{$own}} {{end}}-	{{with .Config.Healthcheck}}{{json .Test}}{{else}}-{{end}}	{{json .Config.Image}} {{json .Path}}{{range .Args}} {{json .}}{{end}}' $ids |
        while IFS='	' read -r name service addresses ports check runs; do
            case $check in *http://* | *https://*) continue ;; esac
            ! runs_one_of "$DISCOVER_OTHERS" "$runs" || continue
            address=${addresses%% *}
            # A label may be of several lines, and make facts of its own.
            case $address in "" | *[!0-9.]*) continue ;; esac
            for port in ${ports%-}; do
                case $port in *[!0-9/tcp]* | *udp | [!0-9]*) ;; *) answers_at "${port%/tcp}" ;; esac
            done
        done
}

# Prints what a port answers to the paths, until one is well. Usage: answers_at PORT
answers_at() {
    for path in /health /healthz /api/health /; do
        code=$(http 2 "http://$address:$1$path" 2>/dev/null)
        case $code in 000 | "") return ;; esac
        printf '{"project":"%s","service":"%s","port":%d,"path":"%s","status":%d}\n' \
            "$(json_text "$name")" "$(json_text "$service")" "$1" "$path" "$code"
        case $code in 2*) return ;; esac
    done
}

# Prints what the inventory says of this host's stack, as one JSON object, to be compared with what is there.
stack_settings() {
    printf '{"directories":["%s","%s"],"services":{' "$(json_text "$STACK_DIR")" "$(json_text "$(cd "$STACK_DIR" 2>/dev/null && pwd -P)")"
    printf '"backend":"%s","frontend":"%s","database":"%s","blockchain":"%s","cache":"%s"},' "$(json_text "$STACK_BACKEND")" \
        "$(json_text "$STACK_FRONTEND")" "$(json_text "$STACK_DATABASE")" "$(json_text "$STACK_BLOCKCHAIN")" "$(json_text "$STACK_CACHE")"
    printf '"urls":{'
    printf '%s\n' "$STACK_SERVICE_URLS" | while read -r service url; do
        [ -z "$service" ] || printf '%s"%s":"%s"' "${between-}" "$(json_text "$service")" "$(json_text "${url%%[?#]*}")"
        between=,
    done
    printf '},"addresses":{"backend":"%s","frontend":"%s","blockchain":"%s","cache":"%s"}}\n' "$(json_text "$STACK_BACKEND_URL")" \
        "$(json_text "$STACK_FRONTEND_URL")" "$(json_text "${STACK_BLOCKCHAIN_URL##*@}")" "$(json_text "${STACK_CACHE_URL##*@}")"
}
