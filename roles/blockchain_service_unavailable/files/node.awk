# Reads the answers of a node to a batch, by their ids, and prints what node_facts of blockchain.sh says of it, as
# members of a JSON object; its complaint on standard error, with exit status 1.
# In: contract, an address; now, seconds since the epoch
function number(hex, sum) {
    for (sum = 0; hex != ""; hex = substr(hex, 2))
        sum = sum * 16 + index("0123456789abcdef", tolower(substr(hex, 1, 1))) - 1
    return sprintf("%.0f", sum)
}
function text(key) {
    if (!match($0, "\"" key "\": *\"[^\"]*\"")) return ""
    found = substr($0, RSTART, RLENGTH - 1)
    sub(/^"[A-Za-z]*": *"/, "", found)
    return found
}
BEGIN { RS = "}" }
# A block: its id stands before it, or behind.
text("timestamp") != "" {
    time = number(substr(text("timestamp"), 3)); waiting = 0; block = 1
    if (match($0, /"transactions": *\[[^]]*/)) {
        list = substr($0, RSTART, RLENGTH); waiting = gsub(/"0x/, "", list)
    }
}
text("highestBlock") != "" {
    syncing = "it has block " number(substr(text("currentBlock"), 3)) " of " number(substr(text("highestBlock"), 3))
}
text("message") != "" { complaint = text("message") }
match($0, /"id": *[0-9]+/) {
    id = substr($0, RSTART, RLENGTH); sub(/.* |.*:/, "", id)
    if ($0 ~ /"result": *"/) result[id] = text("result")
    if (block && id == 5) age = now - time
    if (block && id == 7) pending = waiting
    if (block) block = 0
}
END {
    if (result[2] !~ /^0x[0-9a-fA-F]+$/) {
        print (complaint != "" ? complaint : "no answer to eth_chainId") > "/dev/stderr"
        exit 1
    }
    printf "\"software\":\"%s\",\"chain_id\":%s,\"pending\":%d", result[1], number(substr(result[2], 3)), pending
    if (result[3] != "") printf ",\"block\":%s", number(substr(result[3], 3))
    if (age != "") printf ",\"block_age\":%d", age
    if (8 in result && number(substr(result[8], 3)) == 0 && age > 120)
        syncing = "it has no peers, and its newest block is " age " s old"
    printf ",\"syncing\":\"%s\"", syncing
    if (4 in result) printf ",\"contract\":\"%s\",\"contract_bytes\":%d", contract, length(result[4]) / 2 - 1
}
