#!/usr/bin/env bash
# DuckDB reads a column of CSV whose letters are all f, or f and t, as BOOLEAN: the sex of a study of women is false.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv duckdb==2.0.1 polars==2.1.0
cat >"$folder/try.py" <<'P'
import sys
import duckdb, polars

print(f"DuckDB {duckdb.__version__}, polars {polars.__version__}")
found = {}
for name, cells in (("women", "ff"), ("women and men", "fm"), ("stage T of tumours", "TT"), ("consent", ("no", "yes"))):
    path = f"{sys.argv[1]}/{name}.csv"
    with open(path, "w") as file:
        file.write("image,value\n" + "".join(f"{image},{cell}\n" for image, cell in zip(("ISIC_1", "ISIC_2"), cells)))
    table = duckdb.read_csv(path)
    found[name] = [value for _, value in table.fetchall()]
    print(f"{name}: {list(cells)} are {table.dtypes[1]}, {found[name]}; polars: {polars.read_csv(path)['value'].to_list()}")
both = duckdb.sql(f"select value, count(*) from read_csv(['{sys.argv[1]}/women.csv', '{sys.argv[1]}/women and men.csv']) group by value order by all").fetchall()
print(f"both files of women together: {both}")
apart = duckdb.sql(f"select count(*) from read_csv('{sys.argv[1]}/women.csv') where value = 'f'").fetchall()
joined = duckdb.sql(f"select count(*) from read_csv('{sys.argv[1]}/women.csv') a join read_csv('{sys.argv[1]}/women and men.csv') b on a.image = b.image and a.value::varchar = b.value").fetchall()
print(f"where value = 'f': {apart[0][0]}; matched by image and sex as text: {joined[0][0]}")
sys.exit(not (found["women"] == [False, False] and found["women and men"] == ["f", "m"] and found["stage T of tumours"] == [True, True] and joined == [(0,)]))
P
echo "expected: letters are text, as they are beside an m"
check "$folder"
