#!/bin/sh
# Runs in one container that is many hosts, one for each of its addresses: what a session of sshd gets. What a host
# keeps lies in a directory of its own, and so does how it misbehaves. A host with a recorded answer gives that,
# each line under the mark of who asks.
own=/var/light/$(echo "$SSH_CONNECTION" | cut -d' ' -f3)
# shellcheck disable=SC1091  # tests write it
[ ! -e "$own/misbehaves" ] || . "$own/misbehaves"
[ ! -e "$own/answer" ] || {
    mark=$(sed -n 's/^token=\(runbook[0-9a-f]*\)$/\1/p')
    exec sed "s/@MARK@/$mark/" "$own/answer"
}
exec unshare --mount sh -c '
    mount --bind "$1/srv" /srv
    mount --bind "$1/shm" /dev/shm
    exec sh -c "$2"' sh "$own" "$SSH_ORIGINAL_COMMAND"
