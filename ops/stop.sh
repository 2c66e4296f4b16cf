#!/usr/bin/env bash
# Stops what start.sh has started. For Bash 3.2, which macOS has.
set -euo pipefail
source "$(dirname "$0")/scripts/compose.sh"

volumes=()

usage() {
  cat <<'END'
Usage: stop.sh [--volumes] [--env-file FILE]
  Stops everything, answering first what was accepted, and keeps the data.
  --volumes     removes the data, too: that of KVerse, Prometheus, Grafana and pgAdmin
  --env-file    the settings that start.sh was given [default: ops/.env]
END
}

while [[ $# -gt 0 ]]; do
  case $1 in
    --volumes) volumes=(--volumes) ;;
    --env-file)
      [[ -n ${2:-} ]] || fail "--env-file takes a file"
      env_file=$2 && shift
      ;;
    --help | -h) usage && exit ;;
    *) usage >&2 && exit 2 ;;
  esac
  shift
done

require_engine
use_env_file
"${compose[@]}" --profile tools --profile load down ${volumes[@]+"${volumes[@]}"}
if [[ ${#volumes[@]} -gt 0 ]]; then
  say "stopped; the data is gone"
else
  say "stopped; the data is kept"
fi
