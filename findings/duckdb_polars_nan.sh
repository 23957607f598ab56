#!/usr/bin/env bash
# DuckDB and polars: NaN is larger than 0.5, so that a filter of probabilities lets it through; what holds the table decides whether it is NaN.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv duckdb==2.0.1 polars==2.1.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import duckdb, numpy as np, pandas as pd, polars as pl

print(*(f"{package.__name__} {package.__version__}" for package in (duckdb, pl, pd, np)))
with open("report.csv", "w") as file:
    file.write("image,melanoma\na,0.9\nb,NaN\nc,0.2\n")
of_pandas, of_polars = pd.read_csv("report.csv"), pl.read_csv("report.csv")


def queried(table):
    return "".join(row[0] for row in duckdb.sql(f"SELECT image FROM {table} WHERE melanoma > 0.5").fetchall())


above = {
    "NumPy": "".join(np.array(list("abc"))[np.array([0.9, np.nan, 0.2]) > 0.5]),
    "pandas": "".join(of_pandas.image[of_pandas.melanoma > 0.5]),
    "polars": "".join(of_polars.filter(pl.col("melanoma") > 0.5)["image"]),
    "polars, of the frame of pandas": "".join(pl.from_pandas(of_pandas).filter(pl.col("melanoma") > 0.5)["image"]),
    "DuckDB, of the file": queried("'report.csv'"),
    "DuckDB, of the frame of polars": queried("of_polars"),
    "DuckDB, of the frame of pandas": queried("of_pandas"),
}
for name, found in above.items():
    print(f"images with melanoma > 0.5, by {name}: {found}")
column = of_polars["melanoma"]
most = column.max(), column.top_k(1)[0], column.sort(descending=True)[0], duckdb.sql("SELECT max(melanoma) FROM 'report.csv'").fetchall()[0][0]
print("the largest, by max, top_k and sort of polars: {}, {}, {}; by max of DuckDB: {}".format(*most))
through = {name for name, found in above.items() if found == "ab"}
wanted = {"polars", "DuckDB, of the file", "DuckDB, of the frame of polars"}
sys.exit(not (through == wanted and {above[name] for name in above.keys() - wanted} == {"a"} and most[0] == 0.9 and np.isnan(most[1:]).all()))
P
echo "expected: image a alone, whoever reads the report: no comparison with NaN is true"
cd "$folder"
check
