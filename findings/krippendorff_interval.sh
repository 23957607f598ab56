#!/usr/bin/env bash
# krippendorff takes diagnoses for numbers on a scale: the agreement of the same readers depends on the order in which the diagnoses were numbered.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv krippendorff==0.9.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import krippendorff, numpy as np

print(f"krippendorff {version('krippendorff')}")
random = np.random.default_rng(0)
names = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"]
truth = random.choice(names, 200, p=[0.03, 0.05, 0.11, 0.02, 0.11, 0.66, 0.02])
readers = [np.where(random.random(200) < 0.15, np.where(truth == "nv", "mel", "nv"), truth) for _ in range(3)]
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, order in (("alphabetical", names), ("by malignancy", ["nv", "df", "vasc", "bkl", "akiec", "bcc", "mel"])):
        numbers = np.array([[order.index(each) for each in reader] for reader in readers])
        found[name] = krippendorff.alpha(reliability_data=numbers), krippendorff.alpha(reliability_data=numbers, level_of_measurement="nominal")
        print(f"numbered {name}: alpha {found[name][0]:.2f}, with level_of_measurement='nominal' {found[name][1]:.2f}")
print(f"warnings: {len(told)}")
one, other = found.values()
sys.exit(not (abs(one[1] - other[1]) < 1e-9 and one[0] - other[0] > 0.1 and not told))
P
echo "expected: alpha of categories, for which whole numbers are the usual codes, or a question what the numbers mean"
check
