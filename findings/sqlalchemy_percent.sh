#!/usr/bin/env bash
# SQLAlchemy 2.1 unescapes the path of a SQLite address, which 2.0 did not: the database of a file named 50%20off.db is gone, without an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install old sqlalchemy==2.0.43
install new sqlalchemy==2.1.9
cat >"$folder/try.py" <<'P'
import sys
import sqlalchemy as sa

engine = sa.create_engine("sqlite:///50%20off.db")
with engine.begin() as connection:
    if sys.argv[1] == "write":
        connection.execute(sa.text("create table runs (name text)"))
    print(f"SQLAlchemy {sa.__version__}, sqlite:///50%20off.db: the file {engine.url.database!r}, tables: {sa.inspect(connection).get_table_names()}")
P
echo "expected: an address finds the database that it found before"
cd "$folder"
written="$(old/bin/python try.py write)"
read="$(new/bin/python try.py read)"
echo "$written"
echo "$read"
[[ -s "50%20off.db" && $written == *"the file '50%20off.db', tables: ['runs']" && $read == *"the file '50 off.db', tables: []" ]] || { echo changed; exit 1; }
