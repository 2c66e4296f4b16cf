#!/usr/bin/env bash
# The replicated service without containers: Nginx before two kverse-servers that share a PostgreSQL and a Redis, all on
# the loopback interface, with data, logs and configuration in one directory; Prometheus and Grafana watch them.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
directory=$root/target/stack volumes='' tls='' monitoring=1
source "$root/ops/scripts/server.sh"
source "$root/ops/scripts/daemons.sh"
source "$root/ops/scripts/monitoring.sh"

readonly PROGRAMS=(postgres redis server1 server2 nginx)
# Nginx, its status, both servers, PostgreSQL, Redis and HTTPS; PostgreSQL and Redis not where those of the system are.
ports=(8082 8083 8002 8003 15432 16379 8443)

usage() {
  cat <<'END'
Usage: stack.sh up|down|status [--directory DIR] [--port-base N | --free-ports] [--tls] [--no-monitoring] [--volumes]
  up             starts what does not run, waits until it is healthy, prints the addresses and writes them to DIR/addresses
  down           stops everything and keeps the data; --volumes removes them
  status         says what runs and is healthy; exit status 1 if something is not
  --directory    where everything is kept [default: target/stack]
  --port-base    take seven ports from N on instead of 8082 (Nginx), 8083 (its status), 8002 and 8003 (servers), 15432
                 (PostgreSQL), 16379 (Redis) and 8443 (HTTPS), and five from N + 10 on instead of 19113, 19121 and 19187
                 (exporters of Nginx, Redis and PostgreSQL), 9092 (Prometheus) and 3002 (Grafana, if it is installed)
  --free-ports   take any free ports; a stack of which something runs keeps its own
  --tls          serve HTTPS, too, with a development certificate in DIR/tls
  --no-monitoring
                 no Prometheus, no exporters and no Grafana; a stack of which something runs stays as it is
The server is $KVERSE_SERVER, else the release build, else the development build. Variables such as KVERSE_LOG reach it,
and Nginx those that ops/nginx/render.sh describes, but it limits no address unless they say so: all clients have the same.
$PROMETHEUS_INTERVAL is how often Prometheus looks [default: 15s].
END
}

parse_arguments() {
  local free=() port
  while [[ $# -gt 0 ]]; do
    case $1 in
      --directory)
        [[ -n ${2:-} ]] || fail "--directory takes a directory"
        directory=$(realpath --canonicalize-missing -- "$2") && shift
        ;;
      --port-base)
        [[ ${2:-} =~ ^[1-9][0-9]{3,4}$ && $2 -le 65520 ]] || fail "--port-base takes a number from 1000 to 65520: '${2:-}'"
        readarray -t ports < <(seq "$2" $(($2 + 6)))
        monitoring_ports_from $(($2 + 10)) && shift
        ;;
      --free-ports)
        until [[ ${#free[@]} -eq ${#ports[@]} ]]; do
          port=$(free_port)
          [[ " ${free[*]} " == *" $port "* ]] || free+=("$port")
        done
        ports=("${free[@]}")
        free_monitoring_ports "${free[@]}"
        ;;
      --tls) tls=1 ;;
      --no-monitoring) monitoring='' ;;
      --volumes) volumes=1 ;;
      --help | -h) usage && exit ;;
      *) usage >&2 && exit 2 ;;
    esac
    shift
  done
}

addresses() {
  cat <<END
NGINX_URL=http://127.0.0.1:${ports[0]}
NGINX_STATUS_URL=http://127.0.0.1:${ports[1]}/nginx_status
SERVER1_URL=http://127.0.0.1:${ports[2]}
SERVER2_URL=http://127.0.0.1:${ports[3]}
DATABASE_URL=postgresql://kverse@127.0.0.1:${ports[4]}/kverse
REDIS_URL=redis://127.0.0.1:${ports[5]}
END
  [[ -z $tls ]] || printf 'NGINX_TLS_URL=https://127.0.0.1:%s\nNGINX_CA=%q\n' "${ports[6]}" "$directory/tls/ca.pem"
  [[ -z $monitoring ]] || monitoring_addresses
}

is_healthy() {
  local ready=(curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null)
  case $1 in
    postgres) "$postgres/pg_isready" --quiet --timeout 2 --username kverse --dbname postgres --host 127.0.0.1 --port "${ports[4]}" ;;
    redis) [[ $(timeout 2 redis-cli -p "${ports[5]}" ping 2>/dev/null) == PONG ]] ;;
    server1) "${ready[@]}" "http://127.0.0.1:${ports[2]}/health" ;;
    server2) "${ready[@]}" "http://127.0.0.1:${ports[3]}/health" ;;
    nginx) "${ready[@]}" "http://127.0.0.1:${ports[0]}/health" ;;
    *) monitoring_is_healthy "$1" ;;
  esac
}

# Whatever is needed and missing, by the Debian package that has it.
check_programs() {
  local program
  for program in curl:curl ${tls:+openssl:openssl} nginx:nginx redis-server:redis-server redis-cli:redis-tools; do
    command -v "${program%:*}" >/dev/null || fail "${program%:*} is missing: apt-get install ${program#*:}"
  done
  [[ -x $postgres/initdb ]] || fail "initdb is missing: apt-get install postgresql"
  [[ -x $server ]] || fail "there is no $server: make dashboard && cargo build --release -p kverse-server"
  [[ -z $monitoring ]] || check_monitoring
}

