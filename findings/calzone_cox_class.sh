#!/usr/bin/env bash
# calzone measures the calibration of class_to_calculate, except for Cox's slope and intercept, which are always those of class 1; and its bins leave out rows whose probability is the smallest, or 0.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv calzone-tool==0.1.0 statsmodels==0.15.0 matplotlib==3.11.2 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, statsmodels.api as sm
from calzone.metrics import CalibrationMetrics
from calzone.utils import reliability_diagram

print(*(f"{name} {version(name)}" for name in ("calzone-tool", "statsmodels", "numpy")))
warnings.simplefilter("error")
random = np.random.default_rng(0)
names = ["nevus", "keratosis", "melanoma"]
logits = 1.5 * random.normal(size=(4000, 3)) + [1.5, 0, -0.5]
risk = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
truth = (risk.cumsum(1) < random.random((4000, 1))).sum(1)
# Overconfident about melanoma: its odds are squared, the other two share the rest as before.
odds = (risk[:, 2] / (1 - risk[:, 2])) ** 2
melanoma = odds / (1 + odds)
stated = np.column_stack([risk[:, :2] / risk[:, :2].sum(1, keepdims=True) * (1 - melanoma[:, None]), melanoma])
found = []
for number, name in enumerate(names):
    told = CalibrationMetrics(class_to_calculate=number).calculate_metrics(truth.copy(), stated, metrics=["ECE-H", "COX"])
    own = np.clip(stated[:, number], 1e-7, 1 - 1e-7)
    exact = sm.Logit(truth == number, sm.add_constant(np.log(own / (1 - own)))).fit(disp=0).params[1]
    found.append((told["COX coef"], exact))
    print(f"class_to_calculate={number}, {name}: slope {told['COX coef']:.3f} ({told['COX coef lowerci']:.3f} to {told['COX coef upperci']:.3f}), by statsmodels {exact:.3f}; ECE {told['ECE-H']:.3f}")
shares = []
for digits in (None, 3, 2):
    shown = stated if digits is None else stated.round(digits)
    for equal in (False, True):
        counts = reliability_diagram(truth, shown, num_bins=10, class_to_plot=2, is_equal_freq=equal)[-1]
        shares.append(counts.sum() / len(truth))
        print(f"melanoma, {'all digits' if digits is None else f'{digits} digits'}, bins of equal {'counts' if equal else 'width'}: {counts.sum()} of {len(truth)} rows are in a bin")
slopes = [slope for slope, _ in found]
exact = [value for _, value in found]
sys.exit(not (max(slopes) - min(slopes) < 1e-9 and abs(slopes[1] - exact[1]) < 1e-3 and exact[2] < 0.6 < 0.85 < slopes[2] and shares[0] == 1 and shares[-2] < 0.8 and shares[-1] < 0.8))
P
echo "expected: a slope of about 0.5 for melanoma, and each row in a bin"
check
