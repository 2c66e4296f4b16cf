#!/usr/bin/env bash
# `make bench` still measures every load without an error; the numbers of a debug build mean nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/tests/common/built.sh
BENCH_SECONDS=1 ops/scripts/bench.sh "$KVERSE_SERVER" | tee /dev/stderr |
  awk -F '|' '$4 > 0 && $7 > 0 { rows++ } END { exit rows != 4 }'
