#!/usr/bin/env bash
# MLstatkit's DeLong test says p = 0 of a model and itself: where two rankings have the same AUC and variance, its fallback counts ties once.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlstatkit==0.1.91 numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from MLstatkit import Delong_test

print(*(f"{name} {version(name)}" for name in ("mlstatkit", "numpy", "scipy")))
random = np.random.default_rng(0)
melanoma = (random.random(400) < 0.2).astype(int)
logits = random.normal(size=400) + 1.5 * melanoma - 2
probability = 1 / (1 + np.exp(-logits))
others = {
    "the same model": probability,
    "the same model, calibrated by a temperature": 1 / (1 + np.exp(-logits / 1.7)),
    "the same model, noise added to its logits": 1 / (1 + np.exp(-logits - random.normal(size=400) / 2)),
}
found = {}
for name, other in others.items():
    z, p, _, _, first, second, told = Delong_test(melanoma, probability, other, random_state=0, n_boot=500)
    found[name] = p
    print(f"{name}: AUC {first:.4f} and {second:.4f}, z {z:.2f}, p {p:.4g} ({told['method']})")
same, calibrated, noisy = found.values()
sys.exit(not (same == calibrated == 0 < noisy))
P
echo "expected: two models that rank all images alike do not differ: p = 1"
check
