# Reads the answer of cache_info of cache.sh, and prints what cache_refusal says; exit status 1 for a refusal.
function say(word, why) { print word " " why; exit 1 }
BEGIN { loading = "it is still loading its data, and refuses all requests until then (LOADING)" }
{ sub(/\r$/, ""); value[$1] = $2; all = all "\n" $0 }
END {
    if (!("used_memory" in value)) {
        if (all ~ /BUSY/) say("silent", "")
        if (all ~ /max number of clients/)
            say("clients", "it refuses new clients: max number of clients reached (maxclients)")
        if (all ~ /LOADING/) say("everybody", loading)
        if (all ~ /WRONGPASS|invalid username-password/)
            say("api", "it refuses the password that the API has (WRONGPASS)")
        if (all ~ /NOAUTH/) say("api", "it asks for a password that the API does not have (NOAUTH)")
        if (all ~ /NOPERM/) say("api", "the user of the API may not ask INFO of it (NOPERM)")
        if (all ~ /is paused/) say("silent", "")
        if (all ~ /\nfailed/) say("gone", "it cannot be asked: it does not run, or nothing listens there")
        say("silent", "")
    }
    if (value["loading"] == 1) say("everybody", loading)
    if (value["aof_last_write_status"] == "err")
        say("writes", "it refuses writes (MISCONF): it cannot write its append only file; is its disk full?")
    if (value["role"] == "slave")
        say("writes", "it refuses writes (READONLY): it is a replica of " value["master_host"] ":" \
            value["master_port"] ", link " value["master_link_status"])
    if ("min_slaves_good_slaves" in value && value["min_slaves_good_slaves"] == 0)
        say("writes", "it refuses writes (NOREPLICAS): no replica is in reach")
    if (value["rdb_last_bgsave_status"] == "err") say("snapshot", "")
}
