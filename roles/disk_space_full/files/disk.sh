# shellcheck shell=sh
# Shell functions about disk space, on top of stack.sh, database.sh and backups.sh.
#
# In: DISK_LIMIT, DISK_TARGET (percent), DISK_WAL_MIB, DISK_INODES (below them nothing can be written),
#     DISK_LOG_MIB, DISK_LOG_KEEP_KIB, DISK_OLD_LOG_DAYS, DISK_JOURNAL_MIB, DISK_UNUSED_HOURS,
#     DISK_DELETED_MIB, DISK_BACKUP_DAYS, DISK_BACKUPS_KEPT;
#     DISK_FILE_SYSTEMS_AWK, DISK_DETAILS_AWK, DISK_LAYERS_AWK: the texts of file_systems.awk, details.awk, layers.awk
# A word that lists what may go lists nothing where its file system is at the target.

# Whoever sorts must not need the disk that is full.
export TMPDIR=/dev/shm

# Prints a line for each file system that the paths lie on, tab-separated: percent of bytes used,
# percent of inodes used (both rounded up, of what users may have), MiB available, inodes free,
# MiB reserved for root, MiB free, whether nothing can be written any more, path.
figures() {
    status_of_file_systems "$@" | figures_of_status
}

# Prints of paths what stat says of their file systems, a line each. Usage: status_of_file_systems PATH…
status_of_file_systems() {
    "${asking:-env}" stat -f -c '%i-%t-%b-%c %t %S %b %f %a %c %d %n' "$@" 2>/dev/null
}

# Reads such lines and prints what file_systems does.
figures_of_status() {
    awk "$DISK_FILE_SYSTEMS_AWK"
}

# Prints the percentage of bytes used on the fullest of the file systems of these paths. Usage: disk_now PATH…
disk_now() {
    figures "$@" | awk -F '\t' '$1 > most { most = $1 } END { if (NR) print most + 0 }'
}

# The figures of every file system that the stack uses: its directories, and what its containers
# mount of the host, directories and volumes.
file_systems() {
    found=$(containers 2>/dev/null)
    IFS="$newline,	"
    set --
    for word in $found; do
        case $word in /*) set -- "$@" "$word" ;; esac
    done
    mounts=$(volume_mounts "$found")
    unset IFS
    # Only root may look below Docker's directory.
    [ -z "$mounts" ] || as_root true || exit
    {
        status_of_file_systems / "$STACK_DIR" "$STACK_DOCKER_DIR" "$STACK_BACKUP_DIR" "$STACK_LOG_DIR" "$@" /tmp
        # shellcheck disable=SC2086  # one word a mount point
        [ -z "$mounts" ] || asking=as_root status_of_file_systems $mounts
    } | figures_of_status
}

# Prints where volumes of the stack's containers lie on a file system of their own. Usage: volume_mounts CONTAINERS
volume_mounts() {
    grep -qF "$STACK_DOCKER_DIR/volumes" /proc/mounts || return 0
    printf '%s\n' "$1" | cut -s -f 2 | tr , '\n' |
        awk -v below="$STACK_DOCKER_DIR/volumes" '
            NR == FNR { if ($0 !~ /^\//) volume[$0]; next }
            $2 == below { print below; next }
            index($2, below "/") == 1 {
                name = substr($2, length(below) + 2); sub(/\/.*/, "", name)
                if (name in volume) print $2
            }' - /proc/mounts
}

# Prints of file systems those above the target.
above_target() {
    awk -F '\t' '$1 > ENVIRON["DISK_TARGET"] || $2 > ENVIRON["DISK_TARGET"]'
}

# Tells whether a path lies on a file system above the target.
crowded() {
    [ -n "$(figures "$1" | above_target)" ]
}

