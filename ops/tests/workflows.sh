#!/usr/bin/env bash
# The workflows and the configuration around them are valid and safe, and what they name exists.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="$PWD/target/lint/bin:$PATH"

# actionlint's checks and more, shellcheck of each `run` included; then what an attacker could make of them.
jactionlint --strict-exit
zizmor --quiet --offline --persona pedantic .
check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yaml
check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
pre-commit validate-config .pre-commit-config.yaml

status=0
missing() {
  echo "missing: $1, named by $2" >&2
  status=1
}

# Files of the project; not what is built (target, node_modules).
while IFS=: read -r file path; do
  [[ -e ${path%.} ]] || missing "$path" "$file"
done < <(grep --only-matching --extended-regexp '\b(ops|web/src|kverse-(core|store|server|cli))(/[[:alnum:]_.-]+)+' \
  .github/workflows/*.yaml .pre-commit-config.yaml | sort --unique)

while IFS=: read -r file command; do
  for target in ${command#make }; do
    make --dry-run "$target" >/dev/null 2>&1 || missing "make $target" "$file"
  done
done < <(grep --only-matching --extended-regexp '\bmake( [a-z-]+)+' .github/workflows/*.yaml | sort --unique)

python - <<'END' || status=1
"""Dependabot looks into the folders that have dependencies, and no others."""
import pathlib, subprocess, sys, yaml

KINDS = {
    "Cargo.lock": "cargo",
    "package-lock.json": "npm",
    "requirements.txt": "pip",
    "Dockerfile": "docker",
    "compose.yaml": "docker-compose",
}
updates = yaml.safe_load(pathlib.Path(".github/dependabot.yml").read_text())["updates"]
watched = {
    (update["package-ecosystem"], folder)
    for update in updates
    for folder in update.get("directories") or [update["directory"]]
}
files = map(pathlib.PurePath, subprocess.check_output(["git", "ls-files"], text=True).splitlines())
there = {(KINDS[file.name], str("/" / file.parent)) for file in files if file.name in KINDS}
difference = there ^ (watched - {("github-actions", "/")})
for ecosystem, folder in sorted(difference):
    print(f"{ecosystem} in {folder}: only here or only in .github/dependabot.yml", file=sys.stderr)
sys.exit(bool(difference))
END

exit "$status"
