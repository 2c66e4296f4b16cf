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

# check_address NAME REGULAR-EXPRESSION MEANING: one that ends with a port.
check_address() {
  check "$1" "$2" "$3"
  [ "${value##*:}" -le 65535 ] || fail "$1 must have a port of at most 65535: '$value'"
}

# use NAME...: replaces ${NAME} by the value of the variable, wherever it is in the template.
use() {
  for name; do
    eval "value=\$$name"
    printf "s|\${%s}|%s|g\n" "$name" "$(printf '%s\n' "$value" | sed 's/[&|\\]/\\&/g')"
  done
}

newline='
'
port='[1-9][0-9]{0,4}'
ipv6='\[[0-9A-Fa-f:.]+\]'
server="([A-Za-z0-9_.-]+|$ipv6):$port"
listen="(([0-9.]+|$ipv6):)?$port"
number='[1-9][0-9]{0,14}'
# Nginx would take the others for an end of a text or for variables.
path='/[^"$\\[:cntrl:]]*'

SERVER1=${SERVER1:-}
SERVER2=${SERVER2:-}
NGINX_DIRECTORY=${NGINX_DIRECTORY:-}
NGINX_LISTEN=${NGINX_LISTEN:-8082}
NGINX_STATUS_LISTEN=${NGINX_STATUS_LISTEN:-127.0.0.1:8083}
NGINX_MAX_BODY_BYTES=${NGINX_MAX_BODY_BYTES:-67108864}

check_address SERVER1 "$server" HOST:PORT
check_address SERVER2 "$server" HOST:PORT
check NGINX_DIRECTORY "$path" 'an absolute path without quotes, dollars and backslashes'
if [ ! -d "$NGINX_DIRECTORY" ] || [ ! -w "$NGINX_DIRECTORY" ]; then
  fail "NGINX_DIRECTORY must be a directory that can be written to: '$NGINX_DIRECTORY'"
fi
check_address NGINX_LISTEN "$listen" '[ADDRESS:]PORT'
check_address NGINX_STATUS_LISTEN "$listen" '[ADDRESS:]PORT'
check NGINX_MAX_BODY_BYTES "$number" 'a number of bytes'

script=$(use SERVER1 SERVER2 NGINX_DIRECTORY NGINX_LISTEN NGINX_STATUS_LISTEN NGINX_MAX_BODY_BYTES)
exec sed "$script" "$(dirname "$0")/nginx.conf.template"
