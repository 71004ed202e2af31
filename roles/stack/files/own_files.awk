# Reads what docker diff prints of a container, and prints the files in it that are data, as own_files of compose.sh
# says. In: MOUNTS of the environment, a path a line
BEGIN { mounts = split(ENVIRON["MOUNTS"], mount, "\n") }
function is_mounted(path,   i) {
    for (i = 1; i <= mounts; i++) if (mount[i] != "" && index(path "/", mount[i] "/") == 1) return 1
}
# Of what the image brought the next container has its own, whatever was changed by hand.
/^A \// { paths[++n] = substr($0, 3) }
/^[AC] \// {
    path = substr($0, 3)
    while (sub(/\/[^\/]*$/, "", path)) holds[path]
}
END {
    for (i = 1; i <= n; i++) {
        path = paths[i] "/"
        if (paths[i] in holds || is_mounted(paths[i]) || path ~ /^\/(tmp|run|dev|proc|sys|var\/(tmp|run|cache|log))\// ||
            path ~ /\/(logs?|\.?cache|\.npm|__pycache__)\//) continue
        print paths[i]
    }
}
