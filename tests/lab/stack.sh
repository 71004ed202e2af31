#!/bin/sh
# Runs on a practice host, as root; `lab` pipes it in.
#   stack.sh thaw          make the engine answer, give the file system its space back
#   stack.sh up            start what is not running, wait until healthy
#   stack.sh reset [hard]  undo what a fault left behind, wait until healthy; data is kept
#   stack.sh check         0 when the stack is healthy, else say what is not
set -eu

stack=/srv/school_mgmt
pristine=/usr/local/share/school_mgmt
project=school_mgmt
network=school_mgmt_school_mgmt_network
address=0x5FbDB2315678afecb367f032d93F642f64180aa3
containers="school_mgmt_db school_mgmt_redis school_mgmt_blockchain school_mgmt_backend school_mgmt_frontend"

did() { printf '    %s: %s\n' "$(hostname)" "$*"; }
compose() { (cd "$stack" && docker compose --progress quiet "$@"); }
get() { curl -sf -m 3 "$@"; }

# --- seeing -----------------------------------------------------------------------------------

contract_there() {
    get -H 'content-type: application/json' http://localhost:8545 \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_getCode\",\"params\":[\"$address\",\"latest\"]}" \
        | grep -q '"result":"0x[0-9a-f]\{4\}'
}
certificates_initialised() { get http://localhost:5007/api/v1/certificates/health | grep -q '"initialized":true'; }

# Prints what is wrong, one line each.
complaints() {
    # shellcheck disable=SC2086
    docker inspect --format '{{.Name}} {{.State.Status}} {{with .State.Health}}{{.Status}}{{else}}-{{end}}' $containers 2>&1 \
        | grep -vE '^/[a-z_]+ running (healthy|-)$' || true
    get -o /dev/null http://localhost:5007/health || echo "backend does not answer"
    get -o /dev/null http://localhost || echo "frontend does not answer"
    contract_there || echo "no contract on the blockchain"
    certificates_initialised || echo "backend has no blockchain client"
    docker exec school_mgmt_db sh -c \
        'PGCONNECT_TIMEOUT=3 PGPASSWORD=$POSTGRES_PASSWORD psql -qXAt -h "$(hostname -i)" -U postgres -d school_mgmt -c "SELECT 1 FROM users LIMIT 1"' \
        > /dev/null 2>&1 || echo "database does not answer"
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
        if ! certificates_initialised && contract_there && get -o /dev/null http://localhost:5007/health; then
            docker restart school_mgmt_backend > /dev/null
        fi
        sleep 0.5
    done
    rm -f /run/lab-complaints
}

# A node deploys five seconds after its first start; one that was started again may have forgotten the contract.
need_contract() {
    contract_there && return
    sleep 6
    contract_there || { did "no contract: blockchain is made anew"; compose up -d --force-recreate --no-deps blockchain; }
}

# --- undoing ----------------------------------------------------------------------------------

thaw() {
    # Anything stopped by a signal goes on: services, the engine, sshd.
    stopped=$(ps -eo pid=,stat= | awk '$2 ~ /^T/ { print $1 }')
    # shellcheck disable=SC2086
    [ -z "$stopped" ] || { did "SIGCONT to $(echo $stopped | wc -w) processes"; kill -CONT $stopped 2> /dev/null || true; }

    # What faults leave on the small file system, and hogs left running by ops.
    find /srv -mindepth 1 -maxdepth 1 ! -name school_mgmt ! -name lost+found -exec rm -rf {} +
    find /tmp -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +
    find /var/lib/docker -maxdepth 1 -type f ! -name engine-id -delete
    find "$stack/backups" "$stack/backend/logs" -type f ! -name 'combined*.log' ! -name 'error*.log' ! -name .gitkeep -delete 2> /dev/null || true
    rm -f /dev/shm/runbook-*.change
    orphans=$(ps -U ops -o pid=,ppid=,comm= 2> /dev/null | awk '$2 == 1 && $3 !~ /^(sshd|systemd)/ { print $1 }')
    # shellcheck disable=SC2086
    [ -z "$orphans" ] || kill -9 $orphans 2> /dev/null || true

    if ! timeout 10 docker info > /dev/null 2>&1; then
        did "the engine does not answer: starting it"
        pkill -9 -x dockerd || true
        pkill -9 -x containerd || true
        start-dockerd
    fi
}

# Files as in the pristine copy; logs and backups emptied. Says which were changed.
restore_files() {
    changed=
    for file in $(cd "$pristine" && find . -type f | sed 's|^\./||'); do
        if ! cmp -s "$pristine/$file" "$stack/$file"; then
            mkdir -p "$(dirname "$stack/$file")"
            # Into the same inode where there is one: a bind mount of one file follows the inode.
            cat "$pristine/$file" > "$stack/$file"
            changed="$changed $file"
        fi
    done
    [ -z "$changed" ] || did "restored$changed"
    (cd "$stack" && find . -type f) | sed 's|^\./||' | while read -r file; do
        case $file in
            backend/logs/combined*.log | backend/logs/error*.log) [ -n "$(find "$stack/$file" -mtime -1)" ] || rm -f "$stack/$file" ;;
            *) [ -e "$pristine/$file" ] || rm -f "$stack/$file" ;;
        esac
    done
    chown -R ops:ops "$stack"
}

