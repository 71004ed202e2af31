# shellcheck shell=sh
# Runs commands side by side on a host and sends their answers back over one channel.
#
# In:  RUNBOOK_CHANNEL, a mark in the environment, by which all that is of this channel can be found
#      token    marks our lines, so that a login banner cannot be taken for an answer
#      whole     not empty: what has begun goes on when nobody listens any more, each to its deadline
#      abandoned shell text that is run when nobody listens any more and all questions have ended
#      questions, a function that defines the words that every command may use, none by a name from
#      here, and calls  ask ID SECONDS BYTES WORDS COMMAND  once per command (WORDS: shell text of its
#      own), and before that, if all of them want to know the same,  learn NAME SECONDS COMMAND
# Out: one line per piece:  TOKEN ID STREAM DATA
#      STREAM out or err: base64, a chunk a line; end: exit status and milliseconds
#      and a last line  TOKEN - done  without which the answer was cut off
#
# Nothing is written to disk. A line stays under PIPE_BUF (4096 bytes on Linux), so the
# lines of commands that end at the same moment never mix.

# Each command is a copy of this shell, which has read the words of all: to start another one that reads
# them again costs more than most commands do. A copy has no process group of its own: it is ended by
# whose children they are, and by the mark of their question.

# Sets now, in milliseconds since boot (/proc/uptime counts hundredths; no process needed).
clock() {
    read -r uptime _ </proc/uptime
    now=$((${uptime%.*} * 1000 + 1${uptime#*.} * 10 - 1000))
}

# Prints the processes whose environment holds a text. Usage: bearing NAME=TEXT
bearing() { grep -lsF "$1" /proc/[0-9]*/environ | cut -d / -f 3; }

# Prints the processes of a question: those that bear its mark, and what descends from its shell, if
# that still runs. Usage: family NUMBER [PID]
family() {
    bearing "RUNBOOK_QUESTION=$RUNBOOK_CHANNEL.$1."
    [ -z "$2" ] || grep -s '^PPid:' /dev/null /proc/[0-9]*/status | awk -F '[/:\t]+' -v pid="$2" '
        { parent[$3] = $6 }
        END {
            own[pid]
            print pid
            do {
                more = 0
                for (child in parent)
                    if (!(child in own) && parent[child] in own) { own[child]; print child; more = 1 }
            } while (more)
        }'
}

# Sends a signal to processes; to those of others, which sudo started for us, by sudo. Usage: signal NAME PID…
signal() {
    name=$1 others=
    shift
    kill -s "$name" "$@"
    for pid in "$@"; do
        # shellcheck disable=SC3067  # dash, bash and busybox know it
        [ ! -d "/proc/$pid" ] || [ -O "/proc/$pid" ] || others="$others $pid"
    done
    # shellcheck disable=SC2086  # a word a process
    [ -z "$others" ] || timeout 5 sudo -n kill -s "$name" $others
}

# Ends a question. What is stopped starts nothing more, until all are found. Usage: end_question NUMBER [PID]
end_question() {
    found=
    for _ in 1 2 3 4 5; do
        all=$(family "$@" | sort -u)
        [ "$all" != "$found" ] || break
        found=$all
        # shellcheck disable=SC2086  # a word a process
        signal STOP $found
    done
    # shellcheck disable=SC2086  # a word a process
    signal KILL $found
} 2>/dev/null

# Ends who reads the answer to a question. Usage: end_reader NUMBER [PID]
end_reader() {
    # shellcheck disable=SC2046,SC2086  # a word a process
    kill -s KILL $(bearing "RUNBOOK_ANSWER=$RUNBOOK_CHANNEL.$1.") $2
} 2>/dev/null

# Ends all that is of this channel, and this shell with it: by a process that does not bear its mark. It may
# still hold it, where the environment has a copy of the command (SSH_ORIGINAL_COMMAND, SUDO_COMMAND).
end_channel() {
    # shellcheck disable=SC2097,SC2098  # the value from before is meant
    RUNBOOK_CHANNEL='' exec sh -c '
        for _ in 1 2 3 4 5; do
            found=$(grep -lsF "$1" /proc/[0-9]*/environ | cut -d / -f 3 | grep -vx "$$")
            [ -n "$found" ] && kill -s KILL $found
        done 2>/dev/null
        eval "$2"' sh "RUNBOOK_CHANNEL=$RUNBOOK_CHANNEL" "$abandoned"
}

# Ends the questions whose time is over, and all when nobody listens any more, but for what must not stop
# halfway. A second later it ends who
# reads an answer as well: something that cannot be found, or ended, may hold the other end of the pipe.
# In, a line each: started NUMBER PID SECONDS; ended NUMBER; read NUMBER PID; closed NUMBER; tick
watch() {
    trap '' PIPE
    last=0
    while read -r event number pid seconds; do
        case $event in
        started)
            clock
            eval "pid_$number=$pid due_$number=$((now + seconds * 1000)) late_$number="
            [ "$number" -le "$last" ] || last=$number
            ;;
        ended) eval "pid_$number=" ;;
        read) eval "reader_$number=$pid" ;;
        closed) eval "due_$number=" ;;
        tick)
            { echo >&4; } 2>/dev/null || if [ -n "$whole" ]; then exec 4>/dev/null; else end_channel; fi
            clock
            number=-1
            while [ "$number" -lt "$last" ]; do
                number=$((number + 1))
                eval "pid=\${pid_$number-} due=\${due_$number-} late=\${late_$number-}"
                [ -n "$due" ] && [ "$now" -ge "$due" ] || continue
                end_question "$number" "$pid"
                [ -z "$late" ] || eval "end_reader $number \${reader_$number-}"
                eval "late_$number=yes"
            done
            ;;
        esac
    done
}

