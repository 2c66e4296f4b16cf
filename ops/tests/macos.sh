#!/usr/bin/env bash
# What people run on macOS, with its Bash 3.2 and the programs of BSD, uses nothing that only later versions or GNU's programs
# have. No such Bash is at hand to try it: this is what can be told from the text.
set -euo pipefail
cd "$(dirname "$0")/../.."

readonly SCRIPTS=(ops/*.sh ops/k6/run_loadtest.sh ops/scripts/{certificate,compose,package}.sh)
readonly NAME='[A-Za-z_][A-Za-z_0-9]*' COMMAND='(^|[|;&({!`]|\b(then|do|else|exec)\b) *'
patterns=() status=0

# pattern REGEX LINE...: what to look for, and lines in which it is found.
pattern() {
  local line
  patterns+=("$1")
  for line in "${@:2}"; do
    grep -qE -e "$1" <<<"$line" || { echo "the pattern $1 does not find: $line" >&2 && exit 1; }
  done
}

# shellcheck disable=SC2016 # The lines are only looked at.
{
  pattern '\b(declare|local|readonly|typeset) +-[a-z]*[Aglnu]' 'declare -A ports' 'local -n other=$1'
  pattern "$COMMAND(coproc|mapfile|readarray)\\b" 'readarray -t lines <file' 'if true; then mapfile lines; fi'
  pattern "\\\$\\{$NAME(\\[[^]]*\\])?(\\^|,)" 'echo "${name^^}"' 'echo "${names[0],}"'
  pattern "\\\$\\{$NAME(\\[[^]]*\\])?@[A-Za-z]\\}" 'echo "${name@Q}"'
  pattern "\\\$\\{$NAME(\\[-|:[^}]*:-[0-9])" 'echo "${names[-1]}"' 'echo "${name:0:-1}"'
  pattern '&>>|\|&|;;?&( |$)' 'make &>>log' 'make |& tee log' 'a) echo a ;;&'
  pattern '\[\[([^]]* )?-v |\btest -v ' '[[ -v name ]]' '[[ -n $a && -v name ]]'
  pattern "\\{$NAME\\}[<>]" 'exec {file}<name'
  pattern '\{0[0-9]+\.\.|\{[^$}.]+\.\.[^}.]+\.\.' 'echo {01..10}' 'echo {1..9..2}'
  pattern "\\\$'[^']*\\\\[uU]" "echo \$'\\u2713'"
  pattern '%\([^)]*\)T' "printf '%(%F)T' -1"
  pattern 'globstar|lastpipe|inherit_errexit|\$\{?(BASHPID|EPOCH|SRANDOM)' 'shopt -s globstar' 'echo "$EPOCHSECONDS"'
  pattern "$COMMAND(wait +-[a-z]*n|read +-[a-z]*[iN])" 'wait -n' 'while :; do read -N 1 key; done'
  pattern "$COMMAND(nproc|realpath|setsid|tac|timeout)\\b" 'timeout 5 make' 'x=$(realpath .)'
  pattern "$COMMAND(readlink +-f|stat +-|date +-d|xargs +-r|grep +-[a-zA-Z]*P|sed +(-[a-zA-Z]*i|-r))" 'sed -i s/a/b/ x' 'x | grep -oP a'
  pattern "$COMMAND(cat|cp|cut|date|head|install|ln|ls|mkdir|mktemp|mv|od|rm|sort|tail|tr|wc) +--[a-z]" 'mkdir --parents a'
}

# too_new FILE: its lines with a pattern, comments aside.
too_new() {
  local one
  for one in "${patterns[@]}"; do
    grep -nE -e "$one" "$1" || true
  done | grep -vE '^[0-9]+: *#' || true
}

# empty_arrays FILE: those that begin empty and are expanded without `+`, an error with `set -u` before Bash 4.4.
empty_arrays() {
  local array
  while read -r array; do
    grep -nE "(^|[^+])\"\\\$\\{$array\\[[@*]\\]\\}" "$1" || true
  done < <(sed -nE "s/^(.* )?($NAME)=\\(\\).*/\\2/p" "$1")
}

for script in "${SCRIPTS[@]}"; do
  found=$(too_new "$script"; empty_arrays "$script")
  if [[ -n $found ]]; then
    echo "$script: not for macOS:"$'\n'"$found" >&2
    status=1
  fi
done
exit "$status"
