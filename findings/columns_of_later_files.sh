#!/usr/bin/env bash
# DuckDB, pyarrow and pandas read a folder of tables by the columns of its first file: a diagnosis that only later reports have is gone, without a word; polars refuses.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv duckdb==2.0.1 pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys, warnings
import duckdb, pandas as pd, polars as pl, pyarrow as pa
from pyarrow import csv, dataset, parquet

print(*(f"{each.__name__} {each.__version__}" for each in (duckdb, pa, pd, pl)))
root = pathlib.Path(sys.argv[1])
nights = {
    "2026-01-01": {"image": ["1.jpg"], "p_mel": [0.9], "p_nv": [0.1]},
    "2026-01-02": {"image": ["2.jpg"], "p_mel": [0.2], "p_nv": [0.1], "p_scc": [0.7]},  # a model that knows one more
}
for kind, write in (("csv", csv.write_csv), ("parquet", parquet.write_table)):
    (root / kind).mkdir(parents=True)
    for night, columns in nights.items():
        write(pa.table(columns), root / kind / f"{night}.{kind}")


def of_duckdb(pattern):
    answer = duckdb.connect().execute(f"SELECT * FROM '{pattern}'")
    return [column[0] for column in answer.description]


readers = {
    "DuckDB, CSV": lambda: of_duckdb(f"{root}/csv/*.csv"),
    "DuckDB, Parquet": lambda: of_duckdb(f"{root}/parquet/*.parquet"),
    "pyarrow, CSV": lambda: dataset.dataset(root / "csv", format="csv").to_table().column_names,
    "pyarrow, Parquet": lambda: dataset.dataset(root / "parquet").to_table().column_names,
    "pandas, Parquet": lambda: list(pd.read_parquet(root / "parquet").columns),
    "polars, CSV": lambda: pl.scan_csv(root / "csv" / "*.csv").collect().columns,
    "polars, Parquet": lambda: pl.scan_parquet(root / "parquet" / "*.parquet").collect().columns,
}
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, read in readers.items():
        try:
            found[name] = read()
        except pl.exceptions.PolarsError as error:
            found[name] = f"refused, {error}"[:60].splitlines()[0]
        print(f"{name}: {found[name]}")
print(f"warnings: {len(told)}")
first = ["image", "p_mel", "p_nv"]
sys.exit(not (all(found[name] == first for name in readers if not name.startswith("polars")) and all(found[name].startswith("refused") for name in readers if name.startswith("polars")) and not told))
P
echo "expected: all columns, or an error, as where a later file lacks one in DuckDB"
check "$folder/reports"
