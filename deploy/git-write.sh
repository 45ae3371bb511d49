#!/bin/sh
# Serves the bare repository for writing, and makes it at the first start. Whoever reaches this service may push what
# the hook allows: docker-compose.yml decides who does. Arguments: the folder of the repository, options of git daemon.
set -eu

root=$1
shift
repository=$root/q2pt.git

git init --quiet --bare --initial-branch=main "$repository"
git -C "$repository" config core.hooksPath "$(cd "$(dirname "$0")" && pwd)/git-hooks"
git -C "$repository" config receive.fsckObjects true
# A task fetches exactly its run's commit, which is not the tip of the branch any more when it is tried again.
git -C "$repository" config uploadpack.allowReachableSHA1InWant true

exec git daemon --reuseaddr --informative-errors --base-path="$root" --export-all --enable=receive-pack \
    "$@" "$root"