# Does what is said, and if that did anything, prints what it said and what it freed.
freeing() {
    before=$(file_systems | above_target)
    did=$("$@")
    [ -n "$did" ] || return 0
    printf '%s\n' "$did"
    printf '%s\n' "$before" | while IFS='	' read -r _ _ _ inodes _ mib _ path; do
        figures "$path" | awk -F '\t' -v mib="$mib" -v inodes="$inodes" '{
            printf "freed %d MiB and %d inodes: %s has %d %% of bytes and %d %% of inodes used\n",
                $6 - mib, $4 - inodes, $8, $1, $2
        }'
    done
}

# Prints one JSON object: the worst figures, every file system, and, only above the limit or
# soon after a remedy of ours, the details that a ladder needs. What is above the limit is named
# on standard error.
disk_usage() {
    systems=$(file_systems) || exit
    [ -n "$systems" ] || unknown "stat -f did not answer"
    bytes=0 inodes=0 exhausted=false list='' told=''
    IFS=$newline
    for line in $systems; do
        IFS='	'
        # shellcheck disable=SC2086  # one word each
        set -- $line
        [ "$1" -le "$bytes" ] || bytes=$1
        [ "$2" -le "$inodes" ] || inodes=$2
        [ "$7" -eq 0 ] || exhausted=true
        list="$list${list:+, }{\"path\": \"$8\", \"bytes_percent\": $1, \"inodes_percent\": $2, \"available_mib\": $3, \"inodes_free\": $4, \"reserved_mib\": $5}"
        if [ "$1" -ge "$DISK_LIMIT" ] || [ "$2" -ge "$DISK_LIMIT" ]; then
            told="${told:+$told; }$8 has $1 % of bytes used, $3 MiB left ($5 MiB more for root only), $2 % of inodes used, $4 left"
        fi
    done
    unset IFS
    printf '{"bytes_percent": %s, "inodes_percent": %s, "exhausted": %s, "file_systems": [%s]' \
        "$bytes" "$inodes" "$exhausted" "$list"
    database=null
    if just_changed; then
        # Not where it could end the server: without room for WAL, PostgreSQL panics.
        [ "$exhausted" = true ] || [ -z "$STACK_DATABASE" ] || database=\"$(database_takes_writes)\"
        [ "$bytes" -le "$DISK_TARGET" ] && [ "$inodes" -le "$DISK_TARGET" ] || disk_details
    elif [ -n "$told" ]; then
        disk_details
    fi
    printf ', "database": %s}\n' "$database"
    [ -z "$told" ] || echo "$told" >&2
}

# What fills the crowded file systems and what may go, all looked for side by side, as the rest
# of disk_usage's object.
disk_details() {
    {
        large_logs | sed 's/^/log	/' &
        old_logs | awk -F '\t' '{ bytes += $1 } END { printf "old_logs\t%d\t%.0f\n", NR, bytes }' &
        journal | sed 's/^/journal	/' &
        old_build_cache | sed 's/^/cache	/' &
        unused_images | sed 's/^/image	/' &
        stopped_containers | sed 's/^/container	/' &
        deleted_files | sed 's/^/deleted	/' &
        old_backups 2 2>/dev/null | sed 's/^/backup	/' &
        docker_use | sed 's/^/docker	/' &
        largest | sed 's/^/largest	/' &
        what_keeps | sed 's/^/kept	/' &
        wait
    } | awk -F '\t' "$DISK_DETAILS_AWK"
}

# Runs a command without getting in the way of others, for SECONDS at most.
gently() {
    seconds=$1
    shift
    ! command -v ionice >/dev/null || set -- ionice -c 3 "$@"
    as_root timeout "$seconds" nice -n 19 "$@" 2>/dev/null
}

