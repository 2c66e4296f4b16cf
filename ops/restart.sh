#!/usr/bin/env bash
# Restarts the servers one after the other, without a failed request. For Bash 3.2, which macOS has.
set -euo pipefail
source "$(dirname "$0")/scripts/compose.sh"

seconds=120

usage() {
  cat <<'END'
Usage: restart.sh [--no-build] [--env-file FILE] [--timeout SECONDS]
  Builds the image of the servers and replaces them one after the other: Nginx sends a server nothing more, the server ends
  what it has begun, a new one starts, and gets requests once it is healthy. If it does not, the other one goes on alone, as
  it was.
  --no-build    use the image that is there, such as that of KVERSE_IMAGE
  --env-file    the settings that start.sh was given [default: ops/.env]
  --timeout     how long a server may take until it is healthy [default: 120]
END
}

in_nginx() { "${compose[@]}" exec -T nginx "$@"; }

# replace NUMBER OTHER
replace() {
  say "server $1: no more requests"
  in_nginx rm -f "/tmp/nginx/without_server$2"
  in_nginx touch "/tmp/nginx/without_server$1"
  "${compose[@]}" up --detach --no-deps --no-build --force-recreate "server$1" >&2
  if ! await "server$1" "$seconds"; then
    show_logs "server$1"
    fail "the new server $1 is not healthy; server $2 goes on alone, as it was, until restart.sh succeeds"
  fi
  in_nginx rm "/tmp/nginx/without_server$1"
  say "server $1: healthy, and in service again"
}

parse_options '--no-build --timeout' ${1+"$@"}
require_engine
use_env_file
[[ -z $(not_ready nginx) ]] || fail "Nginx does not run, or is not healthy; ops/start.sh starts it"
first=1 second=2
if [[ -n $(not_ready server2) ]]; then first=2 second=1; fi
[[ -z $(not_ready "server$second") ]] || fail "no server is healthy; ops/start.sh starts them"
if [[ -n $build ]]; then
  "${compose[@]}" build server1 >&2 || fail "the image could not be built"
fi
replace "$first" "$second"
replace "$second" "$first"
