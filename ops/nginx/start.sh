#!/bin/sh
# What a container of Nginx runs: makes nginx.conf from the variables of render.sh, checks it, and becomes Nginx in the
# foreground. Any user can run it: all that is written is in NGINX_DIRECTORY [default: /tmp/nginx].
set -eu
export NGINX_DIRECTORY="${NGINX_DIRECTORY:-/tmp/nginx}"
mkdir -p "$NGINX_DIRECTORY"
rm -f "$NGINX_DIRECTORY/without_server1" "$NGINX_DIRECTORY/without_server2"
"$(dirname "$0")/render.sh" >"$NGINX_DIRECTORY/nginx.conf"
set -- -e stderr -p "$NGINX_DIRECTORY" -c "$NGINX_DIRECTORY/nginx.conf"
nginx "$@" -t -q
exec nginx "$@" -g 'daemon off;'
