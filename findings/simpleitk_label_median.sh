#!/usr/bin/env bash
# SimpleITK's median of a region is read from a histogram of the whole image: one bright pixel elsewhere moves it, and for 16 bits it is far off; mean and deviation are exact.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv SimpleITK==2.5.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, SimpleITK as sitk

print("SimpleITK", sitk.Version.VersionString(), "numpy", np.__version__)
numbers = np.random.default_rng(0)
rows, columns = np.mgrid[:128, :128]
lesion = (rows - 64) ** 2 + (columns - 64) ** 2 < 900
image = np.where(lesion, numbers.normal(1000, 60, lesion.shape), numbers.normal(2600, 60, lesion.shape)).round().astype(np.uint16)  # 12 bits
dust = image.copy()
dust[0, 0] = 65535  # one pixel at the edge, far from the lesion
found = {}
for name, pixels in ("12 bits", image), ("with one bright pixel in a corner", dust), ("as 0 to 1", (image / 4095).astype(np.float32)), ("12 bits divided by 16, uint8", (image // 16).astype(np.uint8)):
    values = pixels[lesion].astype(float)
    by_filter = []
    for statistics in sitk.LabelIntensityStatisticsImageFilter(), sitk.LabelStatisticsImageFilter():
        inputs = [sitk.GetImageFromArray(lesion.astype(np.uint8)), sitk.GetImageFromArray(pixels)]
        statistics.Execute(*(inputs if isinstance(statistics, sitk.LabelIntensityStatisticsImageFilter) else inputs[::-1]))
        by_filter += [statistics.GetMedian(1), statistics.GetMean(1)]
    found[name] = np.median(values), *by_filter
    print(f"{name}: the lesion's median is {np.median(values):.4g}, by LabelIntensityStatistics {by_filter[0]:.4g}, by LabelStatistics {by_filter[2]:.4g}; its mean {values.mean():.5g}, {by_filter[1]:.5g} and {by_filter[3]:.5g}")
true, one, _, other, _ = found["with one bright pixel in a corner"]
sys.exit(not (abs(true - 1000) < 10 and abs(one - true) > 30 and abs(other - true) > 50 and abs(found["12 bits"][1] - found["12 bits"][0]) > 2))
P
echo "expected: the median of the lesion's pixels, whatever is outside"
check
