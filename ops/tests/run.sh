#!/usr/bin/env bash
# `make run` serves, stops when it is told to, and serves the same data when it is run again.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/scripts/server.sh
# The server refuses variables with its prefix that it does not know.
unset KVERSE_SERVER

directory=$(mktemp -d)
port=$(free_port)
url=http://127.0.0.1:$port
group=

stop() {
  if [[ -n $group ]]; then
    kill -TERM -- "-$group" 2>/dev/null || true # make and the server, as Ctrl-C does
    wait "$group" || true
    # make may end before the server, which still holds the database.
    for _ in {1..100}; do
      kill -0 -- "-$group" 2>/dev/null || break
      sleep 0.1
    done
    group=
  fi
}
trap 'stop; rm -rf "$directory"' EXIT

start() {
  DATABASE_URL=sqlite:$directory/run.db setsid make run PROFILE=dev ARGS="--listen 127.0.0.1:$port" &
  group=$!
  await_server "$group" "$url" 600
}

# expect EXPECTED CURL-ARGUMENTS...
expect() {
  local expected=$1 actual
  shift
  actual=$(curl --silent --show-error --fail --max-time 10 "$@")
  if [[ $actual != "$expected" ]]; then
    echo "expected $expected, got $actual from curl $*" >&2
    exit 1
  fi
}

start
expect '{"status":"ok"}' -X PUT -H 'Content-Type: application/json' -d '{"key":"greeting","value":"hello"}' "$url/kv"
expect '{"data":{"value":"hello"}}' "$url/kv?key=greeting"
stop
start
expect '{"data":{"value":"hello"}}' "$url/kv?key=greeting"
