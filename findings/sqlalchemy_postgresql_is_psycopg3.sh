#!/usr/bin/env bash
# An address that names no driver, postgresql://, asks for another package since SQLAlchemy 2.1.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install old sqlalchemy==2.0.43 psycopg2-binary==2.9.11
install new sqlalchemy==2.1.0 psycopg2-binary==2.9.11
cat >"$folder/try.py" <<'P'
import sqlalchemy
try:
    driver = sqlalchemy.create_engine("postgresql://user:word@localhost/mlflow").dialect.driver
except ModuleNotFoundError as error:
    driver = f"{error}"
print(f"SQLAlchemy {sqlalchemy.__version__} with psycopg2-binary:", driver)
P
echo "expected: postgresql:// means psycopg2, which is installed, as it did for a dozen years of addresses in MLflow's servers"
old="$("$folder/old/bin/python" "$folder/try.py")"
new="$("$folder/new/bin/python" "$folder/try.py")"
echo "$old"
echo "$new"
[[ $old == *": psycopg2" && $new == *"No module named 'psycopg'"* ]] || { echo changed; exit 1; }
