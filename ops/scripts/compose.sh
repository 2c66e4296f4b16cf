#!/usr/bin/env bash
# Sourced by start.sh, stop.sh and restart.sh: their options, and Docker and Compose, or what is missing of them. For Bash 3.2,
# which macOS has. Each script has a function `usage`.

ops=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
env_file=$ops/.env newline=$'\n'
build=1 tools='' volumes='' seconds=''

say() { echo "kverse: $*" >&2; }

fail() {
  say "$@"
  exit 1
}

# parse_options "TAKEN..." ARGUMENTS...: what the script takes beside --env-file, and what it was given.
# shellcheck disable=SC2034 # They are read by the scripts.
parse_options() {
  local taken=" $1 --env-file --help -h "
  shift
  while [[ $# -gt 0 ]]; do
    [[ $taken == *" $1 "* ]] || { usage >&2 && exit 2; }
    case $1 in
      --no-build) build='' ;;
      --tools) tools=1 ;;
      --volumes) volumes=1 ;;
      --env-file)
        [[ -n ${2:-} ]] || fail "--env-file takes a file"
        env_file=$2 && shift
        ;;
      --timeout)
        [[ ${2:-} =~ ^[1-9][0-9]{0,5}$ ]] || fail "--timeout takes a number of seconds: '${2:-}'"
        seconds=$2 && shift
        ;;
      --help | -h) usage && exit ;;
      *) usage >&2 && exit 2 ;;
    esac
    shift
  done
}

# setting NAME DEFAULT: as Compose sees it, from the environment or the file.
setting() {
  local value
  value=$(printenv "$1") || value=$(sed -n "s/^$1=//p" "$env_file" 2>/dev/null | tail -n 1)
  echo "${value:-$2}"
}

require_engine() {
  local answer
  command -v docker >/dev/null ||
    fail "docker is missing: https://docs.docker.com/get-started/get-docker/ tells how to install it"
  answer=$(docker version --format '{{.Server.Version}}' 2>&1) || case $answer in
    *[Pp]ermission\ denied*)
      fail "this user may not talk to Docker's engine. Members of the group docker may:
  sudo groupadd docker             # if there is no such group
  sudo usermod -aG docker \$USER
  newgrp docker                    # or log in again"
      ;;
    *) fail "Docker's engine does not answer; start it (sudo systemctl start docker, or Docker Desktop):
  $answer" ;;
  esac
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif command -v docker-compose >/dev/null; then
    compose=(docker-compose)
  else
    fail "Docker has no Compose: https://docs.docker.com/compose/install/ tells how to add it"
  fi
}

# use_env_file: what all calls of Compose have in common.
use_env_file() {
  [[ -s $env_file ]] || fail "there is no $env_file: ops/start.sh makes it"
  COMPOSE_PROJECT_NAME=$(setting COMPOSE_PROJECT_NAME kverse)
  export COMPOSE_PROJECT_NAME
  compose+=(--project-directory "$ops" --file "$ops/compose.yaml" --env-file "$env_file")
}

# containers: a line for each one of the project: its service and its status, such as `Up 5 seconds (healthy)`.
containers() {
  docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter label=com.docker.compose.oneoff=False --format '{{.Label "com.docker.compose.service"}} {{.Status}}'
}

# not_ready SERVICES: those of them that do not run yet, or are not healthy.
not_ready() {
  local service status
  status=$(containers)
  for service in $1; do
    case $(grep "^$service " <<<"$status") in
      *starting\)* | *unhealthy\)*) echo "$service" ;;
      "$service Up "*) ;;
      *) echo "$service" ;;
    esac
  done
}

# broken SERVICES: those of them that will not become healthy by themselves.
broken() {
  local service status
  status=$(containers)
  for service in $1; do
    case $(grep "^$service " <<<"$status") in
      *unhealthy\)* | "$service Restarting "* | "$service Exited "* | "$service Dead"*) echo "$service" ;;
    esac
  done
}

show_logs() {
  local service
  for service in $1; do
    say "the end of the log of $service:"
    "${compose[@]}" logs --no-color --tail 15 "$service" >&2
  done
}

# await SERVICES SECONDS [PROCESS]: until they are healthy, and the process, which starts them, has ended well. Tells who is
# missing, whenever that changes.
await() {
  local missing told='' deadline=$((SECONDS + $2))
  while true; do
    if [[ -n ${3:-} ]] && ! kill -0 "$3" 2>/dev/null; then
      wait "$3" || return 1
      set -- "$1" "$2"
    fi
    missing=$(not_ready "$1")
    if [[ -z $missing && -z ${3:-} ]]; then return 0; fi
    if [[ -n $missing && $missing != "$told" ]]; then
      say "starting: ${missing//$newline/ }"
      told=$missing
    fi
    if [[ -z ${3:-} && -n $(broken "$1") ]] || [[ $SECONDS -ge $deadline ]]; then return 1; fi
    sleep 1
  done
}
