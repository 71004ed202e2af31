# shellcheck shell=sh
# What runs leave on a host for each other, in memory (/dev/shm), so that it works on a full disk and goes with
# a reboot: the lease of lock.sh, the mark of the last change, and the step at work. They lie in one directory, in
# which those may write who may use the engine, and nobody else. What shall survive a reboot, a hold and what runs
# did, lies in the stack's directory as well.
#
# In: for hands, what stack.sh takes and sets, and MARKS_HANDS_AWK, the text of hands.awk

# Prints that directory. Fails, with the reason, where there is none, or one that others could have made or may
# write to. Usage: place_of_marks [make]
place_of_marks() {
    socket=${DOCKER_HOST:-unix:///var/run/docker.sock}
    group=$(stat -L -c %g "${socket#unix://}" 2>/dev/null) || group=$(id -g)
    place=/dev/shm/runbook.$group me=$(id -un 2>/dev/null) || me=$(id -u)
    if [ "${1:-}" = make ] && [ ! -e "$place" ] && made=$(umask 077; mktemp -d /dev/shm/runbook.XXXXXXXX); then
        # It gets its name when it is ready; of several at once the first gives it.
        chgrp "$group" "$made" && chmod 2770 "$made" && mv -T "$made" "$place" || rmdir "$made"
    fi 2>/dev/null
    case $(stat -c '%F %g %a' "$place" 2>/dev/null) in
    "directory $group 2770") [ ! -w "$place" ] || { echo "$place"; return; } ;;
    "") echo "$place cannot be made: $me is not of group $group, which the engine's socket belongs to" >&2; return 1 ;;
    esac
    echo "$place is not a directory that group $group alone may write to, or $me is not of it: look whose it is, and remove it" >&2
    return 1
}

# Prints what tells one stack from another: the same for all paths that lead to its directory. Usage: key_of DIRECTORY
key_of() { { (CDPATH='' cd -P -- "$1" 2>/dev/null && pwd) || printf '%s\n' "$1"; } | cksum | cut -d ' ' -f 1; }

# Prints when a run of ours last changed the stack, in seconds since the epoch; 0 for never. What a log said
# before that is about a state that is gone. A time that is still to come is none: a clock was set back.
last_change() {
    set -- /dev/shm/runbook.*/*.change
    [ -e "$1" ] || { echo 0; return; }
    place=$(place_of_marks 2>/dev/null) &&
        changed=$(stat -c %Y "$place/$(key_of "$STACK_DIR").change" 2>/dev/null) &&
        [ "$changed" -le "$(date +%s)" ] || changed=0
    echo "$changed"
}

# Where a hold is kept: on disk, which a reboot of the host survives, or in memory, where the disk has no room.
# Usage: hold_files DIRECTORY
hold_files() {
    echo "${1%/}/.runbook-hold"
    set -- "$1" /dev/shm/runbook.*/*.hold
    [ ! -e "$2" ] || echo "$(place_of_marks 2>/dev/null)/$(key_of "$1").hold"
}

# Prints until when, by whom and why nothing may be changed here; fails where that is not so. What cannot be read
# is a hold. Usage: on_hold DIRECTORY
on_hold() {
    hold_files "$1" | {
        while IFS= read -r file; do
            [ -e "$file" ] || [ -L "$file" ] || continue
            until='' author='' reason=''
            [ ! -f "$file" ] || [ -L "$file" ] || IFS='	' read -r until author reason 2>/dev/null <"$file"
            case $until in
            "" | *[!0-9]* | ???????????*) echo "$file cannot be read: look why, or lift it"; exit ;;
            esac
            [ "$(date +%s)" -lt "$until" ] || continue
            # No echo: some read a backslash in it.
            printf '%s\n' "on hold until $(date -u -d "@$until" +%Y-%m-%dT%H:%M:%SZ), by $author: $reason"
            exit
        done
        exit 1
    }
}

