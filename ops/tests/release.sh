#!/usr/bin/env bash
# A package has everything in it and its programs run; release notes are those of the version, or an error.
set -euo pipefail
cd "$(dirname "$0")/../.."

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
built=${CARGO_TARGET_DIR:-target}/debug
# Whatever was built before may be of other sources.
cargo build --locked -p kverse-server -p kverse-cli
# The server refuses variables with its prefix that it does not know.
unset KVERSE_SERVER
# Development builds are large; packing them would take longer than all the rest.
mkdir "$directory/linux" "$directory/windows"
for program in kverse-server kverse-cli; do
  strip -o "$directory/linux/$program" "$built/$program"
done
# As they are called on Windows; the command line has to run, the server is only packed.
ln -s "$directory/linux/kverse-cli" "$directory/windows/kverse-cli.exe"
echo server >"$directory/windows/kverse-server.exe"

fail() {
  echo "release: $*" >&2
  exit 1
}

version=$(sed -n '0,/^version/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=kverse-$version-x86_64-unknown-linux-musl
ops/scripts/package.sh x86_64-unknown-linux-musl "$directory/linux" "$directory/dist"
tar -xzf "$directory/dist/$name.tar.gz" -C "$directory"
for program in kverse-server kverse-cli; do
  [[ $("$directory/$name/$program" --version) == "$program $version" ]] || fail "$program does not run"
done
for file in LICENSE README.md CHANGELOG.md man/kverse-cli.1 completions/{kverse-cli.bash,_kverse-cli,kverse-cli.fish,_kverse-cli.ps1}; do
  [[ -s $directory/$name/$file ]] || fail "$file is missing or empty"
done
bash -n "$directory/$name/completions/kverse-cli.bash"

ops/scripts/package.sh x86_64-pc-windows-msvc "$directory/windows" "$directory/dist"
[[ $(python3 -m zipfile --list "$directory/dist/kverse-$version-x86_64-pc-windows-msvc.zip") == *msvc/kverse-server.exe* ]] ||
  fail "the .zip has no kverse-server.exe"

# The script finds both files from its own place.
mkdir -p "$directory/project/ops/scripts"
cp ops/scripts/release_notes.sh "$directory/project/ops/scripts/"
cd "$directory/project"
printf '[workspace.package]\nversion = "1.2.3"\n\n[workspace.dependencies]\nversion = "9"\n' >Cargo.toml
printf '# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n### Added\n\n- Much.\n\n## [1.2.2]\n\n- Old.\n' >CHANGELOG.md
[[ $(ops/scripts/release_notes.sh v1.2.3) == $'### Added\n\n- Much.' ]] || fail "wrong notes: $(ops/scripts/release_notes.sh v1.2.3)"

# refuses TAG REASON
refuses() {
  local output
  ! output=$(ops/scripts/release_notes.sh "$1" 2>&1) || fail "$1 has notes"
  [[ $output == *"$2"* ]] || fail "$1: '$output' does not say '$2'"
}
refuses 1.2.3 'not a tag'
refuses v1.2.2 'Cargo.toml says 1.2.3'
sed -i 's/^## \[1.2.3\]/## [1.2.30]/' CHANGELOG.md
refuses v1.2.3 'nothing under'
