#!/usr/bin/env bash
# isic-metadata, which checks tables for the ISIC archive, rounds a size that has a unit, and not the same size without one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv isic-metadata==4.12.0 pydantic==2.14.4
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
from isic_metadata.metadata import MetadataRow

print("isic-metadata", version("isic-metadata"), "(6.1.0, for Python 3.13, has the same function)")
found = {}
for size in ("6.25", "6.25mm", "0.625cm", "40um"):
    found[size] = str(MetadataRow.model_validate({"clin_size_long_diam_mm": size}).clin_size_long_diam_mm)
    print(f"clin_size_long_diam_mm {size}: valid, {found[size]} mm")
sys.exit(list(found.values()) != ["6.25", "6.2", "6.2", "0.0"])
P
echo "expected: 6.25 mm three times and 0.04 mm: two decimal places, which the field has"
check
