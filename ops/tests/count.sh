#!/usr/bin/env bash
# The sum of `make test` is right for passing, failing, crashed, broken and empty runs of each test runner.
set -euo pipefail
cd "$(dirname "$0")/../.."

# expect "PASSED FAILED" STATUS OUTPUT
expect() {
  local actual
  actual=$(awk -v status="$2" -f ops/scripts/count.awk <<<"$3")
  if [[ $actual != "$1" ]]; then
    echo "expected '$1', got '$actual' for exit status $2 of:" "$3" >&2
    exit 1
  fi
}

result() {
  echo "test result: $1. $2 passed; $3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s"
}

expect "12 0" 0 "$(result ok 10 0; result ok 0 0; result ok 2 0)"
expect "11 3" 101 "$(result ok 10 0; result FAILED 1 3)"
expect "10 1" 101 "$(result ok 10 0; echo 'error: test failed (signal: 6, SIGABRT)')"
expect "0 1" 101 "error: could not compile"
expect "0 1" 0 "$(result ok 0 0)"
expect "0 1" 0 ""
expect "1 0" 0 "$(echo 'test quotes::99 passed; ... ok'; result ok 1 0)"
expect "12 1" 1 " Test Files  1 failed | 2 passed (3)
      Tests  1 failed | 12 passed (13)"
expect "13 0" 0 "      Tests  13 passed (13)"
expect "12 4" 1 "  1 failed
    [chromium] a test that says 7 failed
  3 did not run
  12 passed (30.2s)"
