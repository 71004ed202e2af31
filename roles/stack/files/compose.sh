# shellcheck shell=sh
# Shell functions about what the stack's containers are made from: their compose files, and what a new container
# would be that the one there is not.
#
# In: what stack.sh takes and sets; RUNBOOK_ALLOW, the riskiest that the run may do; COMPOSE_CHANGES_AWK and
#     COMPOSE_OWN_FILES_AWK, the texts of changes.awk and own_files.awk

# Learns what a service was started from, as the labels of its containers say, or without any the whole
# stack: compose_project, compose_directory, compose_files (FILE,…) and compose_environment (FILE,…); all
# empty where nothing was ever started. From other files it would become another service, the database one
# with another volume. Whoever takes containers down learns it before. Usage: know_stack [SERVICE]
know_stack() {
    [ "${compose_known:-}" != "of ${1:-all}" ] || return 0
    compose_project=$(project) || exit
    compose_directory='' compose_files='' compose_environment=''
    if [ -n "$compose_project" ]; then
        ids=$(containers | awk -v service="${1:-}" '{ all = all " " $1 } $2 == service { own = own " " $1 } END { print own == "" ? all : own }')
        # shellcheck disable=SC2086  # one word an id
        told=$(docker inspect --format '{{with .Config.Labels}}{{index . "com.docker.compose.project.working_dir"}}|{{index . "com.docker.compose.project.config_files"}}|{{index . "com.docker.compose.project.environment_file"}}{{end}}' $ids |
            awk -F '|' -v chosen="$compose_file" '
                # With an override file that came later, or without: compose chose both itself.
                $2 ~ /^[^,]*,[^,]*override\.ya?ml$/ && index($2, chosen ",") == 1 { $2 = chosen }
                { print $1 "|" $2 "|" $3 }' | sort -u)
        case $told in
        *"$newline"*)
            # shellcheck disable=SC2086  # lines become words
            refuse "its containers were started from different files:" $told
            ;;
        esac
        compose_directory=${told%%"|"*} told=${told#*"|"}
        compose_files=${told%%"|"*} compose_environment=${told#*"|"}
    fi
    compose_known="of ${1:-all}"
}

# Whether compose was left to choose its files: then it also reads what has come to stand beside the first.
chose_itself() {
    case $compose_files in
    "" | "$compose_file" | "${compose_file##*/}" | "$compose_file,$(override_file)") return 0 ;;
    esac
    return 1
}

# Prints OPTION and FILE a line each for a list of files, of which each must be there. Usage: each_file OPTION FILE,…
each_file() {
    option=$1 rest=$2,
    while [ -n "$rest" ]; do
        file=${rest%%,*} rest=${rest#*,}
        case $file in
        "") continue ;;
        -) refuse "it was started from a file that compose read from standard input: only who has that can do this" ;;
        /*) ;;
        *) file=${compose_directory:-$STACK_DIR}/$file ;;
        esac
        [ -f "$file" ] || refuse "$file, which it was started from, is gone: bring it back, or start it from what is there"
        printf '%s\n%s\n' "$option" "$file"
    done
}

# Compose v2, else v1, on the files that the stack was started from; with compose_input, on standard input
# instead ("only") or behind them ("too"). Its name and directory, as its containers bear them, decide which
# containers are its own.
compose() {
    [ -n "${compose_known:-}" ] || know_stack
    files=$compose_files
    if chose_itself; then
        override=${compose_override:-$(override_file)}
        files=$compose_file${override:+,$override}
    fi
    words='' input=-f$newline-
    [ "${compose_input:-}" = only ] ||
        words=$(each_file -f "$files" && each_file --env-file "$compose_environment") || exit
    [ -z "${compose_input:-}" ] || words=$words${words:+$newline}$input
    set -- --project-directory "${compose_directory:-$STACK_DIR}" "$@"
    [ -z "$compose_project" ] || set -- -p "$compose_project" "$@"
    set -f
    IFS=$newline
    # shellcheck disable=SC2086  # a word a line
    set -- $words "$@"
    unset IFS
    set +f
    if docker compose version >/dev/null 2>&1; then
        docker compose "$@"
    elif command -v docker-compose >/dev/null; then
        docker-compose "$@"
    else
        unknown "neither docker compose nor docker-compose on this host"
    fi
}

# Prints what a new container of a service would have that the one there has not; nothing where it would be
# the same. Usage: would_change SERVICE
would_change() {
    id=$(container "$1" 2>/dev/null) || return 0
    know_stack "$1"
    was=$(docker inspect --format '{{with .Config.Labels}}{{index . "com.docker.compose.config-hash"}}{{end}}' "$id")
    configuration=$(compose config) || return
    other_volumes "$1" "$id"
    case $newline$(hashes_of "$1")$newline in *"$newline$was$newline"*) return 0 ;; esac
    # A memory limit of ours came to stand in the override file since.
    without=$(unlimited=$(unlimited_override) && override_file() { :; } &&
        configuration=$(printf '%s\n' "$unlimited" | compose_input=too compose config) && hashes_of "$1")
    case $newline$without$newline in *"$newline$was$newline"*) return 0 ;; esac
    # Their values are often secrets, and are not shown.
    docker inspect --format '{{println .Config.Image}}{{range .Config.Env}}{{println .}}{{end}}' "$id" |
        CONFIGURATION=$configuration awk -v service="$1:" "$COMPOSE_CHANGES_AWK"
    echo "a configuration that its files did not have when it was started"
}

# Prints the override file without memory limits; fails where it has none, or compose was told its files.
unlimited_override() {
    chose_itself && override=$(override_file) && grep -q '^    mem_limit:' "$override" || return
    awk '
        /^    mem(swap)?_limit:/ { next }
        /^  [^ #]/ { service = $0; next }
        /^[^ ]/ { service = "" }
        /^    / && service != "" { print service; service = "" }
        { print }' "$override" | awk '
        # What has nothing below it any more has to be empty, not nothing.
        held != "" { print held (/^ / ? "" : " {}"); held = "" }
        /^services:/ { held = $0; next }
        { print }
        END { if (held != "") print held " {}" }'
}

# Refuses to make a container that would not be what the one there is, or, without the allowance for data,
# one that lacks what was written into the one there. Usage: need_same SERVICE
need_same() {
    changes=$(would_change "$1") || exit
    [ -z "$changes" ] ||
        refuse "a new container of $1 would have $(printf '%s\n' "$changes" | paste -s -d , -): bring it up by hand, or put the files back"
    [ "${RUNBOOK_ALLOW:-}" != data ] || return 0
    lost=$(own_files "$1")
    [ -z "$lost" ] || refuse "needs --allow data: a new container of $1 would lack what was written into the one there, $lost"
}

# Prints which files a service's container holds in its own layer, the first three and how many, or that
# this cannot be told; nothing where there are none. Not counted are files of the image, logs, caches and what
# is temporary, and what is as old as a start of it, which the next start writes again. Usage: own_files SERVICE
own_files() {
    id=$(container "$1" 2>/dev/null) && [ -n "$id" ] || return 0
    starts=$(docker inspect --format '{{.Created}} {{.State.StartedAt}}{{range .Mounts}}{{"\n"}}{{.Destination}}{{end}}' "$id") &&
        changed=$(docker diff "$id") ||
        { echo "as far as can be told: docker diff says nothing"; return; }
    mounts=$(printf '%s\n' "$starts" | tail -n +2) starts=$(printf '%s\n' "$starts" | head -n 1)
    # Where something is mounted, what lies there is not the container's.
    printf '%s\n' "$changed" | MOUNTS=$mounts awk "$COMPOSE_OWN_FILES_AWK" | {
        # Each is asked for its time, so a few: of many, no start wrote all.
        count=0 first=''
        while IFS= read -r path; do
            # shellcheck disable=SC2086  # two times
            [ "$count" -ge 20 ] || ! of_a_start "$id" "$path" $starts || continue
            count=$((count + 1))
            [ "$count" -gt 3 ] || first="$first${first:+, }$path"
        done
        [ "$count" -eq 0 ] || printf '%s (%d in all)\n' "$first" "$count" | LC_ALL=C tr '\001-\011\013-\037\177' '?'
    }
}

# Whether a file of a container is no older than its making or its last start, and no more than half a minute
# newer, to the minute; or a directory. Usage: of_a_start ID PATH CREATED STARTED
of_a_start() {
    entry=$(docker cp "$1:$2" - 2>/dev/null | head -c 4096 | TZ=UTC0 tar -tvf - 2>/dev/null | head -n 1)
    case $entry in d*) return 0 ;; esac
    written=$(printf '%s\n' "$entry" | sed -n 's/.* \([0-9]\{4\}-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]\).*/\1/p')
    [ -n "$written" ] || return 1
    for start in "$3" "$4"; do
        start=${start%%.*} start=${start%Z}
        from=$(date -u -d "${start%T*} ${start#*T}" +%s 2>/dev/null) || continue
        printf '%s\n' "$written" "$(date -u -d "@$from" '+%F %H:%M')" "$(date -u -d "@$((from + 30))" '+%F %H:%M')" |
            awk 'NR == 1 { written = $0 } NR == 2 { early = $0 } END { exit !(written >= early && written <= $0) }' && return
    done
    return 1
}

