#!/usr/bin/env bash
# Prometheus and Grafana: the configuration and the rules are valid, each alert fires when it should, and only then, and has a
# section in the runbook; on a stack under load every expression of a dashboard or rule gives an answer.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly SECONDS_TO_ANSWER=60
# No byte code beside the scripts.
export PYTHONDONTWRITEBYTECODE=1

promtool check config ops/prometheus/prometheus.yml
promtool test rules ops/tests/monitoring/rules/*.yml
python3 ops/tests/monitoring/files.py

source ops/tests/common/stack.sh

# send CURL-ARGUMENTS...: whatever the answer is.
send() {
  curl --silent --max-time 20 "$@" >/dev/null || true
}

# Everything that clients do, again and again: what is stored, found, missed, refused.
load() {
  local text='Content-Type: text/plain' json='Content-Type: application/json' batch
  batch='{"operations":[{"op":"put","key":"b","value":"1"},{"op":"get","key":"b"}]}'
  head -c 2000000 /dev/zero >"$parent/large"
  while true; do
    send --request PUT --header "$text" --data-binary value "$NGINX_URL/kv/key/[1-20]"
    send "$NGINX_URL/kv/key/[1-20]" "$NGINX_URL/kv/key/[1-20]"
    send "$NGINX_URL/kv/missing/[1-4]" "$NGINX_URL/keys?prefix=key/" "$NGINX_URL/keys?count=true" "$NGINX_URL/stats" \
      "$NGINX_URL/no/such/path" "$NGINX_URL/keys?limit=0"
    send --header "$json" --data "$batch" "$NGINX_URL/batch" "$NGINX_URL/transaction"
    send --upload-file "$parent/large" "$NGINX_URL/kv/large"
    send --request DELETE "$NGINX_URL/kv/key/[1-5]"
  done
}

PROMETHEUS_INTERVAL=1s stack up --free-ports >/dev/null
# shellcheck source=/dev/null
source "$directory/addresses"
load &
watchers+=($!)
curl --silent --no-buffer --max-time 120 --output /dev/null "$SERVER1_URL/watch" &
watchers+=($!)
python3 ops/tests/monitoring/live.py "$PROMETHEUS_URL" "$SECONDS_TO_ANSWER"
