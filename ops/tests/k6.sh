#!/usr/bin/env bash
# The load tests: the scripts fit the types of k6's API and each exports options with thresholds, set-up, clean-up and summary;
# run_loadtest.sh says what is wrong with its arguments, k6 or the service, and hands k6 what it was given.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/tests/common/server.sh

# --- The scripts ----------------------------------------------------------------------------------------------------------

npm --prefix ops/k6 ci
npm --prefix ops/k6 run lint

# Compiles only if every script has what the type asks for.
{
  echo "interface Script {
    default: (space: { prefix: string }) => void
    setup: () => { prefix: string }
    teardown: (space: { prefix: string }) => void
    handleSummary: (data: never) => Record<string, string>
    options: { thresholds: { checks: unknown[] }; scenarios: object; systemTags: unknown; summaryTrendStats: string[] }
  }"
  for script in ops/k6/*.js; do
    name=$(basename "$script" .js)
    echo "import * as $name from '$PWD/$script'"
    echo "$name satisfies Script"
    grep -q "^  $name  *[a-z0-9]" <(ops/k6/run_loadtest.sh --help) || fail "--help does not tell of $name"
    grep -qF "| \`$name\` |" ops/README.md || fail "ops/README.md does not tell of $name"
  done
} >"$directory/scripts.ts"
cat >"$directory/tsconfig.json" <<END
{
  "extends": "$PWD/ops/k6/tsconfig.json",
  "include": ["scripts.ts", "$PWD/ops/k6/globals.d.ts"],
  "compilerOptions": { "typeRoots": ["$PWD/ops/k6/node_modules/@types"] }
}
END
ops/k6/node_modules/.bin/tsc --project "$directory/tsconfig.json"

# What a script takes from the environment has to get into the image, and people have to find it.
variables=$(sed -n "/^readonly VARIABLES=/,/'$/p" ops/k6/run_loadtest.sh | grep -oE '[A-Z0-9_]{3,}' | grep -vx VARIABLES | sort)
used=$(grep -hoE "(number|duration)\('[A-Z0-9_]+'|__ENV\.[A-Z0-9_]+" ops/k6/*.js ops/k6/shared/*.js | grep -oE '(__ENV\.)?[A-Z0-9_]+' |
  sed 's/^__ENV\.//' | sort -u)
diff <(echo "$used") <(echo "$variables") || fail "the variables of the scripts are not those in run_loadtest.sh"
diff <(echo "$used") <(sed -n 's/^set "VARIABLES=\(.*\)".*/BASE_URL RESULTS \1/p' ops/k6/run_loadtest.bat | tr -d '\r' | tr ' ' '\n' | sort) ||
  fail "the variables of the scripts are not those in run_loadtest.bat"
for variable in $used; do
  grep -qw "$variable" <(ops/k6/run_loadtest.sh --help) || [[ $variable == RESULTS ]] || fail "--help does not tell of $variable"
done
# Dependabot only sees compose.yaml.
! grep -n 'grafana/k6:[0-9]' ops/k6/run_loadtest.* || fail "the image of k6 has a version outside compose.yaml"

# --- run_loadtest.sh -------------------------------------------------------------------------------------------------------

# The programs that it needs, without k6 and Docker, which may be installed here.
mkdir "$directory/bin"
for program in bash cat curl date dirname env id mkdir sed uname; do
  ln -s "$(command -v "$program")" "$directory/bin/"
done

# expect STATUS MESSAGE ARGUMENTS...
expect() {
  local status=0
  PATH=$directory/bin ops/k6/run_loadtest.sh "${@:3}" --results "$directory/results" >"$directory/output" 2>&1 || status=$?
  [[ $status -eq $1 ]] || fail "status $status instead of $1 of ${*:3}: $(cat "$directory/output")"
  [[ $(cat "$directory/output") == *"$2"* ]] || fail "'$2' is not said of ${*:3}: $(cat "$directory/output")"
}

# A program that notes what it is given, and ends with the status in FAKE_STATUS.
fake() {
  cat >"$directory/bin/$1" <<'END'
#!/usr/bin/env bash
[[ $1 == info ]] || printf '%s\n' "$@" "BASE_URL=$BASE_URL" "RESULTS=$RESULTS" "TOKEN=$TOKEN" >"$FAKE_NOTES"
exit "${FAKE_STATUS:-0}"
END
  chmod +x "$directory/bin/$1"
}

# noted LINES: what the fake was given, all of it.
noted() {
  diff "$FAKE_NOTES" - <<<"$1" || fail "something else was given to k6"
}

export FAKE_NOTES=$directory/notes TOKEN=secret BASE_URL=
expect 2 'which scenario? smoke original load stress soak faults'
expect 2 "there is no scenario 'lode'; there are: smoke" lode
expect 2 "there is no option --fast" load --fast
expect 2 '--url takes a value' load --url ''
expect 2 "one scenario at a time: 'load' or 'soak'" load soak
expect 1 'neither k6 nor docker is there: https://' load
fake docker
FAKE_STATUS=1 expect 1 'its engine does not answer' load
fake k6
expect 1 "no healthy KVerse at $url: start one" load --url "$url"
expect 1 "no stack runs in $directory: ops/scripts/stack.sh up" load --stack "$directory"
[[ ! -e $FAKE_NOTES ]] || fail "k6 was started although something was wrong"

start_server memory:

answers="BASE_URL=$url
RESULTS=$directory/results
TOKEN=secret"
FAKE_STATUS=99 expect 99 'load: a threshold was not kept' load --url "$url"
noted "run
$PWD/ops/k6/load.js
$answers"
FAKE_STATUS=107 expect 107 'k6 ended with status 107' load --url "$url"
echo "NGINX_URL=$url" >"$directory/addresses"
BASE_URL=http://127.0.0.1:1 expect 0 '' smoke --stack "$directory"
noted "run
$PWD/ops/k6/smoke.js
$answers"
PATH=$directory/bin ops/k6/run_loadtest.sh smoke --url "$url" --results "$directory/results" -- --vus 2
noted "run
--vus
2
$PWD/ops/k6/smoke.js
$answers"
expect 0 '' smoke --url "$url" --docker
grep -qxF "$directory/results:/results" "$FAKE_NOTES" || fail "the image gets no place for results"
! grep -xF -e secret -e '--env=TOKEN=secret' "$FAKE_NOTES" || fail "the token is on the command line"
grep -A 1 -x -e --env "$FAKE_NOTES" | grep -qx TOKEN || fail "the image gets no token"
grep -qE '^grafana/k6:[0-9]+\.[0-9]+\.[0-9]+$' "$FAKE_NOTES" || fail "the image is not pinned"
