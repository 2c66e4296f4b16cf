#!/usr/bin/env bash
# Sourced by stack.sh: programs that go on running when the script has ended, with their process ids and logs in $directory.
# The script defines `is_healthy NAME`.

: "${directory:?}"
readonly START_SECONDS=60 STOP_SECONDS=45
launched=() starting=''

fail() {
  echo "stack: $*" >&2
  exit 1
}

# When a process was started; nothing if it has ended.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }

# The process of a program, if it runs: its start tells it from another that got the same id.
pid_of() {
  local pid started
  [[ -s $directory/$1.pid ]] && read -r pid started <"$directory/$1.pid" &&
    [[ -n $started && $(started_at "$pid") == "$started" ]] && echo "$pid"
}

# launch NAME "PORT..." COMMAND...: starts it, if it does not run, and waits until it is healthy.
launch() {
  local name=$1 port deadline=$((SECONDS + START_SECONDS))
  starting=$name
  if ! pid_of "$name" >/dev/null; then
    for port in $2; do
      ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null ||
        fail "port $port, for $name, is taken: free it, or take others by --port-base or --free-ports"
    done
    setsid "${@:3}" </dev/null >>"$directory/$name.log" 2>&1 &
    launched+=("$name")
    echo "$! $(started_at $!)" >"$directory/$name.pid"
  fi
  until is_healthy "$name"; do
    pid_of "$name" >/dev/null || fail "$name ended before it was healthy"
    [[ $SECONDS -lt $deadline ]] || fail "$name was not healthy in $START_SECONDS seconds"
    sleep 0.1
  done
}

# stop NAME: lets it end what it has begun.
stop() {
  local pid signal=TERM deadline=$((SECONDS + STOP_SECONDS))
  case $1 in nginx) signal=QUIT ;; postgres) signal=INT ;; esac
  if pid=$(pid_of "$1"); then
    kill -s "$signal" "$pid" 2>/dev/null || true
    while pid_of "$1" >/dev/null; do
      if [[ $SECONDS -ge $deadline ]]; then
        echo "stack: $1 did not stop in $STOP_SECONDS seconds: killing it" >&2
        kill -s KILL -- "-$pid"
        break
      fi
      sleep 0.1
    done
  fi
  rm -f "$directory/$1.pid"
}

# At the exit of the script: after a failure nothing that it has started goes on.
roll_back() {
  local status=$? i
  [[ $status -ne 0 ]] || return 0
  if [[ -n $starting && -s $directory/$starting.log ]]; then
    echo "stack: the end of $directory/$starting.log:" >&2
    tail -n 20 "$directory/$starting.log" >&2
  fi
  for ((i = ${#launched[@]} - 1; i >= 0; i--)); do stop "${launched[i]}"; done
}
