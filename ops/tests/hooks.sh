#!/usr/bin/env bash
# The hooks of .pre-commit-config.yaml run in a repository of their own, let good commits pass and stop bad ones.
set -euo pipefail
cd "$(dirname "$0")/../.."

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
lint=$PWD/target/lint
export PRE_COMMIT_HOME=$directory/cache
# Neither the developer's settings nor the repository of a hook that runs this.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_{AUTHOR,COMMITTER}_{NAME,EMAIL}=test
unset GIT_DIR GIT_INDEX_FILE GIT_WORK_TREE

mkdir -p "$directory/repository/target" "$directory/repository/ops/scripts"
cp .pre-commit-config.yaml rust-toolchain.toml "$directory/repository"
cp ops/scripts/commit_message.sh "$directory/repository/ops/scripts"
ln -s "$lint" "$directory/repository/target/lint"
cd "$directory/repository"
git init --quiet --initial-branch main
echo /target >.gitignore
# Before the hooks are there: what they check of it, the other files of the project, is not here.
git add . && git commit --quiet --message start
target/lint/bin/pre-commit install >/dev/null

# commit MESSAGE: everything, with the hooks.
commit() {
  git add . && git commit --quiet --allow-empty --message "$1" 2>"$directory/output"
}

passes() {
  commit "$1" || { echo "stopped: $1" >&2 && cat "$directory/output" >&2 && exit 1; }
}

# stops MESSAGE REASON
stops() {
  if commit "$1"; then
    echo "not stopped: $1" >&2 && exit 1
  fi
  grep --quiet --fixed-strings -- "$2" "$directory/output" || { echo "not for: $2" >&2 && cat "$directory/output" >&2 && exit 1; }
}

printf '#!/usr/bin/env bash\ndate\n' >good.sh
passes 'feat(server): serve values as they came'
passes 'docs: a word'
stops 'serve values' 'Conventional Commit'
stops 'feat(unknown): serve values' 'Conventional Commit'
printf '#!/usr/bin/env bash\ncd /nowhere\n' >bad.sh
stops 'fix(ops): go on after a failure' SC2164
git reset --quiet && rm bad.sh
printf '[package]\nname = "x"\nedition = "2024"\n[lib]\npath = "bad.rs"\n' >Cargo.toml
echo 'fn  f(){}' >bad.rs
stops 'style: spaces' 'fn  f(){}'
