#!/usr/bin/env bash
# torchmetrics computes R2, explained variance and relative squared error from sums of squares in float32: for values around 10,000 R2 is 0.99 to 1.004 instead of 0.90, also from a single batch.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torchmetrics==1.9.0 torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, sklearn, torch, torchmetrics
from sklearn.metrics import explained_variance_score, r2_score
from torchmetrics.regression import ExplainedVariance, PearsonCorrCoef, R2Score, RelativeSquaredError

print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__, "scikit-learn", sklearn.__version__)
random = np.random.default_rng(0)
difference, error = random.normal(size=1000), random.normal(size=1000) * 0.3
held = True
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for offset in 0, 100, 10_000, 20_000:  # such as days since the first of January 1990
        truth = (offset + difference).astype(np.float32)
        answers = (truth + error).astype(np.float32)
        right = r2_score(truth, answers), explained_variance_score(truth, answers)
        found = {}
        for name, metric in ("R2", R2Score), ("explained variance", ExplainedVariance), ("relative squared error", RelativeSquaredError), ("correlation", PearsonCorrCoef):
            for size in 1000, 50:
                measured = metric()
                for start in range(0, 1000, size):
                    measured.update(torch.from_numpy(answers[start : start + size]), torch.from_numpy(truth[start : start + size]))
                found[name, size] = float(measured.compute())
        print(f"around {offset}: R2 {right[0]:.3f} and explained variance {right[1]:.3f} by scikit-learn, from the same float32;", ", ".join(f"{name} {value:.4g}" for (name, size), value in found.items() if size == 1000))
        print("    in batches of 50:", ", ".join(f"{name} {value:.4g}" for (name, size), value in found.items() if size == 50))
        close = [abs(found[name, 50] - value) < 0.01 for name, value in zip(("R2", "explained variance"), right)]
        held &= all(close) if offset <= 100 else not any(close)
        held &= 0.9 < right[0] < 0.92 and 0.95 < found["correlation", 50] < 0.965
print("warnings:", [str(each.message)[:60] for each in warned if "offset" in str(each.message) or "precision" in str(each.message)])
sys.exit(not held)
P
echo "expected: R2 does not depend on what is added to both, 0.91 to about three places in float32; it is never above 1"
check