# Prints compose's hashes of a service in configuration: as it is, and as it is brought up with --no-deps,
# where it depends on nothing. Usage: hashes_of SERVICE
hashes_of() {
    printf '%s\n' "$configuration" | hash_of "$1"
    printf '%s\n' "$configuration" | awk -v service="$1:" '
        /^[^ ]/ { section = $1 }
        /^  [^ ]/ { name = $1 }
        /^ ? ? ? ?[^ ]/ { skip = section == "services:" && name == service && $1 == "depends_on:" }
        !skip' | hash_of "$1"
}

# Reads a configuration and prints the hash of a service in it. Usage: hash_of SERVICE
hash_of() { compose_input=only compose config --hash "$1" | awk -v service="$1" '$1 == service { print $2 }'; }

# Prints which volumes of a container the files, as read into configuration, do not name. Usage: other_volumes SERVICE ID
other_volumes() {
    docker inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' "$2" | grep -vE '^([0-9a-f]{64})?$' |
        while read -r volume; do
            printf '%s\n' "$configuration" | awk -v project="$compose_project" -v volume="$volume" '
                /^[^ ]/ { section = $1 }
                section == "volumes:" && /^  [^ ]/ { key = $1; sub(/:.*/, "", key); gsub(/["\047]/, "", key); if (project "_" key == volume) found = 1 }
                section == "volumes:" && $1 == "name:" { gsub(/["\047]/, "", $2); if ($2 == volume) found = 1 }
                END { exit !found }' || echo "another volume than $volume"
        done
}

# A new container with the same volumes, without touching what it depends on. Usage: recreate SERVICE
recreate() {
    [ -n "$1" ] || return 0
    need_same "$1"
    know_stack "$1"
    bring_up --no-deps --force-recreate "$1" && echo "recreated $1"
}

# Prints of each container of the stack its volumes: SERVICE, DESTINATION and NAME, tab-separated.
volumes_in_use() {
    # shellcheck disable=SC2046  # one word an id
    docker inspect --format '{{$service := index .Config.Labels "com.docker.compose.service"}}{{range .Mounts}}{{if eq .Type "volume"}}{{$service}}{{"\t"}}{{.Destination}}{{"\t"}}{{.Name}}{{"\n"}}{{end}}{{end}}' \
        $(containers | cut -d ' ' -f 1) 2>/dev/null | sed '/^$/d'
}

# Brings services up, and looks whether they have the volumes that they had. One that has another is put back on
# its own, and the step has failed; if it cannot be, it is stopped. Usage: bring_up WORD…, what compose takes
# behind "up -d"
bring_up() {
    before=$(volumes_in_use)
    compose up -d "$@" || return
    moved=$(volumes_in_use | BEFORE=$before awk -F '\t' '
        BEGIN { n = split(ENVIRON["BEFORE"], line, "\n"); for (i = 1; i <= n; i++) { split(line[i], f, "\t"); was[f[1] "\t" f[2]] = f[3] } }
        ($1 "\t" $2) in was && was[$1 "\t" $2] != $3 { print $1 "\t" $2 "\t" was[$1 "\t" $2] }' | sort -u)
    [ -n "$moved" ] || return 0
    services=$(printf '%s\n' "$moved" | cut -f 1 | sort -u)
    # shellcheck disable=SC2086  # one word a service
    if printf '%s\n' "$moved" | pinned_volumes | compose_input=too compose up -d --no-deps $services; then
        echo "put back on the volumes that they had:" $services >&2
    else
        for service in $services; do docker stop "$(container "$service")" >/dev/null; done
        echo "stopped, for they came up on other volumes than they had:" $services >&2
    fi
    return 1
}

# Reads SERVICE, DESTINATION and NAME of volumes, and prints the compose file that mounts them there.
pinned_volumes() {
    awk -F '\t' '
        function quoted(text) { gsub(/\047/, "\047\047", text); return "\047" text "\047" }
        BEGIN { print "services:" }
        $1 != service { service = $1; printf "  %s:\n    volumes:\n", quoted($1) }
        { printf "      - {type: volume, source: kept%d, target: %s}\n", NR, quoted($2); name[NR] = $3 }
        END { print "volumes:"; for (i = 1; i <= NR; i++) printf "  kept%d: {external: true, name: %s}\n", i, quoted(name[i]) }'
}