# A command every second that nobody waits for, and that holds nobody's pipe.
tick() {
    # shellcheck disable=SC2217  # it would hold the pipe
    while sleep 1 </dev/null >/dev/null 2>&1 5>&-; do echo tick >&5 || return; done 2>/dev/null
}

# Reads an answer and prints it in base64, a chunk a line.
encode() { RUNBOOK_ANSWER=$RUNBOOK_CHANNEL.$number. exec base64 -w 3000; }

# Sends what is left of standard input, somewhat more than the cap at most: that tells that it was
# cut. Whoever writes it must not meet a closed pipe, though nobody listens. Usage: … | encode | send STREAM
send() {
    trap '' PIPE
    sent=0
    while [ "$sent" -le "$cap" ] && IFS= read -r chunk; do
        { echo "$token $id $1 $chunk"; } 2>/dev/null
        sent=$((sent + 2250))
    done
    [ "$sent" -le "$cap" ] || RUNBOOK_ANSWER=$RUNBOOK_CHANNEL.$number. cat >/dev/null
} >&4

# Most commands say nothing there, which needs no process to say. It ends last, as all that writes an
# answer holds its pipe.
send_errors() {
    if IFS= read -r first || [ -n "$first" ]; then
        { printf '%s\n' "$first"; RUNBOOK_ANSWER=$RUNBOOK_CHANNEL.$number. cat; } | encode | send err
    fi
    echo "closed $number" >&5
}

# Runs a command with its own words, and returns its exit status. Usage: run SECONDS WORDS COMMAND
run() {
    (
        export RUNBOOK_QUESTION="$RUNBOOK_CHANNEL.$number."
        unset -v token number id cap asked ticker start now uptime
        eval "$2"
        eval "$3"
    ) </dev/null 3>&- 4>&- 5>&- &
    echo "started $number $! $1" >&5
    { wait "$!"; } 2>/dev/null
    set -- $?
    echo "ended $number" >&5
    return "$1"
}

# Asks once what every command may want to know: NAME holds it, NAME_STATUS the exit status.
learn() {
    number=0
    answer=$(run "$2" "" "$3" 2>/dev/null)
    export "$1_STATUS=$?" "$1=$answer"
    echo "closed 0" >&5
}

# Runs a command and sends how it ended, behind its output. Usage: answer SECONDS WORDS COMMAND
answer() {
    clock
    start=$now
    run "$@"
    status=$?
    clock
    echo "$token $id end $status $((now - start))" >&4
}

# Asks one question beside the others. Usage: ask ID SECONDS BYTES WORDS COMMAND
ask() {
    number=$((number + 1)) id=$1 cap=$3
    { answer "$2" "$4" "$5" 2>&3 | encode | send out; } 3>&1 | send_errors &
    asked="$asked $!"
    echo "read $number $!" >&5
}

# Asks all questions, waits for their answers, and says that they are all.
main() {
    exec 4>&1
    export RUNBOOK_CHANNEL="${RUNBOOK_CHANNEL:-$token}"
    {
        tick >/dev/null 4>&- &
        ticker=$!
        asked=
        number=0
        questions
        for pid in $asked; do wait "$pid"; done
        kill "$ticker" 2>/dev/null
        echo "$token - done" >&4
    } 5>&1 >&4 | watch
}
