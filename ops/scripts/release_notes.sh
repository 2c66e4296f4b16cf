#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version, and fails if that is nothing, or if the crates have another version:
# release_notes.sh v1.2.3
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
  echo "release_notes: $*" >&2
  exit 1
}

[[ ${1:-} =~ ^v([0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?)$ ]] || fail "'${1:-}' is not a tag such as v1.2.3 or v1.2.3-rc.1"
version=${BASH_REMATCH[1]}
crates=$(sed -n '/^\[workspace\.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[[ $crates == "$version" ]] || fail "the tag is $1, but Cargo.toml says $crates"
notes=$(awk -v heading="## [$version]" '/^## / { inside = index($0, heading) == 1; next } inside' CHANGELOG.md)
[[ $notes == *[![:space:]]* ]] || fail "CHANGELOG.md has nothing under '## [$version]': rename Unreleased"
printf '%s\n' "$notes" | sed '/./,$!d'
