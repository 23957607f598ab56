#!/usr/bin/env bash
# polars's read_excel takes the type of a column from its first 1,000 rows: text further down is null, and a row of such cells alone is gone.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv polars==2.1.0 fastexcel==0.21.0 xlsxwriter==3.3.1 openpyxl==3.1.5
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
from pathlib import Path
import polars, xlsxwriter

print(*(f"{name} {version(name)}" for name in ("polars", "fastexcel")))
ids = [*range(1200), "ISIC_0012", "0013b"]
ages = [55] * 1200 + ["85+", 40]
book = xlsxwriter.Workbook(f"{sys.argv[1]}/report.xlsx")
sheet = book.add_worksheet()
sheet.write_row(0, 0, ["image", "age"])
for row, cells in enumerate(zip(ids, ages), 1):
    sheet.write_row(row, 0, cells)
book.close()
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    table = polars.read_excel(f"{sys.argv[1]}/report.xlsx")
print(f"{len(ids)} rows are stored, by the default engine, calamine, {table.height} are read: {table.tail(2).rows()}; warnings: {len(told)}")
whole = polars.read_excel(f"{sys.argv[1]}/report.xlsx", infer_schema_length=None)
print(f"with infer_schema_length=None {whole.height}: {whole.tail(2).rows()}")
path = Path(sys.argv[1]) / "report.csv"
path.write_text("image,age\n" + "".join(f"{image},{age}\n" for image, age in zip(ids, ages)))
try:
    polars.read_csv(path)
    refused = False
except polars.exceptions.ComputeError as error:
    refused = True
    print("the same as CSV:", str(error).splitlines()[0][:80])
sys.exit(not (table.tail(2).rows() == [(1199, 55), (None, 40)] and whole["image"].null_count() == 0 and whole.height == len(ids) and refused and not told))
P
echo "expected: the last two rows keep their text, or the file is refused, as CSV is"
check "$folder"
