# Reads events of docker, TIME ACTION SIGNAL DIRECTORY NAME separated by tabs, and prints of each container of the
# stack the last thing that was done to it by hand: TIME NAME WHAT
# In: OWN of the environment, as own_steps of marks.sh prints it; STACK_DIR and PHYSICAL, as docker may call it
BEGIN {
    steps = split(ENVIRON["OWN"], step, "\n")
    said["stop"] = "stopped"; said["kill"] = "killed"; said["pause"] = "paused"; said["unpause"] = "continued"
    said["restart"] = "restarted"; said["destroy"] = "removed"; said["update"] = "changed"
}
NF != 5 || $4 != ENVIRON["STACK_DIR"] && $4 != ENVIRON["PHYSICAL"] { next }
{
    for (i = 1; i <= steps; i++) {
        split(step[i], time, " ")
        if ($1 >= time[1] + 0 && $1 <= time[2] + 0) { delete when[$5]; next }
    }
}
# Its policy starts a container too; other signals ask a process for something, like to open its log anew.
$2 == "start" || $2 == "kill" && $3 !~ /^(2|3|6|9|15|19)$/ { next }
{ when[$5] = $1; what[$5] = said[$2] }
END { for (name in when) print when[name], name, what[name] }
