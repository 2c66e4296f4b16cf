#!/usr/bin/env bash
# schemathesis sends valid and invalid requests to every operation of the OpenAPI document, and compares what the server
# does with what the document says. Options: ops/tests/openapi.sh [OPTIONS OF st run], for example --seed 7 -n 500.
set -euo pipefail
cd "$(dirname "$0")/../.."
source ops/tests/common/server.sh

start_server "sqlite:$directory/api.db"
report=$directory/report.json
target/schemathesis/bin/st --config-file ops/tests/schemathesis/config.toml run "$url/openapi.json" \
  --checks all --mode all --max-examples 60 --seed 1 --generation-database none --continue-on-failure \
  --report json --report-json-path "$report" "$@"

# What was not tested, or not with anything valid, is not right either.
python3 - "$report" <<'EOF'
import json
import sys

report = json.load(open(sys.argv[1]))
operations, cases = report["operations"], report["test_cases"]
print(f"{operations['tested']} operations, {cases['generated']} cases, {cases['with_failures']} with failures")
warnings = {kind: found for kind, found in report["warnings"].items() if found}
done = report["complete"] and operations["tested"] == operations["total"] > 0 == cases["without_checks"]
sys.exit(0 if done and not warnings else f"not everything was tested: {operations}, {cases}, {warnings}")
EOF
