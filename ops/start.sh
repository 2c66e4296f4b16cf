#!/usr/bin/env bash
# Builds and starts the whole service with Docker, and waits until it is healthy. For Bash 3.2, which macOS has.
set -euo pipefail
source "$(dirname "$0")/scripts/compose.sh"

seconds=300

usage() {
  cat <<'END'
Usage: start.sh [--tools] [--no-build] [--env-file FILE] [--timeout SECONDS]
  Builds the image of the servers, starts everything, waits until it is healthy and prints the addresses. What runs already
  goes on, unless its settings or image have changed; restart.sh changes those of the servers without an interruption.
  --tools       with pgAdmin
  --no-build    use the image that is there
  --env-file    the settings [default: ops/.env, which is made with new passwords if it is not there]
  --timeout     how long to wait, after the build [default: 300]
END
}

random() { od -An -tx1 -N24 /dev/urandom | tr -d ' \n'; }

# Readable only for this user. A new name first, so that a half-written one is never used.
make_env_file() {
  local line
  (
    umask 077
    while IFS= read -r line; do
      case $line in *_PASSWORD=) line+=$(random) ;; esac
      printf '%s\n' "$line"
    done <"$ops/.env.example" >"$env_file.new"
    mv "$env_file.new" "$env_file"
  )
  say "made $env_file with new passwords; keep it as long as the data"
}

explain() {
  case $1 in
    *"address already in use"* | *"port is already allocated"* | *"ports are not available"*)
      say "a port is taken: free it, or choose another one in $env_file (the …_PORT there)"
      ;;
    *"is not set; ops/start.sh"*) say "a password is missing in $env_file: add one, or, if there is no data yet, remove the file" ;;
    *"error setting rlimit"*) say "the engine may not grant so many open files: set a smaller OPEN_FILES in $env_file" ;;
    *"ool overlaps with other one"* | *"overlapping IPv4"*) say "the network is in use: set another NETWORK_PREFIX in $env_file" ;;
  esac
}

addresses() {
  local host
  host=$(setting BIND_ADDRESS 127.0.0.1)
  case $host in 0.0.0.0 | ::) host=localhost ;; esac
  cat <<END
KVerse      http://$host:$(setting NGINX_PORT 8082)
END
  [[ -z $tls ]] || echo "            https://$host:$(setting NGINX_TLS_PORT 8443)"
  cat <<END
server 1    http://$host:$(setting SERVER1_PORT 8002)
server 2    http://$host:$(setting SERVER2_PORT 8003)
Prometheus  http://$host:$(setting PROMETHEUS_PORT 9092)
Grafana     http://$host:$(setting GRAFANA_PORT 3002), as admin, with GRAFANA_PASSWORD of $env_file
END
  [[ -z $tools ]] || cat <<END
pgAdmin     http://$host:$(setting PGADMIN_PORT 5051), as $(setting PGADMIN_EMAIL admin@example.com), with PGADMIN_PASSWORD; the
            database asks for KVERSE_DATABASE_PASSWORD
END
}

warn_if_open() {
  case $(setting BIND_ADDRESS 127.0.0.1) in 127.* | ::1 | localhost) return ;; esac
  [[ $(setting KVERSE_ALLOW_ANONYMOUS '') != true ]] ||
    say "everyone who can connect to $(setting BIND_ADDRESS '') may read and write: KVERSE_AUTH=tokens in $env_file changes that"
}

parse_options '--tools --no-build --timeout' ${1+"$@"}
require_engine
[[ -e $env_file ]] || make_env_file
use_env_file
[[ -z $tools ]] || compose+=(--profile tools)
tls=$(setting NGINX_TLS_LISTEN '')
mkdir -p "$ops/certificate" # else Docker makes it, and root owns it
if [[ -n $tls && ! -e $ops/certificate/certificate.pem ]]; then
  "$ops/scripts/certificate.sh" --directory "$ops/certificate" >&2
fi

log=$(mktemp)
starting=''
trap '[[ -z $starting ]] || kill "$starting" 2>/dev/null || true; rm -f "$log"' EXIT
if ! "${compose[@]}" config --quiet 2>"$log"; then
  cat "$log" >&2
  explain "$(cat "$log")"
  exit 1
fi
if [[ -n $build ]]; then
  say "building $(setting KVERSE_IMAGE kverse:local); the first time this takes some minutes"
  "${compose[@]}" build server1 >&2 || fail "the image could not be built"
fi

services='postgres redis server1 server2 nginx prometheus grafana nginx-exporter redis-exporter postgres-exporter'
[[ -z $tools ]] || services+=' pgadmin'
"${compose[@]}" up --detach --no-build >"$log" 2>&1 &
starting=$!
if ! await "$services" "$seconds" "$starting"; then
  cat "$log" >&2
  show_logs "$(broken "$services")"
  explain "$(cat "$log")"
  fail "not everything has started; ops/stop.sh stops what has"
fi
starting=''
# A restart.sh that failed may have left one out.
"${compose[@]}" exec -T nginx rm -f /tmp/nginx/without_server1 /tmp/nginx/without_server2
addresses
warn_if_open
