#!/usr/bin/env bash
# scipy.signal.wiener squares pixels of uint8 in uint8: a denoised picture has negative numbers; and filtfilt, sosfiltfilt and decimate extend a signal of uint8 at its ends by numbers that wrap around.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, scipy
from scipy import ndimage, signal

print("scipy", scipy.__version__, "numpy", np.__version__)
random = np.random.default_rng(0)
y, x = np.mgrid[:96, :96]
clean = np.where((x - 48) ** 2 + (y - 48) ** 2 < 900, 60.0, 200.0)
noisy = np.clip(ndimage.gaussian_filter(clean, 2) + random.normal(0, 8, clean.shape), 0, 255).round().astype(np.uint8)
line = np.clip(8 + np.arange(200) * 1.2 + random.normal(0, 5, 200), 0, 255).round().astype(np.uint8)  # brightness along a scan
b, a = signal.butter(3, 0.1)
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, step, data in (
        ("wiener(5)", lambda data: signal.wiener(data, 5), noisy), ("medfilt2d(5)", lambda data: signal.medfilt2d(data, 5), noisy),
        ("filtfilt", lambda data: signal.filtfilt(b, a, data), line), ("sosfiltfilt", lambda data: signal.sosfiltfilt(signal.butter(3, 0.1, output="sos"), data), line),
        ("decimate by 4", lambda data: signal.decimate(data, 4), line), ("savgol_filter", lambda data: signal.savgol_filter(data, 11, 2), line), ("resample_poly", lambda data: signal.resample_poly(data, 1, 4), line),
    ):
        ours, right = np.asarray(step(data), float), np.asarray(step(data.astype(float)), float)
        found[name] = ours, right, np.abs(ours - right).max()
        print(f"{name}: {ours.min():.0f} to {ours.max():.0f} for uint8, {right.min():.0f} to {right.max():.0f} for float64, up to {found[name][2]:.1f} apart")
before, after, best = (np.sqrt(((each - clean)[8:-8, 8:-8] ** 2).mean()) for each in (noisy.astype(float), found["wiener(5)"][0], found["wiener(5)"][1]))
print(f"distance from the picture without noise: {before:.1f} before, {after:.1f} after wiener of uint8, {best:.1f} of float64; int64 {np.abs(signal.wiener(noisy.astype(np.int64), 5) - found['wiener(5)'][1]).max():.1f} apart")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
wrong = found["wiener(5)"][2] > 100 and all(found[name][2] > 5 for name in ("filtfilt", "sosfiltfilt", "decimate by 4")) and after > before
sys.exit(not (wrong and best < before and all(found[name][2] < 1 for name in ("medfilt2d(5)", "savgol_filter", "resample_poly"))))
P
echo "expected: the same numbers from uint8 as from float64, to within a rounding, or an error"
check
