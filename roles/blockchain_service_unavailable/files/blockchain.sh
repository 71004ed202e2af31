# shellcheck shell=sh
# Shell functions about the blockchain's node, and the API's client of it, on top of stack.sh.
#
# In: STACK_BACKEND, STACK_BACKEND_URL, STACK_BLOCKCHAIN, STACK_BLOCKCHAIN_URL; NODE_AWK, the text of node.awk

# Prints the body of an answer, or on standard error in plain words why there is none.
# Usage: fetch SECONDS URL [JSON]
fetch() {
    apart request "$@" && { printf '%s' "$answer"; return; }
    set -- "$1" "$2" "$?"
    [ "$3" -ne 69 ] || unknown "$complaint"
    no_answer "$3" "$complaint" "$1" "$2" >&2
    return "$3"
}

# The request itself. The address goes in by standard input: it may hold a provider's key, and every user
# of the host can read arguments. Usage: request SECONDS URL [JSON]
request() {
    reach "$2"
    [ "$reached" = "$2" ] && direct=localhost,127.0.0.1,::1 || direct='*'
    if command -v curl >/dev/null; then
        { printf 'url = "%s"\n' "$reached" && request_words "$2"; } | curl -sS -K - -m "$1" --noproxy "$direct" \
            ${3:+-H 'Content-Type: application/json' --data-raw "$3"}
    elif command -v wget >/dev/null; then
        need_no_headers "$2"
        wget -q -O - -T "$1" ${3:+--header 'Content-Type: application/json' --post-data "$3"} "$reached"
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

# Prints what the API's environment says of its chain: network, RPC address and contract, a line each;
# empty where it says nothing. Of several RPC addresses the one of the network that is named counts.
api_chain() {
    api_environment | awk '
        { name = $0; sub(/=.*/, "", name); sub(/^[^=]*=/, ""); value[name] = $0 }
        name ~ /RPC/ && rpc == "" { rpc = $0 }
        name ~ /CONTRACT/ && (contract == "" || name ~ /ADDRESS$/) { contract = $0 }
        END {
            network = value["BLOCKCHAIN_NETWORK"]
            if ("LOCALHOST_RPC_URL" in value) rpc = value["LOCALHOST_RPC_URL"]
            if ("BLOCKCHAIN_RPC_URL" in value) rpc = value["BLOCKCHAIN_RPC_URL"]
            if (network != "" && (toupper(network) "_RPC_URL") in value) rpc = value[toupper(network) "_RPC_URL"]
            print network; print rpc; print contract
        }'
}

# Prints the id that the chain must have: of a public network that is named its own, else the given one.
# Usage: expected_chain GIVEN NETWORK
expected_chain() {
    case $2 in
    mainnet) echo 1 ;;
    sepolia) echo 11155111 ;;
    polygon) echo 137 ;;
    amoy) echo 80002 ;;
    mumbai) echo 80001 ;;
    *) echo "$1" ;;
    esac
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
    ,*) address=$(api_chain | sed -n 3p) ;;
    esac
    case $address in
    "" | *[!0-9a-fA-Fx]*) echo "no address of the contract: set blockchain_service_unavailable_contract" >&2 ;;
    *) echo "$address" ;;
    esac
}

# Asks a node everything in one batch, and prints its answers as members of a JSON object; fails
# when there are none. Its newest block is asked for where SECONDS says how old that may be, and on
# networks elsewhere, which always make blocks; what waits for one only here, where it is not everybody's.
# Usage: node_facts URL CONTRACT SECONDS
node_facts() {
    call() { printf '%s{"jsonrpc":"2.0","id":%d,"method":"%s","params":[%s]}' "$@"; }
    ! is_elsewhere "$1" || set -- "$@" elsewhere
    batch=[$(call '' 1 web3_clientVersion && call , 2 eth_chainId && call , 3 eth_blockNumber
        [ -z "$2" ] || call , 4 eth_getCode "\"$2\",\"latest\""
        [ "$3$4" = 0 ] || call , 5 eth_getBlockByNumber '"latest",false'
        call , 6 eth_syncing
        if [ -n "$4" ]; then call , 8 net_peerCount; else call , 7 eth_getBlockByNumber '"pending",false'; fi)]
    answers=$(fetch 3 "$1" "$batch") || return
    printf '%s' "$answers" | node_members "$2"
}

# Reads the answers to that batch, by their ids. Usage: node_members CONTRACT
node_members() {
    awk -v contract="$1" -v now="$(date +%s)" "$NODE_AWK"
}

