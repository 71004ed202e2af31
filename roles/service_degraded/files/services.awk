# Reads lines of troubled_services of services.sh, tab-separated, and prints the JSON object of other_services.
function listed(kind, list) { list = lists[kind]; return "\"" kind "\":[" list "]" }
function add(kind, service) { lists[kind] = lists[kind] (lists[kind] == "" ? "" : ",") "\"" service "\"" }
NF < 4 { next }
{
    gsub(/["\\[:cntrl:]]/, "?", $1); gsub(/[[:cntrl:]]/, "?", $4); gsub(/\\/, "&&", $4); gsub(/"/, "\\\"", $4)
    if (!($1 in why)) order[++services] = $1
    why[$1] = why[$1] ($1 in why && why[$1] != "" ? "; " : "") $4
    if ($2 == "broken_check") { add("broken_checks", $1); next }
    if ($2 == "expiring") { add("expiring", $1); next }
    add("degraded", $1)
    if ($3 != "") add($3, $1)
    if ($2 == "down") down = 1
}
END {
    for (i = 1; i <= services; i++)
        sentences = sentences (i > 1 ? "," : "") "\"" order[i] "\":\"" why[order[i]] "\""
    printf "{%s,%s,%s,%s,%s,\"running\":%s,\"why\":{%s}}\n", listed("degraded"), listed("startable"), \
        listed("restartable"), listed("broken_checks"), listed("expiring"), down ? "false" : "true", sentences
}
