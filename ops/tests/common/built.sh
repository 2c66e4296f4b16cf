#!/usr/bin/env bash
# Sourced by tests: $KVERSE_SERVER is the server to try, the one of these sources unless it names another already.

if [[ -z ${KVERSE_SERVER:-} ]]; then
  cargo build --locked -p kverse-server
  export KVERSE_SERVER=${CARGO_TARGET_DIR:-target}/debug/kverse-server
fi