# Containers, volumes and networks that are not the stack's.
remove_strangers() {
    docker ps -a --format '{{.Label "com.docker.compose.project"}} {{.Names}}' | while read -r owner name; do
        [ -n "$name" ] || { name=$owner; owner=; }
        [ "$owner" = "$project" ] || { did "removed container $name"; docker rm -fv "$name" > /dev/null; }
    done
    docker volume ls -q -f dangling=true | grep -v "^${project}_" | xargs -r docker volume rm > /dev/null
    docker builder prune -af > /dev/null 2>&1 || true
    docker network ls -q -f type=custom --format '{{.Name}}' | grep -vx "$network" | xargs -r docker network rm > /dev/null || true
    remove_strange_images
}

remove_strange_images() {
    docker images --format '{{.Repository}} {{.Repository}}:{{.Tag}} {{.ID}}' \
        | awk '$2 !~ /^school_mgmt\/[a-z]*:latest$/ { print $2 ~ /<none>/ ? $3 : $2 }' | xargs -r docker rmi -f > /dev/null 2>&1 || true
}

# Processes that came into a container by `docker exec`, and whatever they left to its PID 1.
kill_execs() {
    # shellcheck disable=SC2086
    docker inspect --format '{{.State.Pid}} {{.Name}}' $containers 2> /dev/null | while read -r pid name; do
        [ "${pid:-0}" != 0 ] || continue
        shim=$(awk '{ print $4 }' "/proc/$pid/stat") || continue
        extra=$(pgrep -P "$shim" | grep -vx "$pid" || true)
        # The backend has no children of its own.
        [ "$name" != /school_mgmt_backend ] || extra="$extra $(pgrep -P "$pid" || true)"
        for process in $extra; do
            # shellcheck disable=SC2046
            kill -9 "$process" $(pgrep -P "$process") 2> /dev/null || true
        done
    done
}

# Why a container has to be made anew, or nothing.
dirty() {
    name=$1 service=$2
    case $service in postgres) policy=no ;; *) policy=unless-stopped ;; esac
    have=$(docker inspect --format '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.RestartPolicy.Name}}{{range $name, $net := .NetworkSettings.Networks}} {{$name}}{{range $net.Aliases}}{{if eq . "'"$service"'"}}/{{.}}{{end}}{{end}}{{end}}' "$name" 2> /dev/null) || return 0
    [ "$have" = "0 0 $policy $network/$service" ] || { echo "limits, policy or networks: $have"; return 0; }
    # A full disk tears lines of the engine's logs, and whoever reads past a torn one gets an error.
    whole='^\{"log":"([^"\]|\\.)*","stream":"[a-z]*","time":"[^"{]*"\}$'
    ! grep -Eqv "$whole" "$(docker inspect --format '{{.LogPath}}' "$name")" || { echo "a torn log"; return 0; }
    # Additions a service makes by itself do not count; the bind mount points are the engine's.
    docker diff "$name" | grep -vE '^[AC] (/run|/var/run|/tmp|/var/lib/(nginx|postgresql)|/app/(deployments|cache|artifacts|logs)|/root|/var/cache)(/|$)' \
        | grep -vE '^C (/app|/var|/var/lib|/var/log|/etc|/etc/nginx|/etc/nginx/conf.d)$|^[AC] /(docker-entrypoint-initdb.d|etc/nginx/conf.d/default.conf)$' \
        | head -3 | tr '\n' ' '
}

recreate_dirty() {
    for pair in school_mgmt_db:postgres school_mgmt_redis:redis school_mgmt_blockchain:blockchain school_mgmt_backend:backend school_mgmt_frontend:frontend; do
        (
            why=$(dirty "${pair%:*}" "${pair#*:}")
            [ -z "$why" ] || { did "${pair%:*} is made anew: $why"; docker rm -f "${pair%:*}" > /dev/null; }
        ) &
    done
    wait
}

# Compose gives up at once on a dependency that is unhealthy, though it may only have been asleep until now.
settle_health() {
    for name in school_mgmt_db school_mgmt_redis school_mgmt_blockchain; do
        i=0
        while [ "$(docker inspect --format '{{.State.Status}} {{.State.Health.Status}}' "$name" 2> /dev/null)" = "running unhealthy" ]; do
            i=$((i + 1))
            [ "$i" -lt 60 ] || { did "$name stays unhealthy: restarted"; docker restart -t 3 "$name" > /dev/null; }
            sleep 0.2
        done
    done
}

