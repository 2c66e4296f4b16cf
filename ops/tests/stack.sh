#!/usr/bin/env bash
# The replicated service of stack.sh through its Nginx: keys and values arrive as they were sent, events come at once, a
# killed server is not noticed, and a write that a server may have done is not repeated by the other one.
set -euo pipefail
cd "$(dirname "$0")/../.."

if [[ -z ${KVERSE_SERVER:-} ]]; then
  cargo build --locked -p kverse-server
  export KVERSE_SERVER=${CARGO_TARGET_DIR:-target}/debug/kverse-server
fi
parent=$(mktemp -d)
chmod 755 "$parent" # PostgreSQL may run as another user.
directory=$parent/stack
watcher=

stack() {
  ops/scripts/stack.sh "$@" --directory "$directory"
}

clean_up() {
  local status=$?
  [[ -z $watcher ]] || kill "$watcher" 2>/dev/null || true
  [[ $status -eq 0 ]] || tail -n 5 "$directory"/*.log >&2 || true
  stack down --volumes || true
  rm -rf "$parent"
}
trap clean_up EXIT

fail() {
  echo "stack test: $*" >&2
  exit 1
}

# until_true SECONDS COMMAND...: polls.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [[ $SECONDS -lt $deadline ]] || fail "not in time: $*"
    sleep 0.05
  done
}

request() {
  curl --silent --show-error --path-as-is --max-time 20 "$@"
}

# put URL VALUE: prints the status.
put() {
  request --request PUT --header 'Content-Type: text/plain' --data-binary "$2" --output /dev/null --write-out '%{http_code}' "$1"
}

# expect EXPECTED CURL-ARGUMENTS...
expect() {
  local expected=$1 actual
  shift
  actual=$(request "$@")
  [[ $actual == "$expected" ]] || fail "expected '$expected', got '$actual' from curl $*"
}

process() {
  cut -d ' ' -f 1 "$directory/$1.pid"
}

up() {
  stack up "$@" >/dev/null
  # shellcheck source=/dev/null
  source "$directory/addresses"
  cmp "$directory/addresses" <(stack up) || fail "a second up prints other addresses"
  stack status >/dev/null || fail "not healthy after up"
}

keys_arrive_as_sent() {
  local key url keys bytes='Accept: application/octet-stream'
  for key in a//b a%2Fb a%252Fb .. x/../y ../watch 'caf%C3%A9%20%3F'; do
    [[ $(put "$NGINX_URL/kv/$key" "path $key") == 201 ]] || fail "cannot put the path $key"
    for url in "$NGINX_URL" "$SERVER1_URL" "$SERVER2_URL"; do
      expect "path $key" "$url/kv/$key"
      expect "path $key" --header "$bytes" "$url/kv?key=$key"
    done
    [[ $(put "$NGINX_URL/kv?key=$key" "query $key") == 200 ]] || fail "cannot put the key $key"
    for url in "$NGINX_URL" "$SERVER1_URL" "$SERVER2_URL"; do
      expect "query $key" "$url/kv/$key"
      expect "query $key" --header "$bytes" "$url/kv?key=$key"
    done
  done
  keys=$(request "$SERVER1_URL/keys" | grep -o '"key":"[^"]*"' | cut -d '"' -f 4 | LC_ALL=C sort | tr '\n' '|')
  [[ $keys == '..|../watch|a%2Fb|a//b|a/b|café ?|x/../y|' ]] || fail "other keys were stored: $keys"
}

bodies_arrive_whole() {
  local url n value=$parent/value answer
  head -c 900000 /dev/urandom >"$value"
  [[ $(put "$NGINX_URL/kv/large" "@$value") == 201 ]] || fail "cannot put 900 KB"
  for url in "$NGINX_URL" "$SERVER1_URL" "$SERVER2_URL"; do
    request "$url/kv/large" | cmp - "$value" || fail "900 KB came back different from $url"
  done
  cmp <(request "$NGINX_URL/export") <(request "$SERVER1_URL/export") || fail "the export is different"
  # Over the limit of the server, of Nginx, and of none, as imports are.
  head -c 2000000 /dev/zero >"$value"
  answer=$(request --upload-file "$value" "$NGINX_URL/kv/large")
  [[ $answer == *'"limit":1048576,"actual":2000000'* ]] || fail "the server's limit is not told: $answer"
  truncate --size 70000000 "$value"
  answer=$(request --upload-file "$value" "$NGINX_URL/kv/large")
  [[ $answer == *'"limit":67108864,"actual":70000000'* ]] || fail "the limit of Nginx is not told: $answer"
  answer=$(head -c 1000000 /dev/zero | tr '\0' x)
  for n in {1..70}; do printf '{"key":"i/%d","value":"%s"}\n' "$((n % 2))" "$answer"; done >"$value"
  expect '{"imported":70,"skipped":0,"expired":0}' --header 'Content-Type: application/x-ndjson' --request POST \
    --upload-file "$value" "$NGINX_URL/import"
  [[ $(request --http1.0 --output /dev/null --write-out '%{http_code}' "$NGINX_URL/export") == 426 ]] ||
    fail "an export is given out over HTTP/1.0"
}

events_arrive_at_once() {
  curl --silent --no-buffer --max-time 60 "$NGINX_URL/watch?prefix=event/" >"$parent/events" &
  watcher=$!
  until_true 10 grep -q '^retry:' "$parent/events"
  [[ $(put "$NGINX_URL/kv/event/1" now) == 201 ]] || fail "cannot put"
  until_true 2 grep -q '"key":"event/1"' "$parent/events"
  kill "$watcher"
  watcher=
}

# Whether each of the six requests is answered or with a server; Nginx counts the request that asks, too.
six_are_sent() {
  local answered writing
  answered=$(cat "$parent"/status.* | wc -c)
  writing=$(request "$NGINX_STATUS_URL" | sed -n 's/.*Writing: \([0-9]*\).*/\1/p')
  [[ $((answered / 3 + writing - 1)) -eq 6 ]]
}