# Prints a member of a JSON object of numbers and texts without blanks. Usage: member NAME FACTS
member() {
    printf '%s' "$2" | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

# Looks a second time at a node with transactions that wait, and prints for how many seconds it has made
# no block while they did; 0 when it does. Usage: pending_seconds URL FACTS
pending_seconds() {
    [ "$(member pending "$2")" -gt 0 ] || { echo 0; return; }
    sleep 1
    later=$(node_facts "$1" "" 1)
    if [ "$(member pending "$later")" -gt 0 ] 2>/dev/null &&
        [ "$(member block "$later")" = "$(member block "$2")" ]; then
        member block_age "$later"
    else
        echo 0
    fi
}

# Prints where else on this chain the contract was deployed: address and who says so, newest first tried;
# nothing when nobody does, or there is no code either. Usage: contract_elsewhere URL ADDRESS
contract_elsewhere() {
    id=$(container "$STACK_BLOCKCHAIN") || return 0
    {
        docker exec "$id" timeout 3 sh -c 'grep -ihE "\"(contract)?address\": *\"0x" $(ls -t deployments/*.json) /dev/null' 2>/dev/null |
            sed 's/^/deployments /'
        docker logs --tail 5000 "$id" 2>&1 | grep -iE 'contract address|deployed (to|at)' | tail -n 5 | sort -r | sed 's/^/log /'
    } | awk -v old="$2" '
        match($0, /0x[0-9a-fA-F]+/) && RLENGTH == 42 {
            address = substr($0, RSTART, RLENGTH)
            if (tolower(address) != tolower(old) && !seen[tolower(address)]++ && seen["all"]++ < 5) print address, $1
        }' | while read -r address source; do
        case $(node_facts "$1" "$address" 0) in *contract_bytes\":[1-9]*) echo "$address $source"; break ;; esac
    done
}

# Prints the node and the API's client of it as one JSON object; what is wrong, in words, on standard
# error. When something is wrong, also how many of the node's processes are stopped by a signal, whether
# a restart would lose its chain, and where else the contract is; and when the API is configured for a
# node outside of this stack, that one is asked.
# Usage: blockchain_state HEALTH_PATH CONTRACT SECONDS CHAIN_ID
blockchain_state() {
    need_own_port "$STACK_BLOCKCHAIN_URL"
    url=$STACK_BLOCKCHAIN_URL
    answer=$( { need_own_port "$STACK_BACKEND_URL" && fetch 3 "$STACK_BACKEND_URL$1"; } 2>/dev/null)
    client=$(api_client "$answer")
    contract=$(contract_address "$2" "$answer")
    network=$(printf '%s' "$answer" | sed -n 's/.*"network": *"\([a-z]*\)".*/\1/p')
    apart node_facts "$url" "$contract" "$3"
    facts=$answer silent=$complaint stopped=0 arguments='' elsewhere=''
    case $client,$facts in
    ready,*contract_bytes\":[1-9]*) ;;
    *) look_closer "$2" "$3" ;;
    esac
    halted="$STACK_BLOCKCHAIN: $stopped of its processes are stopped by a signal"
    case $stopped,$silent in *,'') ;; 0,*) echo "$silent" >&2 ;; *) echo "$halted, $silent" >&2 ;; esac
    expected=$(expected_chain "$4" "$network")
    stuck=$([ -z "$facts" ] && echo 0 || pending_seconds "$url" "$facts")
    printf '{"here":%s,"answers":%s,"in_memory":%s,"stopped_processes":%d,"api_client":"%s"' \
        "$(is_elsewhere "$url" && echo false || echo true)" "$([ -n "$facts" ] && echo true || echo false)" \
        "$(is_in_memory "$facts" "$arguments" && echo true || echo false)" "$stopped" "$client"
    printf ',"expected_chain_id":%d,"pending_seconds":%d,"contract_elsewhere":"%s","elsewhere_said":"%s"%s}\n' \
        "$expected" "$stuck" "${elsewhere% *}" "${elsewhere#* }" "${facts:+,$facts}"
}

# The part of blockchain_state for what is not well: sets what that prints. Usage: look_closer CONTRACT SECONDS
look_closer() {
    settings=$(api_chain)
    network=$(printf '%s\n' "$settings" | sed -n 1p)
    other=$(printf '%s\n' "$settings" | sed -n 2p)
    if is_elsewhere "$other" && [ "$other" != "$url" ]; then
        url=$other facts=$(node_facts "$other" "$contract" "$2")
    fi
    if is_elsewhere "$url"; then
        echo "a network outside of this stack: nothing to restart here" >&2
    else
        processes=$(docker top "$(container "$STACK_BLOCKCHAIN")" -o pid,stat,args 2>/dev/null)
        stopped=$(printf '%s\n' "$processes" | grep -c '^[0-9]* *T') arguments=$processes
        case $facts in
        *contract_bytes\":0*) elsewhere=$(contract_elsewhere "$url" "$contract") ;;
        esac
    fi
    [ "$client,${facts:+well}" != lost,well ] || complaints "$STACK_BACKEND" 'rror:.*[Bb]lockchain'
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

# Says what is gone with a node that had ended, whoever ended it. Usage: tell_of_chain STATE_BEFORE
tell_of_chain() {
    [ "$1" != paused ] && is_in_memory "$(node_facts "$STACK_BLOCKCHAIN_URL" "" 0)" "" || return 0
    echo "its chain was in memory and is new: certificates from before its end are gone, to be issued again"
}

# Does something (a word and its arguments) to the node, and waits for its contract. The API may have kept
# its client, lost it, or not told; it takes some seconds to notice, and is restarted only where it must be.
# Usage: renew_node SECONDS HEALTH_PATH GIVEN_ADDRESS COMMAND…
renew_node() {
    seconds=$1 path=$2 given=$3
    shift 3
    "$@" && wait_for "$STACK_BLOCKCHAIN" "$seconds" contract_answers "$path" "$given" || return
    [ "$(api_client "$(fetch 3 "$STACK_BACKEND_URL$path" 2>/dev/null)")" != "not told" ] || {
        restart "$STACK_BACKEND"
        return
    }
    ! wait_until 7 api_is lost "$path" || renew_client "$seconds" "$path"
}
