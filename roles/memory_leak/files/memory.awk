# Judges the lines of samples.awk, and prints the JSON object of memory_state of memory.sh, all but its last
# member; what is wrong also on standard error.
# In: full, host_full (percent), soon (minutes), wanted (bytes, 0 for none); KILLS and RESTARTS of the environment, as
#     memory_kills and docker inspect print them; STACK_BACKEND and the other parts
function mib(bytes) { return sprintf("%.1f", bytes / 1048576) }
function names(list) { gsub(/[^ ]+/, "\"&\"", list); gsub(/ /, ",", list); return "[" list "]" }
function add(list, name) { return list (list == "" ? "" : " ") name }
BEGIN {
    part[ENVIRON["STACK_BACKEND"]] = "backend"; part[ENVIRON["STACK_FRONTEND"]] = "frontend"
    part[ENVIRON["STACK_DATABASE"]] = "database"; part[ENVIRON["STACK_CACHE"]] = "cache"
    part[ENVIRON["STACK_BLOCKCHAIN"]] = "blockchain"
    lines = split(ENVIRON["RESTARTS"], line, "\n")
    for (l = 1; l <= lines; l++) {
        split(line[l], field, " ")
        restarted[field[1]] = field[2]; flagged[field[1]] = field[3] == "true"
    }
    # Two sources may tell of the same kill: the one that tells of more counts.
    lines = split(ENVIRON["KILLS"], line, "\n")
    for (l = 1; l <= lines; l++) {
        split(line[l], field, " ")
        count = ++told[field[1], field[3]]
        if (count > killed[field[1]]) killed[field[1]] = count
        if (index(sources[field[1]], field[3]) == 0) sources[field[1]] = add(sources[field[1]], field[3])
    }
}
$1 == "host" {
    total = $2; available = $3
    printf "{\"host\":{\"total\":%s,\"available\":%s,\"percent\":%.1f,\"swap_total\":%s,\"swap_used\":%s},\"containers\":{",
        mib(total), mib(available), 100 * (total - available) / total, mib($4), mib($4 - $5)
    crowded = 100 * (total - available) / total >= host_full
    next
}
{
    name = $1 in part ? part[$1] : $1
    restarts = $2 in restarted ? restarted[$2] : "null"
    up = $3; held = $6; limit = $7; cgroup_kills = $9; growth = $10; recent = killed[$2] + 0
    # A person who started it anew after the kill has dealt with it.
    if (up && cgroup_kills == 0 && restarts == 0) recent = 0
    if (!up && flagged[$2] && recent == 0) recent = 1
    if (limit && 100 * held / limit > fullest) fullest = 100 * held / limit
    kills += recent
    # With less than a few left no command can be run in it either.
    if ($12 && $12 - $11 < 3) {
        cramped = add(cramped, name)
        cramped_why = cramped_why (cramped_why == "" ? "" : "; ") $1 " runs " $11 " of the " $12 " processes and threads that its container may have: docker update --pids-limit raises that"
    }
    minutes = growth == "-" ? "null" : sprintf("%.1f", ((limit ? limit - held : available) / growth))
    if (growth != "-" && (soonest == "" || minutes + 0 < soonest)) soonest = minutes + 0
    trouble = ""
    if (limit && 100 * held / limit >= full) trouble = add(trouble, "full")
    if (growth != "-" && minutes + 0 <= soon) trouble = add(trouble, "growing")
    if (recent) trouble = add(trouble, up ? "killed" : "down")
    if (crowded && held * 3 >= total - available) trouble = add(trouble, "host")
    printf "%s\"%s\":{\"service\":\"%s\",\"up\":%s,\"working_set\":%s,\"unreclaimable\":%s,\"limit\":%s,\"percent\":%s,\"swap\":%s,\"growth\":%s,\"minutes\":%s,\"kills\":%d,\"kills_since_start\":%d,\"sources\":%s,\"restarts\":%s,\"trouble\":%s}",
        separator, name, $1, up ? "true" : "false", mib($5), mib(held), limit ? mib(limit) : "null",
        limit ? sprintf("%.1f", 100 * held / limit) : "null", mib($8),
        growth == "-" ? "null" : mib(growth), minutes, recent, cgroup_kills, names(sources[$2]),
        restarts, names(trouble)
    separator = ","
    if (trouble == "") next
    printf "%s: %s: %s MiB%s%s%s\n", name, trouble, mib(held),
        limit ? " of " mib(limit) : "", growth == "-" ? "" : ", " mib(growth) " more a minute",
        recent ? ", " recent " recent kill" (recent == 1 ? "" : "s") : "" > "/dev/stderr"
    affected = add(affected, name)
    # What its policy restarted after the kill, or a database that ended all sessions
    # after one was killed, began anew already.
    if (!(recent && restarts + 0 > 0) && !(trouble == "killed" && name == "database")) {
        if (name == "blockchain" && up) chain = add(chain, $1)
        else restart = add(restart, $1)
    }
    if (wanted && (trouble ~ /full|growing/ || recent && sources[$2] != "heap") && (!limit || limit < wanted)) widen = add(widen, $1)
}
END {
    printf "},\"fullest\":%.1f,\"soonest\":%s,\"kills\":%d,\"affected\":%s,\"restart\":%s,\"chain\":%s,\"widen\":%s,\"cramped_why\":\"%s\",\"cramped\":%s",
        fullest, soonest == "" ? "null" : soonest, kills, names(affected), names(restart), names(chain), names(widen), cramped_why, names(cramped)
}
