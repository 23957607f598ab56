#!/usr/bin/env bash
# pyarrow reads the 30th of February as the 2nd of March and the 31st of April as the 1st of May, also with error_is_null and in CSV files; the 32nd is refused.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import pandas as pd, polars as pl, pyarrow as pa, pyarrow.compute as pc, pyarrow.csv

print(f"pyarrow {pa.__version__}, pandas {pd.__version__}, polars {pl.__version__}")
days = ["28.02.2026", "29.02.2026", "30.02.2026", "31.04.2026", "32.01.2026", "01.13.2026"]
texts = {
    "strptime": pc.strptime(pa.array(days), format="%d.%m.%Y", unit="s", error_is_null=True),
    "CSV": pyarrow.csv.read_csv(pa.py_buffer("\n".join(["visit", *days[:4]]).encode()), convert_options=pyarrow.csv.ConvertOptions(timestamp_parsers=["%d.%m.%Y"]))["visit"],
    "pandas": pd.to_datetime(pd.Series(days), format="%d.%m.%Y", errors="coerce"),
    "polars": pl.Series(days).str.to_date("%d.%m.%Y", strict=False),
}
print(f"text: {days}")
found = {}
for name, read in texts.items():
    found[name] = [None if pd.isna(day) else str(day)[:10] for day in (read.to_list() if name in ("pandas", "polars") else read.to_pylist())]
    print(f"{name}: {found[name]}")
moved = ["2026-02-28", "2026-03-01", "2026-03-02", "2026-05-01"]
sys.exit(not (found["strptime"] == [*moved, None, None] and found["CSV"] == moved and found["pandas"] == found["polars"] == ["2026-02-28"] + [None] * 5))
P
echo "expected: a day that does not exist is missing, or an error, as the 32nd"
check
