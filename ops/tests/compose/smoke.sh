#!/usr/bin/env bash
# The compose stack on a real engine, from the first start to the removal of the data: what is put through Nginx is read from
# both servers, Prometheus reaches everything, the servers are replaced under load without a failed request, and data
# outlive a stop. It has a project, a network and ports of its own, so that it does no harm to a stack that runs.
# Not a part of `make test`, which needs no Docker. Options: those of ops/start.sh, such as --no-build.
set -euo pipefail
cd "$(dirname "$0")/../../.."
source ops/scripts/server.sh

directory=$(mktemp -d)
env_file=$directory/env
export COMPOSE_PROJECT_NAME=kverse-smoke-$$ NETWORK_PREFIX=10.$((RANDOM % 100 + 100)).$((RANDOM % 256))
nginx=$(free_port) nginx_tls=$(free_port) server1=$(free_port) server2=$(free_port) prometheus=$(free_port) grafana=$(free_port)
export NGINX_PORT=$nginx NGINX_TLS_PORT=$nginx_tls SERVER1_PORT=$server1 SERVER2_PORT=$server2 PROMETHEUS_PORT=$prometheus \
  GRAFANA_PORT=$grafana NGINX_TLS_LISTEN=8443
url=http://127.0.0.1:$nginx

say() { echo "=== $*"; }

fail() {
  echo "smoke: $*" >&2
  exit 1
}

clean_up() {
  local status=$?
  touch "$directory/enough"
  [[ $status -eq 0 ]] || docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" >&2 || true
  [[ ! -e $env_file ]] || ops/stop.sh --volumes --env-file "$env_file" || true
  wait
  rm -rf "$directory"
}
trap clean_up EXIT

start() { ops/start.sh --env-file "$env_file" "$@"; }

request() { curl --silent --show-error --noproxy '*' --max-time 30 "$@"; }

# expect EXPECTED CURL-ARGUMENTS...
expect() {
  local expected=$1 actual
  shift
  actual=$(request "$@")
  [[ $actual == "$expected" ]] || fail "expected '$expected', got '$actual' from curl $*"
}

status_of() { request --output /dev/null --write-out '%{http_code}' "$@"; }

put() { status_of --request PUT --header 'Content-Type: text/plain' --data-binary "$2" "$url/kv/$1"; }

container() { docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter "label=com.docker.compose.service=$1"; }

