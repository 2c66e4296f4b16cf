#!/usr/bin/env bash
# stack.sh starts, says what runs, starts again what has ended, keeps the data and leaves nothing behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/tests/common/stack.sh

# Whatever stack.sh started writes its output to a file of the directory.
left_over() {
  local output
  for output in /proc/[0-9]*/fd/1; do
    [[ $(readlink "$output") != "$directory"/* ]] || echo "$output"
  done
}

up --free-ports --no-monitoring
[[ $(put "$NGINX_URL/kv/kept" value) == 201 ]] || fail "cannot put"
kill -KILL "$(process server1)"
until_true 10 has_ended "$(process server1)"
! stack status >"$parent/status" || fail "the status of a stack without server 1 is that it is healthy"
grep -q '^server1: stopped' "$parent/status" || fail "server 1 is not the one that is stopped"
up
[[ -n $(left_over) ]] || fail "left_over finds nothing although everything runs"
stack down
[[ -z $(left_over) ]] || fail "still there after down: $(left_over)"
! stack status >/dev/null || fail "status is good after down"
up --free-ports --no-monitoring
expect value "$NGINX_URL/kv/kept"
stack down --volumes
[[ ! -e $directory ]] || fail "down --volumes leaves $(ls "$directory")"
