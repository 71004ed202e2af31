#!/bin/sh
# Runs on a practice host, as root; `lab` copies it in beside the pristine stack.
#   stack.sh up                       start what is not running, wait until healthy
#   stack.sh reset MODE IMAGE=ID...   undo what a fault left behind, wait until healthy; data is kept. MODE is soft or
#                                     hard (every container is made anew). 10 when an image is gone
#   stack.sh check                    0 when the stack is healthy, else say what is not
set -eu

stack=/srv/school_mgmt
pristine=/usr/local/share/school_mgmt
project=school_mgmt
network=school_mgmt_school_mgmt_network
address=0x5FbDB2315678afecb367f032d93F642f64180aa3
volumes=/var/lib/docker/volumes
containers="school_mgmt_db school_mgmt_redis school_mgmt_blockchain school_mgmt_backend school_mgmt_frontend school_mgmt_pdf_service"
now=/run/lab # what was seen, one file each

did() { printf '    %s: %s\n' "$(hostname)" "$*"; }
compose() { (cd "$stack" && docker compose --progress quiet "$@"); }
get() { curl -sf -m 3 "$@"; }
# Asks the engine itself, which costs a quarter of what a start of docker's client does.
engine() { curl -sf -m 10 --unix-socket /var/run/docker.sock "$@"; }

# --- seeing -----------------------------------------------------------------------------------

