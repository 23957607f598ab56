#!/usr/bin/env bash
# frouros's PSI takes an empty bin for one with 2e-308 of the images: one image alone in a bin adds more than what is called a large shift.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv frouros==0.9.0 numpy==2.1.3 scipy==1.14.1
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from frouros.detectors.data_drift import PSI

print(*(f"{name} {version(name)}" for name in ("frouros", "numpy", "scipy")))


def theirs(reference, images):
    detector = PSI(num_bins=10)
    detector.fit(X=reference)
    return detector.compare(X=images)[0].distance


def by_hand(reference, images):  # same bins, half an image in an empty one
    edges = np.histogram_bin_edges(np.hstack((reference, images)), bins=10)
    first, second = (np.maximum(np.histogram(each, edges)[0], 0.5) / len(each) for each in (reference, images))
    return float(np.sum((second - first) * np.log(second / first)))


random = np.random.default_rng(0)
found = []
for _ in range(200):
    reference, images = random.normal(0.6, 0.1, 1000), random.normal(0.6, 0.1, 200)  # mean brightness of images, drawn alike
    found.append((theirs(reference, images), by_hand(reference, images)))
found = np.array(found)
shares = (found > 0.25).mean(axis=0)
print(f"200 times 1,000 images and 200 that are drawn alike: median {np.median(found[:, 0]):.3f}, {shares[0]:.0%} above 0.25")
print(f"  with half an image in an empty bin: median {np.median(found[:, 1]):.3f}, {shares[1]:.0%} above 0.25")
sys.exit(not (shares[0] > 0.5 and shares[1] == 0))
P
echo "expected: samples of one distribution are far below 0.25, above which a shift is called large"
check
