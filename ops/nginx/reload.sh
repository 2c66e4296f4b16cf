#!/bin/sh
# Makes nginx.conf anew, as start.sh does, for the Nginx that runs in this container, and ends when nothing is served by the
# old one any more; clients that watch are cut off after worker_shutdown_timeout and go on with the new one.
set -eu
seconds=30

directory=${NGINX_DIRECTORY:-/tmp/nginx}
export NGINX_DIRECTORY="$directory"

workers() { grep -l '^nginx: worker process' /proc/[0-9]*/cmdline 2>/dev/null; }

"$(dirname "$0")/render.sh" >"$directory/next.conf"
nginx -e stderr -p "$directory" -c "$directory/next.conf" -t -q
mv "$directory/next.conf" "$directory/nginx.conf"
old=$(workers)
nginx -e stderr -p "$directory" -c "$directory/nginx.conf" -s reload
for process in $old; do
  while [ -e "$process" ]; do
    [ "$seconds" -gt 0 ] || { echo "reload: requests go on with the old configuration; its log says why" >&2 && exit 1; }
    sleep 1
    seconds=$((seconds - 1))
  done
done
