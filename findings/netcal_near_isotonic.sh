#!/usr/bin/env bash
# netcal's NearIsotonicRegression answers 0 or 1, the label of the most similar image of the training, so that calibration is worse than before, as does ENIR of 200 images with quick_init=False, without a message; IsotonicRegression and ENIR by default are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv netcal==1.4.0 torch==2.13.0 gpytorch==1.15.2 pyro-ppl==1.9.2 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import contextlib, io, sys, warnings
from importlib.metadata import version
import numpy as np
from netcal.binning import BBQ, ENIR, IsotonicRegression, NearIsotonicRegression
from netcal.metrics import ECE

print(*(f"{name} {version(name)}" for name in ("netcal", "torch", "numpy")))
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for count in (200, 1000):
        random = np.random.default_rng(1)
        logit = 2 * random.normal(size=2 * count) - 1
        risk = 1 / (1 + np.exp(-logit / 2))  # of melanoma
        given = 1 / (1 + np.exp(-logit))  # by a network that is too sure
        label = (random.random(2 * count) < risk).astype(int)
        answers = {"uncalibrated": given[count:]}
        for name, method in {
            "IsotonicRegression": IsotonicRegression(),
            "NearIsotonicRegression": NearIsotonicRegression(),
            "NearIsotonicRegression, quick_init=False": NearIsotonicRegression(quick_init=False),
            "ENIR": ENIR(),
            "ENIR, quick_init=False": ENIR(quick_init=False),
            "BBQ": BBQ(),
        }.items():
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                answers[name] = np.asarray(method.fit(given[:count], label[:count]).transform(given[count:]))
        for name, answer in answers.items():
            off = float(np.abs(answer - risk[count:]).mean())
            error = float(ECE(10).measure(answer, label[count:]))
            certain = float(np.mean((answer < 0.001) | (answer > 0.999)))
            found[name, count] = off, error, certain
            print(f"{count} images, {name}: {off:.3f} from the risk on average, ECE {error:.3f}, 0 or 1 for {certain:.0%}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
wrong = [("NearIsotonicRegression", 200), ("NearIsotonicRegression", 1000), ("NearIsotonicRegression, quick_init=False", 200), ("NearIsotonicRegression, quick_init=False", 1000), ("ENIR, quick_init=False", 200)]
sys.exit(
    not (
        all(found[case][0] > 0.3 and found[case][1] > 0.3 and found[case][2] > 0.8 for case in wrong)
        and all(off < 0.12 and certain < 0.2 for case, (off, _, certain) in found.items() if case not in wrong)
    )
)
P
echo "expected: probabilities nearer to the risk than before, like those of the isotonic regression"
check
