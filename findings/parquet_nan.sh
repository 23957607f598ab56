#!/usr/bin/env bash
# DuckDB and pyarrow skip a Parquet file's rows by its statistics, which leave NaN out: a search for NaN finds none of the 250 that are there.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv duckdb==2.0.1 pyarrow==26.0.1 polars==2.1.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import duckdb, numpy as np, polars as pl, pyarrow as pa, pyarrow.compute as pc, pyarrow.dataset as ds

print(*(f"{name} {version(name)}" for name in ("duckdb", "pyarrow", "polars")))
file = f"{sys.argv[1]}/report.parquet"
melanoma = np.linspace(0, 0.4, 1000)
melanoma[::4] = np.nan  # a network that failed for every fourth image
pl.DataFrame({"image": range(1000), "melanoma": melanoma}).write_parquet(file)
table, stored, column = pa.table(pl.read_parquet(file).to_arrow()), ds.dataset(file), pc.field("melanoma")


def rows(source, where):
    return duckdb.sql(f"SELECT image FROM {source} WHERE {where}").fetchall()


found = {}
for where in ("isnan(melanoma)", "melanoma > 0.5"):
    found[where] = len(rows('"table"', where)), len(rows(f"'{file}'", where))
    print(f"DuckDB, WHERE {where}: {found[where][0]} rows of the table in memory, {found[where][1]} of the same table in Parquet")
counted = duckdb.sql(f"SELECT count(*) FILTER (isnan(melanoma)) FROM '{file}'").fetchall()[0][0]
print(f"DuckDB, count(*) FILTER (isnan(melanoma)): {counted} in Parquet")
for name, where in (("is_null(nan_is_null=True)", column.is_null(nan_is_null=True)), ("~(melanoma <= 0.5)", ~(column <= 0.5))):
    found[name] = table.filter(where).num_rows, stored.to_table(filter=where).num_rows
    print(f"pyarrow, {name}: {found[name][0]} rows of the table in memory, {found[name][1]} of the data set")
lazy = pl.scan_parquet(file).filter(pl.col("melanoma").is_nan()).collect().height
print(f"polars, is_nan: {lazy} in Parquet")
sys.exit(not (list(found.values()) == [(250, 0)] * 4 and counted == lazy == 250))
P
echo "expected: the same rows, whether a table is in memory or in a file: 250 with NaN"
check "$folder"
