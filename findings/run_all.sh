#!/usr/bin/env bash
# Run every finding, or those that are named, one after the other; ends with 1 if one of them no longer holds.
# usage: findings/run_all.sh [NAME.sh ...]
set -uo pipefail
cd "$(dirname "$0")" || exit 2
scripts=("$@")
((${#scripts[@]})) || for script in *.sh; do
    case "$script" in run_all.sh | common.sh) ;; *) scripts+=("$script") ;; esac
done
gone=()
for script in "${scripts[@]}"; do
    script="${script##*/}"
    [[ -f $script ]] || { echo "there is no $script; README.md lists them" >&2; exit 2; }
    echo "== $script"
    bash "$script" || gone+=("$script")
    echo
done
if ((${#gone[@]})); then
    echo "no longer so: ${gone[*]}"
    exit 1
fi
echo "all findings hold"
