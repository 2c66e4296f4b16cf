#!/usr/bin/env bash
# render.sh refuses what Nginx could not use, and makes a configuration of everything else; start.sh serves with it, as any
# user, and servers are told who asked, and how.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/scripts/server.sh
export PATH=$PATH:/usr/sbin

directory=$(mktemp -d)
pids=()

stop() {
  [[ ${#pids[@]} -eq 0 ]] || kill "${pids[@]}" 2>/dev/null || true
  wait
  rm -rf "$directory"
}
trap stop EXIT

fail() {
  echo "render test: $*" >&2
  exit 1
}

# render VARIABLE=VALUE...: with these, and the others as they should be.
render() {
  env -i PATH="$PATH" SERVER1=127.0.0.1:9 SERVER2='[::1]:9' NGINX_DIRECTORY="$directory" "$@" ops/nginx/render.sh
}

# refused VARIABLE VALUE MESSAGE [VARIABLE=VALUE...]: the message begins with the name and tells the value.
refused() {
  local message
  ! message=$(render "$1=$2" "${@:4}" 2>&1 >/dev/null) || fail "$1=$2 is accepted"
  [[ $message == "render: $1 $3" ]] || fail "of $1=$2 it says: $message"
}

# accepted VARIABLE=VALUE...: by Nginx, with nothing left to replace.
accepted() {
  render "$@" >"$directory/nginx.conf" || fail "refused: $*"
  ! grep -F -e "\${" "$directory/nginx.conf" || fail "not everything was replaced: $*"
  ! grep -e '^ *#if ' -e '^ *#end ' "$directory/nginx.conf" || fail "a part is left: $*"
  nginx -t -q -e stderr -p "$directory" -c "$directory/nginx.conf" || fail "Nginx does not accept: $*"
}

# has COUNT TEXT: how many lines of the last one do.
has() {
  [[ $(grep -c -F -- "$2" "$directory/nginx.conf") -eq $1 ]] || fail "not $1 times: $2"
}

refused SERVER1 '' 'is not set: it must be HOST:PORT'
refused SERVER1 server "must be HOST:PORT: 'server'"
refused SERVER2 'server:0' "must be HOST:PORT: 'server:0'"
refused SERVER2 'server:65536' "must have a port of at most 65535: 'server:65536'"
refused SERVER2 $'server:1\nserver:2' $'must be HOST:PORT: \'server:1\nserver:2\''
refused SERVER2 'a:1; b' "must be HOST:PORT: 'a:1; b'"
refused NGINX_DIRECTORY target "must be an absolute path without quotes, dollars and backslashes: 'target'"
refused NGINX_DIRECTORY '/a"b' "must be an absolute path without quotes, dollars and backslashes: '/a\"b'"
refused NGINX_DIRECTORY /nowhere "must be a directory that can be written to: '/nowhere'"
refused NGINX_LISTEN localhost:80 "must be [ADDRESS:]PORT: 'localhost:80'"
refused NGINX_STATUS_LISTEN 1.2.3.4 "must be [ADDRESS:]PORT: '1.2.3.4'"
refused NGINX_MAX_BODY_BYTES 64m "must be a number from 1 to 999999999999999: '64m'"
refused NGINX_RATE_LIMIT 1000001 "must be a number from 0 to 1000000: '1000001'"
refused NGINX_RATE_BURST 0 "must be a number from 1 to 1000000: '0'"
refused NGINX_CONNECTION_LIMIT 65536 "must be a number from 0 to 65535: '65536'"
refused NGINX_TRUSTED_PROXIES 'balancer' "must be addresses or networks, separated by commas: 'balancer'"
refused NGINX_REDIRECT yes "must be on or off: 'yes'"
refused NGINX_REDIRECT on "can only be 'on' if NGINX_TLS_LISTEN is set"
refused NGINX_HSTS_SECONDS 600 "can only be '600' if NGINX_TLS_LISTEN is set"
refused NGINX_CERTIFICATE '' "is not set: it must be an absolute path without quotes, dollars and backslashes" NGINX_TLS_LISTEN=1
refused NGINX_CERTIFICATE /nowhere "must be a file that can be read: '/nowhere'" NGINX_TLS_LISTEN=1

ops/scripts/certificate.sh --directory "$directory/a & b|" >/dev/null
tls=(NGINX_TLS_LISTEN=8443 NGINX_CERTIFICATE="$directory/a & b|/certificate.pem" NGINX_CERTIFICATE_KEY="$directory/a & b|/key.pem")
accepted NGINX_LISTEN='[::1]:8082'
has 1 'limit_req zone=rate burst=1000 '
has 1 'limit_conn connections 2000;'
has 0 ssl_certificate
has 0 set_real_ip_from
has 2 'listen '
accepted NGINX_RATE_LIMIT=0 NGINX_CONNECTION_LIMIT=0 NGINX_DIRECTORY="$directory/a & b|"
has 0 'limit_req '
has 0 'limit_conn '
accepted NGINX_RATE_LIMIT=50 NGINX_TRUSTED_PROXIES='10.0.0.0/8 , fd00::/8,192.0.2.1' "${tls[@]}" NGINX_REDIRECT=on
has 1 'burst=50 '
has 1 'set_real_ip_from 10.0.0.0/8; set_real_ip_from fd00::/8; set_real_ip_from 192.0.2.1;'
# shellcheck disable=SC2016 # Variables of Nginx.
has 1 'return 308 https://$host:8443$request_uri;'
has 0 Strict-Transport-Security
accepted "${tls[@]}" NGINX_REDIRECT=on NGINX_REDIRECT_PORT=443 NGINX_HSTS_SECONDS=600
# shellcheck disable=SC2016
has 1 'return 308 https://$host$request_uri;'
has 1 '"max-age=600"'

# A server that answers with what it was told, behind start.sh.
url=http://127.0.0.1:$(free_port)
upstream=127.0.0.1:$(free_port)
mkdir "$directory/upstream" "$directory/served"
touch "$directory/served/log"
cat >"$directory/upstream.conf" <<END
daemon off; error_log stderr crit; pid $directory/upstream/pid; events {}
http {
  access_log off; client_body_temp_path $directory/upstream/body; proxy_temp_path $directory/upstream/proxy;
  fastcgi_temp_path $directory/upstream/f; uwsgi_temp_path $directory/upstream/u; scgi_temp_path $directory/upstream/s;
  server {
    listen $upstream;
    location / { return 200 "\$http_host \$http_x_forwarded_proto \$http_x_forwarded_for \$http_x_request_id"; }
  }
}
END
nginx -e stderr -c "$directory/upstream.conf" &
pids+=($!)
as_other=()
if [[ $EUID -eq 0 ]]; then
  as_other=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 "$directory"
  chown -R nobody "$directory/served" # Nginx opens its output once more.
fi
"${as_other[@]}" env SERVER1="$upstream" SERVER2="$upstream" NGINX_DIRECTORY="$directory/served" NGINX_LISTEN="${url#http://}" \
  NGINX_STATUS_LISTEN="127.0.0.1:$(free_port)" NGINX_TRUSTED_PROXIES=127.0.0.2 ops/nginx/start.sh \
  >"$directory/served/log" &
pids+=($!)
await_server "$!" "$url" 20

# told EXPECTED CURL-ARGUMENTS...
told() {
  local actual
  actual=$(curl --silent --show-error --max-time 10 --header 'X-Request-Id: id' --header 'Host: kverse.test:80' "${@:2}" "$url")
  [[ $actual == "kverse.test:80 $1 id" ]] || fail "the server was told '$actual', not '$1', for $*"
}
told 'http 127.0.0.1'
told 'http 198.51.100.1, 127.0.0.1' --header 'X-Forwarded-For: 198.51.100.1' --header 'X-Forwarded-Proto: https'
told 'https 198.51.100.1, 198.51.100.1' --interface 127.0.0.2 --header 'X-Forwarded-For: 198.51.100.1' \
  --header 'X-Forwarded-Proto: https'
grep -q '"client":"198.51.100.1".*"request_id":"id"' "$directory/served/log" || fail "the log has no clients"
