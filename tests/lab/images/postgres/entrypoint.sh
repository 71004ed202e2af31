#!/bin/sh
# As the official image does it: on first start make the cluster and run the init scripts; then become the server.
set -eu

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /run/postgresql
    chown postgres:postgres "$PGDATA" /run/postgresql
    chmod 700 "$PGDATA"
    chmod 3775 /run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    printf '%s\n' "$POSTGRES_PASSWORD" > /tmp/password
    initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --data-checksums --encoding=UTF8 --locale=C.UTF-8
    rm -f /tmp/password
    cat > "$PGDATA/pg_hba.conf" <<'HBA'
local   all  all                trust
host    all  all  127.0.0.1/32  trust
host    all  all  ::1/128       trust
host    all  all  all           scram-sha-256
HBA
    echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
    # No network until the data is complete, so that nobody meets a half-made database.
    pg_ctl -o "-c listen_addresses=''" -w start
    createdb -U "$POSTGRES_USER" "$POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*.sql; do
        [ -e "$script" ] || continue
        psql -v ON_ERROR_STOP=1 --no-psqlrc -q -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$script"
    done
    pg_ctl -m fast -w stop
    echo "PostgreSQL init process complete; ready for start up."
fi

exec "$@"