# Prints the largest directories of every crowded file system, and where its inodes run out
# those with the most entries. A directory is left out for the one in it, or the file, that fills it.
largest() {
    file_systems | above_target | while IFS='	' read -r bytes inodes _ _ _ _ _ path; do
        for mount in $(mounts_of "$path"); do
            # What lies in the layers of images and containers, docker_use tells.
            [ "$bytes" -le "$DISK_TARGET" ] || gently 5 du -a -x -k "$mount" | awk -F '\t' '{
                parent = $2; sub(/\/[^\/]*$/, "", parent)
                directory[parent]
            } $1 >= 10240 && $2 !~ /\/overlay2\// {
                kib[$2] = $1; within[$2] = parent
                if ($1 > most[parent]) most[parent] = $1
            } END {
                for (path in kib)
                    if (most[path] < 0.8 * kib[path] && (path in directory || kib[path] >= 0.8 * kib[within[path]]))
                        print kib[path] "\t" path
            }' |
                sort -rn | awk -F '\t' 'NR <= 5 { printf "%d MiB %s\n", $1 / 1024, $2 }'
            [ "$inodes" -le "$DISK_TARGET" ] || gently 5 find "$mount" -xdev | awk '{
                sub(/\/[^\/]*$/, ""); entries[$0]++
            } END { for (path in entries) if (entries[path] >= 1000) print entries[path] "\t" path }' |
                sort -rn | awk -F '\t' 'NR <= 3 { print $1 " entries in " $2 }'
        done
    done | sort -rn | head -n 8
}

# Prints where the file system of a path is mounted: the same one may be in several places.
mounts_of() {
    device=$(stat -c %d "$1" 2>/dev/null) || { echo "$1"; return; }
    # shellcheck disable=SC2013  # the kernel writes a blank there as \040
    for mount in $(awk '{ print $2 }' /proc/mounts); do
        case $mount in
        */overlay2/* | */containers/* | /proc* | /sys* | /dev* | /etc/*) ;;
        *) [ ! -d "$mount" ] || [ "$(stat -c %d "$mount" 2>/dev/null)" != "$device" ] || echo "$mount" ;;
        esac
    done
}

# What keeps room that only people may give back, a line each: how much, whose it is, what frees it.
what_keeps() {
    kept=$(database_statement 3 "$(keepers_query)" 2>/dev/null) || kept=$(keepers_on_disk)
    [ -z "$kept" ] || printf '%s\n' "$kept"
    large_layers
}

# What a database server keeps of its write-ahead log, for whom, and the temporary files of its sessions.
keepers_query() {
    printf '%s\n' "SELECT format('%s MiB of write-ahead log are kept for the %s replication slot %s (%s): SELECT pg_drop_replication_slot(%L), if nobody needs it any more',
    mib, CASE WHEN active THEN 'active' ELSE 'inactive' END, slot_name, slot_type, slot_name)
FROM (SELECT *, round(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_lsn() END, restart_lsn) / 1048576) AS mib FROM pg_replication_slots) AS slot
WHERE mib >= CASE WHEN active THEN 256 ELSE 16 END
UNION ALL
SELECT format('%s segments of write-ahead log wait for archive_command, which has failed %s times, last for %s: mend it, the database''s log says what it says',
    (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'), failed_count, last_failed_wal)
FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off'
    AND last_failed_time > coalesce(last_archived_time, '-infinity')
UNION ALL
SELECT format('%s MiB of write-ahead log are kept by the setting wal_keep_size: ALTER SYSTEM RESET wal_keep_size, SELECT pg_reload_conf()', setting)
FROM pg_settings WHERE name = 'wal_keep_size' AND setting::bigint >= 256
UNION ALL
SELECT format('%s MiB of temporary files of session %s (%s %s): SELECT pg_cancel_backend(%s)',
    mib, pid, coalesce(usename, 'gone'), application_name, pid)
FROM (SELECT substring(name FROM '^pgsql_tmp([0-9]+)')::int AS pid, round(sum(size) / 1048576) AS mib
      FROM pg_ls_tmpdir() GROUP BY 1) AS files LEFT JOIN pg_stat_activity USING (pid) WHERE mib >= 64"
}

# The same of a server that is down, as its files tell it.
keepers_on_disk() {
    docker inspect --format '{{range .Mounts}}{{println .Source}}{{end}}' "$(container "$STACK_DATABASE")" |
        while IFS= read -r mount; do
            [ -n "$mount" ] || continue
            gently 5 find "$mount" -maxdepth 4 -path '*/pg_replslot/*' -type d |
                sed -n "s|.*/\([a-z0-9_]*\)\$|write-ahead log is kept for the replication slot \1: SELECT pg_drop_replication_slot('\1') once the database runs, if nobody needs it any more|p"
            waiting=$(gently 5 find "$mount" -maxdepth 5 -path '*/archive_status/*.ready' | wc -l)
            [ "$waiting" -lt 16 ] || echo "$waiting segments of write-ahead log wait for archive_command: mend it"
        done
}

