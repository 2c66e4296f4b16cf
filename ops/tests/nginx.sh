#!/usr/bin/env bash
# What Nginx does for the replicated service: keys and values arrive as they were sent, events come at once, a killed server
# is not noticed, and a write that a server may have done is not repeated by the other one.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/tests/common/stack.sh

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

# An id that the servers would not take is replaced; answers of Nginx itself have one, too.
request_ids_are_passed_both_ways() {
  local id made='^[0-9a-f]{32}$' long
  printf -v long '%0129d' 0
  for id in test-1 "${long:1}"; do
    [[ $(header X-Request-Id --header "X-Request-Id: $id" "$NGINX_URL/kv/a") == "$id" ]] || fail "another id than $id"
    until_true 5 grep -q "\"request_id\":\"$id\"" "$directory/nginx.log"
  done
  for id in "$long" 'test 1' ''; do
    [[ $(header X-Request-Id --header "X-Request-Id: $id" "$NGINX_URL/kv/a") =~ $made ]] || fail "no id instead of '$id'"
  done
  truncate --size 70000000 "$parent/value"
  [[ $(header X-Request-Id --header 'X-Request-Id: test-2' --upload-file "$parent/value" "$NGINX_URL/kv/a") == test-2 ]] ||
    fail "Nginx does not tell the id in its own answers"
}

# limited DETAIL CURL-ARGUMENTS...: whether a request is refused so.
limited() {
  local answer
  answer=$(request --include "${@:2}" | tr -d '\r')
  [[ $answer == 'HTTP/1.1 429 '* && $answer == *$'\nContent-Type: application/problem+json\n'* &&
    $answer == *$'\nRetry-After: 1\n'* && $answer == *'"title":"Too Many Requests","status":429,"detail":"'"$1"* &&
    $answer == *'"code":"too_many_requests"}' ]]
}

is_served() { [[ $(status "$@") == 200 ]]; }

addresses_are_limited() {
  local n statuses client=(--interface 127.0.0.2) behind_proxy=(--interface 127.0.0.9 --header)
  restart_nginx NGINX_RATE_LIMIT=1 NGINX_RATE_BURST=5 NGINX_CONNECTION_LIMIT=3 NGINX_TRUSTED_PROXIES=127.0.0.9,10.0.0.0/8
  for n in 1 2 3; do watch "limit$n" "${client[@]}" "$NGINX_URL/watch"; done
  limited 'too many requests at once: at most 3 from one address' "${client[@]}" "$NGINX_URL/livez" ||
    fail "a fourth request at once is served"
  is_served --interface 127.0.0.3 "$NGINX_URL/livez" || fail "another address is limited, too"
  stop_watchers
  until_true 10 is_served "${client[@]}" "$NGINX_URL/livez"

  # Clients behind a trusted proxy are told apart, the others cannot say who they are.
  statuses=$(status "${behind_proxy[@]}" 'X-Forwarded-For: 198.51.100.1, 203.0.113.7, 10.1.1.1' "$NGINX_URL/livez#[1-60]")
  [[ $statuses == 200200200200200*429* ]] || fail "60 requests with a burst of 5 were answered with $statuses"
  limited 'too many requests: at most 1 in a second from one address' "${behind_proxy[@]}" 'X-Forwarded-For: 203.0.113.7' \
    "$NGINX_URL/livez" || fail "the rate is not limited"
  limited 'too many requests: at most 1 in a second from one address' "${behind_proxy[@]}" 'X-Forwarded-For: 203.0.113.7' \
    --request DELETE "$NGINX_URL/kv/a" || fail "the rate of writes is not limited"
  until_true 5 grep -q '"client":"203.0.113.7".*"status":429.*"limit":"rate"' "$directory/nginx.log"
  is_served "${behind_proxy[@]}" 'X-Forwarded-For: 203.0.113.8' "$NGINX_URL/livez" || fail "all behind a proxy are limited"
  is_served --interface 127.0.0.4 --header 'X-Forwarded-For: 203.0.113.7' "$NGINX_URL/livez" || fail "a client was believed"
  until_true 10 is_served "${behind_proxy[@]}" 'X-Forwarded-For: 203.0.113.7' "$NGINX_URL/livez"
}

# Whatever the soft limit of whoever starts it is.
workers_may_open_many_files() {
  local worker files
  (ulimit -Sn 256 && restart_nginx NGINX_REDIRECT=off)
  # Other processes may end meanwhile.
  worker=$(grep -ls "^PPid:.$(process nginx)\$" /proc/[0-9]*/status | head -n 1 || true)
  [[ -n $worker ]] || fail "Nginx has no worker"
  files=$(awk '/^Max open files/ { print $4 }' "${worker%/status}/limits")
  [[ $files -eq $(($(ulimit -Hn) < 65536 ? $(ulimit -Hn) : 65536)) ]] || fail "a worker may open $files files"
}

status_is_apart() {
  expect 404 --output /dev/null --write-out '%{http_code}' "${NGINX_STATUS_URL%/nginx_status}/kv/a"
  [[ $(request "$NGINX_STATUS_URL") == 'Active connections: '* ]] || fail "there is no status"
  [[ $(request "$NGINX_URL/nginx_status" "$NGINX_URL/kv/../nginx_status") != *'Active connections'* ]] ||
    fail "clients can see the status"
  [[ $(header Server "$NGINX_URL/kv/a" --next --silent --request POST "$NGINX_URL/nginx_status" ) != *[0-9]* ]] ||
    fail "the version is told"
}

up --free-ports --no-monitoring
keys_arrive_as_sent "$NGINX_URL"
bodies_arrive_whole
events_arrive_at_once "$NGINX_URL"
request_ids_are_passed_both_ways
status_is_apart
only_reads_are_repeated
a_killed_server_is_not_noticed
addresses_are_limited
workers_may_open_many_files
grep -q '"route":"/kv/{key}"' "$directory/nginx.log" || fail "the log has no routes"
! grep -F -e event/1 -e /cut/ -e 'key=' "$directory/nginx.log" || fail "the log has keys"
