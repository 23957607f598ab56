#!/usr/bin/env bash
# dask-image's filters with mode="wrap" take the far edge of each chunk for that of the image, up to 116 of 255 levels off at the border by the size of the chunks, and rotating with order=3 blurs more than with order=1, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dask-image==2026.5.0 dask==2026.8.0 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import dask.array, numpy as np, scipy.ndimage
from dask_image import ndfilters, ndinterp

print(*(f"{name} {version(name)}" for name in ("dask-image", "dask", "scipy")))
rows, columns = np.mgrid[:400, :400]
image = np.full((400, 400), 200, np.float32)  # skin
image[(rows - 200) ** 2 + (columns - 200) ** 2 < 90**2] = 80  # a lesion
image[(0.6 * rows + columns) % 25 < 2.4] = 30  # hairs
image -= (0.05 * columns + 0.02 * rows).astype(np.float32)  # uneven light
wrapped, turned = {}, {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, options in (("gaussian_filter", {"sigma": 5}), ("median_filter", {"size": 9}), ("maximum_filter", {"size": 9}), ("convolve", {"weights": np.full((9, 9), 1 / 81)})):
        right = getattr(scipy.ndimage, name)(image, mode="wrap", **options)
        for size in (400, 200, 100):
            off = np.abs(getattr(ndfilters, name)(dask.array.from_array(image, chunks=size), mode="wrap", **options).compute() - right)
            wrapped[name, size] = float(off.max())
            print(f"{name}, wrapped, in chunks of {size}: up to {off.max():.1f} levels off, away from the border {off[25:-25, 25:-25].max():.1g}")
    for order in (1, 3):
        right = scipy.ndimage.rotate(image, 20, order=order, reshape=False)[150:250, 150:250]
        answer = ndinterp.rotate(dask.array.from_array(image, chunks=100), 20, order=order, reshape=False).compute()[150:250, 150:250]
        turned[order] = float(answer.std()), float(right.std())
        print(f"rotate, order={order}: up to {np.abs(answer - right).max():.1f} levels off; contrast, as standard deviation, {answer.std():.1f}, by SciPy {right.std():.1f}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
filters = ("gaussian_filter", "median_filter", "maximum_filter")
sys.exit(
    not (
        all(wrapped[name, 100] > 10 and wrapped[name, 400] < 0.01 for name in filters) and max(wrapped["convolve", size] for size in (400, 200, 100)) < 0.01
        and turned[3][0] < turned[1][0] < turned[3][1] and abs(turned[1][0] - turned[1][1]) < 0.01
    )
)
P
echo "expected: the numbers of SciPy, for chunks of any size"
check
