#!/usr/bin/env bash
# Kills and pauses the servers and the Redis of a stack of stack.sh, one after the other, until it is told to end (SIGTERM).
# Then all run again. Usage: cause_faults.sh DIR     DOWN_SECONDS [3] and UP_SECONDS [4]: how long things are bad, and good.
set -euo pipefail

directory=$(cd "${1:?the directory of a stack}" && pwd)
readonly DOWN_SECONDS=${DOWN_SECONDS:-3} UP_SECONDS=${UP_SECONDS:-4}
stopped='' timer='' ended=''

stack() {
  "$(dirname "$0")/../scripts/stack.sh" "$@" --directory "$directory"
}

say() {
  echo "faults, $(date +%T): $*" >&2
}

pid_of() {
  (stack status || true) | sed -n "s/^$1: .*process \([0-9]*\).*/\1/p"
}

# hold SECONDS: unless it has been told to end.
hold() {
  [[ -z $ended ]] || exit 0
  sleep "$1" &
  timer=$!
  wait "$timer" || true
  timer=''
  [[ -z $ended ]] || exit 0
}

kill_and_start() {
  local pid
  pid=$(pid_of "$1")
  say "$1 is killed"
  kill -KILL "$pid"
  hold "$DOWN_SECONDS"
  stack up >/dev/null
  say "$1 is back"
  hold "$UP_SECONDS"
}

pause_and_go_on() {
  stopped=$(pid_of "$1")
  say "$1 is paused"
  kill -STOP "$stopped"
  hold "$DOWN_SECONDS"
  kill -CONT "$stopped"
  stopped=''
  say "$1 goes on"
  hold "$UP_SECONDS"
}

restore() {
  [[ -z $stopped ]] || kill -CONT "$stopped"
  [[ -z $timer ]] || kill "$timer" 2>/dev/null || true
  stack up >/dev/null
  say "all run again"
}

stack status >/dev/null || { say "the stack in $directory is not in order" && exit 1; }
if [[ -z ${KVERSE_SERVER:-} ]]; then # the same program again
  KVERSE_SERVER=$(readlink "/proc/$(pid_of server1)/exe")
  export KVERSE_SERVER=${KVERSE_SERVER% (deleted)}
fi
trap restore EXIT
trap 'ended=1' TERM INT
hold "$UP_SECONDS"
while :; do
  kill_and_start server1
  pause_and_go_on server2
  kill_and_start redis
  kill_and_start server2
  pause_and_go_on redis
  pause_and_go_on server1
done
