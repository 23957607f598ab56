#!/usr/bin/env bash
# polars adds columns of uint8 across in uint8: the mean of 200, 200 and 200 is 29.3, while sums down a column and in a list are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv polars==2.1.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, polars

print(f"polars {polars.__version__}, numpy {np.__version__}")
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for kind in polars.UInt8, polars.Int16:
        skin = polars.DataFrame({"red": [200, 220], "green": [200, 170], "blue": [200, 150]}, schema=dict.fromkeys(("red", "green", "blue"), kind))
        every = polars.all()
        found[kind] = skin.select(
            grey=polars.mean_horizontal(every), total=polars.sum_horizontal(every), listed=polars.concat_list(every).list.sum(), dot=polars.col("red").dot("green")
        ).to_dict(as_series=False)
        print(f"{kind}: mean_horizontal {found[kind]['grey']}, sum_horizontal {found[kind]['total']}, concat_list().list.sum() {found[kind]['listed']}, red.dot(green) {found[kind]['dot'][0]}; down the columns sum {skin.sum().row(0)}, mean {skin.mean().row(0)}")
print(f"NumPy, of uint8: mean {skin.to_numpy().astype(np.uint8).mean(axis=1).tolist()}; warnings: {len(told)}")
small, large = found.values()
right = np.allclose(large["grey"], [200, 180]) and large["total"] == large["listed"] == small["listed"] == [600, 540]
sys.exit(not (right and np.allclose(small["grey"], [88 / 3, 28 / 3]) and small["total"] == [88, 28] and small["dot"][0] != 200 * 200 + 220 * 170))
P
echo "expected: a mean lies between the smallest and the largest value"
check
