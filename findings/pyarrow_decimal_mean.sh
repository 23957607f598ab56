#!/usr/bin/env bash
# pyarrow's mean of decimals has their number of places, so that the mean of 0 and 1 from a database is 0 or 1; pandas with pyarrow's types has it too.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6 duckdb==2.0.1 polars==2.1.0
cat >"$folder/try.py" <<'P'
import sys, warnings
from decimal import Decimal
import duckdb, numpy as np, pandas, polars, pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq

print(*(f"{package.__name__} {package.__version__}" for package in (pa, pandas, duckdb, polars)))
random = np.random.default_rng(0)
hit = (random.random(1000) < 0.43).astype(int)
size = np.round(random.gamma(4, 0.5, 1000), 1)
columns = {
    "hit": pa.array([Decimal(int(each)) for each in hit], pa.decimal128(38, 0)),
    "size": pa.array([Decimal(f"{each:.1f}") for each in size], pa.decimal128(10, 1)),
    "site": pa.array(np.where(np.arange(1000) % 2, "back", "leg")),
}
pq.write_table(pa.table(columns), f"{sys.argv[1]}/report.parquet")
read = pq.read_table(f"{sys.argv[1]}/report.parquet")
true = {"hit": float(hit.mean()), "size": float(size.mean())}
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name in ("hit", "size"):
        frame = pandas.read_parquet(f"{sys.argv[1]}/report.parquet", dtype_backend="pyarrow")
        found[name] = {
            "pyarrow": float(pc.mean(read[name]).as_py()),
            "pyarrow by site": [float(each) for each in read.group_by("site").aggregate([(name, "mean")])[f"{name}_mean"].to_pylist()],
            "pandas, types of pyarrow": float(frame[name].mean()),
            "pandas, types of pyarrow, by site": [float(each) for each in frame.groupby("site")[name].mean()],
            "duckdb": float(duckdb.sql(f"SELECT avg({name}) FROM '{sys.argv[1]}/report.parquet'").fetchall()[0][0]),
            "polars": float(polars.read_parquet(f"{sys.argv[1]}/report.parquet")[name].mean()),
        }
        print(f"{name}, as numbers {true[name]:.4f}:", found[name])
print("warnings:", len(warned))
sys.exit(not (found["hit"]["pyarrow"] == found["hit"]["pandas, types of pyarrow"] == 0 and abs(found["hit"]["duckdb"] - true["hit"]) < 1e-9 and found["size"]["pyarrow"] != true["size"]))
P
echo "expected: a sensitivity of 0.4"
check "$folder"
