#!/usr/bin/env bash
# dcurves takes the probability of survival for the risk: a good marker of death has less net benefit than treating all or none.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dcurves==1.1.7 lifelines==0.30.3 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import lifelines, numpy as np, pandas as pd
from dcurves import dca

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("dcurves", "lifelines", "pandas")))
random = np.random.default_rng(0)
thickness = random.normal(size=800)  # of melanomas, standardised: the thicker, the sooner
years = random.exponential(1, 800) * np.exp(-1.5 * thickness)
data = pd.DataFrame({"marker": thickness, "dead": (years < 3).astype(int), "years": np.minimum(years, 3)})
fitted = lifelines.CoxPHFitter().fit(data, "years", "dead")
survives = fitted.predict_survival_function(data, times=1).to_numpy()[0]
data["risk"] = 1 - survives  # of death within a year; dcurves is asked for the same with models_to_prob
thresholds = [0.2, 0.3, 0.5]
curves = dca(data, "dead", ["marker", "risk"], thresholds, models_to_prob=["marker"], time=1, time_to_outcome_col="years")
benefit = curves.pivot(index="model", columns="threshold", values="net_benefit")
for name, told in (("marker", "the marker, made a risk by dcurves"), ("risk", "the same risk, made by lifelines"), ("all", "treat all")):
    print(f"net benefit at {thresholds}: {told}", *(f"{value:.3f}" for value in benefit.loc[name]))
ours, theirs = benefit.loc["risk"], benefit.loc["marker"]
sys.exit(not ((ours > benefit.loc["all"].clip(lower=0)).all() and (theirs < benefit.loc["all"]).all() and theirs[0.5] < 0))
P
echo "expected: a marker that ranks patients well is above treating all and treating none (0)"
check
