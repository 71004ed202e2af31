# shellcheck shell=sh
# Shell functions of `runbook init`: what compose stacks there are on a host. They look, and change nothing.

# Prints of each container that compose made here, a line of JSON: project, directory, service, image, command,
# ports, health check, names of its environment (never values), and of a database its name and role.
compose_containers() {
    ids=$(docker ps -aq --no-trunc --filter label=com.docker.compose.project) || unknown "docker did not answer"
    [ -n "$ids" ] || return 0
    # shellcheck disable=SC2086  # one word an id
    docker container inspect --format '{"project":{{json (index .Config.Labels "com.docker.compose.project")}},"directory":{{json (index .Config.Labels "com.docker.compose.project.working_dir")}},"service":{{json (index .Config.Labels "com.docker.compose.service")}},"oneoff":{{json (index .Config.Labels "com.docker.compose.oneoff")}},"state":{{json .State.Status}},"image":{{json .Config.Image}},"command":[{{json .Path}}{{range .Args}},{{json .}}{{end}}],"published":{{json .HostConfig.PortBindings}},"bound":{{json .NetworkSettings.Ports}},"exposed":{{json .Config.ExposedPorts}},"health":{{with .Config.Healthcheck}}{{json .Test}}{{else}}null{{end}},"environment":[{{range $at, $one := .Config.Env}}{{if $at}},{{end}}{{json (index (split $one "=") 0)}}{{end}}],"database":{ {{- $sep := ""}}{{range .Config.Env}}{{$pair := split . "="}}{{$name := index $pair 0}}{{if and (or (eq $name "POSTGRES_DB") (eq $name "POSTGRES_USER")) (gt (len $pair) 1)}}{{$sep}}{{json $name}}:{{json (index $pair 1)}}{{$sep = ","}}{{end}}{{end -}} } }' $ids
}
