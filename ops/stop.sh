#!/usr/bin/env bash
# Stops what start.sh has started. For Bash 3.2, which macOS has.
set -euo pipefail
source "$(dirname "$0")/scripts/compose.sh"

usage() {
  cat <<'END'
Usage: stop.sh [--volumes] [--env-file FILE]
  Stops everything, answering first what was accepted, and keeps the data.
  --volumes     removes the data, too: that of KVerse, Prometheus, Grafana and pgAdmin
  --env-file    the settings that start.sh was given [default: ops/.env]
END
}

parse_options '--volumes' ${1+"$@"}
require_engine
use_env_file
"${compose[@]}" --profile tools --profile load down ${volumes:+--volumes}
if [[ -n $volumes ]]; then
  say "stopped; the data is gone"
else
  say "stopped; the data is kept"
fi