# interrupted CURL-ARGUMENTS...: sends six requests to both servers, while server 1 does not answer, and kills server 1.
# Their statuses are in $parent/status.N.
interrupted() {
  local n requests=()
  kill -STOP "$(process server1)"
  for n in {1..6}; do
    request "$@" --output /dev/null --write-out '%{http_code}' "$NGINX_URL/kv/cut/$n" >"$parent/status.$n" &
    requests+=($!)
  done
  until_true 10 six_are_sent
  kill -KILL "$(process server1)"
  wait "${requests[@]}"
}

# outcome DONE PRESENT ABSENT: a write of which server 1 has got something is a 504 and was not done; the others were.
outcome() {
  local n lost=0
  for n in {1..6}; do
    case $(cat "$parent/status.$n") in
      "$1") expect "$2" --output /dev/null --write-out '%{http_code}' "$SERVER2_URL/kv/cut/$n" ;;
      504) expect "$3" --output /dev/null --write-out '%{http_code}' "$SERVER2_URL/kv/cut/$n" && lost=$((lost + 1)) ;;
      *) fail "an interrupted write was answered with $(cat "$parent/status.$n")" ;;
    esac
  done
  [[ $lost -gt 0 ]] || fail "no write was interrupted"
}

only_reads_are_repeated() {
  interrupted --request PUT --header 'Content-Type: text/plain' --data value
  outcome 201 200 404
  start_again
  for n in {1..6}; do put "$NGINX_URL/kv/cut/$n" value >"$parent/status.$n"; done
  interrupted
  [[ $(cat "$parent"/status.*) == 200200200200200200 ]] || fail "reads failed: $(cat "$parent"/status.*)"
  start_again
  interrupted --request DELETE
  outcome 204 404 200
  start_again
}

serves_again() {
  request --output /dev/null "$NGINX_URL/livez"
  tail -n 1 "$directory/nginx.log" | grep -q "\"status\":200.*\"upstream\":\"${SERVER1_URL#http://}\""
}

start_again() {
  ! stack status >"$parent/status" || fail "the status of a stack without server 1 is that it is healthy"
  grep -q '^server1: stopped' "$parent/status" || fail "server 1 is not the one that is stopped"
  up
  until_true 10 serves_again
}

# requests NAME COUNT CURL-ARGUMENTS...: one after the other; writes their statuses to $parent/NAME.
requests() {
  local name=$1 count=$2 n
  shift 2
  for ((n = 0; n < count; n++)); do
    request "$@" --output /dev/null --write-out '%{http_code}\n' "$NGINX_URL/kv/$name" >>"$parent/$name" || true
  done
}

lines() {
  [[ $(wc -l <"$parent/$1") -ge $2 ]]
}

a_killed_server_is_not_noticed() {
  local reads writes
  [[ $(put "$NGINX_URL/kv/reads" value) == 201 && $(put "$NGINX_URL/kv/writes" value) == 201 ]] || fail "cannot put"
  : >"$parent/reads"
  : >"$parent/writes"
  requests reads 400 &
  reads=$!
  requests writes 100 --request PUT --header 'Content-Type: text/plain' --data value &
  writes=$!
  until_true 30 lines reads 50
  until_true 30 lines writes 10
  kill -KILL "$(process server1)"
  wait "$reads" "$writes"
  [[ $(grep -c '^200$' "$parent/reads") -eq 400 ]] || fail "reads failed: $(sort "$parent/reads" | uniq -c)"
  # One that server 1 was doing at that moment may be lost, and only that one.
  [[ $(grep -c '^200$' "$parent/writes") -ge 99 ]] || fail "writes failed: $(sort "$parent/writes" | uniq -c)"
  grep -q '"method":"GET".*"upstream":"[0-9.:]*, ' "$directory/nginx.log" || fail "no read had to be repeated"
  start_again
}

# Whatever stack.sh started writes its output to a file of the directory.
left_over() {
  local output
  for output in /proc/[0-9]*/fd/1; do
    [[ $(readlink "$output") != "$directory"/* ]] || echo "$output"
  done
}

up --free-ports --no-monitoring
keys_arrive_as_sent
bodies_arrive_whole
events_arrive_at_once
only_reads_are_repeated
a_killed_server_is_not_noticed
[[ -n $(left_over) ]] || fail "left_over finds nothing although everything runs"
stack down
[[ -z $(left_over) ]] || fail "still there after down: $(left_over)"
! stack status >/dev/null || fail "status is good after down"
up --free-ports --no-monitoring
expect value "$NGINX_URL/kv/reads"
grep -q '"route":"/kv/{key}"' "$directory/nginx.log" || fail "the log has no routes"
! grep -F -e event/1 -e /cut/ -e 'key=' "$directory/nginx.log" || fail "the log has keys"
stack down --volumes
[[ ! -e $directory ]] || fail "down --volumes leaves $(ls "$directory")"
