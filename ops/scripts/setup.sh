#!/usr/bin/env bash
# Installs what `make test` and `make bench` need beside Rust, Node.js and a C compiler; what is there already is left alone.
# Packages come from apt, as root or through sudo; the linters go to target/lint, schemathesis to target/schemathesis.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly NODE_VERSION=20.19

fail() {
  echo "setup: $*" >&2
  exit 1
}

as_root=()

# While packages are installed: their servers are not started, since the tests start their own and the ports may be taken.
forbid_services() {
  local policy=/usr/sbin/policy-rc.d
  [[ ! -e $policy ]] || return 0
  trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
}

install_packages() {
  command -v apt-get >/dev/null || fail "please install: $*"
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || fail "please run as root: apt-get install $*"
    as_root=(sudo)
  fi
  echo "setup: installing $*" >&2
  forbid_services
  "${as_root[@]}" apt-get update -qq >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

# tools NAME: the programs of ops/tests/NAME/requirements.txt, exactly these versions and never compiled, in target/NAME.
tools() {
  local name=$1 requirements=ops/tests/$1/requirements.txt
  ! cmp --silent "$requirements" "target/$name/requirements.txt" || return 0
  echo "setup: installing $requirements to target/$name" >&2
  python3 -m venv --clear "target/$name"
  "target/$name/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --requirement "$requirements" >&2
  # Last, so that an interrupted installation is done again.
  cp "$requirements" "target/$name/"
}

command -v cargo >/dev/null || fail "Rust is missing; https://rustup.rs installs it"
# Not from apt: Debian's is too old for the tools of the dashboard.
command -v npm >/dev/null || fail "Node.js with npm is missing, $NODE_VERSION or later; https://nodejs.org has it"
node=$(node --version)
printf 'v%s\n%s\n' "$NODE_VERSION" "$node" | sort --check=quiet --version-sort ||
  fail "Node.js $node is too old: $NODE_VERSION or later is needed; https://nodejs.org has it"

packages=()
for tool in chromium curl faketime openssl prometheus prometheus-nginx-exporter prometheus-postgres-exporter \
  prometheus-redis-exporter redis-server shellcheck wrk; do
  command -v "$tool" >/dev/null || packages+=("$tool")
done
# Not on the path of every user.
PATH=$PATH:/usr/sbin command -v nginx >/dev/null || packages+=(nginx)
# The tests start servers of their own.
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || packages+=(postgresql)
[[ -e /usr/share/i18n/locales/de_DE ]] || packages+=(locales)
command -v groff >/dev/null || packages+=(groff-base)
command -v cc >/dev/null || packages+=(gcc libc6-dev)
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3 python3-venv)

if [[ ${#packages[@]} -gt 0 ]]; then
  install_packages "${packages[@]}"
fi
tools lint
tools schemathesis