# Prints the host's time, and what runs did here within a day, as lock.sh notes it; nothing where there is none.
history_of_runs() {
    set -- "$STACK_DIR/.runbook-history" /dev/shm/runbook.*/*.history
    { [ -f "$1" ] && [ ! -L "$1" ]; } || [ -e "$2" ] || return 0
    date +%s
    {
        # No link of somebody's is followed.
        [ -L "$1" ] || [ ! -f "$1" ] || tail -c 65536 "$1"
        place=$(place_of_marks) && tail -c 65536 "$place/$(key_of "$STACK_DIR").history"
    } 2>/dev/null | sort -u | awk -F '\t' -v since="$(($(date +%s) - 86400))" '$1 + 0 >= since'
}

# Prints what a run did here, or does, that has not left the host since: it is at work, or its connection broke.
# As lock.sh notes it; nothing where there is none.
unheard_step() {
    set -- /dev/shm/runbook.*/*.step
    [ -e "$1" ] && place=$(place_of_marks 2>/dev/null) || return 0
    IFS='	' read -r pid began ended status note title 2>/dev/null <"$place/$(key_of "$STACK_DIR").step" || return 0
    # Of several words, arithmetic would be a program to some shells.
    case $began,${ended#-} in
    ,* | *[!0-9,]*) echo "a note of a run that cannot be read"; return ;;
    esac
    now=$(date +%s)
    case $ended in
    -) if [ -d "/proc/$pid" ]; then end="goes on"; else end="was ended halfway"; fi ;;
    *) end="ended $((now - ended)) s ago, with exit status $status" ;;
    esac
    printf '%s\n' "$title (run $note), begun $((now - began)) s ago, $end"
}

# Prints when steps of ours were at work here: BEGAN ENDED a line, in seconds since the epoch.
own_steps() {
    set -- /dev/shm/runbook.*/*.step*
    [ -e "$1" ] && place=$(place_of_marks 2>/dev/null) || return 0
    note=$place/$(key_of "$STACK_DIR")
    tail -n 200 "$note.steps" 2>/dev/null
    IFS='	' read -r _ began ended _ 2>/dev/null <"$note.step" && [ "$ended" = - ] && echo "$began $(date +%s)"
}

# Prints what somebody did by hand to the stack's containers within some seconds, the latest first: what
# Docker was told to stop, pause, remove or change, unless a step of ours did something to the same container since.
# It remembers 256 events, and not who. Asked only where a container is missing, down, or was started lately.
# Usage: hands SECONDS
hands() {
    [ "$1" -gt 0 ] || return 0
    found=$(containers) || exit
    printf '%s\n' "$found" | awk -v within="$1" '
        { there[$2]; if ($4 != "Up" || /\(Paused\)|Up .*second|Up About a minute/ || $6 == "minutes" && $5 * 60 <= within) lately = 1 }
        END {
            parts = split("BACKEND FRONTEND DATABASE BLOCKCHAIN CACHE", part, " ")
            for (i = 1; i <= parts; i++) if (!(ENVIRON["STACK_" part[i]] in there)) lately = 1
            exit !lately
        }' || return 0
    filters='' physical=$(CDPATH='' cd -P -- "$STACK_DIR" && pwd)
    for event in start stop kill pause unpause restart destroy update; do filters="$filters --filter event=$event"; done
    # shellcheck disable=SC2086  # words: the filters
    told=$(docker events --since "${1}s" --until 0s --filter type=container $filters --format \
        "$line_mark"'{{.Time}}	{{.Action}}	{{.Actor.Attributes.signal}}	{{index .Actor.Attributes "com.docker.compose.project.working_dir"}}	{{.Actor.Attributes.name}}') ||
        unknown "docker did not tell its events"
    printf '%s\n' "$told" | marked | PHYSICAL=$physical OWN=$(own_steps) awk -F '\t' "$MARKS_HANDS_AWK" |
        sort -rn | head -n 3 | while read -r at name was; do
        echo "$name was $was at $(date -u -d "@$at" +%H:%M:%SZ), $(($(date +%s) - at)) s ago"
    done | awk '{ printf "%s%s", (NR > 1 ? "; " : ""), $0 }'
}

# Whether a run of ours has held the stack within the last three minutes.
just_changed() {
    place=$(place_of_marks 2>/dev/null) &&
        [ -n "$(find "$place/$(key_of "$STACK_DIR").lock" -mmin -3 2>/dev/null)" ]
}

# Prints as JSON what on_hold, unheard_step and history_of_runs do, the last with | and ; for tabs and ends of
# lines; as a rule there is nothing, and nothing is started for it.
notes_here() {
    for note in "$STACK_DIR/.runbook-hold" "$STACK_DIR/.runbook-history" \
        /dev/shm/runbook.*/*.hold /dev/shm/runbook.*/*.step /dev/shm/runbook.*/*.history; do
        [ ! -e "$note" ] && [ ! -L "$note" ] || {
            printf '{"hold":"%s","step":"%s","history":"%s"}\n' "$(json_text "$(on_hold "$STACK_DIR")")" \
                "$(json_text "$(unheard_step)")" "$(json_text "$(history_of_runs | tr '\t\n' '|;')")"
            return
        }
    done
    echo '{"hold":"","step":"","history":""}'
}
