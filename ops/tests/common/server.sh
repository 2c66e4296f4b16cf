#!/usr/bin/env bash
# Sourced by tests with one server of their own, at $url, that ends with them, as $directory does.
source ops/scripts/server.sh
source ops/tests/common/built.sh

directory=$(mktemp -d)
url=http://127.0.0.1:$(free_port)
server=

clean_up() {
  if [[ -n $server ]]; then
    kill "$server" 2>/dev/null || true
    wait "$server" || true
  fi
  rm -rf "$directory"
}
trap clean_up EXIT

fail() {
  echo "$(basename "$0" .sh) test: $*" >&2
  exit 1
}

# start_server DATABASE-URL
start_server() {
  # The server refuses variables with its prefix that it does not know.
  DATABASE_URL=$1 env -u KVERSE_SERVER "$KVERSE_SERVER" --listen "${url#http://}" &
  server=$!
  await_server "$server" "$url" 60
}
