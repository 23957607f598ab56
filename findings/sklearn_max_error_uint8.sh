#!/usr/bin/env bash
# scikit-learn's max_error of uint8 is 255 for grades that are at most 1 apart, and AdditiveChi2Sampler cuts its features to integers; of the other errors only that of the median can be wrong as well (sklearn_ranking_uint8.sh).
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, sklearn
from sklearn import metrics
from sklearn.kernel_approximation import AdditiveChi2Sampler

print("scikit-learn", sklearn.__version__, "numpy", np.__version__)
truth = np.array([2, 0, 3, 5, 4, 1], np.uint8)
answers = np.array([2, 1, 3, 4, 4, 1], np.uint8)
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name in "max_error", "mean_absolute_error", "median_absolute_error", "mean_squared_error", "r2_score", "explained_variance_score":
        found[name] = [float(getattr(metrics, name)(truth.astype(kind), answers.astype(kind))) for kind in (np.uint8, np.int64, np.float64)]
        print(f"{name}: {found[name][0]:.4g} for uint8, {found[name][1]:.4g} for int64, {found[name][2]:.4g} for float64")
    colours = np.random.default_rng(0).integers(0, 12, (200, 8)).astype(np.uint8)  # histograms
    features = {kind.__name__: AdditiveChi2Sampler(sample_steps=3).fit_transform(colours.astype(kind)) for kind in (np.uint8, np.float64)}
print("features of AdditiveChi2Sampler:", {kind: (each.dtype.name, each[0, :3].round(2).tolist()) for kind, each in features.items()})
real = colours.astype(float)
sums = real[:, None] + real[None]
kernel = (2 * real[:, None] * real[None] / np.where(sums > 0, sums, 1)).sum(-1)
off = {kind: float(np.abs(each.astype(float) @ each.astype(float).T / kernel - 1).mean()) for kind, each in features.items()}
print("their products miss the kernel by", {kind: f"{each:.1%}" for kind, each in off.items()}, "on average; warnings:", len(warned))
held = found["max_error"] == [255, 1, 1] and all(np.allclose(each, each[2]) for name, each in found.items() if name != "max_error")
sys.exit(not (held and features["uint8"].dtype.kind == "u" and off["uint8"] > 5 * off["float64"]) or bool(warned))
P
echo "expected: a largest error of 1, and features with fractions, whatever type the integers have"
check