up() {
  local as_postgres=() number sql
  check_programs
  mkdir -p "$directory/nginx"
  if [[ $EUID -eq 0 ]]; then # PostgreSQL and the workers of Nginx refuse to be root.
    as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups)
    "${as_postgres[@]}" test -x "$directory" || fail "other users cannot reach $directory: take another --directory"
  fi
  addresses >"$directory/addresses"

  starting=postgres
  if [[ ! -e $directory/postgres/PG_VERSION ]]; then
    install --directory --mode 700 ${as_postgres:+--owner postgres} "$directory/postgres"
    "${as_postgres[@]}" "$postgres/initdb" -A trust -E UTF8 --locale=C -U kverse -D "$directory/postgres" \
      >>"$directory/postgres.log" 2>&1 || fail "initdb failed"
  fi
  launch postgres "${ports[4]}" "${as_postgres[@]}" "$postgres/postgres" -D "$directory/postgres" -p "${ports[4]}" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=200
  sql=("$postgres/psql" -h 127.0.0.1 -p "${ports[4]}" -U kverse -X -A -q -t -d postgres -c)
  [[ $("${sql[@]}" "SELECT 1 FROM pg_database WHERE datname = 'kverse'") == 1 ]] || "${sql[@]}" "CREATE DATABASE kverse"

  launch redis "${ports[5]}" redis-server --bind 127.0.0.1 --port "${ports[5]}" --dir "$directory" --save '' \
    --maxmemory 256mb --maxmemory-policy volatile-lru
  for number in 1 2; do
    # The server refuses variables with its prefix that it does not know.
    launch "server$number" "${ports[number + 1]}" env -u KVERSE_SERVER \
      DATABASE_URL="postgresql://kverse@127.0.0.1:${ports[4]}/kverse" REDIS_URL="redis://127.0.0.1:${ports[5]}" \
      "$server" --listen "127.0.0.1:${ports[number + 1]}" --trusted-proxies 127.0.0.1
  done

  [[ -z $tls ]] || "$root/ops/scripts/certificate.sh" --directory "$directory/tls" >/dev/null
  SERVER1=127.0.0.1:${ports[2]} SERVER2=127.0.0.1:${ports[3]} NGINX_DIRECTORY=$directory/nginx \
    NGINX_LISTEN=127.0.0.1:${ports[0]} NGINX_STATUS_LISTEN=127.0.0.1:${ports[1]} \
    NGINX_TLS_LISTEN=${tls:+127.0.0.1:${ports[6]}} NGINX_CERTIFICATE=$directory/tls/certificate.pem \
    NGINX_CERTIFICATE_KEY=$directory/tls/key.pem NGINX_RATE_LIMIT=${NGINX_RATE_LIMIT:-0} \
    NGINX_CONNECTION_LIMIT=${NGINX_CONNECTION_LIMIT:-0} "$root/ops/nginx/render.sh" >"$directory/nginx/nginx.conf"
  launch nginx "${ports[0]} ${ports[1]} ${tls:+${ports[6]}}" nginx -p "$directory/nginx" \
    -c "$directory/nginx/nginx.conf" -e stderr -g 'daemon off;'

  if [[ -n $monitoring ]]; then
    start_monitoring "http://127.0.0.1:${ports[1]}/nginx_status" "postgresql://kverse@127.0.0.1:${ports[4]}/kverse" \
      "redis://127.0.0.1:${ports[5]}" "127.0.0.1:${ports[2]}" "127.0.0.1:${ports[3]}"
  fi
  cat "$directory/addresses"
}

down() {
  local i name all=("${PROGRAMS[@]}" "${MONITORING[@]}")
  for ((i = ${#all[@]} - 1; i >= 0; i--)); do stop "${all[i]}"; done
  rm -f "$directory/addresses"
  if [[ -n $volumes ]]; then
    rm -rf "$directory"/{postgres,nginx,tls,prometheus,grafana}
    for name in "${all[@]}"; do rm -f "$directory/$name.log"; done
    rmdir --ignore-fail-on-non-empty "$directory" 2>/dev/null || true
  fi
}

status() {
  local name pid bad=0
  for name in "${PROGRAMS[@]}" ${monitoring:+"${MONITORING[@]}"}; do
    if [[ $name == grafana && -z $(grafana_home) ]]; then
      echo "grafana: not installed"
    elif ! pid=$(pid_of "$name"); then
      echo "$name: stopped" && bad=1
    elif is_healthy "$name"; then
      echo "$name: healthy, process $pid"
    else
      echo "$name: not healthy, process $pid, log in $directory/$name.log" && bad=1
    fi
  done
  return "$bad"
}

command=${1:-}
case $command in
  up | down | status) shift ;;
  --help | -h) usage && exit ;;
  *) usage >&2 && exit 2 ;;
esac
export PATH=$PATH:/usr/sbin
parse_arguments "$@"
server=${CARGO_TARGET_DIR:-$root/target}/release/kverse-server
[[ -x $server ]] || server=${CARGO_TARGET_DIR:-$root/target}/debug/kverse-server
server=$(realpath --canonicalize-missing -- "${KVERSE_SERVER:-$server}")
cd / # Not every user who runs a program may be able to read the current directory.
postgres=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1)
[[ -x $postgres/initdb ]] || postgres=$(pg_config --bindir 2>/dev/null) || true
for program in "${PROGRAMS[@]}" "${MONITORING[@]}"; do
  if [[ -s $directory/addresses ]] && pid_of "$program" >/dev/null; then
    if grep -q '^NGINX_TLS_URL=' "$directory/addresses"; then
      tls=1
    elif [[ -n $tls ]]; then
      fail "it runs without TLS: stop it first"
    fi
    readarray -t ports < <(grep -o '127\.0\.0\.1:[0-9]*' "$directory/addresses" | cut -d : -f 2)
    known_monitoring_ports "$directory/addresses" || monitoring=''
  fi
done
trap roll_back EXIT
"$command"
