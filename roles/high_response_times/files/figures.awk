# Reads what was asked of a machine before and after, behind the lines "before" and "after", and the times of answers
# behind "times", and prints them in figures as one JSON object.
# In: limit (milliseconds), deadline (seconds), url that was asked
/^(before|after|times)$/ { part = $1; next }
$1 == "cpu" {
    for (i = 2; i <= 9; i++) ticks[part] += $i
    steal[part] = $9
}
$1 == "throttling" { periods[part, $2] = $3; met[part, $2] = $4; services[$2] }
$1 == "pressure" { pressed[$2, $3] = $4 }
part == "times" && NF == 3 {
    requests++
    if ($2 == "000" && $1 < 0.9 * deadline) { refused++; next }
    if ($2 == "000") late++; else answered++
    for (i = ++count; i > 1 && sorted[i - 1] > $1; i--) sorted[i] = sorted[i - 1]
    sorted[i] = $1
    if ($1 >= longest) { longest = $1; slowest = substr($3, length(url) + 1) }
}
function rank(share) { return int(count * share) + (count * share > int(count * share)) }
function given(value) { return value == "" ? "null" : value }
END {
    p95 = count ? sprintf("%d", 1000 * sorted[rank(0.95)]) : "null"
    printf "{\"requests\":%d,\"answered\":%d,\"late\":%d,\"refused\":%d", requests, answered, late, refused
    printf ",\"p50_ms\":%s,\"p95_ms\":%s", count ? sprintf("%d", 1000 * sorted[rank(0.5)]) : "null", p95
    printf ",\"slow\":%s,\"slowest\":\"%s\"", (p95 + 0 > limit + 0) ? "true" : "false", slowest
    printf ",\"cpu_pressure\":%s,\"io_pressure\":%s,\"memory_pressure\":%s", given(pressed["cpu", "some"]),
        given(pressed["io", "full"]), given(pressed["memory", "full"])
    passed = ticks["after"] - ticks["before"]
    printf ",\"steal_percent\":%d,\"throttled\":{", (passed > 0) ? 100 * (steal["after"] - steal["before"]) / passed : 0
    for (name in services) {
        passed = periods["after", name] - periods["before", name]
        if (passed > 0) {
            printf "%s\"%s\":%d", separator, name, 100 * (met["after", name] - met["before", name]) / passed
            separator = ","
        }
    }
    print "}}"
}
