# Reads control groups, ID SERVICE DIRECTORY STATUS… a line, as often as the window asks for, and prints what they
# hold, as memory_samples of memory.sh says. In: window, recent (seconds), growth_mib
function first(file, line) {
    line = ""
    getline line < file
    close(file)
    return line
}
function counts(file, into, line, field) {
    while ((getline line < file) > 0) { split(line, field, " "); into[field[1]] = field[2] }
    close(file)
}
function look(i, dir, stat, file) {
    dir = group[i]
    split("", stat)
    counts(dir "/memory.stat", stat)
    if ("total_inactive_file" in stat) {
        used[i] = first(dir "/memory.usage_in_bytes")
        working[i] = used[i] - stat["total_inactive_file"]
        held[i] = working[i] - stat["total_active_file"]
        limit[i] = stat["hierarchical_memory_limit"]
        swap[i] = stat["total_swap"]
        counts(dir "/memory.oom_control", stat)
    } else {
        used[i] = first(dir "/memory.current")
        working[i] = used[i] - stat["inactive_file"]
        held[i] = working[i] - stat["active_file"] - stat["slab_reclaimable"]
        limit[i] = first(dir "/memory.max")
        swap[i] = first(dir "/memory.swap.current")
        counts(dir "/memory.events", stat)
    }
    kills[i] = stat["oom_kill"]
    limit[i] = limit[i] + 0 >= total || limit[i] == "max" ? 0 : limit[i]
    sub("^/sys/fs/cgroup/memory/", "/sys/fs/cgroup/pids/", dir)
    processes[i] = first(dir "/pids.current")
    most[i] = first(dir "/pids.max")
}
function watch(until, i) {
    for (taken += 0; taken < until; taken++) {
        if (taken) system("sleep " window / samples)
        for (i = 1; i <= NR; i++) if (!(i in down)) { look(i); seen[i, taken] = held[i] }
    }
}
function fell(i, begin, s, high, low, fall) {
    high = low = seen[i, begin]; fall = 0
    for (s = begin + 1; s < begin + samples; s++) {
        if (seen[i, s] > high) high = seen[i, s]
        if (seen[i, s] < low) low = seen[i, s]
        if (high - seen[i, s] > fall) fall = high - seen[i, s]
    }
    return fall >= growth_mib * 1048576 && fall >= (high - low) / 2
}
function is_higher(i, begin, s, high) {
    for (s = 0; s < begin; s++) if (seen[i, s] > high) high = seen[i, s]
    return seen[i, begin + samples - 1] > high + growth_mib * 1048576
}
function growth(i, begin, part, s, low, step, from, count, falls, behind) {
    if (samples < 5 || i in down || (begin && fell(i, begin))) return "-"
    # What fell twice before may be collected as often: it must hold more now than it ever did.
    if (begin > samples && !is_higher(i, begin)) return "-"
    split("", low); from = begin; falls = behind = 0
    for (s = begin + 1; s < begin + samples; s++) if (seen[i, s] < seen[i, from]) from = s
    count = begin + samples - from
    if (count < samples / 2 || count < 5) return "-"
    for (s = 0; s < count; s++) {
        part = int(s * 5 / count)
        if (!(part in low) || seen[i, from + s] < low[part]) low[part] = seen[i, from + s]
    }
    step = (low[4] - low[0]) / 4
    if (step * 4 < growth_mib * 1048576) return "-"
    for (s = 1; s < count; s++) if (seen[i, from + s] < seen[i, from + s - 1] - 0.1 * step) falls++
    for (part = 1; part < 5; part++) {
        if (low[part] - low[part - 1] >= 0.3 * step) continue
        if (falls != 1 || behind++ || low[part] - low[part - 1] < -step) return "-"
    }
    return step * 5 / (window * count / samples) * 60
}
BEGIN {
    counts("/proc/meminfo", host)
    total = host["MemTotal:"] * 1024
    printf "host %.0f %.0f %.0f %.0f\n", total, host["MemAvailable:"] * 1024,
        host["SwapTotal:"] * 1024, host["SwapFree:"] * 1024
}
{ id[NR] = $1; service[NR] = $2; group[NR] = $3 }
/Up .*second|Up About a minute/ || $4 == "Up" && $6 == "minutes" && $5 * 60 <= recent { suspect[NR] = 1 }
/Exited \(13[3-9]\)|Restarting/ { suspect[NR] = 2 }
$4 != "Up" || $3 == "-" { down[NR] = 1 }
END {
    samples = window >= 5 ? (window < 20 ? window : 20) : 1
    watch(samples)
    for (round = 1; round < 3 && samples > 1; round++) {
        again = 0
        for (i = 1; i <= NR; i++)
            if (!(i in down) && begin[i] == (round - 1) * samples && fell(i, begin[i] + 0))
                again = begin[i] = round * samples
        if (!again) break
        watch((round + 1) * samples)
    }
    for (i = 1; i <= NR; i++)
        printf "%s %s %d %.0f %.0f %.0f %.0f %.0f %d %s %d %d %d\n", service[i], id[i], !(i in down),
            used[i], working[i], held[i], limit[i], swap[i], kills[i],
            growth(i, begin[i] + 0), processes[i], most[i], (kills[i] > 0) ? 2 : suspect[i]
}
