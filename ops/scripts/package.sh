#!/usr/bin/env bash
# Packs the programs of a release with man page and completions: package.sh TARGET BINARIES OUTPUT makes
# OUTPUT/kverse-VERSION-TARGET.tar.gz of those in the folder BINARIES; for Windows, a .zip. They have to run on this machine.
set -euo pipefail

[[ $# -eq 3 ]] || { echo "Usage: package.sh TARGET BINARIES OUTPUT, for example package.sh x86_64-apple-darwin target/release dist" >&2 && exit 2; }
target=$1 output=$3 suffix='' format=gztar
if [[ $target == *-windows-* ]]; then
  suffix=.exe format=zip
fi
binaries=$(cd "$2" && pwd)
mkdir -p "$output"
output=$(cd "$output" && pwd)
cd "$(dirname "$0")/../.."

cli=$binaries/kverse-cli$suffix
version=$("$cli" --version)
name=kverse-${version#kverse-cli }-$target
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name"/{completions,man}
cp "$cli" "$binaries/kverse-server$suffix" LICENSE README.md CHANGELOG.md "$work/$name/"
"$cli" man >"$work/$name/man/kverse-cli.1"
while read -r shell file; do
  "$cli" completions "$shell" >"$work/$name/completions/$file"
done <<'END'
bash kverse-cli.bash
zsh _kverse-cli
fish kverse-cli.fish
powershell _kverse-cli.ps1
END

# Windows calls it python, Debian python3; it packs the same way everywhere.
python=$(command -v python3 || command -v python)
"$python" -c 'import shutil, sys; print(shutil.make_archive(*sys.argv[1:]))' "$output/$name" "$format" "$work" "$name"
