# Reads the facts of published_ports (path.sh), tab-separated, and prints its answer as JSON. Facts of a container:
# S SERVICE STATE PORTS_WANTED IP=PORT=OWN_PORT,… NAMES NETWORKS NETWORK_MODE RESOLV_CONF START_ERROR

function say(key, text) {
    gsub(/\\/, "&&", text); gsub(/"/, "\\\"", text); gsub(/[\001-\037]/, " ", text)
    found = found (found == "" ? "" : ",") "\"" key "\""
    why = why (why == "" ? "" : ",") "\"" key "\":\"" text "\""
}
$1 == "forward" { forward = $2 }
$1 == "listening" { listening = "," $2 "," }
$1 == "unread" { unread = $2 }
$1 == "resolver" { resolver[$2] = $3 }
$1 == "holder" { holder[$2] = $3 }
$1 == "blocked" { blocked[$2] = $3 }
$1 == "S" { lines[++count] = $0 }
END {
    for (i = 1; i <= count; i++) { split(lines[i], field, "\t"); look(field[3] == "running") }
    # Without its proxies Docker has rules of the firewall alone, and nothing listens.
    for (key in missing) if (proxied) say(key, missing[key])
    if (forward == "0" && outside != "")
        say("host:forwarding", "net.ipv4.ip_forward is 0: this host forwards nothing, so nobody outside reaches the published ports" outside)
    gate = (index(listening, ",80,") && !index(outside " ", " 80 ")) || (index(listening, ",443,") && !index(outside " ", " 443 "))
    printf "{\"found\":[%s],\"gate\":%s,\"unread\":\"%s\",\"why\":{%s}}\n", found, gate ? "true" : "false", unread, why
}
function look(runs, service, total, j, part, bound) {
    service = field[2]
    total = split(runs ? field[5] : field[4], bound, ",+")
    for (j = 1; j <= total; j++) {
        if (!runs && bound[j] in holder)
            say(service ":taken", "port " bound[j] " of " service " is already in use by " holder[bound[j]])
        if (split(bound[j], part, "=") < 3 || part[3] !~ /tcp$/) continue
        if (part[1] !~ /^(127\.|::1)/ && !index(outside " ", " " part[2] " ")) outside = outside " " part[2]
        if (index(listening, "," part[2] ",")) proxied = 1
        else missing[service ":no_proxy"] = "nothing listens on the published port " part[2] " of " service ": its docker-proxy is gone"
        if (part[2] in blocked && !(service in cut)) {
            cut[service]
            say(service ":firewall", "nobody outside reaches port " part[2] " of " service ": " blocked[part[2]])
        }
    }
    if (!runs && field[10] != "\"\"") say(service ":start_error", "docker could not start " service ": " field[10])
    if (runs && service in resolver)
        say(service ":resolver", "the DNS of " service " is " resolver[service] ", mounted over /etc/resolv.conf, which knows no service of the stack")
    # One that was taken off its network is told as that.
    if (runs && field[7] == "" && field[8] !~ /^(host|none|bridge|default|container:.*)$/ && !index(field[6], "," service ","))
        say(service ":no_name", "no network knows " service " by that name: it was joined without its alias")
}
