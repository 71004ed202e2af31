# Reads a log and prints the line that names why its process ended, as cause_of_end of stack.sh says.
# In: or_last, 1 where the last line counts when none names a cause
{ gsub(/\033\[[0-9;]*m/, "") }
/^ +at |the database system is (starting up|shutting down|in recovery mode|not yet accepting)|administrator command/ { next }
/\] (ERROR|STATEMENT):  |\] [A-Z]+:  .*(client lost|(from|to) client|terminating connection|canceling (statement|authentication))/ { next }
/\] FATAL:  .*(authentication failed|pg_hba\.conf|too many (clients|connections)|connection slots|"[^"]*" does not exist|startup packet|frontend protocol)/ { next }
/DETAIL:/ { if (line && line == NR - 1) { sub(/^.*DETAIL: */, ""); cause = cause " (" $0 ")" }; next }
# Below a line of code, which Node.js shows before the error itself.
/^[ \t]*\^+[ \t]*$/ { if (line == NR - 1) { most = 0; cause = "" }; next }
{ rank = or_last && NF ? 0.5 : 0 }
/PANIC|panic:/ { rank = 3 }
rank < 1 && /FATAL|\[emerg\]|[Ff]atal|[Uu]ncaught|Bad file format|out of memory/ { rank = 2 }
rank < 1 && /[Ee]rror|ERR|[Dd]enied|[Rr]efused|[Cc]ould not|[Cc]an(not|.t) |[Uu]nable|No space|[Ii]nvalid|incompatible|[Nn]ot (found|set)|No such|[Ff]ailed|[Mm]issing|already in use|timed out/ { rank = 1 }
rank > most || rank != 1 && rank && rank == most {
    most = rank; line = NR; cause = $0
    sub(/^[0-9][0-9-]+[T ][0-9:.,]+Z?( [A-Z]+)?( \[[0-9]+\])? */, "", cause)
    sub(/^[0-9]+:[A-Z] .*[0-9] [#*] /, "", cause)
    next
}
# What a heading stands above.
NF && line == NR - 1 && cause ~ /:[ \t]*$/ {
    sub(/^[0-9][0-9-]+[T ][0-9:.,]+Z? /, ""); sub(/^[ \t]*([a-z]+:[ \t]+)?[-*•]?[ \t]*/, "")
    sub(/[ \t]*$/, " ", cause); cause = cause $0
}
END { if (cause != "") print substr(cause, 1, 300) }
