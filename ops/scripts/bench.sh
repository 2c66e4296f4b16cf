#!/usr/bin/env bash
# Measures a kverse-server over HTTP: one worker on a new SQLite file, loaded by wrk on the same machine. Prints Markdown.
# Usage: bench.sh [SERVER]     default: the release build. BENCH_SECONDS: length of each measurement, default 10.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/scripts/server.sh

case ${1-} in
  --help | -h) sed -n '2,3s/^# //p' ops/scripts/bench.sh && exit ;;
  -*) sed -n '3s/^# //p' ops/scripts/bench.sh >&2 && exit 2 ;;
esac
readonly SERVER=${1:-${CARGO_TARGET_DIR:-target}/release/kverse-server}
readonly SECONDS_EACH=${BENCH_SECONDS:-10} KEYS=10000 BATCH=1000
[[ -x $SERVER ]] || { echo "$SERVER is not there: make bench, or cargo build --release -p kverse-server" >&2 && exit 1; }
pid=
directory=$(mktemp -d)

stop() {
  if [[ -n $pid ]]; then
    kill "$pid" 2>/dev/null || true
    wait "$pid" || true
  fi
  rm -rf "$directory"
}
trap stop EXIT

# CPU time of the server so far, in clock ticks: user and system.
cpu_ticks() {
  sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }'
}

# memory FIELD: in MiB.
memory() {
  awk -v field="$1:" '$1 == field { printf "%.1f", $2 / 1024 }' "/proc/$pid/status"
}

# A batch request that puts keys FIRST to FIRST + BATCH - 1.
batch_of_puts() {
  awk -v first="$1" -v count="$BATCH" 'BEGIN {
    value = sprintf("%100s", ""); gsub(/ /, "x", value)
    printf "{\"operations\":["
    for (i = first; i < first + count; i++)
      printf "%s{\"op\":\"put\",\"key\":\"key-%d\",\"value\":\"%s\"}", (i > first ? "," : ""), i, value
    printf "]}"
  }'
}

preload() {
  local first
  for ((first = 0; first < KEYS; first += BATCH)); do
    batch_of_puts "$first" | curl --silent --show-error --fail --output /dev/null \
      --header 'Content-Type: application/json' --data-binary @- "$url/batch"
  done
}

# measure LABEL CONNECTIONS get|put KEYS: one row of the table.
measure() {
  local ticks output requests duration p50 p99 errors
  wrk -t1 -c"$2" -d1s -s ops/bench/kv.lua "$url" -- "$3" "$4" >/dev/null # warm-up
  ticks=$(cpu_ticks)
  output=$(wrk -t1 -c"$2" -d"${SECONDS_EACH}s" -s ops/bench/kv.lua "$url" -- "$3" "$4")
  ticks=$(($(cpu_ticks) - ticks))
  read -r requests duration p50 p99 errors < <(sed -n 's/^RESULT //p' <<<"$output")
  if [[ $requests -eq 0 || $errors -ne 0 ]]; then
    echo "$1: $requests requests, $errors errors" >&2
    return 1
  fi
  awk -v label="$1" -v connections="$2" -v n="$requests" -v us="$duration" -v p50="$p50" -v p99="$p99" \
    -v cpu="$ticks" -v hz="$(getconf CLK_TCK)" 'BEGIN {
      printf "| %s | %d | %.0f | %.2f | %.2f | %.2f |\n", label, connections, n / us * 1e6, p50 / 1e3, p99 / 1e3,
        cpu / hz / n * 1e5
    }'
}

port=$(free_port)
url=http://127.0.0.1:$port
# The server refuses variables with its prefix that it does not know.
DATABASE_URL=sqlite:$directory/bench.db env -u KVERSE_SERVER "$SERVER" --listen "127.0.0.1:$port" --workers 1 \
  >"$directory/log" 2>&1 &
pid=$!
await_server "$pid" "$url" 20 || { cat "$directory/log" >&2; exit 1; }
idle=$(memory VmRSS)
preload

echo "| load (values of 100 bytes) | connections | requests/s | p50 ms | p99 ms | server CPU s / 100k requests |"
echo "|---|---:|---:|---:|---:|---:|"
measure "GET, one hot key" 64 get 1
measure "GET, $KEYS keys" 64 get "$KEYS"
measure "PUT, $KEYS keys, on disk" 64 put "$KEYS"
measure "PUT, $KEYS keys, on disk" 1 put "$KEYS"
echo
echo "Server memory (resident): $idle MiB idle, $(memory VmHWM) MiB at most. One worker, $(nproc) cores shared with wrk."
