#!/usr/bin/env bash
# MedPy adds pixels of uint8 up in uint8: its average of 5 x 5 pixels of 200 is 5.4 instead of 200, the noise of a picture 26 instead of 5.5 and its gradients wrong, without a message; int16 and floats are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv medpy==0.5.2 simpleitk==2.5.7 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from medpy.features.intensity import gaussian_gradient_magnitude
from medpy.filter.image import average_filter
from medpy.filter.noise import immerkaer
from medpy.filter.smoothing import anisotropic_diffusion
from medpy.metric.image import mutual_information

print(*(f"{name} {version(name)}" for name in ("medpy", "scipy", "numpy")))
random = np.random.default_rng(0)
rows, columns = np.mgrid[:100, :120]
picture = np.full((100, 120), 200.0)  # skin
picture[(rows - 50) ** 2 + (columns - 55) ** 2 < 600] = 80  # a lesion
even = picture.astype(np.uint8)
noisy = np.clip(picture + 5 * random.normal(size=picture.shape), 0, 255).round().astype(np.uint8)
measures = {
    "average_filter of 5 x 5, at the skin": lambda kind: average_filter(even.astype(kind), 5)[10, 10],
    "average_filter of 5 x 5, at the lesion": lambda kind: average_filter(even.astype(kind), 5)[50, 55],
    "immerkaer, the noise, which is 5": lambda kind: immerkaer(noisy.astype(kind)),
    "gaussian_gradient_magnitude, mean along the lesion's edge": lambda kind: gaussian_gradient_magnitude(even.astype(kind), 2)[np.ravel(np.abs(np.hypot(rows - 50, columns - 55) - 24.5) < 1)].mean(),
    "anisotropic_diffusion, at the skin": lambda kind: anisotropic_diffusion(even.astype(kind), niter=3)[10, 10],
    "mutual_information of both": lambda kind: mutual_information(even.astype(kind), noisy.astype(kind)),
}
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, measure in measures.items():
        found[name] = {kind: float(measure(kind)) for kind in ("uint8", "int16", "float64")}
        print(f"{name}:", ", ".join(f"{value:.2f} of {kind}" for kind, value in found[name].items()))
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
skin, lesion, noise, edge, diffused, information = found.values()
sys.exit(
    not (
        skin["uint8"] < 10 and abs(skin["float64"] - 200) < 0.1 and lesion["uint8"] < 20 and noise["uint8"] > 3 * noise["float64"] and abs(edge["uint8"] / edge["float64"] - 1) > 0.2
        and all(abs(each["int16"] / each["float64"] - 1) < 0.2 for each in (skin, lesion, noise)) and max(abs(each["uint8"] / each["float64"] - 1) for each in (diffused, information)) < 0.01
    )
)
P
echo "expected: the same for every type, but for rounding"
check
