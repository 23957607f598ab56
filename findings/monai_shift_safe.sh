#!/usr/bin/env bash
# MONAI's ShiftIntensity(100, safe=True) wraps around, although it should stop at 255: bright skin is darker than the lesion; with 100.0 it stops.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv monai==1.6.1 torch==2.13.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import monai, numpy as np, torch
from monai.transforms import RandShiftIntensity, ShiftIntensity, ShiftIntensityd

print(f"monai {monai.__version__}, torch {torch.__version__}, numpy {np.__version__}")
image = np.full((3, 32, 32), 200, np.uint8)
image[:, 8:24, 8:24] = 60
documented = ShiftIntensity.__doc__ + (ShiftIntensity.__init__.__doc__ or "")
print("documented:", " ".join(line.strip() for line in documented.splitlines() if "safe" in line or "255" in line))


def skin_and_lesion(shifted):
    return int(shifted[0, 0, 0]), int(shifted[0, 16, 16])


with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    found = {str(offset): skin_and_lesion(ShiftIntensity(offset, safe=True)(image)) for offset in (100, 100.0, -100, -100.0)}
    found["100, in a dictionary"] = skin_and_lesion(ShiftIntensityd("image", 100, safe=True)({"image": image})["image"])
    found["100, of a tensor"] = skin_and_lesion(ShiftIntensity(100, safe=True)(torch.from_numpy(image)))
    found["100 by RandShiftIntensity"] = skin_and_lesion(RandShiftIntensity((100, 100), safe=True, prob=1)(image))
print("skin and lesion before: 200 and 60, as uint8")
for offset, (skin, lesion) in found.items():
    print(f"shifted by {offset}, safe: skin {skin}, lesion {lesion}")
print("warnings about it:", sum("overflow" in str(each.message) for each in warned))
wrapped = found["100"] == found["100, in a dictionary"] == found["100, of a tensor"] == (44, 160) and found["-100"] == (100, 216)
sys.exit(not (wrapped and found["100.0"] == found["100 by RandShiftIntensity"] == (255, 160) and found["-100.0"] == (100, 0)))
P
echo "expected: skin 255 and lesion 160 for 100, skin 100 and lesion 0 for -100"
check
