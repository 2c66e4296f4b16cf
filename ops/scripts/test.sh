#!/usr/bin/env bash
# Runs every check and test of the project, goes on after a failure, and ends with the line "N passed, N failed".
# A lint, and a script of ops/tests, counts as one. Full output: target/test-logs.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly LOGS=target/test-logs SUITE_SECONDS=1800
export PATH="$PATH:$PWD/target/lint/bin" CARGO_TERM_COLOR=never NO_COLOR=1

passed=0
failed=0
mkdir -p "$LOGS"

# run NAME COMMAND...: one suite. Sets `status` and `log`.
run() {
  local name=$1 started=$SECONDS
  shift
  log=$LOGS/$name.log
  echo "=== $name: $*"
  status=0
  timeout --kill-after=10 "$SUITE_SECONDS" "$@" </dev/null >"$log" 2>&1 || status=$?
  if [[ $status -ne 0 ]]; then
    # Only what is wrong: the lines of tests that passed and of crates that compiled tell nothing.
    grep -avE '^(test .* \.\.\. (ok|ignored)|test result: ok\..*|all doctests ran.*|running [0-9]+ tests?|\s+(Compiling|Checking|Downloaded|Running|Documenting|Doc-tests) .*|)$' "$log" || true
    [[ $status -ne 124 ]] || echo "stopped after $SUITE_SECONDS s"
  fi
  echo "--- $name: exit status $status, $((SECONDS - started)) s"
}

check() {
  run "$@"
  if [[ $status -eq 0 ]]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
  fi
}

tests() {
  run "$@"
  local suite_passed suite_failed
  read -r suite_passed suite_failed < <(awk -v status="$status" -f ops/scripts/count.awk "$log")
  echo "    $suite_passed passed, $suite_failed failed in this suite"
  passed=$((passed + suite_passed))
  failed=$((failed + suite_failed))
}

readarray -t scripts < <(find .ci/run ops -name '*.sh' -o -path .ci/run)

check format cargo fmt --all --check
check shellcheck shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
check licences-and-bans cargo deny --locked --all-features check bans licenses sources
check clippy cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
for feature in none sqlite postgres redis http wire; do
  check "clippy-store-$feature" cargo clippy --locked -p kverse-store --lib --no-default-features \
    --features "${feature/none/}" -- -D warnings
done
check docs env RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --all-features --no-deps
check web-install npm --prefix web ci
check web-lint npm --prefix web run lint
check web-build npm --prefix web run build
tests web-unit npm --prefix web run test:coverage
tests cargo-test cargo test --locked --workspace --all-features --no-fail-fast
for script in ops/tests/*.sh; do
  check "$(basename "$script" .sh)" "$script"
done
# With the server that the tests above have built.
tests web-browser npm --prefix web run test:e2e

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
