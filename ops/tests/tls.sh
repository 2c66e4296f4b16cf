#!/usr/bin/env bash
# HTTPS in Nginx: the development certificate, old protocols and ciphers refused, HTTP/2 as good as HTTP/1.1, and HTTP sent to
# HTTPS without losing anything.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/tests/common/stack.sh

# certificate ARGUMENTS...: in the directory of a stack.
certificate() { ops/scripts/certificate.sh --directory "$directory/tls" "$@" 2>&1; }

# attribute OF: of the certificate.
attribute() { openssl x509 -in "$directory/tls/certificate.pem" -noout "$@"; }

certificates_are_made_and_kept() {
  local serial
  certificate server.test 192.0.2.1 | grep -q -F "SSL_CERT_FILE=$directory/tls/ca.pem" || fail "nothing says how to trust it"
  [[ $(ls "$directory/tls") == $'ca.pem\ncertificate.pem\nkey.pem' ]] || fail "other files are left: $(ls "$directory/tls")"
  [[ $(stat --format %a "$directory/tls/key.pem") == 600 ]] || fail "others may read the key"
  openssl verify -purpose sslserver -x509_strict -CAfile "$directory/tls/ca.pem" "$directory/tls/certificate.pem" >/dev/null
  [[ $(attribute -ext subjectAltName) == *'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:server.test, IP Address:192.0.2.1' ]] ||
    fail "other names: $(attribute -ext subjectAltName)"
  serial=$(attribute -serial)
  certificate server.test >/dev/null || fail "a valid certificate is an error"
  [[ $(attribute -serial) == "$serial" ]] || fail "a valid certificate was replaced"
  [[ $(certificate other.test || true) == *'not for other.test: --force replaces it' ]] || fail "a name is missing, and it does not say"
  ! certificate 'a,DNS:b' >/dev/null || fail "a name may have anything in it"
  certificate --force other.test >/dev/null
  [[ $(attribute -serial) != "$serial" && $(attribute -ext subjectAltName) == *DNS:other.test* ]] || fail "--force replaces nothing"
  faketime '360 days ago' ops/scripts/certificate.sh --directory "$directory/tls" --force >/dev/null
  serial=$(attribute -serial)
  certificate >/dev/null
  [[ $(attribute -serial) != "$serial" ]] || fail "one that ends within a week is kept"
}

# handshake OPENSSL-ARGUMENTS...: what s_client says. It may offer anything, which is not the default of OpenSSL.
handshake() {
  timeout 10 openssl s_client -connect "${NGINX_TLS_URL#https://}" -CAfile "$NGINX_CA" "$@" </dev/null 2>&1 || true
}

only_modern_protocols_are_spoken() {
  local version cipher anything='ALL:@SECLEVEL=0'
  [[ $(handshake -tls1_3) == *'New, TLSv1.3'*'Verify return code: 0 (ok)'* ]] || fail "no TLS 1.3: $(handshake -tls1_3)"
  [[ $(handshake -tls1_2) == *'New, TLSv1.2'*'Verify return code: 0 (ok)'* ]] || fail "no TLS 1.2: $(handshake -tls1_2)"
  for version in -tls1 -tls1_1; do
    [[ $(handshake "$version" -cipher "$anything") == *'alert protocol version'* ]] || fail "$version is not refused"
  done
  for cipher in ECDHE-ECDSA-AES256-SHA ECDHE-ECDSA-AES128-SHA256 ECDHE-ECDSA-AES128-CCM; do
    [[ $(handshake -tls1_2 -cipher "$cipher:@SECLEVEL=0") == *'alert handshake failure'* ]] || fail "$cipher is not refused"
  done
  [[ $(handshake -tls1_2 -reconnect) == *'Reused, TLSv1.2'* ]] || fail "sessions are not resumed"
  [[ $(handshake -tls1_2) != *'TLS session ticket:'* ]] || fail "there are tickets"
  [[ $(request "$NGINX_TLS_URL/livez" 2>/dev/null || echo "$?") == 60 ]] || fail "who does not know the authority trusts it"
}

http_2_is_as_good() {
  expect 2 "${trusted[@]}" --output /dev/null --write-out '%{http_version}' "$NGINX_TLS_URL/livez"
  expect 1.1 "${trusted[@]}" --http1.1 --output /dev/null --write-out '%{http_version}' "$NGINX_TLS_URL/livez"
  keys_arrive_as_sent "$NGINX_TLS_URL" "${trusted[@]}"
  events_arrive_at_once "$NGINX_TLS_URL" "${trusted[@]}"
  head -c 900000 /dev/urandom >"$parent/value"
  [[ $(put "$NGINX_TLS_URL/kv/large" "@$parent/value" "${trusted[@]}") == 201 ]] || fail "cannot put 900 KB"
  request "${trusted[@]}" "$NGINX_TLS_URL/kv/large" | cmp - "$parent/value"
  request "${trusted[@]}" "$NGINX_TLS_URL/export" >"$parent/export"
  expect '{"imported":9,"skipped":0,"expired":0}' "${trusted[@]}" --header 'Content-Type: application/x-ndjson' \
    --request POST --upload-file "$parent/export" "$NGINX_TLS_URL/import"
  until_true 5 grep -q '"route":"/import","status":200.*"protocol":"HTTP/2.0","tls":"TLSv1.3"' "$directory/nginx.log"
}

http_is_sent_to_https() {
  local url path key=a//b%2Fc%3Fd/../e proxy=(--interface 127.0.0.9 --header 'X-Forwarded-Proto: https')
  [[ -z $(header Strict-Transport-Security "${trusted[@]}" "$NGINX_TLS_URL/livez") ]] || fail "HSTS without being asked for"
  restart_nginx NGINX_REDIRECT=on NGINX_HSTS_SECONDS=600 NGINX_TRUSTED_PROXIES=127.0.0.9
  [[ $(status "$NGINX_URL/kv/$key") == 308 ]] || fail "HTTP is not redirected"
  [[ $(header Location "$NGINX_URL/kv/$key?ttl=60") == "$NGINX_TLS_URL/kv/$key?ttl=60" ]] || fail "it is redirected elsewhere"
  [[ $(put "$NGINX_URL/kv/$key?ttl=60" "@$parent/value" --location "${trusted[@]}") == 201 ]] || fail "cannot put by a redirect"
  for url in "$SERVER1_URL" "$SERVER2_URL"; do
    request "$url/kv/$key" | cmp - "$parent/value" || fail "another value came by the redirect"
  done
  for path in livez readyz health; do expect 200 --output /dev/null --write-out '%{http_code}' "$NGINX_URL/$path"; done
  [[ $(status "$NGINX_URL/livezz") == 308 ]] || fail "more than health checks is served"
  [[ $(status "${proxy[@]}" "$NGINX_URL/kv/$key") == 200 ]] || fail "what a trusted proxy got over HTTPS is sent there again"
  [[ $(status "${proxy[@]:2}" "$NGINX_URL/kv/$key") == 308 ]] || fail "a client was believed that it uses HTTPS"
  [[ $(header Strict-Transport-Security "${trusted[@]}" "$NGINX_TLS_URL/kv/none") == max-age=600 ]] || fail "no HSTS over HTTPS"
  [[ -z $(header Strict-Transport-Security "$NGINX_URL/livez") ]] || fail "HSTS over HTTP"
}

certificates_are_made_and_kept
up --free-ports --no-monitoring --tls
trusted=(--cacert "$NGINX_CA")
only_modern_protocols_are_spoken
http_2_is_as_good
http_is_sent_to_https
