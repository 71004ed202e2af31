# Reads an override file of compose and prints it with the memory limits of services set, and all else as it was.
# In: limit; new, the services, each between blanks
function set_limits() { printf "    mem_limit: %s\n    memswap_limit: %s\n", limit, limit }
function add_missing(   names, n, i) {
    n = split(new, names, " ")
    for (i = 1; i <= n; i++) if (!(names[i] in done)) { print "  " names[i] ":"; set_limits() }
    all = 1
}
/^[^ #]/ {
    if (inside) add_missing()
    inside = /^services:/
    ours = 0
}
inside && /^  [^ #]/ {
    name = $1; sub(/:$/, "", name)
    ours = index(new, " " name " ")
    if (ours) { print; set_limits(); done[name]; next }
}
ours && /^    mem(swap)?_limit:/ { next }
{ print }
END {
    if (!inside && !all) print "services:"
    if (!all) add_missing()
}
