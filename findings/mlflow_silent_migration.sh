#!/usr/bin/env bash
# MLflow: to look at a SQLite store of an older version is to migrate it, and the older version is locked out.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
more=("sqlalchemy==2.0.43" "alembic==1.16.5" "numpy==2.2.6" "pandas==2.3.3")
install old mlflow-skinny==3.4.0 "${more[@]}"
install new mlflow-skinny==3.17.2 "${more[@]}"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
cat >"$folder/look.py" <<'P'
import logging
import mlflow
logging.disable(logging.INFO)
print("mlflow", mlflow.__version__, "finds the experiments", [each.name for each in mlflow.search_experiments()])
P
cat >"$folder/version.py" <<'P'
import sqlite3, sys
print(*sqlite3.connect(sys.argv[1]).execute("select version_num from alembic_version").fetchone())
P
look() { (cd "$folder" && "./$1/bin/python" look.py 2>"$folder/$1.err"); }
schema() { "$folder/old/bin/python" "$folder/version.py" "$folder/mlflow.db"; }
look old
before="$(schema)"
look new
after="$(schema)"
echo "expected: the newer version reads, or refuses; the store stays as it is, and the older version goes on with it"
echo "schema before the newer one looked: $before, after: $after"
echo "what the newer one said of that: $(grep -ci "upgrad\|migrat" "$folder/new.err" || true) lines on stderr at the level WARNING"
if look old; then
    echo "changed: the older version still reads it"
    exit 1
fi
echo "true, the older one: $(tail -n 1 "$folder/old.err" | cut -c1-300)"
[ "$before" != "$after" ] || { echo changed; exit 1; }
