#!/usr/bin/env bash
# Lints the template for AWS and the Dockerfile beside it, and compares the parameters with those that the README describes.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly TEMPLATE=ops/aws/template.yaml README=ops/aws/README.md

fail() {
  echo "aws: $*" >&2
  exit 1
}

target/lint/bin/cfn-lint --template "$TEMPLATE"
target/lint/bin/hadolint ops/aws/Dockerfile
# Larger templates would have to be put into a bucket first.
[[ $(wc -c <"$TEMPLATE") -le 51200 ]] || fail "$TEMPLATE has $(wc -c <"$TEMPLATE") bytes: at most 51200 can be deployed directly"
parameters=$(sed -n '/^Parameters:/,/^[A-Z][A-Za-z]*:$/s/^  \([A-Za-z]*\):$/\1/p' "$TEMPLATE" | sort)
described=$(awk -F '|' '/^## /{ is_table = /Parameters/ } is_table { print $2 }' "$README" | grep -o '[A-Z][A-Za-z]*' | sort)
[[ -n $parameters ]] || fail "$TEMPLATE has no parameters"
diff <(echo "$parameters") <(echo "$described") >&2 || fail "$README does not describe the parameters of $TEMPLATE"
