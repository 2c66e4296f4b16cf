#!/usr/bin/env bash
# What can be said of the compose stack without Docker: its files agree with each other, and the scripts say what is missing.
# compose/smoke.sh runs it.
set -euo pipefail
cd "$(dirname "$0")/../.."

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

fail() {
  echo "compose: $*" >&2
  exit 1
}

# Docker is not on the path, but for the one that $docker describes.
path=$directory/bin
mkdir "$path"
for tool in bash cat dirname env grep mkdir mktemp mv od printenv rm sed sleep tail tr; do
  ln -s "$(command -v "$tool")" "$path/"
done

# fake_docker COMMANDS: a docker that does them.
fake_docker() {
  printf '#!/usr/bin/env bash\n%s\n' "$1" >"$path/docker"
  chmod +x "$path/docker"
}

# refuses SAYING SCRIPT ARGUMENTS...: it fails and says so.
refuses() {
  local output saying=$1
  shift
  ! output=$(PATH=$path "$@" --env-file "$directory/env" 2>&1) || fail "$1 succeeds, but should say: $saying"
  [[ $output == *"$saying"* ]] || fail "$1 does not say: $saying, but: $output"
}

target/lint/bin/check-jsonschema --builtin-schema vendor.compose-spec ops/compose.yaml
target/lint/bin/hadolint ops/docker/Dockerfile
target/lint/bin/python ops/tests/compose/check.py
for script in ops/*.bat ops/*/*.bat; do
  [[ $(grep -c $'\r$' "$script") -eq $(wc -l <"$script") ]] || fail "$script has lines that do not end with CR LF"
  # It would be the folder of an argument then.
  awk '/%~dp0/ && shifted { exit 1 } /shift/ && !/^rem / { shifted = 1 }' "$script" || fail "$script uses %~dp0 after shift"
  for label in $(tr -d '\r' <"$script" | grep -oE '(goto |call :)[a-z_]+' | sed 's/.*[ :]//'); do
    grep -q "^:$label"$'\r' "$script" || fail "$script has no label $label"
  done
done
for name in start stop restart; do
  [[ -e ops/$name.bat ]] || fail "ops/$name.sh has no $name.bat beside it"
  refuses "Usage: $name.sh" "ops/$name.sh" --nonsense
done
refuses 'Usage: stop.sh' ops/stop.sh --no-build
refuses "--timeout takes a number of seconds: '0'" ops/start.sh --timeout 0

for script in ops/start.sh ops/stop.sh ops/restart.sh; do
  rm -f "$path/docker"
  refuses 'docker is missing' "$script"
  # In the words of Docker 20.10 and 28.
  fake_docker 'echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >&2; exit 1'
  refuses "engine does not answer; start it" "$script"
  fake_docker 'echo "Got permission denied while trying to connect to the Docker daemon socket" >&2; exit 1'
  refuses "usermod -aG docker" "$script"
  fake_docker 'echo "permission denied while trying to connect to the Docker daemon socket" >&2; exit 1'
  refuses "usermod -aG docker" "$script"
  # shellcheck disable=SC2016
  fake_docker '[[ $1 != compose ]]'
  refuses 'Docker has no Compose' "$script"
done
[[ ! -e $directory/env ]] || fail "start.sh made passwords although there is no Docker"

# shellcheck disable=SC2016
fake_docker 'case "$*" in *" up "*) echo "Bind for 127.0.0.1:8082 failed: port is already allocated" >&2 && exit 1 ;; esac'
refuses "there is no $directory/env" ops/stop.sh
refuses "there is no $directory/env" ops/restart.sh
refuses 'a port is taken' ops/start.sh --no-build
[[ $(stat --format %a "$directory/env") == 600 ]] || fail "others can read the passwords"
[[ $(grep -cE '^[A-Z_]+_PASSWORD=[0-9a-f]{48}$' "$directory/env") -eq 6 ]] || fail "not six passwords were made"
[[ $(grep -E '_PASSWORD=' "$directory/env" | cut -d = -f 2 | sort -u | wc -l) -eq 6 ]] || fail "passwords are the same"
diff <(sed -E 's/(_PASSWORD=).*/\1/' "$directory/env") ops/.env.example || fail "more than passwords was changed"
before=$(cat "$directory/env")
refuses 'a port is taken' ops/start.sh --no-build
[[ $(cat "$directory/env") == "$before" ]] || fail "start.sh changed the passwords"
refuses 'not healthy' ops/restart.sh --no-build
# shellcheck disable=SC2016
fake_docker '[[ $* != *" build "* ]]'
refuses 'the image could not be built' ops/start.sh
