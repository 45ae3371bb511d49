#!/bin/sh
# Redis with its password, and with the options that follow. In a file: other users of the host see the arguments of a
# process.
set -eu

umask 077
configuration="${TMPDIR:-/tmp}/redis.conf"
printf 'requirepass %s\n' "$REDIS_PASSWORD" > "$configuration"
exec redis-server "$configuration" "$@"
