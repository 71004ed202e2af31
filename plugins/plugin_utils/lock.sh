# shellcheck shell=sh
# One change at a time on a host, whoever makes it and from wherever.
#
# A lease is a line of a file in the place of marks.sh:
#   OWNER EXPIRY(seconds since the epoch) NOTE
# In:  lock_name, the stack's directory; lock_run, what its history calls the run; lock_owner, lock_note,
#      lock_seconds; lock_broken, an owner known to be dead; lock_despite_hold, not empty for who only gives the
#      lease back. Exit status 73 (EX_CANTCREAT), and "no lease: WHY", where none can be taken or looked at.

if lock_place=$(place_of_marks make 2>&1); then lock_trouble=''; else lock_trouble=$lock_place; fi
lock_file=$lock_place/$(key_of "$lock_name").lock

# Says why none can be taken or looked at; exit status 73. Usage: no_lease WHY
no_lease() {
    echo "no lease: $*" >&2
    return 73
}

# Runs a command while nobody else reads or writes the lease; not for longer than ten seconds does it wait for
# that. (flock of busybox knows no -w.) Usage: alone COMMAND
alone() {
    [ -z "$lock_trouble" ] || { no_lease "$lock_trouble"; return; }
    ( umask 007; : >>"$lock_file" ) 2>/dev/null && [ -f "$lock_file" ] || { no_lease "$lock_file cannot be written"; return; }
    (
        tries=0
        until flock -n 9; do
            tries=$((tries + 1))
            [ "$tries" -lt 50 ] || { no_lease "another process keeps $lock_file locked"; exit; }
            sleep 0.2
        done
        "$1"
    ) 9>>"$lock_file"
}

# Takes or renews the lease; 75 (EX_TEMPFAIL) and the holder's line when another has it, 77 (EX_NOPERM) and
# why when people keep every change away.
take_lock() {
    [ -n "${lock_despite_hold:-}" ] || ! held_by=$(on_hold "$lock_name") || { printf 'refused: %s\n' "$held_by" >&2; return 77; }
    alone write_lease
}

# Writes our line, unless another holds the host: then it prints whose, with exit status 75.
write_lease() {
    read -r owner expiry note <"$lock_file"
    now=$(date +%s)
    # No lease is that long: a clock was set back, or the line is none.
    case $expiry in "" | *[!0-9]* | ????????????*) expiry=0 ;; esac
    [ "$expiry" -le "$((now + 3600))" ] || expiry=0
    case $owner in
    "" | "$lock_owner") ;;
    *)
        # Of one that is gone a step may still go on.
        [ "$owner" = "$lock_broken" ] && ! step_goes_on || [ "$expiry" -le "$now" ] ||
            { echo "$owner $expiry $note" >&2; exit 75; }
        ;;
    esac
    echo "$lock_owner $((now + lock_seconds)) $lock_note" >"$lock_file"
}

# Tells whoever looks what the run does here, and did, as long as it has not heard of its end itself:
#   PID BEGAN ENDED STATUS NOTE TITLE, tab-separated; the end is told by - while it goes on
# Usage: note_step TITLE, and note_step_end STATUS
note_step() {
    step=$(printf '%s' "$1" | tr '\t\n' '  ') step_began=$(date +%s)
    write_step - -
}
# Notes how it ended, and when it was at work: what Docker did then may be ours. Usage: note_step_end STATUS
note_step_end() {
    write_step "$(date +%s)" "$1"
    keep_time "$step_began"
}
# Usage: keep_time BEGAN
keep_time() { add_line "${lock_file%.lock}.steps" 007 "$1 $(date +%s)" 2>/dev/null || true; }
# Usage: write_step ENDED STATUS
write_step() {
    ( umask 007; printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$$" "$step_began" "$1" "$2" "$lock_note" "$step" >"${lock_file%.lock}.step" )
}

# Whether what was noted last is still at work.
step_goes_on() {
    IFS='	' read -r pid _ ended _ 2>/dev/null <"${lock_file%.lock}.step" && [ "$ended" = - ] && [ -d "/proc/$pid" ]
}

# Keeps for later runs that this one climbs a rung, or that it held: EPOCH RUN INCIDENT RUNG [held],
# tab-separated. On disk, which a reboot of the host survives, and in memory, as a disk may be full or not ours.
# Usage: note_rung INCIDENT RUNG [held]
note_rung() {
    line=$(printf '%s\t%s\t%s\t%s\t%s' "$(date +%s)" "$lock_run" "$1" "$2" "${3:-}")
    for file in "${lock_name%/}/.runbook-history" "${lock_file%.lock}.history"; do add_line "$file" 002 "$line"; done 2>/dev/null
    return 0
}

# Adds a line to a file that stays short, and is no link of somebody's. Usage: add_line FILE UMASK LINE
add_line() {
    [ ! -L "$1" ] || return 0
    [ "$(tail -n +400 "$1" | head -c 1 | wc -c)" -eq 0 ] ||
        ( umask 022; tail -n 200 "$1" >"$1.new" && mv -f -T "$1.new" "$1" )
    ( umask "$2"; printf '%s\n' "$3" >>"$1" )
}

# Renews the lease in the background until the process that started this one is gone, or until it is
# ended itself; of that nothing is left for longer than a second. Prints its process id; nobody's child, so that
# no wait waits for it.
keep_lock() {
    (
        exec </dev/null >/dev/null 2>&1
        seconds=0
        while sleep 1 && kill -0 "$$"; do
            seconds=$(((seconds + 1) % (lock_seconds / 5)))
            [ "$seconds" -gt 0 ] || take_lock || break
        done
    ) &
    echo "$!"
}

# Gives the lease back, if it is ours.
release_lock() { alone empty_lease; }

# Who gives it back has heard of all that it did, also of a step that its deadline ended.
empty_lease() {
    is_ours || return 0
    IFS='	' read -r _ began ended _ 2>/dev/null <"${lock_file%.lock}.step" && [ "$ended" = - ] && keep_time "$began"
    : >"$lock_file"
    rm -f "${lock_file%.lock}.step"
}

# Gives back the lease, if it is ours, of a run that was ended before it could do that itself: what it did last is
# still to be told.
abandon_lock() { alone drop_lease; }

# Empties the lease, and nothing else.
drop_lease() { ! is_ours || : >"$lock_file"; }

# Whether the lease is ours.
is_ours() { read -r owner _ <"$lock_file" && [ "$owner" = "$lock_owner" ]; }

# Leaves a mark, by its time, that the host is about to be changed, or was until now.
note_change() { ( umask 007; : >"${lock_file%.lock}.change" ); }