# Containers that have written much into their own layer, be they ours or not, and where.
large_layers() {
    crowded "$STACK_DOCKER_DIR" || return 0
    # shellcheck disable=SC2046  # one word each
    layers=$(docker inspect --format '{{.Name}}	{{with index .GraphDriver.Data "UpperDir"}}{{.}}{{end}}' $(docker ps -aq))
    # shellcheck disable=SC2046  # one word each
    gently 8 du -x -k $(printf '%s\n' "$layers" | cut -f 2) | LAYERS=$layers awk -F '\t' "$DISK_LAYERS_AWK"
}

# Docker's own use by kind. Volumes are counted; they are never touched.
docker_use() {
    timeout 8 docker system df --format '{{.Type}} {{.Size}}, {{.Reclaimable}} unused' 2>/dev/null
}

# --- what may go ------------------------------------------------------------------------------

# Logs that Docker keeps as files of the stack's containers, if oversized, the largest first, the
# database's last: BYTES SERVICE ID PATH
large_logs() {
    crowded "$STACK_DOCKER_DIR" || return 0
    # shellcheck disable=SC2046  # one word an id
    paths=$(docker inspect --format '{{.LogPath}}' $(containers | cut -d ' ' -f 1) | sed '/^$/d')
    # shellcheck disable=SC2086  # one word each
    as_root stat -c '%b %n' $paths 2>/dev/null | while read -r blocks path; do
        [ "$blocks" -ge "$((DISK_LOG_MIB * 2048))" ] || continue
        id=${path##*/}
        service=$(containers | awk -v id="${id%-json.log}" '$1 == id { print $2 }')
        last=$([ "$service" = "$STACK_DATABASE" ] && echo 0 || echo 1)
        printf '%s\t%s\t%s\t%s\t%s\n' "$last" "$((blocks * 512))" "$service" "${id%-json.log}" "$path"
    done | sort -k 1,1nr -k 2,2nr | cut -f 2-
}

# Finds the application's log files that nobody has written to for long; what becomes of them find itself
# does, for a name may hold whatever whoever writes there likes. Usage: find_old_logs EXPRESSION…
find_old_logs() {
    as_root find "$STACK_LOG_DIR/" -xdev -type f \( -name '*.log' -o -name '*.log.*' \) \
        -mmin "+$((DISK_OLD_LOG_DAYS * 1440))" "$@"
}

# Prints of each of them whether somebody holds it open (0 or 1), BYTES and INODE. Where that cannot be seen,
# nothing.
seen_logs() {
    open=$(open_files) || { echo "what is held open cannot be seen: no log file is old" >&2; return; }
    {
        printf '%s\n' "$open"
        find_old_logs -exec stat -c '%d:%i %b' {} + 2>/dev/null
    } | awk 'NF == 1 { open[$1]; next }
        { held = $1 in open; sub(/.*:/, "", $1); printf "%d\t%.0f\t%s\n", held, $2 * 512, $1 }'
}

# Those that nobody holds open either: BYTES INODE.
old_logs() {
    crowded "$STACK_LOG_DIR" || return 0
    seen_logs | awk -F '\t' '!$1 { print $2 "\t" $3 }'
}

# Every file that a process holds open, as DEVICE:INODE; what we hold open ourselves must be among them.
open_files() {
    found=$(as_root sh -c 'find /proc/[0-9]*/fd -maxdepth 1 -type l -exec stat -L -c %d:%i {} + 2>/dev/null' 8</dev/null | sort -u)
    printf '%s\n' "$found" | grep -qxF "$(stat -L -c %d:%i /dev/null)" || return
    printf '%s\n' "$found"
}

# Reads names that end in NUL and prints each on a line of its own, with a question mark for what would act on a
# terminal, or end the line.
shown_names() { LC_ALL=C tr '\001-\037\177' '?' | tr '\0' '\n'; }

# Bytes of the host's journal, if there is more than shall be kept.
journal() {
    crowded /var/log/journal && command -v journalctl >/dev/null || return 0
    as_root du -x -s -k /var/log/journal 2>/dev/null |
        awk '$1 > ENVIRON["DISK_JOURNAL_MIB"] * 1024 { printf "%.0f\n", $1 * 1024 }'
}

# Parts of the build cache that no build has used for long, one line each.
old_build_cache() {
    crowded "$STACK_DOCKER_DIR" || return 0
    docker system df -v --format '{{range .BuildCache}}{{.ID}} {{.InUse}} {{.Size}} {{.LastUsedSince}}{{println}}{{end}}' |
        awk 'BEGIN {
            hours["minutes"] = 1 / 60; hours["hours"] = 1; hours["days"] = 24
            hours["weeks"] = 168; hours["months"] = 720; hours["years"] = 8760
        }
        $2 == "false" && $3 != "0B" && $4 * hours[$5] >= ENVIRON["DISK_UNUSED_HOURS"] { print $1 }'
}

