#!/usr/bin/env bash
# A certificate for development: for localhost, 127.0.0.1, ::1 and other names, from an authority of its own, whose key is not
# kept, so that nobody can make another one that is trusted for its sake.
set -euo pipefail

readonly DAYS=365 RENEW_SECONDS=$((7 * 24 * 60 * 60))
root=$(cd "$(dirname "$0")/../.." && pwd)
directory=$root/target/certificate force=''
names=(localhost 127.0.0.1 ::1)

usage() {
  cat <<'END'
Usage: certificate.sh [--directory DIR] [--force] [NAME...]
  Makes DIR/certificate.pem, its key DIR/key.pem, and DIR/ca.pem, which clients have to trust. The certificate is for
  localhost, 127.0.0.1 and ::1 and for each NAME, a name or an address of this machine, and valid for a year.
  --directory    where the files are [default: target/certificate]
  --force        replace a certificate that is still valid, for another week at least
END
}

fail() {
  echo "certificate: $*" >&2
  exit 1
}

while [[ $# -gt 0 ]]; do
  case $1 in
    --directory)
      [[ -n ${2:-} ]] || fail "--directory takes a directory"
      directory=$2 && shift
      ;;
    --force) force=1 ;;
    --help) usage && exit ;;
    -*) usage >&2 && exit 2 ;;
    *)
      [[ $1 =~ ^[A-Za-z0-9:._-]+$ ]] || fail "a name or an address is needed: '$1'"
      names+=("$1")
      ;;
  esac
  shift
done
command -v openssl >/dev/null || fail "openssl is missing: apt-get install openssl"
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
umask 077

is_address() { [[ $1 == *:* || $1 =~ ^[0-9.]+$ ]]; }

# covers NAME: whether the certificate is for it.
covers() {
  local what=-checkhost
  ! is_address "$1" || what=-checkip
  openssl x509 -in "$directory/certificate.pem" -noout "$what" "$1" | grep -q 'does match'
}

is_valid() {
  [[ -s $directory/key.pem && -s $directory/ca.pem ]] &&
    openssl x509 -in "$directory/certificate.pem" -noout -checkend "$RENEW_SECONDS" >/dev/null 2>&1
}

# make_certificate DIR: all files.
make_certificate() {
  local new=$1 name entries=''
  for name in "${names[@]}"; do
    if is_address "$name"; then entries+=",IP:$name"; else entries+=",DNS:$name"; fi
  done
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
  openssl req -x509 "${key[@]}" -keyout "$new/ca.key" -out "$new/ca.pem" -days "$DAYS" \
    -subj "/O=KVerse development/CN=Authority of $(hostname), $(date +%F)" -config <(
      printf '[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\nsubjectKeyIdentifier=hash\n'
      printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n'
    )
  openssl req -new "${key[@]}" -keyout "$new/key.pem" -out "$new/request" -subj "/O=KVerse development/CN=${names[0]}" \
    -config <(printf '[req]\ndistinguished_name=dn\n[dn]\n')
  openssl x509 -req -in "$new/request" -CA "$new/ca.pem" -CAkey "$new/ca.key" -set_serial "0x$(openssl rand -hex 16)" \
    -days "$DAYS" -out "$new/certificate.pem" -extfile <(
      printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n'
      printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\nsubjectAltName=%s\n' "${entries#,}"
    )
}

if is_valid && [[ -z $force ]]; then
  for name in "${names[@]}"; do
    covers "$name" || fail "the certificate in $directory is not for $name: --force replaces it"
  done
  echo "still valid"
else
  new=$(mktemp -d "$directory/new.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  make_certificate "$new" 2>"$new/log" || { cat "$new/log" >&2 && fail "openssl failed"; }
  chmod 644 "$new/ca.pem" "$new/certificate.pem"
  mv "$new/key.pem" "$new/certificate.pem" "$new/ca.pem" "$directory"
fi
cat <<END
certificate: $directory/certificate.pem
key:         $directory/key.pem
authority:   $directory/ca.pem

Who shall trust it:
  curl              --cacert $directory/ca.pem
  kverse-cli        SSL_CERT_FILE=$directory/ca.pem
  Node.js           NODE_EXTRA_CA_CERTS=$directory/ca.pem
  Debian, Ubuntu    cp $directory/ca.pem /usr/local/share/ca-certificates/kverse.crt && update-ca-certificates
  macOS             security add-trusted-cert -k ~/Library/Keychains/login.keychain-db $directory/ca.pem
  Windows           certutil -user -addstore Root ca.pem
  Firefox           Settings, Certificates, Authorities, Import
END
