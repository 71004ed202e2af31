# shellcheck shell=bash
# Shell functions for what faults do on a practice host.

# Evaluates an expression inside the API's own process, as a leak of its own would be there.
# Usage: in_backend JAVASCRIPT
in_backend() {
    docker exec school_mgmt_backend sh -c 'kill -s USR1 1; sleep 2'
    docker exec school_mgmt_backend node -e '
        const WebSocket = require("ws");
        (async () => {
          const [{ webSocketDebuggerUrl }] = await (await fetch("http://127.0.0.1:9229/json/list")).json();
          const socket = new WebSocket(webSocketDebuggerUrl);
          const params = { expression: process.argv[1] };
          socket.on("open", () => socket.send(JSON.stringify({ id: 1, method: "Runtime.evaluate", params })));
          socket.on("message", (answer) => {
            console.log(String(answer));
            process.exit(String(answer).includes("exceptionDetails") ? 1 : 0);
          });
        })()' "$1"
}

# Lets the API hold that many MiB, of all it holds without file cache. Usage: hold_in_backend MIB
hold_in_backend() {
    in_backend "
        globalThis.fs = process.mainModule.require('fs');
        globalThis.read = (one, other) => String(fs.readFileSync('/sys/fs/cgroup/' + (fs.existsSync('/sys/fs/cgroup/memory') ? one : other)));
        globalThis.held = () => [...read('memory/memory.stat', 'memory.stat').matchAll(/^(?:total_)?(?:in)?active_file (\d+)/mg)]
          .slice(-2).reduce((rest, [, cache]) => rest - cache, read('memory/memory.usage_in_bytes', 'memory.current')) / 1048576;
        globalThis.leak = [];
        setInterval(() => { if (held() < $1) leak.push(Buffer.alloc(Math.min(2, Math.max(0.1, $1 - held())) * 1048576, 1)) }, 100)"
    sleep "$(($1 / 15 + 4))"
}

# Pauses a container; its freezer refuses now and then where the machine is busy. Usage: pause CONTAINER
pause() {
    for _ in 1 2 3 4 5; do
        docker pause "$1" && return
        sleep 1
    done
    return 1
}

limit_backend() {
    docker update --memory "$1" --memory-swap "$1" school_mgmt_backend
}

# Waits until the API answers, two and a half minutes at most.
api_answers() {
    timeout 150 sh -c 'until curl -sf -m 5 -o /dev/null http://localhost:5007/health; do sleep 0.5; done'
}

# Runs statements in the application's database as its superuser. Usage: sql PSQL-OPTION…
sql() {
    docker exec -i school_mgmt_db psql -XAtq -U postgres -d school_mgmt "$@"
}

# Asks the node, and prints its answer. Usage: rpc METHOD [PARAMETERS]
rpc() {
    curl -s -m 10 http://localhost:8545 -H 'Content-Type: application/json' -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":[$2]}"
}