# Now less the hours after which something unused may go, as Docker writes it.
unused_since() {
    date -u -d "@$(($(date +%s) - DISK_UNUSED_HOURS * 3600))" +%Y-%m-%dT%H:%M:%S
}

# Ids of images without a name that no container uses. Those that a compose project built stay
# if they are another's, or the last of a service: that is the one to go back to.
unused_images() {
    crowded "$STACK_DOCKER_DIR" || return 0
    images=$(docker images -q --no-trunc --filter dangling=true | sort -u)
    [ -n "$images" ] || return 0
    # shellcheck disable=SC2046  # a word an id
    used=$(docker inspect --format '{{.Image}}' $(docker ps -aq --no-trunc) | sort -u)
    # shellcheck disable=SC2086  # one word each
    docker image inspect --format \
        "$line_mark"'{{.Created}} {{.Id}} {{range .RepoDigests}}{{.}},{{end}}- {{with .Config.Labels}}{{index . "com.docker.compose.project"}}/{{index . "com.docker.compose.service"}}{{end}}' \
        $images | marked | sort -r | while read -r created id digests builder; do
        ! grep -qF -e "$id" "$compose_file" || continue
        ! printf '%s\n' "$digests" | tr , '\n' | sed -n 's/.*@//p' | grep -qFf - "$compose_file" || continue
        case $newline$used$newline in *"$newline$id$newline"*) continue ;; esac
        echo "$created $id $builder"
    done | awk -v project="$(project)" -v since="$(unused_since)" '
        $3 != "" && $3 != "/" && (index($3, project "/") != 1 || !seen[$3]++) { next }
        $1 < since { print $2 }'
}

# Ids of containers that are nobody's: of no compose project, stack, or cluster, and stopped for long.
stopped_containers() {
    crowded "$STACK_DOCKER_DIR" || return 0
    ids=$(docker ps -aq --no-trunc --filter status=exited --filter status=created --filter status=dead)
    # shellcheck disable=SC2086  # one word each
    [ -z "$ids" ] || docker container inspect --format \
        '{{.ID}} {{.Created}} {{.State.FinishedAt}} {{json .Config.Labels}}' $ids |
        awk -v since="$(unused_since)" '
            # Of several lines are none: they are JSON.
            /"(com\.docker\.(compose|stack|swarm)|io\.kubernetes|com\.hashicorp\.nomad)/ { next }
            { ended = $3 > $2 ? $3 : $2 }
            ended < since { print $1 }'
}

# Prints the id of the container that a process is in, if it is in one. Usage: container_of PID
container_of() { sed -n 's/.*\([0-9a-f]\{64\}\).*/\1/p' "/proc/$1/cgroup" 2>/dev/null | head -n 1; }

