# Reads what iptables-save prints; pairs are "PORT=PORT_OF_THE_CONTAINER …". Prints what is dropped for
# everybody from outside: blocked <tab> PORT <tab> why. For a published port Docker translates the address
# first, so that the packet is forwarded, to the port of the container; else it comes in.

function walk(table, chain, port, i, rule, target, answer) {
    for (i = 1; i <= count[table, chain]; i++) {
        rule = rules[table, chain, i] " "
        if (rule ~ / -o .* -j DOCKER /) return "accept"
        if (rule ~ /--ctstate|--state|-m set|--mark| -i (lo|docker|br-)| -o | -p (udp|icmp)| -d /) continue
        if (rule ~ /--dports? / && rule !~ ("--dports? ([0-9,:]*,)?" port "[, ]")) continue
        if (!match(rule, / -j [^ ]+/)) continue
        target = substr(rule, RSTART + 4, RLENGTH - 4)
        if (rule ~ / -s /) { if (target ~ /^(ACCEPT|RETURN)$/) return "accept"; continue }
        if (target == "RETURN") return ""
        if (target == "ACCEPT") return "accept"
        if (target ~ /^(DROP|REJECT)$/) { why = "firewall rule" rule; return "drop" }
        if ((answer = walk(table, target, port)) != "") return answer
    }
    return ""
}
/^\*/ { table = substr($1, 2) }
/^:/ { policy[table, substr($1, 2)] = $2 }
/^-A/ { gsub(/"|\t/, ""); rules[table, $2, ++count[table, $2]] = " " $0 }
END {
    total = split(pairs, pair, " ")
    for (p = 1; p <= total; p++) {
        split(pair[p], port, "=")
        chain = "INPUT"
        for (i = 1; i <= count["nat", "DOCKER"]; i++)
            if (rules["nat", "DOCKER", i] ~ ("--dport " port[1] " .*DNAT")) chain = "FORWARD"
        answer = walk("raw", "PREROUTING", port[1])
        if (answer == "") answer = walk("mangle", "PREROUTING", port[1])
        if (answer == "") answer = walk("filter", chain, chain == "INPUT" ? port[1] : port[2])
        if (answer == "" && policy["filter", chain] ~ /^(DROP|REJECT)$/) {
            answer = "drop"; why = "the firewall drops what chain " chain " does not name, and rules of Docker are not in it"
        }
        if (answer == "drop") print "blocked\t" port[1] "\t" why
    }
}
