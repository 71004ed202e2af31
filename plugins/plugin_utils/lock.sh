# One change at a time on a host, whoever makes it and from wherever.
#
# A lease in memory (/dev/shm), so that it works on a full disk and goes with a reboot:
#   OWNER EXPIRY(seconds since the epoch) NOTE
# In:  lock_name, lock_owner, lock_note, lock_seconds; lock_broken, an owner known to be dead

lock_file=/dev/shm/runbook-$(printf '%s' "${lock_name%/}" | cksum | cut -d ' ' -f 1).lock

# Takes or renews the lease; 75 (EX_TEMPFAIL) and the holder's line when another has it.
take_lock() {
    (
        flock 9 || exit
        read -r owner expiry note <"$lock_file"
        now=$(date +%s)
        case $owner in
        "" | "$lock_owner" | "$lock_broken") ;;
        *) [ "${expiry:-0}" -le "$now" ] || { echo "$owner $expiry $note" >&2; exit 75; } ;;
        esac
        echo "$lock_owner $((now + lock_seconds)) $lock_note" >"$lock_file"
    ) 9>>"$lock_file"
}

# Renews the lease in the background until the process that started this one is gone, or until it is
# ended itself. Prints its process id; nobody's child, so that no wait waits for it.
keep_lock() {
    (
        exec </dev/null >/dev/null 2>&1
        trap 'kill "$!"; exit' TERM
        while sleep $((lock_seconds / 5)) & wait "$!" && kill -0 "$$"; do take_lock || break; done
    ) &
    echo "$!"
}

release_lock() {
    (
        flock 9 || exit
        read -r owner _ <"$lock_file"
        [ "$owner" != "$lock_owner" ] || : >"$lock_file"
    ) 9>>"$lock_file"
}

# Leaves a mark, by its time, that the host is about to be changed, or was until now.
note_change() { ( umask 0; : >"${lock_file%.lock}.change" ); }

( umask 0; : >>"$lock_file" ) 2>/dev/null
