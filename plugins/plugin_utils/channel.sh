# Runs commands side by side on a host and sends their answers back over one channel.
#
# In:  token    marks our lines, so that a login banner cannot be taken for an answer
#      library  shell functions that every command may use
#      questions, a function that calls  ask ID SECONDS BYTES COMMAND  once per command,
#      and before that, if all of them want to know the same,  learn NAME SECONDS COMMAND
# Out: one line per piece:  TOKEN ID STREAM DATA
#      STREAM out or err: base64, a chunk a line; end: exit status and milliseconds
#      and a last line  TOKEN - done  without which the answer was cut off
#
# Nothing is written to disk. A line stays under PIPE_BUF (4096 bytes on Linux), so the
# lines of commands that end at the same moment never mix.

# Ends whatever carries our mark, also what moved to a session of its own.
reap() {
    for environ in $(grep -lsF "RUNBOOK_CHANNEL=$token" /proc/[0-9]*/environ); do
        pid=${environ#/proc/}
        kill -s KILL "${pid%/environ}"
    done 2>/dev/null
}

# Reaps when nobody listens any more, or when something outlived every deadline.
watch() {
    trap '' PIPE
    elapsed=0
    while sleep 1 </dev/null >/dev/null 2>&1; do
        elapsed=$((elapsed + 1))
        { [ "$elapsed" -le "$1" ] && echo; } 2>/dev/null || { reap; return; }
    done
}

# Sends what is left of standard input, somewhat more than the cap at most: that tells that it was
# cut. Whoever writes it must not meet a closed pipe. Usage: … | base64 -w 3000 | send STREAM
send() {
    sent=0
    while [ "$sent" -le "$cap" ] && IFS= read -r chunk; do
        echo "$token $id $1 $chunk"
        sent=$((sent + 2250))
    done
    [ "$sent" -le "$cap" ] || cat >/dev/null
} >&4

# Sets now, in milliseconds since boot (/proc/uptime counts hundredths; no process needed).
clock() {
    read -r uptime _ </proc/uptime
    now=$((${uptime%.*} * 1000 + 1${uptime#*.} * 10 - 1000))
}

# Most commands say nothing there, which needs no process to say.
send_errors() {
    IFS= read -r first || [ -n "$first" ] || return
    { printf '%s\n' "$first"; cat; } | base64 -w 3000 | send err
}

# A session of its own lets the deadline end the command with all its children. The script comes by a
# pipe: as an argument it would be for everybody to read, and Linux takes none over 128 KiB.
run() {
    clock
    start=$now
    printf '%s\n' "$library" "$command" 3>&- 4>&- |
        RUNBOOK_CHANNEL=$token setsid timeout -s KILL "$limit" sh /proc/self/fd/5 5<&0 </dev/null 3>&- 4>&- &
    { wait "$!"; } 2>/dev/null
    status=$?
    kill -s KILL -- "-$!" 2>/dev/null
    clock
    echo "$token $id end $status $((now - start))" >&4
}

# Asks once what every command may want to know: NAME holds it, NAME_STATUS the exit status.
learn() {
    # In braces, as bash 5.2 crashes without.
    answer=$(printf '%s\n' "$library" "$3" | {
        RUNBOOK_CHANNEL=$token setsid timeout -s KILL "$2" sh /proc/self/fd/5 5<&0 </dev/null 2>/dev/null 4>&-
    })
    export "$1_STATUS=$?" "$1=$answer"
}

ask() {
    id=$1 limit=$2 cap=$3 command=$4
    { run 2>&3 | base64 -w 3000 | send out; } 3>&1 | send_errors &
    asked="$asked $!"
}

main() {
    exec 4>&1
    asked=
    watch "$1" 4>&- &
    watcher=$!
    questions
    for pid in $asked; do wait "$pid"; done
    kill "$watcher" 2>/dev/null
    echo "$token - done"
}
