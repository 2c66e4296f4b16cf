#!/usr/bin/env bash
# Runs a load test against a KVerse, with the k6 that is installed or its official image. Bash 3.2, as macOS has it, will do.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

readonly SCENARIOS='smoke original load stress soak faults' DEFAULT_URL=http://127.0.0.1:8082
# The one that Compose runs, too.
IMAGE=${K6_IMAGE:-$(sed -n 's|^ *image: \(grafana/k6:.*\)|\1|p' "$here/../compose.yaml")}
# What the scripts take from the environment.
readonly VARIABLES='BASE_URL TOKEN RESULTS PREFIX DURATION VUS RATE START_RATE MAX_RATE ITERATIONS KEYS KEYS_EACH VALUE_BYTES
  READ_PERCENT DELETE_PERCENT EXPIRING PAUSE_MS P95_MS P99_MS MAX_FAILED MAX_READS_FAILED MAX_WRITES_FAILED'
scenario='' results='' stack='' runner='' insecure='' faults=''

usage() {
  cat <<END
Usage: run_loadtest.sh SCENARIO [--url URL | --stack DIR] [--results DIR] [--docker] [--insecure] [-- OPTIONS OF k6 run]
  smoke          each kind of request a few times: nothing may fail (seconds)
  original       100 users who put, get and delete, as in the test of the service that KVerse replaces (1 minute)
  load           a steady rate of mostly reads (3 minutes)
  stress         a rate that rises until answers fail or take too long, which ends it with status 99 (5 minutes)
  soak           a moderate rate for long; each quarter is judged by itself (2 hours)
  faults         no stale read, no lost write, while servers and Redis are killed and come back (2 minutes)

  --url URL      the service [default: \$BASE_URL, else $DEFAULT_URL]
  --stack DIR    the service that ops/scripts/stack.sh runs in DIR (its default: target/stack); \`faults\` then kills and
                 pauses its servers and its Redis, else that is up to you
  --results DIR  where summary.txt and summary.json go [default: target/loadtest/SCENARIO-TIME]
  --docker       use the image $IMAGE although k6 is installed; \$K6_IMAGE names another
  --insecure     accept any certificate, such as that for development

Set by variables, such as DURATION=30s RATE=500 run_loadtest.sh load:
  TOKEN          an access token with the scope read,write,delete,list:loadtest/ (or what PREFIX is instead)
  DURATION       how long; for soak, stress and load at least some times 10 seconds make sense
  VUS            users: all that there are, or that can wait for answers at one time
  RATE           iterations a second of load [300] and soak [100]; START_RATE [100], MAX_RATE [5000] of stress
  KEYS           keys of load, stress and soak [1000]; KEYS_EACH: of each user of faults [5]
  ITERATIONS     of smoke [5]; EXPIRING: one in so many iterations of soak puts a key that expires [10]
  VALUE_BYTES    [100]; READ_PERCENT [80]; DELETE_PERCENT [2, faults 10]; PAUSE_MS: of original [500] and faults [200]
  P95_MS, P99_MS, MAX_FAILED, MAX_READS_FAILED, MAX_WRITES_FAILED
                 thresholds: milliseconds, and parts of 1
Exit status: 0 if all thresholds were kept, 99 if not, else what k6 or this script says (2: wrong usage).
END
}

fail() {
  echo "run_loadtest: $1" >&2
  exit "${2:-1}"
}

parse_arguments() {
  while [[ $# -gt 0 ]]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --url | --stack | --results)
        [[ -n ${2:-} ]] || fail "$1 takes a value; --help tells more" 2
        case $1 in
          --url) BASE_URL=$2 ;;
          --stack) stack=$2 ;;
          --results) results=$2 ;;
        esac
        shift
        ;;
      --docker) runner=docker ;;
      --insecure) insecure=1 ;;
      --) break ;;
      -*) fail "there is no option $1; --help lists them" 2 ;;
      *)
        [[ -z $scenario ]] || fail "one scenario at a time: '$scenario' or '$1'" 2
        scenario=$1
        ;;
    esac
    shift
  done
  [[ -n $scenario ]] || fail "which scenario? $SCENARIOS" 2
  case " $SCENARIOS " in
    *" $scenario "*) ;;
    *) fail "there is no scenario '$scenario'; there are: $SCENARIOS" 2 ;;
  esac
}

find_service() {
  if [[ -n $stack ]]; then
    [[ -s $stack/addresses ]] || fail "no stack runs in $stack: ops/scripts/stack.sh up --directory $stack"
    BASE_URL=$(sed -n 's/^NGINX_URL=//p' "$stack/addresses")
  fi
  BASE_URL=${BASE_URL:-$DEFAULT_URL}
  command -v curl >/dev/null || fail "curl is missing: it looks whether the service answers"
  curl --silent --show-error --fail --max-time 10 ${insecure:+--insecure} --output /dev/null "$BASE_URL/health" ||
    fail "no healthy KVerse at $BASE_URL: start one, such as with ops/scripts/stack.sh up, or name another by --url"
}

find_k6() {
  if [[ -z $runner ]] && command -v k6 >/dev/null; then
    runner=k6
    return
  fi
  runner=docker
  command -v docker >/dev/null ||
    fail "neither k6 nor docker is there: https://grafana.com/docs/k6/latest/set-up/install-k6/ tells how to install k6"
  docker info >/dev/null 2>&1 || fail "docker is there, but its engine does not answer: start it, or install k6"
}

# In the image as the user who called, so that the results are theirs. Names of variables only: `ps` shows no token.
in_docker() {
  local name
  for name in $VARIABLES $(compgen -A export K6_); do
    set -- --env "$name" "$@"
  done
  if [[ $(uname -s) == Linux ]]; then
    set -- --network host "$@"
  else # Docker's host is a virtual machine there.
    BASE_URL=$(sed -E 's#//(127\.0\.0\.1|localhost)#//host.docker.internal#' <<<"$BASE_URL")
  fi
  RESULTS=/results docker run --rm --user "$(id -u):$(id -g)" --volume "$here:/scripts:ro" --volume "$results:/results" "$@"
}

# run OPTIONS...
run() {
  if [[ $runner == k6 ]]; then
    k6 run ${1+"$@"} "$here/$scenario.js"
  else
    in_docker "$IMAGE" run ${1+"$@"} "/scripts/$scenario.js"
  fi
}

end_faults() {
  [[ -n $faults ]] || return 0
  kill "$faults" 2>/dev/null || true
  wait "$faults" || echo "run_loadtest: the stack is not as it was: $here/../scripts/stack.sh status" >&2
  faults=''
}

main() {
  parse_arguments ${1+"$@"}
  while [[ $# -gt 0 && $1 != -- ]]; do shift; done
  [[ $# -eq 0 ]] || shift
  find_k6
  find_service

  results=${results:-$here/../../target/loadtest/$scenario-$(date +%Y%m%d-%H%M%S)}
  mkdir -p "$results"
  results=$(cd "$results" && pwd)
  RESULTS=$results
  export BASE_URL RESULTS
  [[ -z $insecure ]] || export K6_INSECURE_SKIP_TLS_VERIFY=true

  trap end_faults EXIT
  if [[ $scenario == faults && -n $stack ]]; then
    "$here/cause_faults.sh" "$stack" &
    faults=$!
  elif [[ $scenario == faults ]]; then
    echo "run_loadtest: nothing fails unless you see to it; --stack does with a stack of ops/scripts/stack.sh" >&2
  fi

  local status=0
  run ${1+"$@"} || status=$?
  case $status in
    0) ;;
    99) echo "run_loadtest: $scenario: a threshold was not kept" >&2 ;;
    *) echo "run_loadtest: $scenario: k6 ended with status $status" >&2 ;;
  esac
  [[ ! -e $results/summary.txt ]] || echo "run_loadtest: summary.txt and summary.json are in $results" >&2
  return "$status"
}

main ${1+"$@"}