volumes() { docker volume ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"; }

cache_mode() { request "$url/readyz?verbose" | grep -oE 'mode [a-z]+'; }

# query EXPRESSION: its values, as Prometheus knows them.
query() {
  request --get --data-urlencode "query=$1" "http://127.0.0.1:$prometheus/api/v1/query" | grep -oE '"value":\[[0-9.]+,"[^"]*"' |
    cut -d '"' -f 4 | sort | uniq -c | xargs
}

# until_is EXPECTED SECONDS COMMAND...: polls.
until_is() {
  local expected=$1 actual deadline=$((SECONDS + $2))
  shift 2
  until actual=$("$@") && [[ $actual == "$expected" ]]; do
    [[ $SECONDS -lt $deadline ]] || fail "expected '$expected', still '${actual:-}' from $*"
    sleep 1
  done
}

# load NUMBER: reads and writes until it is enough; each write is of the next value of a key of its own.
load() {
  local n answer
  for ((n = 1; n <= 100000; n++)); do
    [[ ! -e $directory/enough ]] || break
    put "load/$1" "$n" || true
    echo
    answer=$(request --write-out ' %{http_code}' "$url/kv/load/$1") || true
    echo "$answer"
    [[ $answer == "$n 200" ]] || echo "not what was written: $n"
  done >"$directory/load.$1" 2>&1
  echo "$((n - 1))" >"$directory/writes.$1"
}

say 'without a password nothing starts, and the message names it'
sed -e 's/_PASSWORD=$/_PASSWORD=secret/' -e 's/^REDIS_PASSWORD=.*/REDIS_PASSWORD=/' ops/.env.example >"$env_file"
! output=$(start --no-build 2>&1) || fail "it starts without a password"
grep -q 'a password is missing' <<<"$output" || fail "start.sh does not say that a password is missing: $output"
grep -q 'ops/start.sh makes a .env' <<<"$output" || fail "Compose does not say where passwords come from: $output"
rm "$env_file"

say 'start'
start "$@"
[[ $(stat -c %a "$env_file" 2>/dev/null || stat -f %Lp "$env_file") == 600 ]] || fail "others can read the passwords"

say 'put through Nginx, read from both servers'
[[ $(put greeting/a%2F%2Fb hello) == 201 ]] || fail "cannot put"
for port in "$nginx" "$server1" "$server2"; do expect hello "http://127.0.0.1:$port/kv/greeting/a%2F%2Fb"; done
expect hello --insecure "https://127.0.0.1:$nginx_tls/kv/greeting/a%2F%2Fb"
until_is 'mode on' 30 cache_mode

say 'the dashboard'
page=$(request --header 'Accept: text/html' "$url/")
grep -q '<div id="app">' <<<"$page" || fail "this is not the dashboard: $page"
script=$(grep -oE '/assets/[^"]+\.js' <<<"$page" | head -n 1)
[[ $(status_of "$url$script") == 200 ]] || fail "the dashboard's $script cannot be had"
request "$url/info" | grep -qF http://localhost:3002 || fail "the dashboard has no link to Grafana"
[[ $(status_of "http://127.0.0.1:$grafana/api/health") == 200 ]] || fail "Grafana does not answer"

say 'Prometheus reaches every target, and the exporters what they watch'
targets=$(grep -c 'targets:' ops/prometheus/targets/compose.yml)
until_is "$targets 1" 90 query up
for up in nginx_up redis_up pg_up; do until_is '1 1' 60 query "$up"; done

say 'the servers are replaced under load, without a failed request'
before="$(container server1) $(container server2)"
for number in 1 2 3; do load "$number" & done
# Over connections that are kept open, which nothing may close under a request. It may end before a slow restart does.
docker run --rm --network "${COMPOSE_PROJECT_NAME}_default" "${KVERSE_IMAGE:-kverse:local}" \
  kverse-cli --store http://nginx:8082 bench --clients 8 --rate 50 --duration 40s >"$directory/bench" 2>&1 || true &
ops/restart.sh --env-file "$env_file" --no-build
touch "$directory/enough"
wait
after="$(container server1) $(container server2)"
[[ ${before% *} != "${after% *}" && ${before#* } != "${after#* }" ]] || fail "the servers are the same as before"
grep -q ' requests in ' "$directory/bench" || fail "kverse-cli bench did not run: $(cat "$directory/bench")"
! grep -E '^errors: .*(unavailable|timeout|internal)' "$directory/bench" || fail "requests failed: $(cat "$directory/bench")"
grep ' requests in ' "$directory/bench"
for number in 1 2 3; do
  writes=$(cat "$directory/writes.$number")
  [[ $writes -ge 20 ]] || fail "only $writes writes"
  # Of each write its status, and what was read with its status.
  [[ $(grep -cE '^20[01]$' "$directory/load.$number") -eq $writes ]] || fail "writes failed: $(grep -vE '^20[01]$| 200$' "$directory/load.$number")"
  [[ $(grep -cE '^[0-9]+ 200$' "$directory/load.$number") -eq $writes && $(wc -l <"$directory/load.$number") -eq $((2 * writes)) ]] ||
    fail "reads failed: $(grep -vE '^20[01]$| 200$' "$directory/load.$number")"
  echo "$writes writes and as many reads, none failed"
done

say 'a server that does not start gets no requests, and the other one goes on'
! output=$(KVERSE_CACHE_BYTES=nonsense ops/restart.sh --env-file "$env_file" --no-build 2>&1) || fail "restart.sh did not notice"
grep -q 'server 2 goes on alone' <<<"$output" || fail "restart.sh does not say what is left: $output"
grep -q 'invalid value' <<<"$output" || fail "restart.sh does not show why: $output"
for number in {1..20}; do expect hello "$url/kv/greeting/a%2F%2Fb"; done
ops/restart.sh --env-file "$env_file" --no-build
expect hello "http://127.0.0.1:$server1/kv/greeting/a%2F%2Fb"

say 'stop keeps the data'
ops/stop.sh --env-file "$env_file"
[[ -z $(container nginx) ]] || fail "Nginx still runs"
start --no-build >/dev/null
for port in "$nginx" "$server1" "$server2"; do expect hello "http://127.0.0.1:$port/kv/greeting/a%2F%2Fb"; done
expect "$writes" "$url/kv/load/3"

say 'stop --volumes removes them'
ops/stop.sh --volumes --env-file "$env_file"
[[ -z $(volumes) ]] || fail "still there: $(volumes)"
start --no-build >/dev/null
[[ $(status_of "$url/kv/greeting/a%2F%2Fb") == 404 ]] || fail "the data is still there"
say 'all is well'
