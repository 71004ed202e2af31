# Shell words about the blockchain's node, and the API's client of it, on top of stack.sh.
#
# In: STACK_BACKEND, STACK_BACKEND_URL, STACK_BLOCKCHAIN, STACK_BLOCKCHAIN_URL

# Prints the body of an answer. The address goes in by standard input: it may hold a provider's
# key, and every user of the host can read arguments. Usage: fetch SECONDS URL [JSON]
fetch() {
    if command -v curl >/dev/null; then
        printf 'url = "%s"\n' "$2" | curl -sS -K - -m "$1" --noproxy localhost,127.0.0.1,::1 \
            ${3:+-H 'Content-Type: application/json' --data-raw "$3"}
    elif command -v wget >/dev/null; then
        wget -q -O - -T "$1" ${3:+--header 'Content-Type: application/json' --post-data "$3"} "$2"
    else
        unknown "neither curl nor wget on this host"
    fi
}

# Prints what the API says of its client: "ready", "lost", "not told" or "no answer".
# Usage: api_client ANSWER
api_client() {
    case $1 in
    "") echo "no answer" ;;
    *'"initiali'[sz]'ed":true'* | *'"initiali'[sz]'ed": true'*) echo ready ;;
    *'"initiali'[sz]'ed":false'* | *'"initiali'[sz]'ed": false'*) echo lost ;;
    *) echo "not told" ;;
    esac
}

# Usage: api_is ready|lost HEALTH_PATH
api_is() {
    [ "$(api_client "$(fetch 3 "$STACK_BACKEND_URL$2")")" = "$1" ]
}

# Prints the first variable of the API's environment whose name matches. Usage: api_setting REGEX
api_setting() {
    docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$(container "$STACK_BACKEND")" |
        sed -n "s/^[A-Z_]*$1[A-Z_]*=//p" | head -n 1
}

# Prints the contract's address: the given one, else what the API says, else its environment.
# Usage: contract_address GIVEN ANSWER
contract_address() {
    address=$1
    case $address,$2 in
    ,*'"contractAddress":"0x'*)
        address=${2#*'"contractAddress":"'}
        address=${address%%\"*}
        ;;
    ,*) address=$(api_setting CONTRACT 2>/dev/null) ;;
    esac
    case $address in
    "" | *[!0-9a-fA-Fx]*) echo "no address of the contract: set blockchain_service_unavailable_contract" >&2 ;;
    *) echo "$address" ;;
    esac
}

