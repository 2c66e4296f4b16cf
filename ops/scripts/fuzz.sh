#!/usr/bin/env bash
# Runs each fuzz target for SECONDS, and keeps what is interesting, but not large, in its corpus, which is committed.
# Usage: fuzz.sh SECONDS
set -euo pipefail
cd "$(dirname "$0")/../../kverse-store"

readonly MAX_BYTES=160
for target in $(cargo +nightly fuzz list); do
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cp -r "fuzz/corpus/$target/." "$work"
  cargo +nightly fuzz run "$target" "$work" -- "-max_total_time=$1" "-max_len=$MAX_BYTES"
  cargo +nightly fuzz cmin "$target" "$work" -- "-max_len=$MAX_BYTES"
  cp -r "$work/." "fuzz/corpus/$target"
  rm -rf "$work"
done
