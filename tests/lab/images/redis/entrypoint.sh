#!/bin/sh
# The server runs as its own user. Without a config file it would answer loopback only.
set -eu
[ "${1:-}" = redis-server ] || exec "$@"
chown redis:redis /data
exec setpriv --reuid=redis --regid=redis --init-groups "$@" --protected-mode no
