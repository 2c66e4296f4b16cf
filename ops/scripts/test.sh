#!/usr/bin/env bash
# Runs every check and test of the project, goes on after a failure, and ends with the line "N passed, N failed".
# A lint, and a script of ops/tests, counts as one. Full output: target/test-logs.
# With names of parts, only these: test.sh [lint|docs|web|rust|ops|browser]..., and what they need is built first.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly PARTS=(lint docs web rust ops browser)
readonly LOGS=target/test-logs SUITE_SECONDS=2700
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

# What several parts need is done once, by the first of them.
done_once=
once() {
  if [[ " $done_once " != *" $1 "* ]]; then
    done_once+=" $1"
    "$1"
  fi
}

packages() {
  check web-install npm --prefix web ci
}

dashboard() {
  once packages
  check web-build npm --prefix web run build
}

server() {
  check server cargo build --locked --workspace --all-features
}

lint() {
  local scripts feature
  readarray -t scripts < <(find .ci/run ops -name node_modules -prune -o \( -name '*.sh' -o -path .ci/run \) -print)
  check format cargo fmt --all --check
  check shellcheck shellcheck --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
  check licences-and-bans cargo deny --locked --all-features check bans licenses sources
  check clippy cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
  for feature in none sqlite postgres redis http wire; do
    check "clippy-store-$feature" cargo clippy --locked -p kverse-store --lib --no-default-features \
      --features "${feature/none/}" -- -D warnings
  done
  once packages
  check web-lint npm --prefix web run lint
}

docs() {
  check docs env RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --all-features --no-deps
}

web() {
  once dashboard
  tests web-unit npm --prefix web run test:coverage
}

rust() {
  once dashboard
  tests cargo-test cargo test --locked --workspace --all-features --no-fail-fast
  # The tests have built it.
  done_once+=" server"
}

ops() {
  local script
  once dashboard
  for script in ops/tests/*.sh; do
    check "$(basename "$script" .sh)" "$script"
  done
}

browser() {
  once dashboard
  once server
  tests web-browser npm --prefix web run test:e2e
}

[[ $# -gt 0 ]] || set -- "${PARTS[@]}"
for part in "$@"; do
  if [[ " ${PARTS[*]} " != *" $part "* ]]; then
    echo "test.sh: no part is called $part; there are: ${PARTS[*]}" >&2
    exit 2
  fi
done
for part in "$@"; do
  "$part"
done

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
