#!/bin/sh
# As the official image does it: on first start make the database's files; then become the server.
set -eu
data=/var/lib/mysql
mkdir -p "$data" /run/mysqld
if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --user=root --datadir="$data" --skip-test-db --auth-root-authentication-method=normal > /dev/null
fi
exec "$@" --user=root --datadir="$data" --bind-address=0.0.0.0
