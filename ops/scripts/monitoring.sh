#!/usr/bin/env bash
# Sourced by stack.sh: Prometheus with the configuration of ops/prometheus, an exporter for each of Nginx, Redis and
# PostgreSQL, and Grafana with the dashboards of ops/grafana, if it is installed.

: "${directory:?}" "${root:?}"
readonly MONITORING=(nginx-exporter redis-exporter postgres-exporter prometheus grafana)
# The exporters are not where those of the system are.
declare -A monitoring_port=(
  [nginx-exporter]=19113 [redis-exporter]=19121 [postgres-exporter]=19187 [prometheus]=9092 [grafana]=3002
)

# monitoring_ports_from N: one after the other.
monitoring_ports_from() {
  local i
  for i in "${!MONITORING[@]}"; do monitoring_port[${MONITORING[i]}]=$(($1 + i)); done
}

# free_monitoring_ports PORT...: none of those.
free_monitoring_ports() {
  local name port taken=" $* "
  for name in "${MONITORING[@]}"; do
    until port=$(free_port) && [[ $taken != *" $port "* ]]; do :; done
    monitoring_port[$name]=$port
    taken+="$port "
  done
}

# The ports of a running stack, from what monitoring_addresses wrote; fails if it is not monitored.
known_monitoring_ports() {
  local name port
  grep -q '^PROMETHEUS_URL=' "$1" || return 1
  for name in "${MONITORING[@]}"; do
    port=$(sed -n "s/^$(variable "$name")=.*://p" "$1")
    monitoring_port[$name]=${port:-${monitoring_port[$name]}}
  done
}

# The name of a program's address: redis-exporter is at REDIS_EXPORTER_URL.
variable() {
  local name=${1//-/_}_url
  echo "${name^^}"
}

monitoring_addresses() {
  local name
  for name in "${MONITORING[@]}"; do
    [[ $name == grafana && -z $(grafana_home) ]] || echo "$(variable "$name")=http://127.0.0.1:${monitoring_port[$name]}"
  done
}

# Where an installed Grafana has its files; nothing if there is none.
grafana_home() {
  local program home
  program=$(command -v grafana || command -v grafana-server) || return 0
  for home in "$(dirname "$(realpath "$program")")/.." /usr/share/grafana; do
    if [[ -e $home/conf/defaults.ini ]]; then
      realpath "$home"
      return
    fi
  done
}

monitoring_is_healthy() {
  local path=/metrics
  case $1 in prometheus) path=/-/ready ;; grafana) path=/api/health ;; esac
  curl --silent --fail --noproxy '*' --max-time 5 --output /dev/null "http://127.0.0.1:${monitoring_port[$1]}$path"
}

check_monitoring() {
  local program
  for program in prometheus prometheus-{nginx,redis,postgres}-exporter; do
    command -v "$program" >/dev/null || fail "$program is missing: apt-get install $program, or do without by --no-monitoring"
  done
}

# launch_monitoring NAME COMMAND...
launch_monitoring() {
  launch "$1" "${monitoring_port[$1]}" "${@:2}"
}

# target JOB INSTANCE HOST:PORT
target() {
  printf -- '- targets: ["%s"]\n  labels: { job: %s, instance: %s }\n' "$3" "$1" "$2"
}

# start_monitoring NGINX-STATUS-URL DATABASE-URL REDIS-URL SERVER...: the servers as HOST:PORT.
start_monitoring() {
  local home=$directory/prometheus listen=--web.listen-address=127.0.0.1 name number
  launch_monitoring nginx-exporter prometheus-nginx-exporter --nginx.scrape-uri="$1" \
    "$listen:${monitoring_port[nginx-exporter]}"
  launch_monitoring postgres-exporter env DATA_SOURCE_NAME="$2?sslmode=disable" prometheus-postgres-exporter \
    "$listen:${monitoring_port[postgres-exporter]}"
  launch_monitoring redis-exporter prometheus-redis-exporter --redis.addr="$3" "$listen:${monitoring_port[redis-exporter]}"
  shift 3

  mkdir -p "$home/targets"
  {
    for ((number = 1; number <= $#; number++)); do target kverse "server$number" "${!number}"; done
    for name in nginx redis postgres; do target "$name" "$name" "127.0.0.1:${monitoring_port[$name-exporter]}"; done
    target prometheus prometheus "127.0.0.1:${monitoring_port[prometheus]}"
  } >"$home/targets/stack.yml"
  # It looks for rules and targets beside its configuration.
  ln --symbolic --force --no-dereference "$root/ops/prometheus/rules" "$home/rules"
  sed "s/^\(  \(scrape\|evaluation\)_interval:\).*/\1 ${PROMETHEUS_INTERVAL:-15s}/" "$root/ops/prometheus/prometheus.yml" \
    >"$home/prometheus.yml"
  launch_monitoring prometheus prometheus --config.file="$home/prometheus.yml" --storage.tsdb.path="$home/data" \
    --storage.tsdb.retention.time=15d --storage.tsdb.retention.size=2GB "$listen:${monitoring_port[prometheus]}"

  if [[ -n $(grafana_home) ]]; then
    start_grafana
  else
    echo "stack: Grafana is not installed: the dashboards of ops/grafana are not shown" >&2
  fi
}

start_grafana() {
  local home=$directory/grafana
  mkdir -p "$home/provisioning"/{datasources,dashboards}
  sed "s|http://prometheus:9090|http://127.0.0.1:${monitoring_port[prometheus]}|" \
    "$root/ops/grafana/provisioning/datasources/prometheus.yml" >"$home/provisioning/datasources/prometheus.yml"
  sed "s|/var/lib/grafana/dashboards|$root/ops/grafana/dashboards|" \
    "$root/ops/grafana/provisioning/dashboards/kverse.yml" >"$home/provisioning/dashboards/kverse.yml"
  local program=(grafana server)
  command -v grafana >/dev/null || program=(grafana-server)
  # As with PostgreSQL, whoever reaches the loopback interface may do everything.
  launch_monitoring grafana env GF_SERVER_HTTP_ADDR=127.0.0.1 GF_SERVER_HTTP_PORT="${monitoring_port[grafana]}" \
    GF_PATHS_DATA="$home/data" GF_PATHS_LOGS="$home" GF_PATHS_PROVISIONING="$home/provisioning" \
    GF_AUTH_ANONYMOUS_ENABLED=true GF_AUTH_ANONYMOUS_ORG_ROLE=Admin GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION=true \
    GF_ANALYTICS_REPORTING_ENABLED=false GF_ANALYTICS_CHECK_FOR_UPDATES=false GF_PLUGINS_PREINSTALL_DISABLED=true \
    "${program[@]}" --homepath "$(grafana_home)"
}
