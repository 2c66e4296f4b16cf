#!/usr/bin/env bash
# Checks that messages of commits are Conventional Commits: commit_message.sh FILE (as a commit-msg hook),
# or commit_message.sh --commits main..HEAD.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly TYPES=(build chore ci docs feat fix perf refactor revert style test)
# The last two are Dependabot's.
readonly SCOPES=core,store,server,cli,web,ops,deps,deps-dev

check() {
  target/lint/bin/conventional-pre-commit --verbose --no-color --scopes "$SCOPES" "${TYPES[@]}" "$1" >&2
}

case $#:${1:-} in
  1:[!-]*) check "$1" ;;
  2:--commits)
    commits=$(git rev-list --no-merges "$2")
    message=$(mktemp)
    trap 'rm -f "$message"' EXIT
    status=0
    for commit in $commits; do
      git log -1 --format=%B "$commit" >"$message"
      check "$message" || status=1
    done
    exit "$status"
    ;;
  *) echo "Usage: commit_message.sh FILE | --commits RANGE" >&2 && exit 2 ;;
esac