# Asks a node everything in one batch, and prints its answers as members of a JSON object; fails
# when there are none. Usage: node_facts URL CONTRACT SECONDS (0: how old the block is, nobody asks)
node_facts() {
    call() { printf '%s{"jsonrpc":"2.0","id":%d,"method":"%s","params":[%s]}' "$@"; }
    batch=[$(call '' 1 web3_clientVersion && call , 2 eth_chainId && call , 3 eth_blockNumber
        [ -z "$2" ] || call , 4 eth_getCode "\"$2\",\"latest\""
        [ "$3" -eq 0 ] || call , 5 eth_getBlockByNumber '"latest",false')]
    answers=$(fetch 3 "$1" "$batch") || return
    printf '%s' "$answers" | awk -v contract="$2" -v now="$([ "$3" -eq 0 ] || date +%s)" '
        function number(hex, sum) {
            for (sum = 0; hex != ""; hex = substr(hex, 2))
                sum = sum * 16 + index("0123456789abcdef", tolower(substr(hex, 1, 1))) - 1
            return sprintf("%.0f", sum)
        }
        function text(key) {
            if (!match($0, "\"" key "\": *\"[^\"]*\"")) return ""
            found = substr($0, RSTART, RLENGTH - 1)
            sub(/^"[a-z]*": *"/, "", found)
            return found
        }
        BEGIN { RS = "}" }
        text("timestamp") != "" { age = now - number(substr(text("timestamp"), 3)) }
        text("message") != "" { complaint = text("message") }
        match($0, /"id": *[0-9]+/) {
            id = substr($0, RSTART, RLENGTH); sub(/.* |.*:/, "", id)
            if ($0 ~ /"result": *"/) result[id] = text("result")
        }
        END {
            if (result[2] !~ /^0x[0-9a-fA-F]+$/) {
                print (complaint != "" ? complaint : "no answer to eth_chainId") > "/dev/stderr"
                exit 1
            }
            printf "\"software\":\"%s\",\"chain_id\":%s", result[1], number(substr(result[2], 3))
            if (result[3] != "") printf ",\"block\":%s", number(substr(result[3], 3))
            if (age != "") printf ",\"block_age\":%d", age
            if (4 in result) printf ",\"contract\":\"%s\",\"contract_bytes\":%d", contract, length(result[4]) / 2 - 1
        }'
}

# Prints the node and the API's client of it as one JSON object. When something is wrong, also how
# many of the node's processes are stopped by a signal, and whether a restart would lose its chain;
# and when the API is configured for a node outside of this stack, that one is asked.
# Usage: blockchain_state HEALTH_PATH CONTRACT SECONDS
blockchain_state() {
    url=$STACK_BLOCKCHAIN_URL answer=$(fetch 3 "$STACK_BACKEND_URL$1" 2>/dev/null)
    client=$(api_client "$answer")
    contract=$(contract_address "$2" "$answer")
    facts=$(node_facts "$url" "$contract" "$3")
    stopped=0 arguments=
    case $client,$facts in
    ready,*contract_bytes\":[1-9]*) ;;
    *)
        other=$(api_setting RPC 2>/dev/null)
        if is_elsewhere "$other" && [ "$other" != "$url" ]; then
            url=$other facts=$(node_facts "$other" "$contract" "$3")
        fi
        if is_elsewhere "$url"; then
            echo "a network outside of this stack: nothing to restart here" >&2
        else
            processes=$(docker top "$(container "$STACK_BLOCKCHAIN")" -o pid,stat,args 2>/dev/null)
            stopped=$(printf '%s\n' "$processes" | grep -c '^[0-9]* *T') arguments=$processes
        fi
        [ "$client,${facts:+well}" != lost,well ] || complaints "$STACK_BACKEND" 'rror:.*[Bb]lockchain'
        ;;
    esac
    printf '{"here":%s,"answers":%s,"in_memory":%s,"stopped_processes":%d,"api_client":"%s"%s}\n' \
        "$(is_elsewhere "$url" && echo false || echo true)" "$([ -n "$facts" ] && echo true || echo false)" \
        "$(is_in_memory "$facts" "$arguments" && echo true || echo false)" "$stopped" "$client" "${facts:+,$facts}"
}

# Usage: is_elsewhere URL
is_elsewhere() {
    host=${1#*://}
    host=${host##*@}
    case ${host%%[:/]*} in
    localhost | 127.* | 0.0.0.0 | "[" | host.docker.internal | "$(hostname)") return 1 ;;
    *.*) return 0 ;;
    *) return 1 ;; # nobody's but another service of this stack
    esac
}

# Takes a node for one that forgets its chain unless it is known to keep it.
# Usage: is_in_memory FACTS PROCESSES
is_in_memory() {
    case $1$2 in
    *[Hh]ardhat* | *[Aa]nvil* | *[Gg]anache* | *TestRPC* | *--dev*) return 0 ;;
    *[Gg]eth* | *[Ee]rigon* | *[Nn]ethermind* | *[Bb]esu* | *[Rr]eth* | *[Bb]or/*) return 1 ;;
    esac
}

# Usage: contract_answers HEALTH_PATH GIVEN_ADDRESS
contract_answers() {
    address=$(contract_address "$2" "$(fetch 3 "$STACK_BACKEND_URL$1" 2>/dev/null)")
    case $(node_facts "$STACK_BLOCKCHAIN_URL" "$address" 0) in
    *contract_bytes\":[1-9]*) ;;
    *) return 1 ;;
    esac
}

# The API sets its client up at its start only. Usage: renew_client SECONDS HEALTH_PATH
renew_client() {
    restart "$STACK_BACKEND" && wait_until "$1" api_is ready "$2"
}

# Does something (a word and its arguments) to the node, waits for its contract, and restarts the API.
# Usage: renew_node SECONDS HEALTH_PATH GIVEN_ADDRESS COMMAND…
renew_node() {
    seconds=$1 path=$2 given=$3
    shift 3
    "$@" && wait_for "$STACK_BLOCKCHAIN" "$seconds" contract_answers "$path" "$given" && renew_client "$seconds" "$path"
}

# The same for a node that keeps its chain by it. The API may have kept its client, but takes some
# seconds to notice that it did not.
regain_node() {
    seconds=$1 path=$2 given=$3
    shift 3
    "$@" && wait_for "$STACK_BLOCKCHAIN" "$seconds" contract_answers "$path" "$given" || return
    ! wait_until 7 api_is lost "$path" || renew_client "$seconds" "$path"
}