reset_database() {
    # Settings and leftovers; the rows stay. A lost or damaged schema is seeded again.
    docker exec -i school_mgmt_db sh -s << 'IN' || { did "database: restarted"; docker restart -t 5 school_mgmt_db > /dev/null; }
set -u
export PGUSER=postgres PGOPTIONS='-c default_transaction_read_only=off -c statement_timeout=0 -c client_min_messages=warning' PGCONNECT_TIMEOUT=5
ask() { psql -qXAt -v ON_ERROR_STOP=1 "$@"; }
ask -d template1 > /dev/null << SQL || exit 1
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
   AND (state LIKE 'idle in transaction%' OR (state = 'active' AND now() - query_start > interval '2 s'));
ALTER ROLE postgres PASSWORD '$POSTGRES_PASSWORD';
ALTER ROLE postgres RESET ALL;
SQL
readable() { pg_dump -f /dev/null "$POSTGRES_DB" 2> /dev/null; }
complete() { readable && [ "$(ask -d "$POSTGRES_DB" -c "SELECT count(*) >= 16 FROM pg_tables WHERE schemaname = 'public'" 2> /dev/null)" = t ]; }
strangers=$(ask -d template1 -c "SELECT datname FROM pg_database WHERE datname NOT IN ('postgres', 'template0', 'template1', '$POSTGRES_DB')")
for name in $strangers; do dropdb --force "$name"; done
if ! complete; then
    ask -d template1 -c "ALTER DATABASE $POSTGRES_DB ALLOW_CONNECTIONS true CONNECTION LIMIT -1" 2> /dev/null
    if ! complete; then
        dropdb --if-exists --force "$POSTGRES_DB" && createdb "$POSTGRES_DB" && ask -d "$POSTGRES_DB" -f /docker-entrypoint-initdb.d/init.sql
    fi
fi
for schema in $(ask -d "$POSTGRES_DB" -c "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema')"); do
    ask -d "$POSTGRES_DB" -c "DROP SCHEMA $schema CASCADE"
done
ask -d template1 -c "ALTER DATABASE $POSTGRES_DB CONNECTION LIMIT -1" -c "ALTER DATABASE $POSTGRES_DB RESET ALL"
if grep -q '^[^#]' "$PGDATA/postgresql.auto.conf"; then
    ask -d template1 -c 'ALTER SYSTEM RESET ALL'
    exit 1
fi
IN
}

# Log lines of a fault would be read as trouble later. The engine's log may be emptied only while its container
# stands still (a reader of a truncated log spins), so it is done only where there is something to forget.
forget_log() {
    log=$(docker inspect --format '{{.LogPath}}' school_mgmt_backend)
    if [ "$(wc -c < "$log")" -gt 1000000 ] \
        || grep -E 'error|Slow query' "$log" | grep -qvE 'Unauthorized\. |Invalid credential|[Nn]ot found'; then
        docker stop -t 3 school_mgmt_backend > /dev/null
        truncate -s 0 "$log" "$stack"/backend/logs/*.log
        docker start school_mgmt_backend > /dev/null
        wait_healthy
    fi
}

reset() {
    restore_files
    if tc qdisc show 2> /dev/null | grep -q netem; then
        tc qdisc show | awk '/netem/ { print $5 }' | sort -u | xargs -rn1 -I{} tc qdisc del dev {} root
    fi
    iptables -S DOCKER-USER 2> /dev/null | grep -q -- '-j \(DROP\|REJECT\)' && iptables -F DOCKER-USER
    docker ps -q -f status=paused | xargs -r docker unpause > /dev/null
    remove_strangers &
    kill_execs
    if [ "${1:-}" = hard ]; then
        # shellcheck disable=SC2086
        docker rm -f $containers > /dev/null 2>&1 || true
    else
        recreate_dirty
    fi
    wait
    settle_health
    case $changed in *nginx.conf*) docker restart school_mgmt_frontend > /dev/null 2>&1 || true ;; esac
    # A container on its way up again after many crashes waits ever longer: start it now.
    docker ps -q -f status=restarting | xargs -r docker restart -t 1 > /dev/null
    compose up -d --remove-orphans
    remove_strange_images  # once more: of some, a container was made until now
    reset_database &
    docker exec school_mgmt_redis sh -c 'redis-cli client unpause; redis-cli flushall; redis-cli config set maxmemory 256mb; redis-cli config set maxmemory-policy allkeys-lru' > /dev/null || docker restart -t 3 school_mgmt_redis > /dev/null
    wait
    need_contract
    wait_healthy
    # A backend that has given Redis up goes on without: it has no established connection to port 6379 (18EB).
    if ! docker exec school_mgmt_backend grep -q ':18EB 01 ' /proc/net/tcp; then
        did "the backend is without its cache: restarted"
        docker restart school_mgmt_backend > /dev/null
        wait_healthy
    fi
    forget_log
}

case ${1:-} in
    thaw) thaw ;;
    up) compose up -d && need_contract && wait_healthy ;;
    reset) reset "${2:-}" ;;
    check) check ;;
    *) echo "usage: stack.sh thaw | up | reset [hard] | check" >&2; exit 2 ;;
esac
