#!/usr/bin/env bash
# MONAI's RandHistogramShift leaves images of integers as they are, but for their darkest pixels, which become 0 or, in int32, -2147483648, without a message; floats are shifted.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv monai==1.6.1 torch==2.13.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, torch
from monai import transforms

print(*(f"{name} {version(name)}" for name in ("monai", "torch")))
torch.set_num_threads(1)
rows, columns = np.mgrid[:64, :64]
picture = 210 - columns // 4 - 120 * ((rows - 30) ** 2 + (columns - 30) ** 2 < 200)  # skin in uneven light, and a lesion
picture[30, 20:40] = 40  # a hair
picture = picture[None]
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, transform in {
        "RandHistogramShift": transforms.RandHistogramShift(num_control_points=10, prob=1.0),
        "RandAdjustContrast": transforms.RandAdjustContrast(prob=1.0),
        "RandScaleIntensity": transforms.RandScaleIntensity(factors=0.3, prob=1.0),
    }.items():
        for kind in ("uint8", "int16", "int32", "float32"):
            transform.set_random_state(0)
            given = picture.astype(kind)
            answers = [np.asarray(transform(given)) for _ in range(40)]
            skin = picture > 40
            changed = sum(bool(np.abs(answer[skin] - given[skin].astype(float)).max() > 0.5) for answer in answers)
            hair = sorted({float(answer[0, 30, 30]) for answer in answers})
            found[name, kind] = changed, hair
            print(f"{name}, {kind}: {changed} of 40 draws change the skin and the lesion; the hair, 40 before, is {hair[0]:.0f}" + (f" to {hair[-1]:.0f}" if len(hair) > 1 else ""))
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
shift = {kind: found["RandHistogramShift", kind] for kind in ("uint8", "int16", "int32", "float32")}
sys.exit(
    not (
        all(shift[kind][0] == 0 for kind in ("uint8", "int16", "int32")) and shift["uint8"][1] == [0] and shift["int32"][1] == [-(2.0**31)] and shift["float32"][0] > 35
        and all(changed > 30 for (name, kind), (changed, _) in found.items() if name != "RandHistogramShift")
    )
)
P
echo "expected: the same change for every type, but for rounding, or an error"
check
