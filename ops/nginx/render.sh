#!/bin/sh
# Writes the nginx.conf that nginx.conf.template and these variables of the environment make; an empty one counts as not set.
#
#   SERVER1, SERVER2       the servers: HOST:PORT
#   NGINX_DIRECTORY        an existing directory that Nginx may write to, for its process id and bodies of requests
#   NGINX_LISTEN           where it serves: [ADDRESS:]PORT [default: 8082]
#   NGINX_STATUS_LISTEN    where it serves /nginx_status and nothing else: [ADDRESS:]PORT, not to be reached by clients
#                          [default: 127.0.0.1:8083]
#   NGINX_MAX_BODY_BYTES   largest body, but for imports: at least the server's, 40 MiB for a batch by default
#                          [default: 67108864]
#   NGINX_RATE_LIMIT       most requests of an address in a second; 0 for no limit [default: 1000]
#   NGINX_RATE_BURST       how many of them may come at once [default: NGINX_RATE_LIMIT]
#   NGINX_CONNECTION_LIMIT most requests of an address at once, of which each client that watches is one; 0 for no limit
#                          [default: 2000]
#   NGINX_TRUSTED_PROXIES  addresses or networks, separated by commas, of load balancers before Nginx: their X-Forwarded-For
#                          says who the client is. Without it all clients behind one share the limits of its address
#                          [default: none]
#   NGINX_TLS_LISTEN       where it serves HTTPS: [ADDRESS:]PORT [default: nowhere]
#   NGINX_CERTIFICATE      its certificate and those between it and the authority, as PEM; certificate.sh makes one
#   NGINX_CERTIFICATE_KEY  the key of the certificate, as PEM
#   NGINX_REDIRECT         on: HTTP, but for health checks, is sent to HTTPS [default: off]
#   NGINX_REDIRECT_PORT    the port there, if clients see another one than that of NGINX_TLS_LISTEN
#   NGINX_HSTS_SECONDS     for how long browsers shall use only HTTPS for this name, at any port, such as 63072000. Only for
#                          a name of its own with HTTPS at port 443; 0 to say nothing [default: 0]
set -eu

fail() {
  printf 'render: %s\n' "$*" >&2
  exit 2
}

# check NAME REGULAR-EXPRESSION MEANING: fails unless all of the variable's value matches.
check() {
  eval "value=\$$1"
  [ -n "$value" ] || fail "$1 is not set: it must be $3"
  case $value in
    *"$newline"*) matching= ;;
    *) matching=$(printf '%s\n' "$value" | sed -nE "\\#^($2)\$#p") ;;
  esac
  [ -n "$matching" ] || fail "$1 must be $3: '$value'"
}

# check_number NAME LEAST MOST
check_number() {
  check "$1" '0|[1-9][0-9]{0,14}' "a number from $2 to $3"
  if [ "$value" -lt "$2" ] || [ "$value" -gt "$3" ]; then
    fail "$1 must be a number from $2 to $3: '$value'"
  fi
}

# check_address NAME HOST MEANING: one that ends with a port.
check_address() {
  check "$1" "$2[1-9][0-9]{0,4}" "$3"
  [ "${value##*:}" -le 65535 ] || fail "$1 must have a port of at most 65535: '$value'"
}

# check_file NAME
check_file() {
  check "$1" "$path" "$path_meaning"
  [ -r "$value" ] || fail "$1 must be a file that can be read: '$value'"
}

# replace NAME VALUE: wherever ${NAME} is in the template.
replace() {
  printf "s|\${%s}|%s|g\n" "$1" "$(printf '%s\n' "$2" | sed 's/[&|\\]/\\&/g')"
}

# use NAME...: replaces variables by their values.
use() {
  for name; do
    eval "replace \"\$name\" \"\$$name\""
  done
}

# part NAME...: drops what is between `#if NAME` and `#end NAME`, if the variable says so, or only these lines.
part() {
  for name; do
    eval "value=\$$name"
    case $value in
      '' | 0 | off) printf '/^#if %s$/,/^#end %s$/d\n' "$name" "$name" ;;
      *) printf '/^#if %s$/d\n/^#end %s$/d\n' "$name" "$name" ;;
    esac
  done
}

# for_proxies BEFORE AFTER: each trusted proxy between these texts.
for_proxies() {
  printf '%s\n' "$NGINX_TRUSTED_PROXIES" | sed "s/ *, */,/g; s/[^,][^,]*/$1&$2;/g; s/,/ /g"
}

newline='
'
ipv6='\[[0-9A-Fa-f:.]+\]'
host="([A-Za-z0-9_.-]+|$ipv6):"
address="(([0-9.]+|$ipv6):)?"
network='([0-9.]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)(/[0-9]{1,3})?'
# Nginx would take the others for the end of the text, or for variables.
path='/[^"$\\[:cntrl:]]*'
path_meaning='an absolute path without quotes, dollars and backslashes'

