#!/usr/bin/env bash
# fairlearn's ThresholdOptimizer draws its answers: one patient in eight gets another one at the next call, and with random_state, one by one, all get the same draw.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv fairlearn==0.15.0 scikit-learn==1.9.1 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import fairlearn, numpy as np, sklearn
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.linear_model import LogisticRegression

print(f"fairlearn {fairlearn.__version__}, scikit-learn {sklearn.__version__}")
random = np.random.default_rng(0)
group = random.integers(0, 2, 600)  # two hospitals
features = random.normal(size=(600, 2)) + group[:, None] * 0.8
melanoma = (features[:, 0] + random.normal(0, 1, 600) > 0.8).astype(int)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    fair = ThresholdOptimizer(estimator=LogisticRegression(), constraints="equalized_odds", predict_method="predict_proba")
    fair.fit(features, melanoma, sensitive_features=group)
    said = [str(each.message)[:80] for each in warned]
    calls = [fair.predict(features, sensitive_features=group) for _ in range(5)]
    changed = np.mean([(calls[0] != call).mean() for call in calls[1:]])
    together = fair.predict(features, sensitive_features=group, random_state=0)
    again = fair.predict(features, sensitive_features=group, random_state=0)
    single = np.array([fair.predict(features[i : i + 1], sensitive_features=group[i : i + 1], random_state=0)[0] for i in range(600)])
print(f"five calls of predict with the same 600 patients: {changed:.0%} of the answers differ from the first call's; warnings: {said}")
print(f"with random_state=0: all at once {(together != again).mean():.0%} differ; one by one {(together != single).mean():.0%}: {single.mean():.0%} are called melanoma instead of {together.mean():.0%}")
sensitivity = [[together[(group == g) & (melanoma == 1)].mean(), single[(group == g) & (melanoma == 1)].mean()] for g in (0, 1)]
print(f"sensitivities of the two hospitals: {sensitivity[0][0]:.2f} and {sensitivity[1][0]:.2f} at once, {sensitivity[0][1]:.2f} and {sensitivity[1][1]:.2f} one by one")
sys.exit(not (changed > 0.05 and (together == again).all() and (together != single).mean() > 0.03 and not warned))
P
echo "expected: a fitted classifier answers the same for the same patient, alone or with others"
check