# Large files that were deleted and are still held open, the largest first: BYTES SERVICE PID PATH.
# Without a service it is a process outside of the stack.
deleted_files() {
    found=$(as_root sh -c '
        for fd in $(ls -l /proc/[0-9]*/fd 2>/dev/null | awk "
            /^\/proc\// { sub(/:\$/, \"\"); dir = \$0 }
            / \(deleted\)\$/ && !/ (\/memfd:|\/dev\/|\/SYSV|\/run\/)/ { sub(/ ->.*/, \"\"); print dir \"/\" \$NF }"); do
            stat -L -c "%d:%i %b $fd" "$fd"
        done 2>/dev/null' | awk '$2 >= ENVIRON["DISK_DELETED_MIB"] * 2048 && !seen[$1]++ { print $2, $3 }')
    printf '%s\n' "$found" | sort -rn | while read -r blocks fd; do
        [ -n "$fd" ] || continue
        as_root stat -f -L -c '%t' "$fd" | grep -qv 1021994 || continue
        path=$(as_root readlink "$fd" | LC_ALL=C tr '\001-\037\177' '?')
        path=${path%\?}  # the end of the line
        pid=${fd#/proc/}
        pid=${pid%%/*}
        id=$(container_of "$pid")
        service=$(containers | awk -v id="$id" '$1 == id { print $2 }')
        # Within a container's own layers a file has no device of the host's.
        if [ -n "$service" ]; then crowded "$STACK_DOCKER_DIR" || crowded "$STACK_LOG_DIR"; else crowded "${path%/*}"; fi || continue
        printf '%s\t%s\t%s\t%s\n' "$((blocks * 512))" "$service" "$pid" "${path% (deleted)}"
    done
}

# Backups older than those to keep, the oldest first: BYTES PATH. The newest ones that are proven
# whole are kept, whatever their age, with all that is newer; what is kept for is said on
# standard error. Usage: old_backups SECONDS, for the proof of one; 2 in a probe, which takes
# what it had no time for as proven.
old_backups() {
    [ -d "$STACK_BACKUP_DIR" ] && crowded "$STACK_BACKUP_DIR" || return 0
    proven=0
    routine_backups | own_backups | while IFS='	' read -r time bytes path; do
        if [ "$proven" -lt "$DISK_BACKUPS_KEPT" ]; then
            as_root timeout "$1" sh -c "$backup_is_whole" sh "$path" 2>/dev/null
            case $? in
            0) proven=$((proven + 1)) && echo "keeps $path: whole" >&2 ;;
            124) [ "$1" -gt 2 ] || proven=$((proven + 1)) ;;
            *) echo "keeps $path, but not for a good one" >&2 ;;
            esac
        elif [ "$time" -lt "$(($(date +%s) - DISK_BACKUP_DAYS * 86400))" ]; then
            printf '%s\t%s\t%s\n' "$time" "$bytes" "$path"
        fi
    done | sort -n | cut -f 2-
}

# --- making it go -----------------------------------------------------------------------------

# Starts a container that was stopped for a moment, and waits until its service serves again.
# Usage: start_again ID SERVICE
start_again() {
    docker start "$1" >/dev/null || return
    wait_for "$2" 60 serves "$2"
}

# The engine remembers how long the log of a running container is: once that is shorter, whoever
# reads its end hangs (tried with Docker 26). So the service is stopped for it. One that forgets
# by a restart keeps running: its log keeps its length, and becomes a hole up to the tail.
cut_large_logs() {
    # A disk without room tears lines, and a torn one ends every reading of the log.
    whole_line='^\{"log":"([^"\]|\\.)*","stream":"[a-z]*"(,"attrs":\{[^}]*\})?,"time":"[^"{]*"\}$'
    large_logs | while IFS='	' read -r bytes service id path; do
        crowded "$STACK_DOCKER_DIR" || break
        if [ "$service" = "$STACK_BLOCKCHAIN" ]; then
            as_root fallocate --punch-hole --offset 0 \
                --length "$(($(as_root stat -c %s "$path") - DISK_LOG_KEEP_KIB * 1024))" "$path" &&
                echo "emptied the log of $service, $((bytes / 1048576)) MiB, up to its last $DISK_LOG_KEEP_KIB KiB, while it runs: read it with docker logs --tail"
            continue
        fi
        was=$(docker inspect --format '{{.State.Status}}' "$id")
        [ "$was" != running ] || docker stop -t 120 "$id" >/dev/null
        as_root sh -c 'kept=$(tail -c "$2" "$1" | grep -E "$3")
            : >"$1" && { [ -z "$kept" ] || printf "%s\n" "$kept" >>"$1"; }' sh \
            "$path" "$((DISK_LOG_KEEP_KIB * 1024))" "$whole_line" &&
            echo "cut the log of $service, $((bytes / 1048576)) MiB, to its last $DISK_LOG_KEEP_KIB KiB"
        [ "$was" != running ] || start_again "$id" "$service"
    done
}

# Removes the log files that are old and held open by nobody; prints how many, and how much.
remove_old_logs() {
    crowded "$STACK_LOG_DIR" && seen=$(seen_logs) && [ -n "$seen" ] || return 0
    held=$(printf '%s\n' "$seen" | awk -F '\t' '$1 { printf " ! -inum %s", $3 }')
    [ "${#held}" -le 100000 ] || { echo "too many log files are held open to leave each of them out" >&2; return 1; }
    # shellcheck disable=SC2086  # numbers, and the words between them
    { printf '%s\n' "$seen" | tr '\n' '\0'; find_old_logs $held -delete -print0; } | tr '\n\0' '?\n' |
        awk -F '\t' -v days="$DISK_OLD_LOG_DAYS" '
            !/^\// { if (!$1) bytes += $2; next }
            # Whoever is ended meanwhile has said what is gone.
            ++removed % 1000 == 0 { printf "removed %d log files so far\n", removed; fflush() }
            END {
                if (removed)
                    printf "removed %d log files, %d MiB, that nobody has written to for %d days\n", removed, bytes / 1048576, days
            }'
}

# Shrinks the host's journal to DISK_JOURNAL_MIB; prints what journalctl says of it.
shrink_journal() {
    [ -z "$(journal)" ] || as_root journalctl --vacuum-size "${DISK_JOURNAL_MIB}M" 2>&1 | tail -n 1
}

# Removes old build cache and what unused_images lists; prints a line for each.
remove_unused_images() {
    [ -z "$(old_build_cache)" ] ||
        docker builder prune --force --filter "until=${DISK_UNUSED_HOURS}h" | sed -n 's/^Total[^:]*:[[:space:]]*/removed build cache: /p'
    unused_images | while read -r id; do
        docker image rm "$id" >/dev/null && echo "removed image $id"
    done
}

# Removes what stopped_containers lists; prints a line for each.
remove_stopped_containers() {
    stopped_containers | while read -r id; do
        name=$(docker inspect --format '{{.Name}}, {{.Config.Image}}, stopped at {{.State.FinishedAt}}' "$id")
        docker rm "$id" >/dev/null && echo "removed container ${name#/}"
    done
}

# Stopping already frees what is deleted; on a full disk the start may need that.
restart_holder() {
    deleted_files | while IFS='	' read -r bytes service pid path; do
        case $service in "" | "$STACK_BLOCKCHAIN") continue ;; esac
        id=$(container_of "$pid")
        [ -n "$id" ] || continue
        docker stop -t 120 "$id" >/dev/null
        start_again "$id" "$service" &&
            echo "restarted $service: its process $pid held $path, deleted, $((bytes / 1048576)) MiB"
        break
    done
}

# Removes what old_backups lists while the disk is crowded; prints a line for each.
remove_old_backups() {
    old_backups 600 | while IFS='	' read -r bytes path; do
        crowded "$STACK_BACKUP_DIR" || break
        as_root rm -f -- "$path" "$path.manifest.json" "$path.json" "$path.sha256" &&
            echo "removed backup $path, $((bytes / 1048576)) MiB"
    done
}
