# shellcheck shell=sh
# Shell functions about the cache: whether it can do what the API asks of it. On top of stack.sh.
#
# In: STACK_BACKEND, STACK_CACHE, STACK_CACHE_URL; CACHE_REFUSAL_AWK, the text of refusal.awk

# Prints what the cache says of itself, as one JSON object, and the reason of a trouble on standard error:
#   answers       whether it answers INFO; hangs: empty, or why it does not, in a word: paused, stopped
#                 (by a signal), script (a command says BUSY), busy, disk, asleep (or clients paused)
#   refuses       empty, or what it refuses: writes, snapshots, clients, everybody, api (its password), or "gone" when there
#                 is no cache that runs
#   latency_ms, slow (above LIMIT)
#   used_percent of maxmemory, used_bytes, policy, evicts (whether that gives up keys), evicted and
#   hit_percent since its start
# It only reads. A slow answer is asked for twice more: the quickest counts. Usage: cache_activity LIMIT
cache_activity() {
    for _ in 1 2 3; do
        answer=$(cache_info) || { [ $? -ne 69 ] || exit 69; }
        figures=$(printf '%s\n' "$answer" | cache_figures "$1")
        case $figures in *'"slow":true,"answers":true'*) ;; *) break ;; esac
    done
    refuses=$(printf '%s\n' "$answer" | cache_refusal) || why=${refuses#* } refuses=${refuses%% *}
    hangs=
    case $refuses,$figures in
    silent,*)
        hangs=$(cache_hang "$answer") refuses=
        why="it answers nothing, not even INFO: $(hang_words "$hangs"); requests that use it wait for it"
        ;;
    snapshot,*) cache_persistence ;;
    esac
    [ -z "${why:-}" ] || echo "$why" >&2
    printf '{"refuses":"%s","hangs":"%s",%s\n' "$refuses" "$hangs" "$figures"
}

# INFO of the cache, and the seconds that took. Its protocol is lines of text, as that of dict:// is:
# at a published port curl asks for a tenth of what a client in the container costs. A cache that asks
# for a password is asked with the API's.
cache_info() {
    reach "dict://${STACK_CACHE_URL#*://}/INFO"
    answer=$(curl -s --noproxy '*' -m 2 -w '\nseconds:%{time_total}' "$reached")
    case $?$answer in
    *used_memory:* | 28* | *-BUSY* | *"max number of clients"*) printf '%s\n' "$answer" ;;
    *)
        read -r start _ </proc/uptime
        cache_client 2 redis-cli INFO 2>&1
        case $? in 0 | 124) ;; 69) exit 69 ;; *) echo "failed:" ;; esac
        read -r end _ </proc/uptime
        echo "between:$start:$end"
        ;;
    esac
}

# Runs a command in the cache's container, where redis-cli finds the API's password for it, if it has one,
# in the environment: arguments are for everybody to read. Usage: cache_client SECONDS COMMAND…
cache_client() {
    id=$(container "$STACK_CACHE") || return
    seconds=$1
    shift
    url=$(api_environment | sed -n 's/^REDIS_URL=//p')
    case $url in
    *://*:*@*)
        REDISCLI_AUTH=${url#*://*:} && REDISCLI_AUTH=${REDISCLI_AUTH%@*}
        export REDISCLI_AUTH
        docker exec -e REDISCLI_AUTH "$id" timeout "$seconds" "$@"
        ;;
    *) docker exec "$id" timeout "$seconds" "$@" ;;
    esac
}

# Reads the answer of cache_info. Usage: cache_figures LIMIT
cache_figures() {
    awk -F : -v limit="$1" '
        { sub(/\r$/, ""); value[$1] = $2 }
        $1 == "between" { value["seconds"] = $3 - $2 }
        /^db[0-9]+:/ { split($0, part, /expires=/); expires += part[2] }
        END {
            answers = "used_memory" in value
            policy = value["maxmemory_policy"]
            printf "\"latency_ms\":%d,\"slow\":%s,\"answers\":%s", 1000 * value["seconds"],
                (1000 * value["seconds"] > limit) ? "true" : "false", answers ? "true" : "false"
            reads = value["keyspace_hits"] + value["keyspace_misses"]
            printf ",\"used_percent\":%.1f,\"used_bytes\":%.0f,\"policy\":\"%s\",\"evicts\":%s,\"evicted\":%.0f,\"hit_percent\":%s}",
                (value["maxmemory"] > 0) ? 100 * value["used_memory"] / value["maxmemory"] : 0,
                value["used_memory"], policy, (policy == "noeviction" || policy ~ /^volatile/ && !expires) ? "false" : "true",
                value["evicted_keys"], reads ? sprintf("%.1f", 100 * value["keyspace_hits"] / reads) : "null"
        }'
}