rpc() { get -H 'content-type: application/json' http://localhost:8545 -d "$1"; }
contract_there() {
    rpc "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getCode\",\"params\":[\"$address\",\"latest\"]}" | grep -q '"result":"0x[0-9a-f]\{4\}'
}
certificates_initialised() { get http://localhost:5007/api/v1/certificates/health | grep -q '"initialized":true'; }
database_answers() {
    # shellcheck disable=SC2016  # the other shell expands it
    docker exec school_mgmt_db sh -c \
        'PGCONNECT_TIMEOUT=3 PGPASSWORD=$POSTGRES_PASSWORD psql -qXAt -h "$(hostname -i)" -U postgres -d school_mgmt -c "SELECT 1 FROM users LIMIT 1"' \
        > /dev/null 2>&1
}

# Prints what is wrong, one line each.
complaints() {
    # shellcheck disable=SC2086  # one word each
    docker inspect --format '{{.Name}} {{.State.Status}} {{with .State.Health}}{{.Status}}{{else}}-{{end}}' $containers 2>&1 \
        | grep -vE '^/[a-z_]+ running (healthy|-)$' || true
    {
        get -o /dev/null http://localhost:5007/health || echo "backend does not answer"
        certificates_initialised || echo "backend has no blockchain client"
    } &
    { get -o /dev/null http://localhost || echo "frontend does not answer"; } &
    { get -o /dev/null http://localhost:8080/health || echo "PDF service does not answer"; } &
    { contract_there || echo "no contract on the blockchain"; } &
    { database_answers || echo "database does not answer"; } &
    wait
}

check() {
    found=$(complaints)
    [ -z "$found" ] || { echo "$found"; return 1; }
}

wait_healthy() {
    end=$(($(date +%s) + 120))
    until check > /run/lab-complaints; do
        if [ "$(date +%s)" -gt "$end" ]; then
            echo "$(hostname): not healthy after 120 s:" >&2
            cat /run/lab-complaints >&2
            return 1
        fi
        # The backend sets its client up at its start only.
        if grep -q '^backend has no' /run/lab-complaints && contract_there && get -o /dev/null http://localhost:5007/health; then
            docker restart -t 3 school_mgmt_backend > /dev/null
        fi
        sleep 0.3
    done
    rm -f /run/lab-complaints
}

# A node deploys five seconds after its first start; one that was started again may have forgotten the contract.
need_contract() {
    contract_there && return
    sleep 6
    contract_there || { did "no contract: blockchain is made anew"; compose up -d --force-recreate --no-deps blockchain; }
}

# Looks once at everything that a clean host has clean: files below $now, made side by side.
look() {
    rm -rf "$now" && mkdir -p "$now"
    docker ps -a --format '{{.Names}} {{.State}} {{.Label "com.docker.compose.project"}}' > "$now/containers" &
    docker volume ls -q -f dangling=true | grep -v "^${project}_" > "$now/volumes" &
    docker network ls -q -f type=custom --format '{{.Name}}' | grep -vx "$network" > "$now/networks" &
    images > "$now/images" &
    engine -X POST 'http://engine/build/prune?all=1' > /dev/null 2>&1 &
    # shellcheck disable=SC2086  # one word each
    docker inspect --format '{{.Name}} {{.State.Pid}} {{.LogPath}} {{.GraphDriver.Data.UpperDir}} {{.Image}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{json .HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}}{{range $name, $net := .NetworkSettings.Networks}} {{$name}}{{range $net.Aliases}}/{{.}}{{end}}{{end}}' \
        $containers > "$now/inspected" 2> /dev/null &
    wait
}

# The fields of a container in what was inspected: pid, log, its own layer, image, limits, policy, networks.
inspected() { sed -n "s|^/$1 ||p" "$now/inspected"; }

# --- undoing ----------------------------------------------------------------------------------

thaw() {
    # Anything stopped by a signal goes on: services, the engine, sshd.
    stopped=$(ps -eo pid=,stat= | awk '$2 ~ /^T/ { print $1 }')
    # shellcheck disable=SC2086  # one word each
    [ -z "$stopped" ] || { did "SIGCONT to $(echo $stopped | wc -w) processes"; kill -CONT $stopped 2> /dev/null || true; }

    # Users that a case left at work, then hogs left running by ops.
    while read -r leader; do kill -KILL -- "-$leader" 2> /dev/null || true; done 2> /dev/null < /run/case-users || true
    rm -f /run/case-users
    orphans=$(ps -U ops -o pid=,ppid=,comm= 2> /dev/null | awk '$2 == 1 && $3 !~ /^(sshd|systemd)/ { print $1 }')
    # shellcheck disable=SC2086  # one word each
    [ -z "$orphans" ] || kill -9 $orphans 2> /dev/null || true

    # What faults leave on the small file systems.
    find /srv -mindepth 1 -maxdepth 1 ! -name school_mgmt ! -name lost+found -exec rm -rf {} +
    find /tmp -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +
    find /var/lib/docker -maxdepth 1 -type f ! -name engine-id -delete
    find "$volumes" -maxdepth 1 -type f ! -name metadata.db -delete
    rm -rf "$stack/backups"
    rm -f /dev/shm/runbook.*/*.change /dev/shm/runbook.*/*.history /dev/shm/runbook.*/*.step /dev/shm/runbook.*/*.hold
    rm -f "$stack/.runbook-history" "$stack/.runbook-hold"

    if ! engine http://engine/_ping > /dev/null; then
        did "the engine does not answer: starting it"
        pkill -9 -x dockerd || true
        pkill -9 -x containerd || true
        start-dockerd
    fi
}

# Files as in the pristine copy. Sets `changed` to those that were not.
restore_files() {
    changed=
    if ! diff -rq "$pristine" "$stack" > /dev/null 2>&1; then
        for file in $(cd "$pristine" && find . -type f | sed 's|^\./||'); do
            if ! cmp -s "$pristine/$file" "$stack/$file"; then
                mkdir -p "$(dirname "$stack/$file")"
                # Into the same inode where there is one: a bind mount of one file follows the inode.
                cat "$pristine/$file" > "$stack/$file"
                changed="$changed $file"
            fi
        done
        for entry in "$stack"/* "$stack"/.[!.]*; do
            [ -e "$pristine/${entry##*/}" ] || rm -rf "$entry"
        done
        (cd "$stack" && find . -type f) | while read -r file; do [ -e "$pristine/$file" ] || rm -f "$stack/$file"; done
        find "$stack" -mindepth 1 -type d -empty -delete
        changed=${changed:-" strange files"}
        did "restored$changed"
        chown -R ops:ops "$stack"
    fi
    # The mark of the data directory's version, which a case changes.
    mark=$volumes/${project}_postgres_data/_data/PG_VERSION
    [ ! -s "$mark" ] || [ "$(cat "$mark")" = 17 ] || { did "PG_VERSION is 17"; echo 17 > "$mark"; }
}

# What faults change of the host itself: its clock and network, and whose certificates it trusts.
restore_host() {
    rm -f /usr/local/bin/date
    if [ -n "$(ls /usr/local/share/ca-certificates)" ]; then
        rm -f /usr/local/share/ca-certificates/*
        update-ca-certificates --fresh > /dev/null 2>&1
    fi
    [ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || echo 1 > /proc/sys/net/ipv4/ip_forward
    if tc qdisc show 2> /dev/null | grep -q netem; then
        tc qdisc show | awk '/netem/ { print $5 }' | sort -u | xargs -rn1 -I{} tc qdisc del dev {} root
    fi
    if iptables -S DOCKER-USER 2> /dev/null | grep -q -- '-j \(DROP\|REJECT\)'; then iptables -F DOCKER-USER; fi
}

# Every image has its name again; those of the arguments name=id. 10 when one is not there.
restore_images() {
    for pair in "$@"; do
        grep -qx "${pair%%=*}:latest ${pair#*=}" "$now/images" && continue
        docker tag "${pair#*=}" "${pair%%=*}" 2> /dev/null || return 10
        images > "$now/images" # the one that had the name has none now
    done
}

# Containers, volumes, networks and images that are not the stack's.
remove_strangers() {
    while read -r name _ owner; do
        case "$owner: $containers " in
            "$project:"*" $name "*) ;;
            *) did "removed container $name"; docker rm -fv "$name" > /dev/null ;;
        esac
    done < "$now/containers"
    [ ! -s "$now/volumes" ] || xargs -r docker volume rm < "$now/volumes" > /dev/null
    [ ! -s "$now/networks" ] || xargs -r docker network rm < "$now/networks" > /dev/null || true
    strange_images < "$now/images" | xargs -r docker rmi -f > /dev/null 2>&1 || true
}

strange_images() { awk '$1 !~ /^school_mgmt\/[a-z-]*:latest$/ { print $1 ~ /<none>/ ? $2 : $1 }'; }
images() { docker images --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}'; }

# Processes that came into a container by `docker exec`, and whatever they left to its PID 1.
kill_execs() {
    while read -r name pid _; do
        [ "${pid:-0}" != 0 ] || continue
        shim=$(awk '{ print $4 }' "/proc/$pid/stat") || continue
        extra=$(pgrep -P "$shim" | grep -vx "$pid" || true)
        # The backend has no children of its own.
        [ "$name" != /school_mgmt_backend ] || extra="$extra $(pgrep -P "$pid" || true)"
        for process in $extra; do
            # shellcheck disable=SC2046  # one word each
            kill -9 "$process" $(pgrep -P "$process") 2> /dev/null || true
        done
    done < "$now/inspected"
}

# Why a container has to be made anew, or nothing. Takes container, service and the id of the image it should have.
dirty() {
    name=$1 service=$2 image=$3
    case $service in postgres) policy=no ;; *) policy=unless-stopped ;; esac
    have=$(inspected "$name")
    [ -n "$have" ] || return 0
    # shellcheck disable=SC2086  # one word each
    set -- $have
    pid=$1 log=$2 layer=$3
    [ "$4" = "$image" ] || { echo "another image"; return 0; }
    shift 4
    case "${6:-} $1 $2 $3 $4 ${5:-}/" in
        " 0 0 null $policy $network"*"/$service/"* | " 0 0 0 $policy $network"*"/$service/"*) ;;
        *) echo "limits, policy or networks: $*"; return 0 ;;
    esac
    if [ "$pid" != 0 ] && [ "$(awk '/^Max open files/ { print ($4 == "unlimited" ? 99999 : $4) }' "/proc/$pid/limits")" -lt 1000 ]; then
        echo "open files"; return 0
    fi
    # A full disk tears lines of the engine's logs, and whoever reads past a torn one gets an error.
    whole='^\{"log":"([^"\]|\\.)*","stream":"[a-z]*","time":"[^"{]*"\}$'
    ! grep -Eqv "$whole" "$log" || { echo "a torn log"; return 0; }
    # Additions a service makes by itself do not count; the bind mount points are the engine's. Read from the
    # container's own layer, where a device stands for what was removed: docker diff takes a fifth of a second.
    find "$layer" \( -type c -printf 'removed /%P\n' -o -printf 'added /%P\n' \) \
        | grep -vE '^added /(run|var/run|tmp|var/lib/(nginx|postgresql)|app/(deployments|cache|artifacts|logs)|root|var/cache|docker-entrypoint-initdb.d)(/|$)' \
        | grep -vxE 'added /(app|var|var/lib|var/log|etc|etc/nginx|etc/nginx/conf.d|etc/nginx/conf.d/default.conf)?' | head -3 | tr '\n' ' '
}

# Takes name=id of every image.
recreate_dirty() {
    for pair in school_mgmt_db:postgres school_mgmt_redis:redis school_mgmt_blockchain:blockchain school_mgmt_backend:backend \
        school_mgmt_frontend:frontend school_mgmt_pdf_service:pdf-service; do
        image=$(printf '%s\n' "$@" | sed -n "s|^school_mgmt/${pair#*:}=||p")
        (
            why=$(dirty "${pair%:*}" "${pair#*:}" "$image")
            [ -z "$why" ] || { did "${pair%:*} is made anew: $why"; docker rm -f "${pair%:*}" > /dev/null; }
        ) &
    done
    wait
}

# A published port whose docker-proxy is gone gets it back with its container's next start.
restart_without_proxy() {
    for pair in db:5433 redis:6379 blockchain:8545 backend:5007 frontend:80 pdf_service:8080; do
        pgrep -f "[d]ocker-proxy .*-host-port ${pair#*:} " > /dev/null && continue
        did "${pair%:*}: no docker-proxy, restarted"
        docker restart -t 3 "school_mgmt_${pair%:*}" > /dev/null
    done
}

# Compose gives up at once on a dependency that is unhealthy, though it may only have been asleep until now.
settle_health() {
    i=0
    while unhealthy=$(docker inspect --format '{{.Name}} {{.State.Status}} {{.State.Health.Status}}' \
        school_mgmt_db school_mgmt_redis school_mgmt_blockchain 2> /dev/null | sed -n 's|^/\(.*\) running unhealthy$|\1|p') && [ -n "$unhealthy" ]; do
        i=$((i + 1))
        # shellcheck disable=SC2086  # one word each
        [ "$i" -lt 60 ] || { did "$unhealthy stays unhealthy: restarted"; docker restart -t 3 $unhealthy > /dev/null; }
        sleep 0.2
    done
}

# Whether every container runs as the pristine compose file says, so that compose has nothing to do. The hashes of the
# services are asked once for each compose file.
as_composed() {
    wanted=/run/lab-hashes
    if [ "$(head -n 1 "$wanted" 2> /dev/null)" != "$(cksum < "$stack/docker-compose.yml")" ]; then
        { cksum < "$stack/docker-compose.yml"; (cd "$stack" && docker compose config --hash '*') | sort; } > "$wanted"
    fi
    # shellcheck disable=SC2086  # one word each
    docker inspect --format '{{index .Config.Labels "com.docker.compose.service"}} {{index .Config.Labels "com.docker.compose.config-hash"}}{{if ne .State.Status "running"}} {{.State.Status}}{{end}}' \
        $containers 2> /dev/null | sort > "$now/composed"
    sed 1d "$wanted" | cmp -s - "$now/composed"
}

# Settings and leftovers; the rows stay. A schema that is lost, damaged or changed is seeded again.
reset_database() {
    docker exec -i school_mgmt_db sh -s << 'IN' || { did "database: restarted"; docker restart -t 5 school_mgmt_db > /dev/null; }
set -u
export PGUSER=postgres PGOPTIONS='-c default_transaction_read_only=off -c statement_timeout=0 -c client_min_messages=error' PGCONNECT_TIMEOUT=5
ask() { psql -qXAt -v ON_ERROR_STOP=1 "$@"; }
strangers=$(ask -d template1 << SQL
SELECT FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND (state LIKE 'idle in transaction%' OR (state = 'active' AND now() - query_start > interval '2 s'))) t WHERE false;
ALTER ROLE postgres PASSWORD '$POSTGRES_PASSWORD';
ALTER ROLE postgres RESET ALL;
UPDATE pg_database SET datcollversion = NULL WHERE datname = '$POSTGRES_DB' AND datcollversion IS NOT NULL;
UPDATE pg_database SET datallowconn = true, datconnlimit = -1 WHERE datname = '$POSTGRES_DB' AND (NOT datallowconn OR datconnlimit <> -1);
SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', '$POSTGRES_DB')
UNION ALL SELECT '/slot/' || slot_name FROM pg_replication_slots WHERE NOT active;
SQL
) || exit 1
for name in $strangers; do
    case $name in
        /slot/*) ask -d template1 -c "SELECT pg_drop_replication_slot('${name#/slot/}')" -c "ALTER SYSTEM SET max_wal_size = '96MB'" -c "SELECT pg_reload_conf()"
            sleep 1
            for i in 1 2 3; do ask -d template1 -c "SELECT pg_switch_wal()" -c CHECKPOINT; done ;;
        *) dropdb --force "$name" ;;
    esac
done > /dev/null
# Reads every row of the public tables, and says how many columns of which type they have.
shape() {
    ask -d "$POSTGRES_DB" << 'SQL' 2> /dev/null
SELECT FROM pg_class c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')
   AND query_to_xml(format('SELECT count(t::text) FROM %I t', relname), false, false, '') IS NULL;
SELECT md5(string_agg(concat_ws(' ', c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod)), ',' ORDER BY c.relname, a.attnum))
   FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v');
SQL
}
found=$(shape) || found=
known=$PGDATA/lab-schema
[ -z "$found" ] || [ -s "$known" ] || echo "$found" > "$known"
seed() {
    dropdb --if-exists --force "$POSTGRES_DB" && createdb "$POSTGRES_DB" || exit 1
    for script in /docker-entrypoint-initdb.d/*.sql; do ask -d "$POSTGRES_DB" -f "$script" || exit 1; done
}
if [ -z "$found" ] || [ "$found" != "$(cat "$known" 2> /dev/null)" ]; then
    seed
    shape > "$known"
fi
ask -d "$POSTGRES_DB" << SQL | while read -r schema; do ask -d "$POSTGRES_DB" -c "DROP SCHEMA $schema CASCADE"; done
ALTER DATABASE $POSTGRES_DB RESET ALL;
SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema');
SQL
if grep -q '^[^#]' "$PGDATA/postgresql.auto.conf"; then
    ask -d template1 -c 'ALTER SYSTEM RESET ALL'
    exit 1
fi
IN
}

# Contents and settings of the cache, whose directory is its own again, and which takes writes.
reset_cache() {
    docker exec school_mgmt_redis sh -c 'chown redis:redis /data; printf "%s\n" "client unpause" "replicaof no one" "config set maxmemory 256mb" \
        "config set maxmemory-policy allkeys-lru" "config set min-replicas-to-write 0" flushall | redis-cli | grep -v OK
        [ "$(redis-cli info persistence | grep -c "bgsave_status:ok")" = 1 ] || { redis-cli bgsave; sleep 1; }
        [ "$(redis-cli set lab:written 1 px 1 2>&1)" = OK ]' > "$now/cache" 2>&1 || docker restart -t 3 school_mgmt_redis > /dev/null
}

# Mining on demand, as from the start.
reset_chain() {
    rpc '{"jsonrpc":"2.0","id":1,"method":"hardhat_getAutomine","params":[]}' | grep -q '"result":false' || return 0
    did "the chain mines again"
    rpc '[{"jsonrpc":"2.0","id":1,"method":"evm_setAutomine","params":[true]},{"jsonrpc":"2.0","id":2,"method":"evm_mine","params":[]}]' > /dev/null
}

# Log lines of a fault would be read as trouble later. The engine's log may be emptied only while its container
# stands still (a reader of a truncated log spins), so it is done only where there is something to forget.
forget_logs() {
    forgotten=
    for name in backend frontend; do
        log=$(sed -n "s|^/school_mgmt_$name [0-9]* ||p" "$now/well")
        if [ "$(wc -c < "$log")" -gt 1000000 ] \
            || grep -E 'error|Slow query' "$log" | grep -qvE 'Unauthorized\. |Invalid credential|[Nn]ot found'; then
            [ "$name" != backend ] || docker exec school_mgmt_backend sh -c 'for log in logs/*.log; do : >"$log"; done'
            docker stop -t 3 "school_mgmt_$name" > /dev/null
            truncate -s 0 "$log"
            docker start "school_mgmt_$name" > /dev/null
            forgotten=yes
        fi
    done
    [ -z "$forgotten" ] || wait_healthy
}

# A backend that has given Redis up goes on without: it has no established connection to port 6379 (18EB).
has_cache() {
    grep -q ':18EB 01 ' "/proc/$(sed -n 's|^/school_mgmt_backend \([0-9]*\) .*|\1|p' "$now/well")/net/tcp"
}

# Takes the mode, then name=id of every image.
reset() {
    mode=$1
    shift
    thaw
    restore_files
    restore_host
    look
    restore_images "$@" || return $?
    awk '$2 == "paused" { print $1 }' "$now/containers" | xargs -r docker unpause > /dev/null
    remove_strangers &
    kill_execs
    if [ "$mode" = hard ]; then
        # shellcheck disable=SC2086  # one word each
        docker rm -f $containers > /dev/null 2>&1 || true
    else
        recreate_dirty "$@"
    fi
    wait
    settle_health
    case $changed in *nginx.conf*) docker restart -t 3 school_mgmt_frontend > /dev/null 2>&1 || true ;; esac
    # A container on its way up again after many crashes waits ever longer: start it now.
    awk '$2 == "restarting" { print $1 }' "$now/containers" | xargs -r docker restart -t 1 > /dev/null 2>&1 || true
    if [ -n "$changed" ] || ! as_composed; then
        compose up -d --remove-orphans
        # Once more: of some, a container was made until now.
        images | strange_images | xargs -r docker rmi -f > /dev/null 2>&1 || true
    fi
    restart_without_proxy
    reset_database &
    reset_cache &
    reset_chain &
    wait
    need_contract
    wait_healthy
    docker inspect --format '{{.Name}} {{.State.Pid}} {{.LogPath}}' school_mgmt_backend school_mgmt_frontend > "$now/well"
    if ! has_cache; then
        did "the backend is without its cache: restarted"
        docker restart -t 3 school_mgmt_backend > /dev/null
        wait_healthy
    fi
    forget_logs
}

case ${1:-} in
    up) compose up -d && need_contract && wait_healthy ;;
    reset) shift && reset "$@" ;;
    check) check ;;
    *) echo "usage: stack.sh up | reset soft|hard IMAGE=ID... | check" >&2; exit 2 ;;
esac
