#!/usr/bin/env bash
# Importing venn-abers turns off NumPy's warnings of divisions by zero and invalid numbers for the whole program.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv venn-abers==1.5.4 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np

print(*(f"{name} {version(name)}" for name in ("venn-abers", "numpy", "scikit-learn", "pandas")))
hits, melanomas = np.array([8.0, 0.0]), np.array([10.0, 0.0])  # no melanoma among the patients of the second group


def warned():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        sensitivity, logarithm = hits / melanomas, np.log(np.array([0.0]))
    print(f"sensitivity {sensitivity}, logarithm of 0 {logarithm}: {[str(each.message) for each in told]}")
    return len(told)


before, settings = warned(), np.geterr()
print("import pandas, sklearn")
import pandas, sklearn  # noqa: E401, E402, F401

same = np.geterr() == settings
print("import venn_abers")
import venn_abers  # noqa: E402, F401

after = warned()
print(f"numpy.geterr(): {settings} before, {np.geterr()} after")
sys.exit(not (before == 2 and same and after == 0 and np.geterr()["divide"] == np.geterr()["invalid"] == "ignore"))
P
echo "expected: an import changes nothing in how other code computes"
check
