# Reads facts of the processes of a container, as LOOK_AT_PROCESSES of path.sh asks for them, the kind of each first,
# and prints the first thing that is wrong: KIND and a sentence.
function state(line) { sub(/^.*\) /, "", line); return substr(line, 1, 1) }
function name(line) { sub(/^[^(]*\(/, "", line); sub(/\).*/, "", line); return line }
function ticks(line, word) { sub(/^.*\) /, "", line); split(line, word, " "); return word[12] + word[13] }
$1 == "state" { main_state = state($0); main = "its process (" name($0) ")" }
$1 == "first" { before[$2] = $0 }
$1 == "second" && $2 in before {
    used = ticks($0) - ticks(before[$2])
    if (used > most) { most = used; busy = "process " $2 " (" name($0) ")" }
}
$1 == "files" && $4 > 0 && $3 >= $4 - 3 {
    files = "process " $2 " has " $3 " of " $4 " open files it may have (EMFILE): it can take no connection"
}
$1 == "heap" && $4 > 0 && $3 >= 920 * $4 {
    heap = "process " $2 " holds " int($3 / 1024) " MiB of the " $4 " MiB its heap may have"
}
/[Rr]esource temporarily unavailable|[Cc]an.?t fork|[Cc]annot fork|procReady/ { full = 1 }
END {
    if (main_state ~ /[Tt]/) print "stopped " main " is stopped by a signal (state T)"
    else if (main_state == "Z") print "zombie " main " has ended and nobody waited for it (zombie)"
    else if (files != "") print "open_files " files
    else if (full) print "processes no further process can be started in its container (pids limit)"
    else if (heap != "") print "heap " heap
    else if (main_state == "D") print "waiting " main " waits for a disk or device and cannot be interrupted (state D)"
    else if (most >= 30) print "busy " busy " kept a processor busy for " most * 2 " % of half a second and answered nothing: its event loop is blocked"
}
