#!/usr/bin/env bash
# NannyML, installed with what it asks for, cannot be imported: statsmodels is missing among its requirements.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv nannyml==0.13.1
echo "expected: what pip installs can be imported"
"$folder/venv/bin/python" -m pip list --disable-pip-version-check 2>/dev/null | grep -iE "^(nannyml|pandas|numpy|statsmodels) " || true
if "$folder/venv/bin/python" -c "import nannyml" 2>"$folder/error"; then
    echo "changed: it is imported"
    exit 1
fi
echo "true: $(tail -n 1 "$folder/error")"
grep -q "No module named 'statsmodels'" "$folder/error" || { echo changed; exit 1; }
