#!/usr/bin/env bash
# Lance computes updates and filters in a column's type and lets it wrap around: 200 + 100 of uint8 is stored as 44, "level + level > 300" finds no row, and 1.7 is stored as 1, without an error; a number 300 alone is refused.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pylance==14.0.2 pyarrow==25.0.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, tempfile
from importlib.metadata import version
import lance, pyarrow as pa

print(*(f"{name} {version(name)}" for name in ("pylance", "pyarrow")))
folder = tempfile.mkdtemp()
table = pa.table({"image": list("abcd"), "level": pa.array([200, 100, 255, 3], pa.uint8()), "grade": pa.array([20000, 300, 3, 5], pa.int16())})
lance.write_dataset(table, f"{folder}/images")


def images(condition):
    return lance.dataset(f"{folder}/images").to_table(filter=condition)["image"].to_pylist()


def by_hand(condition):
    return [image for image, level, grade in zip(*(table[name].to_pylist() for name in table.column_names)) if eval(condition.replace(" = ", " == "))]


found = {}
for condition in ("level > 150", "level + level > 300", "level + 100 > 255", "level * 2 = 400", "grade * 2 > 32767", "grade * grade > 32767", "level > 300"):
    try:
        found[condition] = images(condition)
    except Exception as error:
        found[condition] = type(error).__name__
    print(f"{condition}: {found[condition]}, by hand {by_hand(condition)}")
for expression in ("level + 100", "level * 2", "1.7", "300"):
    path = f"{folder}/{len(found)}"
    lance.write_dataset(table, path)
    try:
        lance.dataset(path).update({"level": expression})
        found[expression] = lance.dataset(path).to_table()["level"].to_pylist()
    except Exception as error:
        found[expression] = type(error).__name__
    print(f"update level to {expression}: {found[expression]}")
sys.exit(not (found["level > 150"] == ["a", "c"] and found["level + level > 300"] == [] and found["level + 100"] == [44, 200, 99, 103] and found["1.7"] == [1, 1, 1, 1] and isinstance(found["300"], str)))
P
echo "expected: the rows and numbers of arithmetic, or an error, as for the number 300"
check