# Lets the web server pass what is below /api on to the API, by its name, as it resolves at its start.
pass_api_on() {
    cat <<'IN' >/srv/school_mgmt/frontend/nginx.conf
server {
    listen 80;
    root /usr/share/nginx/html;
    location / { try_files $uri /index.html; }
    location /api { proxy_pass http://backend:5007; }
}
IN
    docker restart -t 1 school_mgmt_frontend
}

# Asks for an address five times a second, or every so many seconds, as somebody who has signed in;
# further options of curl may use $n, another number each time. Usage: keep_asking URL [SECONDS [OPTIONS]]
keep_asking() {
    token=$(docker exec school_mgmt_backend node -e '
        console.log(require("jsonwebtoken").sign({ id: 1, role: 1 }, process.env.JWT_SECRET, { expiresIn: "1h" }))')
    setsid sh -c "n=0; while :; do n=\$((n + 1)); curl -s -m 5 -H 'Authorization: Bearer $token' $3 $1; sleep ${2:-0.2}; done" </dev/null >/dev/null 2>&1 &
}

# Deploys an API whose code throws on every list; the image before it stays, without its name.
deploy_bad_release() {
    docker create --name next school_mgmt/backend
    docker cp next:/app/server.js /tmp/server.js
    sed -i 's/cache.through/cache.thru/' /tmp/server.js
    docker cp /tmp/server.js next:/app/server.js
    docker commit next school_mgmt/backend
    docker rm next
    docker compose -f /srv/school_mgmt/docker-compose.yml up -d --no-deps backend 2>&1
    until curl -sf http://localhost:5007/health; do sleep 0.5; done
}

# Makes the directory in which a site keeps logs of its own; the drill names it: stack_log_dir.
mkdir_logs() { sudo install -d -o ops -g ops /srv/logs; }

# Restarts the API while the node cannot be reached: it then stays without a client, whatever becomes of the node.
lose_blockchain_client() {
    network=$(docker network ls -q --filter label=com.docker.compose.project=school_mgmt)
    docker network disconnect "$network" school_mgmt_blockchain
    docker restart -t 3 school_mgmt_backend
    until curl -sf http://localhost:5007/health; do sleep 0.5; done
    docker network connect --alias school_mgmt_blockchain --alias blockchain "$network" school_mgmt_blockchain
    curl -s http://localhost:5007/api/v1/certificates/health | grep '"initialized":false'
}

# Takes every byte that is left, those reserved for root too, with data that is nobody's to remove.
# A checkpoint on a disk that full ends the database: the next one shall be minutes away.
fill_disk() {
    docker exec school_mgmt_db psql -q -U postgres -c CHECKPOINT
    sudo mkdir -p /srv/archive
    sudo sh -c 'fallocate -l $(($(stat -f -c "%a * %S" /srv) - 4000000)) /srv/archive/2019; cat /dev/zero >/srv/archive/2020' 2>/dev/null || true
}

# Takes a backup as sites do it themselves.
back_up_database() {
    mkdir -p /srv/school_mgmt/backups
    docker exec school_mgmt_db pg_dump -U postgres school_mgmt | gzip >/srv/school_mgmt/backups/nightly.sql.gz
}

# Overwrites the first page of a table on the disk, as a broken one would, and lets somebody read it.
# Usage: damage_table TABLE
damage_table() {
    file=$(docker exec school_mgmt_db psql -XAtq -U postgres -d school_mgmt -c CHECKPOINT -c "SELECT pg_relation_filepath('$1')")
    docker stop school_mgmt_db
    sudo sh -c 'printf "%2000s" "" | dd of="$1" bs=1 seek=3000 conv=notrunc status=none' sh \
        "$(docker volume inspect --format '{{.Mountpoint}}' school_mgmt_postgres_data)/$file"
    docker start school_mgmt_db
    until docker exec school_mgmt_db pg_isready -q -U postgres; do sleep 0.3; done
    sleep 2
    ! docker exec school_mgmt_db psql -U postgres -d school_mgmt -c "SELECT * FROM $1" >/dev/null
    until [ "$(docker exec school_mgmt_db psql -XAtq -U postgres -c "SELECT checksum_failures > 0 FROM pg_stat_database WHERE datname = 'school_mgmt'")" = t ]; do sleep 0.2; done
}

# A program that opens sessions of the database, keeps them, and is deaf to their ends: for node -e PROGRAM
# COUNT STATEMENT. A session whose statement is cancelled is given back.
sessions='
    const { Client } = require("pg");
    const [count, statement] = process.argv.slice(1);
    (async () => {
      for (let i = 0; i < count; i++) {
        const client = new Client({ host: "postgres", user: "postgres", password: process.env.DB_PASSWORD, database: "school_mgmt" });
        client.on("error", () => {});
        try { await client.connect() } catch (error) {
          // There is no session left; else it was not there yet.
          if (error.code !== "53300") { i--; await new Promise((done) => setTimeout(done, 200)) }
          continue
        }
        client.query(statement).catch(() => client.end());
      }
      setInterval(() => {}, 1e6);
    })()'

# Waits until the database has that many sessions of clients. Usage: await_sessions COUNT
await_sessions() {
    until [ "$(docker exec school_mgmt_db psql -XAtq -U postgres -c "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")" -ge "$1" ]; do sleep 0.5; done
}

# Serves the web page over TLS, with a certificate for a name (localhost) that it has signed itself; port 80
# leads there. Usage: serve_tls DAYS [NAME]
serve_tls() {
    name=${2:-localhost}
    mkdir -p /srv/school_mgmt/frontend/certs
    openssl req -x509 -newkey rsa:2048 -nodes -days "$1" -subj "/CN=$name" -addext "subjectAltName=DNS:$name" \
        -keyout /srv/school_mgmt/frontend/certs/server.key -out /srv/school_mgmt/frontend/certs/server.pem 2>/dev/null
    cat >/srv/school_mgmt/frontend/nginx.conf <<END
server { listen 80; return 301 https://$name\$request_uri; }
server {
    listen 443 ssl;
    ssl_certificate /etc/nginx/certs/server.pem;
    ssl_certificate_key /etc/nginx/certs/server.key;
    root /usr/share/nginx/html;
    location / { try_files \$uri /index.html; }
}
END
    sed -i 's|- "80:80"|- "80:80"\n      - "443:443"|; s|^\( *\)- ./frontend/nginx.conf.*|&\n\1- ./frontend/certs:/etc/nginx/certs:ro|' \
        /srv/school_mgmt/docker-compose.yml
    docker compose -f /srv/school_mgmt/docker-compose.yml up -d --no-deps frontend 2>&1
    until curl -ksf -o /dev/null https://localhost; do sleep 0.3; done
}
