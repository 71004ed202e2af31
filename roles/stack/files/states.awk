# Reads lines of containers, an empty one, and lines of what docker inspect says (SERVICE {…}), and prints what
# container_states of stack.sh says; what is not well on standard error.
# In: ENDINGS and LOOPS of the environment, as endings and loops print them; STACK_BACKEND and the other parts; STACK_SERVERS
# A text that stands in a string of JSON, as it is.
function plain(text,    said, at) {
    while (at = match(text, /\\["\\]/)) {
        said = said substr(text, 1, at - 1) substr(text, at + 1, 1)
        text = substr(text, at + 2)
    }
    return said text
}
# What docker ps says of a container that is not well, as people say it.
function in_words(status, restarts, why, on_purpose, looping,    said, code, ago) {
    if (match(status, /^Exited \([0-9]+\) /)) {
        code = substr(status, 9, RLENGTH - 10); ago = tolower(substr(status, RLENGTH + 1))
        if (on_purpose && why == "")
            return "was stopped " ago " (exit status " code "): somebody or something stopped it"
        return "ended " ago (why == "" ? " (exit status " code ")" : ": " why)
    }
    if (status ~ /^Restarting/ && looping) said = "restarts again and again (" restarts " times)"
    else if (status ~ /^Restarting/) said = "ended by itself and is started again"
    else if (status ~ /Paused/) said = "is paused: somebody or something paused it"
    else if (status ~ /^Created/) said = "was made and never started"
    else if (status ~ /unhealthy/) said = "runs and is unhealthy"
    else if (match(status, /^Up /)) said = "ends again and again (" restarts " times), and was started again " tolower(substr(status, 4)) " ago"
    else if (status == "no container") said = "has no container"
    else said = "is not well: " status
    return said (why == "" ? "" : ": " why)
}
BEGIN {
    lines = split(ENVIRON["ENDINGS"], line, "\n")
    for (l = 1; l <= lines; l++)
        if (split(line[l], field, "\t") == 3) { in_vain[field[1]] = field[2]; why[field[1]] = field[3] }
    part[ENVIRON["STACK_BACKEND"]] = "backend"; part[ENVIRON["STACK_FRONTEND"]] = "frontend"
    part[ENVIRON["STACK_DATABASE"]] = "database"; part[ENVIRON["STACK_CACHE"]] = "cache"
    part[ENVIRON["STACK_BLOCKCHAIN"]] = "blockchain"
    split("backend frontend database cache blockchain", word, " ")
    for (w in word) called[word[w]]
    delete part[""]
    servers = " " ENVIRON["STACK_SERVERS"] " "
    loops = "\n" ENVIRON["LOOPS"] "\n"
    printf "{"
}
!NF { told = 1; next }
!told {
    id = $1; service = $2; sub(/\t.*/, ""); sub(/^[^ ]+ [^ ]+ [^ ]+ /, ""); statuses[id] = $0
    replicas[service]++
    # As container of stack.sh has it.
    is_up = /^Up/ && !/\(Paused\)/
    if (is_up || !(service in up)) meant[service] = id
    if (is_up) up[service]
    next
}
{
    # One that is called as a part is, and plays it not, must not be taken for it.
    service = $1; gsub(/["\\[:cntrl:]]/, "?", service)
    name = $1 in part ? part[$1] : ($1 in called ? "service " service : service)
    status = "no container"; down = ""
    id = match($0, /"id":"[^"]+"/) ? substr($0, RSTART + 6, RLENGTH - 7) : ""
    alone = $1 in part && replicas[$1] < 2
    server = name
    if (replicas[$1] > 1 && match($0, /"name":"\/[^"]+"/)) {
        replica = " (" substr($0, RSTART + 9, RLENGTH - 10) ")"
        service = service replica
        if (id != meant[$1]) name = name replica
    }
    if (id != "") status = statuses[id]
    looping = id != "" && index(loops, "\n" id "\n") > 0
    fresh = status ~ /^Up (Less than a|[0-9]) second/
    steady = status ~ /^Up/ && !(fresh && looping)
    returned = ""
    if (steady && fresh && match($0, /"restarts":[1-9]/))
        returned = service " ended by itself and was started again " tolower(substr(status, 4)) " ago"
    if (!steady || status ~ /unhealthy|Paused/) {
        restarts = match($0, /"restarts":[1-9][0-9]*/) ? substr($0, RSTART + 11, RLENGTH - 11) : 0
        words = service " " in_words(status, restarts, why[id], $0 ~ /"stopped_on_purpose":true/, looping)
        trouble = trouble (trouble == "" ? "" : "; ") words
        if (status !~ /^Up/ || status ~ /Paused/) down = words
    }
    if (match($0, /"off_network":"[^"]+"/)) {
        words = service " runs and is not on its network " substr($0, RSTART + 15, RLENGTH - 16) ": somebody or something took it off"
        trouble = trouble (trouble == "" ? "" : "; ") words
        $0 = substr($0, 1, RSTART + 14) words substr($0, RSTART + RLENGTH - 1)
    }
    # What serves others and plays no part: the image's own name, after what the host is told of such.
    if (match($0, /"not_looked_into":"[^"]*",/)) {
        image = substr($0, RSTART + 19, RLENGTH - 21)
        sub(/.*\//, "", image); sub(/[:@].*/, "", image)
        server = (!($1 in part) && index(servers, " " image " ")) ? server " (" image ")" : ""
        $0 = substr($0, 1, RSTART + 18) server substr($0, RSTART + RLENGTH - 2)
    }
    printf "%s\"%s\":{\"part\":\"%s\",\"steady\":%s,\"loops\":%s,\"returned\":\"%s\",\"down\":\"%s\",\"ended\":\"%s\",\"start_may_help\":%s,%s", separator, name, alone ? part[$1] : "",
        steady ? "true" : "false", looping ? "true" : "false", returned, down, why[id], (id in why && in_vain[id]) ? "false" : "true", substr($0, length($1) + 3)
    separator = ","
}
END { print "}"; if (trouble != "") print plain(trouble) >"/dev/stderr" }
