#!/usr/bin/env bash
# fairlearn counts a group without melanomas as one whose melanomas are all missed: the unfairness of a network that is always right is 1.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv fairlearn==0.15.0 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from fairlearn.metrics import MetricFrame, equal_opportunity_difference, equalized_odds_difference, equalized_odds_ratio, true_positive_rate

print(*(f"{name} {version(name)}" for name in ("fairlearn", "scikit-learn", "pandas")))
skin = np.repeat(["I to II", "III to IV", "V to VI"], [400, 200, 10])
melanoma = np.zeros(610, int)
melanoma[:600:10] = 1  # none among the last ten
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, members in (("all images", np.arange(610)), ("without the last ten", np.arange(600))):
        truth, groups = melanoma[members], skin[members]
        called = truth  # a network that is always right
        rates = MetricFrame(metrics=true_positive_rate, y_true=truth, y_pred=called, sensitive_features=groups).by_group.to_dict()
        measures = equal_opportunity_difference, equalized_odds_difference, equalized_odds_ratio
        found[name] = [float(measure(truth, called, sensitive_features=groups)) for measure in measures]
        print(f"{name}: true positive rates {rates}, difference in equal opportunity {found[name][0]}, in equalized odds {found[name][1]}")
print(f"warnings: {len([each for each in told if 'fairlearn' in each.filename and issubclass(each.category, UserWarning)])}")
sys.exit(not (found["all images"][:2] == [1, 1] and found["without the last ten"][:2] == [0, 0]))
P
echo "expected: a rate of no images is not known, and takes no part or makes the difference unknown"
check
