#!/usr/bin/env bash
# Run every finding, one after the other; ends with 1 if one of them no longer holds.
set -uo pipefail
cd "$(dirname "$0")" || exit 2
gone=()
for script in *.sh; do
    case "$script" in run_all.sh | common.sh) continue ;; esac
    echo "== $script"
    bash "$script" || gone+=("$script")
    echo
done
if ((${#gone[@]})); then
    echo "no longer so: ${gone[*]}"
    exit 1
fi
echo "all findings hold"
