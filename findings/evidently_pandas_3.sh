#!/usr/bin/env bash
# Evidently's requirements admit pandas 3, with which it cannot be imported.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv evidently==0.7.23 pandas==3.1.1
echo "expected: what pip resolves can be imported"
"$folder/venv/bin/python" -c "
from importlib.metadata import requires, version
print('evidently', version('evidently'), 'asks for', [each for each in requires('evidently') if each.startswith('pandas')], 'and has pandas', version('pandas'))"
if "$folder/venv/bin/python" -c "from evidently import Report" 2>"$folder/error"; then
    echo "changed: it is imported"
    exit 1
fi
echo "true: $(tail -n 1 "$folder/error")"
grep -q "ImportError: cannot import name" "$folder/error" || { echo changed; exit 1; }