SERVER1=${SERVER1:-}
SERVER2=${SERVER2:-}
NGINX_DIRECTORY=${NGINX_DIRECTORY:-}
NGINX_LISTEN=${NGINX_LISTEN:-8082}
NGINX_STATUS_LISTEN=${NGINX_STATUS_LISTEN:-127.0.0.1:8083}
NGINX_MAX_BODY_BYTES=${NGINX_MAX_BODY_BYTES:-67108864}
NGINX_RATE_LIMIT=${NGINX_RATE_LIMIT:-1000}
NGINX_RATE_BURST=${NGINX_RATE_BURST:-$NGINX_RATE_LIMIT}
NGINX_CONNECTION_LIMIT=${NGINX_CONNECTION_LIMIT:-2000}
NGINX_TRUSTED_PROXIES=${NGINX_TRUSTED_PROXIES:-}
NGINX_TLS_LISTEN=${NGINX_TLS_LISTEN:-}
NGINX_CERTIFICATE=${NGINX_CERTIFICATE:-}
NGINX_CERTIFICATE_KEY=${NGINX_CERTIFICATE_KEY:-}
NGINX_REDIRECT=${NGINX_REDIRECT:-off}
NGINX_REDIRECT_PORT=${NGINX_REDIRECT_PORT:-${NGINX_TLS_LISTEN##*:}}
NGINX_HSTS_SECONDS=${NGINX_HSTS_SECONDS:-0}

check_address SERVER1 "$host" HOST:PORT
check_address SERVER2 "$host" HOST:PORT
check NGINX_DIRECTORY "$path" "$path_meaning"
if [ ! -d "$NGINX_DIRECTORY" ] || [ ! -w "$NGINX_DIRECTORY" ]; then
  fail "NGINX_DIRECTORY must be a directory that can be written to: '$NGINX_DIRECTORY'"
fi
check_address NGINX_LISTEN "$address" '[ADDRESS:]PORT'
check_address NGINX_STATUS_LISTEN "$address" '[ADDRESS:]PORT'
check_number NGINX_MAX_BODY_BYTES 1 999999999999999
check_number NGINX_RATE_LIMIT 0 1000000
[ "$NGINX_RATE_LIMIT" -eq 0 ] || check_number NGINX_RATE_BURST 1 1000000
check_number NGINX_CONNECTION_LIMIT 0 65535
[ -z "$NGINX_TRUSTED_PROXIES" ] ||
  check NGINX_TRUSTED_PROXIES "$network( *, *$network)*" 'addresses or networks, separated by commas'
check NGINX_REDIRECT 'on|off' 'on or off'
check_number NGINX_HSTS_SECONDS 0 999999999
if [ -n "$NGINX_TLS_LISTEN" ]; then
  check_address NGINX_TLS_LISTEN "$address" '[ADDRESS:]PORT'
  check_file NGINX_CERTIFICATE
  check_file NGINX_CERTIFICATE_KEY
  check_number NGINX_REDIRECT_PORT 1 65535
elif [ "$NGINX_REDIRECT" = on ]; then
  fail "NGINX_REDIRECT can only be 'on' if NGINX_TLS_LISTEN is set"
elif [ "$NGINX_HSTS_SECONDS" -ne 0 ]; then
  fail "NGINX_HSTS_SECONDS can only be '$NGINX_HSTS_SECONDS' if NGINX_TLS_LISTEN is set"
fi

# A worker cannot have more than whoever started Nginx allows.
# shellcheck disable=SC3045 # Every shell in question has it: dash, that of BusyBox, Bash.
files=$(ulimit -Hn)
if [ "$files" = unlimited ] || [ "$files" -gt 65536 ]; then files=65536; fi
redirect_port=:$NGINX_REDIRECT_PORT
[ "$NGINX_REDIRECT_PORT" != 443 ] || redirect_port=

script=$(
  use SERVER1 SERVER2 NGINX_DIRECTORY NGINX_LISTEN NGINX_STATUS_LISTEN NGINX_MAX_BODY_BYTES NGINX_RATE_LIMIT \
    NGINX_RATE_BURST NGINX_CONNECTION_LIMIT NGINX_HSTS_SECONDS
  replace FILES "$files"
  replace CONNECTIONS $((files / 2))
  replace REAL_IP_FROM "$(for_proxies 'set_real_ip_from ' '')"
  replace TRUSTED_PROXIES "$(for_proxies '' ' 1')"
  if [ -n "$NGINX_TLS_LISTEN" ]; then
    use NGINX_TLS_LISTEN NGINX_CERTIFICATE NGINX_CERTIFICATE_KEY
    replace REDIRECT_PORT "$redirect_port"
  fi
  part NGINX_RATE_LIMIT NGINX_CONNECTION_LIMIT NGINX_TRUSTED_PROXIES NGINX_TLS_LISTEN NGINX_REDIRECT NGINX_HSTS_SECONDS
)
exec sed "$script" "$(dirname "$0")/nginx.conf.template"
