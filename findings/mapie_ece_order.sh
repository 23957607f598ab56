#!/usr/bin/env bash
# MAPIE's calibration error with split_strategy="array split" makes its bins of the rows as they come: in another order it is another number.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mapie==1.6.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from mapie.metrics.calibration import expected_calibration_error

print(*(f"{name} {version(name)}" for name in ("mapie", "scikit-learn", "numpy")))
random = np.random.default_rng(0)
confidence = random.uniform(0.3, 1, 2000)
correct = (random.random(2000) < 0.65 + 0.1 * np.sign(confidence - 0.65)).astype(int)  # 0.55 or 0.75: too sure where it is sure, and not where it is not
ordered = np.argsort(confidence)
by_hand = sum(abs(confidence[part].sum() - correct[part].sum()) for part in np.array_split(ordered, 10)) / 2000
print(f"ten bins of 200 images each, by hand: {by_hand:.3f}")
found = {}
for strategy in "array split", "quantile", "uniform":
    found[strategy] = [
        expected_calibration_error(correct[order], confidence[order], num_bins=10, split_strategy=strategy)
        for order in (ordered, np.arange(2000), ordered[::-1])
    ]
    print(f"{strategy}: by confidence {{:.3f}}, as drawn {{:.3f}}, by falling confidence {{:.3f}}".format(*found[strategy]))
few = [expected_calibration_error(correct, confidence, num_bins=bins) for bins in (2, 1)]
gap = abs(confidence.mean() - correct.mean())
print(f"uniform, two bins: {few[0]:.3f}, which is the difference of the means, {gap:.3f}; one bin: {few[1]:.3f}")
split = found["array split"]
same = max(np.ptp(found[strategy]) for strategy in ("quantile", "uniform"))
sys.exit(not (abs(split[0] - by_hand) < 0.01 and split[1] < split[0] / 2 and same < 1e-9 and abs(few[0] - gap) < 1e-9 and np.isnan(few[1])))
P
echo "expected: the order of the images does not matter, and n bins are n"
check