# Reads the answer of cache_info, and says what the cache refuses: a word, and the reason in words. Exit
# status 1 when it refuses something, 0 when it does all that is asked of it.
cache_refusal() {
    awk -F : "$CACHE_REFUSAL_AWK"
}

# Sets refuses and why of a cache whose snapshots fail: whether it refuses writes for it, what its log
# says, whose its directory is.
cache_persistence() {
    found=$(cache_client 3 sh -c '
        redis-cli CONFIG GET stop-writes-on-bgsave-error; redis-cli CONFIG GET save
        ls -ld "$(redis-cli CONFIG GET dir | tail -n 1)" /proc/1' 2>/dev/null)
    owner=$(printf '%s\n' "$found" | awk '
        /^d.* \/proc\/1$/ { server = $3; next }
        /^d/ { directory = $NF " belongs to " $3 ":" $4 }
        END { if (server != "") print directory ", the server runs as " server }')
    said=$(docker logs --tail 100 "$(container "$STACK_CACHE")" 2>&1 | sed 's/^.*[#*] //' |
        grep -iE 'permission denied|no space left|failed opening|error (saving|writing)|write error' | tail -n 1)
    why="its last snapshot failed (rdb_last_bgsave_status:err)${said:+: \"$said\"}${owner:+; $owner}"
    if printf '%s\n' "$found" | awk 'NR == 2 && $1 == "no" || NR == 4 && !NF { writes = 1 } END { exit writes }'; then
        refuses=writes why="it refuses writes (MISCONF): $why"
    else
        refuses=snapshots
    fi
}

# Prints why a cache that answers nothing does not, in a word. Usage: cache_hang ANSWER
cache_hang() {
    case $1 in *BUSY*) echo script; return ;; esac
    id=$(container "$STACK_CACHE") || return
    case $(docker inspect --format '{{.State.Paused}}' "$id") in true) echo paused; return ;; esac
    case $(docker top "$id" -o pid,stat,args | awk '/redis-server|valkey|keydb/ { print substr($2, 1, 1); exit }') in
    T) echo stopped ;;
    R) echo busy ;;
    D) echo disk ;;
    *) echo asleep ;;
    esac
}

# Usage: hang_words WORD
hang_words() {
    case $1 in
    script) echo "a script or command runs without end (BUSY)" ;;
    paused) echo "its container is paused" ;;
    stopped) echo "its process was stopped by a signal" ;;
    busy) echo "its process is at work on one command (a script, KEYS, SORT)" ;;
    disk) echo "its process waits for its disk" ;;
    *) echo "its process sleeps (CLIENT PAUSE, DEBUG SLEEP), or cannot be reached" ;;
    esac
}

# Drops the keys that begin with a PREFIX, and no others, a bounded batch at a time.
# Usage: drop_cache_keys SECONDS PREFIX…
drop_cache_keys() {
    [ $# -gt 1 ] || unknown "no prefixes of cache keys: set high_response_times_cache_prefixes"
    for prefix; do [ -n "$prefix" ] || unknown "an empty prefix is that of every key"; done
    cache_client "$1" sh -c '
        batch="local page = redis.call(\"SCAN\", ARGV[1], \"MATCH\", ARGV[2], \"COUNT\", 2000)
            if #page[2] > 0 then redis.call(\"UNLINK\", unpack(page[2])) end
            return page[1] .. \" \" .. #page[2]"
        end=$(($(date +%s) + $1 - 5))
        shift
        for prefix; do
            pattern=$(printf "%s" "$prefix" | sed "s/[][*?\\\\]/\\\\&/g")\*
            cursor=0 dropped=0
            while set -- $(redis-cli --raw EVAL "$batch" 0 "$cursor" "$pattern") && [ "$#" -eq 2 ]; do
                cursor=$1 dropped=$((dropped + $2))
                [ "$cursor" != 0 ] && [ "$(date +%s)" -lt "$end" ] || break
            done
            echo "dropped $dropped keys $prefix*"
        done' sh "$@"
}
