#!/usr/bin/env bash
# rocauc-comparison sorts labels by their negatives: of uint8, -1 is 255, so that the benign images are taken for the malignant ones.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv rocauc-comparison==0.1.1 numpy==2.1.3 scipy==1.14.1
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from rocauc_comparison import delong_roc_test, delong_roc_variance

print(*(f"{name} {version(name)}" for name in ("rocauc-comparison", "numpy", "scipy")))
random = np.random.default_rng(0)
melanoma = (random.random(400) < 0.15).astype(int)
first, second = random.normal(size=(2, 400)) + 1.5 * melanoma
found = {}
for kind in np.int64, np.int8, np.float32, np.uint8:
    labels = melanoma.astype(kind)
    auc, variance = delong_roc_variance(labels, first)
    p = np.ravel(delong_roc_test(labels, first, second).p_value)[0]
    found[kind] = auc, p
    print(f"labels of {kind.__name__}: AUC {auc:.3f}, standard error {float(variance) ** 0.5:.3f}, p of two models {p:.3f}")
(auc, p), wrong = found[np.int64], found[np.uint8]
sys.exit(not (auc > 0.8 and found[np.int8] == found[np.float32] == (auc, p) and wrong[0] < 0.7 and wrong[1] != p))
P
echo "expected: 0 and 1 are the same labels whatever their type"
PYTHONWARNINGS=ignore check
