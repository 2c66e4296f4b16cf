#!/usr/bin/env bash
# Sourced by tests on a replicated service that stack.sh runs for them alone, on free ports, and that ends with them.
source ops/tests/common/built.sh

parent=$(mktemp -d)
chmod 755 "$parent" # PostgreSQL may run as another user.
directory=$parent/stack
watchers=()

stack() {
  ops/scripts/stack.sh "$@" --directory "$directory"
}

clean_up() {
  local status=$?
  [[ ${#watchers[@]} -eq 0 ]] || kill "${watchers[@]}" 2>/dev/null || true
  [[ $status -eq 0 ]] || tail -n 5 "$directory"/*.log >&2 || true
  stack down --volumes || true
  rm -rf "$parent"
}
trap clean_up EXIT

fail() {
  echo "$(basename "$0" .sh) test: $*" >&2
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

# status CURL-ARGUMENTS...
status() {
  request --output /dev/null --write-out '%{http_code}' "$@"
}

# header NAME CURL-ARGUMENTS...: the values of a header of the answer, one a line.
header() {
  request --output /dev/null --dump-header - "${@:2}" | tr -d '\r' | sed -n "s/^$1: //Ip"
}

# put URL VALUE CURL-ARGUMENTS...: prints the status.
put() {
  status --request PUT --header 'Content-Type: text/plain' --data-binary "$2" "$1" "${@:3}"
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

# watch NAME CURL-ARGUMENTS...: a client whose events are in $parent/NAME, once it is being sent them.
watch() {
  curl --silent --no-buffer --max-time 60 "${@:2}" >"$parent/$1" &
  watchers+=($!)
  until_true 10 grep -q '^retry:' "$parent/$1"
}

stop_watchers() {
  kill "${watchers[@]}"
  wait "${watchers[@]}" || true
  watchers=()
}

has_ended() { [[ ! -e /proc/$1/exe ]]; }

# restart_nginx VARIABLE=VALUE...: with these settings.
restart_nginx() {
  local pid
  pid=$(process nginx)
  kill -QUIT "$pid"
  until_true 20 has_ended "$pid"
  env "$@" ops/scripts/stack.sh up --directory "$directory" >/dev/null
}

# keys_arrive_as_sent URL CURL-ARGUMENTS...: through Nginx at this address. The database has to be empty.
keys_arrive_as_sent() {
  local key url keys bytes='Accept: application/octet-stream' nginx=("${@:2}")
  for key in a//b a%2Fb a%252Fb .. x/../y ../watch 'caf%C3%A9%20%3F'; do
    [[ $(put "$1/kv/$key" "path $key" "${nginx[@]}") == 201 ]] || fail "cannot put the path $key"
    expect "path $key" "$1/kv/$key" "${nginx[@]}"
    for url in "$SERVER1_URL" "$SERVER2_URL"; do
      expect "path $key" "$url/kv/$key"
      expect "path $key" --header "$bytes" "$url/kv?key=$key"
    done
    [[ $(put "$1/kv?key=$key" "query $key" "${nginx[@]}") == 200 ]] || fail "cannot put the key $key"
    expect "query $key" --header "$bytes" "$1/kv?key=$key" "${nginx[@]}"
    for url in "$SERVER1_URL" "$SERVER2_URL"; do
      expect "query $key" "$url/kv/$key"
      expect "query $key" --header "$bytes" "$url/kv?key=$key"
    done
  done
  keys=$(request "$SERVER1_URL/keys" | grep -o '"key":"[^"]*"' | cut -d '"' -f 4 | LC_ALL=C sort | tr '\n' '|')
  [[ $keys == '..|../watch|a%2Fb|a//b|a/b|café ?|x/../y|' ]] || fail "other keys were stored: $keys"
}

# events_arrive_at_once URL CURL-ARGUMENTS...
events_arrive_at_once() {
  watch events "$1/watch?prefix=event/" "${@:2}"
  [[ $(put "$1/kv/event/1" now "${@:2}") == 201 ]] || fail "cannot put"
  until_true 2 grep -q '"key":"event/1"' "$parent/events"
  stop_watchers
}
