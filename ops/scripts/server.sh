#!/usr/bin/env bash
# Sourced by scripts that start a server of their own on a free port and a database in a temporary directory.

# A port of the loopback interface that nothing listens on.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
  echo "no free port found" >&2
  return 1
}

# await_server PID URL SECONDS: until the server answers; fails if it ends or takes longer.
await_server() {
  local deadline=$((SECONDS + $3))
  until curl --silent --fail --max-time 2 --output /dev/null "$2/health"; do
    if ! kill -0 "$1" 2>/dev/null; then
      echo "the server ended before it answered" >&2
      return 1
    fi
    if [[ $SECONDS -ge $deadline ]]; then
      echo "the server did not answer at $2 in $3 seconds" >&2
      return 1
    fi
    sleep 0.1
  done
}
