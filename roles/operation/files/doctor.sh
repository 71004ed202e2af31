# shellcheck shell=sh
# Shell functions of `runbook doctor`, on top of all the others: is there what an incident will need? They
# look, and change nothing. A host without a stack answers them as well.

# Prints the time, in seconds since the epoch, with a fraction where `date` knows one.
host_clock() {
    moment=$(date +%s.%N)
    case $moment in
    *[!0-9.]* | *.) date +%s ;;
    *) echo "$moment" ;;
    esac
}

# Prints the version of the engine.
docker_answers() {
    command -v docker >/dev/null || { echo "docker is not installed" >&2; return 1; }
    timeout 5 docker version --format '{{.Server.Version}}' && return
    [ $? -ne 124 ] || echo "Docker did not answer within 5 s" >&2
    return 1
}

# Prints v2 or v1, and the version.
compose_version() {
    if version=$(timeout 5 docker compose version --short 2>/dev/null); then
        echo "v2 $version"
    elif version=$(timeout 5 docker-compose version --short 2>/dev/null); then
        echo "v1 $version"
    else
        echo "neither docker compose nor docker-compose on this host" >&2
        return 1
    fi
}

# Prints the compose file, the project, and how many containers it has, tab-separated. Fails where compose
# cannot read its files, with the line.
stack_facts() {
    (need_stack) || return 1
    found=$(containers) || exit
    name=$(project) || return 1
    unread=$(compose config -q 2>&1 </dev/null) || {
        echo "compose cannot read its files: $(printf '%s\n' "$unread" | grep . | tail -n 1)" >&2
        return 1
    }
    printf '%s\t%s\t%s\n' "$compose_file" "$name" "$(printf '%s\n' "$found" | grep -c .)"
}

# Prints the percentage from which a file system counts as full, and the figures of each.
disk_use() {
    echo "$DISK_LIMIT"
    file_systems
}

# Prints as JSON how many backups there are, the newest, the newest that is proven whole, and what is
# wrong with those that are newer; ages in seconds.
newest_backup() {
    # Without it the proof of a foreign dump would wait for ever.
    # shellcheck disable=SC2329  # prove calls it
    [ "${STACK_CONTAINERS_STATUS:-0}" -eq 0 ] || docker() { echo "docker did not answer" >&2; return 1; }
    files=$(routine_backups)
    now=$(date +%s)
    if [ -n "$files" ]; then printf '%s\n' "$files"; fi | {
        count=0 newest='' proven='' wrong=''
        while IFS='	' read -r time _ path; do
            count=$((count + 1))
            [ -z "$proven" ] || continue
            told="{\"file\":\"$(json_text "${path##*/}")\",\"age\":$((now - time))}"
            newest=${newest:-$told}
            if why=$(prove "$path" 2>&1); then
                proven=$told
            else
                wrong=${wrong:-$(printf '%s\n' "$why" | tail -n 1)}
            fi
        done
        printf '{"directory":"%s","count":%s,"newest":%s,"proven":%s,"wrong":"%s"}\n' "$(json_text "$STACK_BACKUP_DIR")" \
            "$count" "${newest:-null}" "${proven:-null}" "$(json_text "$wrong")"
    }
}

# Prints who we are, if we are root or may become it without a password.
may_be_root() {
    id -un
    [ "$(id -u)" -eq 0 ] || sudo -n true || return 1
}

# Prints the tools that something would miss, a line each.
missing_tools() {
    for tool in awk base64 cksum cut date df du find flock gzip sed sha256sum sort stat tail tee timeout xargs; do
        command -v "$tool" >/dev/null || echo "$tool"
    done
    command -v curl >/dev/null || command -v wget >/dev/null || echo "curl or wget"
    stat -f -c %T / >/dev/null 2>&1 || echo "stat of GNU coreutils"
    [ -w /dev/shm ] || echo "a /dev/shm that may be written to"
}
