#!/usr/bin/env bash
# torchmetrics' BootStrapper draws within each batch: with sampling_strategy="multinomial", image by image, the standard error is 0.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, torch, torchmetrics
from torchmetrics.classification import BinaryAccuracy
from torchmetrics.wrappers import BootStrapper

print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__, "numpy", np.__version__)
random = np.random.default_rng(0)
labels = random.integers(0, 2, 400)
answers = np.where(random.random(400) < 0.8, labels, 1 - labels)
order = np.argsort(labels != answers, kind="stable")  # as in a folder for each result
right = (labels == answers).mean()
formula = float((right * (1 - right) / 400) ** 0.5)
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for strategy in "multinomial", "poisson":
        for size in 1, 2, 400:
            np.random.seed(0)
            torch.manual_seed(0)
            metric = BootStrapper(BinaryAccuracy(), num_bootstraps=100, sampling_strategy=strategy)
            for start in range(0, 400, size):
                places = order[start : start + size]
                metric.update(torch.from_numpy(answers[places]), torch.from_numpy(labels[places]))
            found[strategy, size] = float(metric.compute()["std"])
            print(f"{strategy}, in batches of {size}: accuracy {float(metric.compute()['mean']):.3f}, standard error {found[strategy, size]:.4f}")
print(f"by the formula: {right:.3f} and {formula:.4f}; warnings: {len(warned)}")
held = found["multinomial", 1] < 1e-6 and found["multinomial", 2] < formula / 2
held &= all(abs(found[each] / formula - 1) < 0.3 for each in found if each[0] == "poisson" or each[1] == 400)
sys.exit(not held or bool(warned))
P
echo "expected: a standard error of about 0.02 from 400 images, whatever the size of a batch"
check
