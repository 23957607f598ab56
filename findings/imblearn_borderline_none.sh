#!/usr/bin/env bash
# BorderlineSMOTE of imbalanced-learn adds nothing where no rare case lies between the classes: 180 to 20 stays 180 to 20, without a message; SVMSMOTE stops half way.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv imbalanced-learn==0.14.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import imblearn, numpy as np
from imblearn.over_sampling import ADASYN, SMOTE, SVMSMOTE, BorderlineSMOTE, RandomOverSampler

print(f"imbalanced-learn {imblearn.__version__}")
labels = np.repeat([0, 1], [180, 20])
noise = np.random.default_rng(0).normal(size=(200, 3))
features = {"apart": noise + 20 * labels[:, None], "overlapping": noise + labels[:, None]}
found, told = {}, []
for kind, numbers in features.items():
    for sampler in (RandomOverSampler, SMOTE, BorderlineSMOTE, SVMSMOTE, ADASYN):
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            try:
                counts = np.bincount(sampler(random_state=0).fit_resample(numbers, labels)[1]).tolist()
            except RuntimeError as error:
                counts = f"refused: {error}"[:60]
        found[kind, sampler.__name__] = counts
        told += [str(each.message)[:90] for each in warned if sampler in (BorderlineSMOTE, SVMSMOTE)]
        print(f"classes {kind}, 180 to 20 cases, {sampler.__name__}: {counts}")
print(f"warnings: {told}")
held = found["apart", "BorderlineSMOTE"] == [180, 20] and found["apart", "SMOTE"] == [180, 180] and str(found["apart", "ADASYN"]).startswith("refused")
sys.exit(not (held and found["apart", "SVMSMOTE"][1] < 140 and found["overlapping", "BorderlineSMOTE"] == [180, 180] and not told))
P
echo "expected: 180 cases of each class, as sampling_strategy says by default, or an exception, as from ADASYN"
check
