#!/usr/bin/env bash
# pandas takes cells of text in a workbook for numbers, as it does in CSV: the ids 0012 and 1e5, which Excel keeps as text, are 12 and 100000; one other id in the column and all stay; strings of JSON as well.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pandas==3.1.1 openpyxl==3.1.5 python-calamine==0.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, json, sys
from importlib.metadata import version
import openpyxl, pandas as pd

print(*(f"{name} {version(name)}" for name in ("pandas", "openpyxl", "python-calamine")))
found, types = {}, set()
for name, ids in (("digits", ["0012", "0013", "1e5", "007"]), ("with one more", ["0012", "0013", "1e5", "007", "12a"])):
    path = f"{sys.argv[1]}/{name}.xlsx"
    book = openpyxl.Workbook()
    book.active.append(["image", "seen"])
    for each in ids:
        book.active.append([each, "True"])
    book.save(path)
    types |= {cell.data_type for row in openpyxl.load_workbook(path).active.iter_rows(min_row=2) for cell in row}
    for engine in ("openpyxl", "calamine"):
        table = pd.read_excel(path, engine=engine)
        found[name, engine] = table["image"].tolist()
        print(f"{name}, {engine}: image {found[name, engine]}, seen {table['seen'].tolist()[:1]} of type {table['seen'].dtype}")
strings = pd.read_json(io.StringIO(json.dumps([{"image": each} for each in ("0012", "1e5")])))["image"].tolist()
print(f"strings of JSON, '0012' and '1e5': {strings}")
print(f"types of all cells in the files: {types} (s is text)")
numbers = [12.0, 13.0, 100000.0, 7.0]
sys.exit(not (types == {"s"} and strings == [12, 100_000] and all(found["digits", engine] == numbers and found["with one more", engine] == ids for engine in ("openpyxl", "calamine"))))
P
echo "expected: a cell of text is text: unlike CSV, the file says which cells are numbers"
check "$folder"
