#!/usr/bin/env bash
# The same expression of narwhals has other numbers on another library, without a message: a cast to integer truncates in polars and rounds in DuckDB, a half is rounded to even or up, and the square of uint8 wraps around or does not.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv narwhals==2.29.0 pandas==3.1.1 polars==2.1.0 pyarrow==26.0.0 duckdb==2.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import duckdb, narwhals as nw, numpy as np, pandas as pd, polars as pl, pyarrow as pa

print(*(f"{name} {version(name)}" for name in ("narwhals", "pandas", "polars", "pyarrow", "duckdb")))
data = {"row": [0, 1, 2, 3], "years": [0.9, 1.5, 59.75, -0.75], "level": np.array([200, 100, 17, 3], np.uint8), "half": [0.5, 1.5, 2.5, 3.5]}
arrow = pa.table(data)
frames = {"pandas": pd.DataFrame(data), "polars": pl.DataFrame(data), "pyarrow": arrow, "duckdb": duckdb.from_arrow(arrow)}
expressions = {
    "years as Int64": nw.col("years").cast(nw.Int64), "half.round()": nw.col("half").round(), "level ** 2": nw.col("level") ** 2, "0 - level": 0 - nw.col("level"),
    "level + level": nw.col("level") + nw.col("level"), "years.mean()": nw.col("years") - nw.col("years").mean(),
}
found = {}
for name, expression in expressions.items():
    for library, frame in frames.items():
        try:
            result = nw.from_native(frame).with_columns(result=expression).select("row", "result").sort("row")
            result = result.collect("pyarrow") if isinstance(result, nw.LazyFrame) else result
            found[name, library] = [round(float(value), 6) for value in result["result"].to_list()]
        except Exception as error:
            found[name, library] = type(error).__name__
    print(name + ":", {library: found[name, library] for library in frames})
casts = [found["years as Int64", library] for library in ("polars", "pandas", "duckdb")]
same = found["years.mean()", "pandas"] == found["years.mean()", "polars"] == found["years.mean()", "pyarrow"]
wrong = casts[0] == casts[1] == [0, 1, 59, 0] and casts[2] == [1, 2, 60, -1] and found["half.round()", "polars"] != found["half.round()", "duckdb"]
sys.exit(not (same and wrong and found["level ** 2", "polars"][0] == 64 and found["level ** 2", "pyarrow"][0] == 40000))
P
echo "expected: the same numbers from each library, or an error"
check
