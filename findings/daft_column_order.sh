#!/usr/bin/env bash
# Daft reads a folder of CSV files by position: a file whose columns are in another order gives ids as probabilities and the reverse, and what does not fit the type is null, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv daft==0.7.26 pyarrow==25.0.1 polars==2.1.0
cat >"$folder/try.py" <<'P'
import sys, tempfile
from importlib.metadata import version
from pathlib import Path
import daft, polars as pl
import pyarrow as pa, pyarrow.csv, pyarrow.parquet
from daft import col

print(*(f"{name} {version(name)}" for name in ("daft", "pyarrow", "polars")))
folder = Path(tempfile.mkdtemp())
rows = {"1": [(f"a{i}", 0.1, 0.9) for i in range(100)], "2": [(f"b{i}", 0.2, 0.8) for i in range(100)]}
for name, order in (("1", ("image", "mel", "nv")), ("2", ("image", "nv", "mel"))):
    table = pa.table(dict(zip(("image", "mel", "nv"), map(list, zip(*rows[name]))))).select(order)
    (folder / "csv").mkdir(exist_ok=True), (folder / "parquet").mkdir(exist_ok=True)
    pyarrow.csv.write_csv(table, folder / "csv" / f"{name}.csv")
    pyarrow.parquet.write_table(table, folder / "parquet" / f"{name}.parquet")


def means(frame):
    found = frame.to_pydict()
    return {night: [round(sum(value for value, image in zip(found[name], found["image"]) if image[0] == night) / 100, 3) for name in ("mel", "nv")] for night in "ab"}


alone, both = means(daft.from_pydict({**{k: daft.read_csv(str(folder / "csv" / "1.csv")).to_pydict()[k] + daft.read_csv(str(folder / "csv" / "2.csv")).to_pydict()[k] for k in ("image", "mel", "nv")}})), means(daft.read_csv(str(folder / "csv" / "*.csv")))
print("mean of mel and nv by report (a, b), each file by itself:", alone)
print("both files together, by Daft:", both)
other = means(daft.read_parquet(str(folder / "parquet" / "*.parquet")))
print("both files as Parquet, by Daft:", other)
scan = pl.scan_parquet(folder / "parquet" / "*.parquet")
try:
    said = pl.scan_csv(folder / "csv" / "*.csv").collect().height
except Exception as error:
    said = f"{type(error).__name__}: {str(error).splitlines()[0][:70]}"
print("by polars, CSV:", said)
(folder / "ids").mkdir()
(folder / "ids" / "1.csv").write_text("image,age\nISIC_1,50\n")
(folder / "ids" / "2.csv").write_text("age,image\n60,ISIC_2\n")
ids = daft.read_csv(str(folder / "ids" / "*.csv")).sort("image").to_pydict()
print("ids and ages:", ids)
sys.exit(not (alone == {"a": [0.1, 0.9], "b": [0.2, 0.8]} == other and both in ({"a": [0.1, 0.9], "b": [0.8, 0.2]}, {"a": [0.9, 0.1], "b": [0.2, 0.8]}) and None in ids["age"] and set(ids["image"]) & {"50", "60"}))
P
echo "expected: columns by their names, as in Parquet, or an error"
check
