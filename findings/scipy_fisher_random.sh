#!/usr/bin/env bash
# SciPy's Fisher's exact test draws tables at random if there are more than 2 x 2 cells: its p differs from call to call, and is never below 0.0001.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import itertools, sys, warnings
from math import comb
import numpy as np, scipy
from scipy.stats import fisher_exact


def exact(table):
    """The probability of all tables with these sums that are at most as probable as this one, of two rows."""
    rows, columns = np.sum(table, axis=1).tolist(), np.sum(table, axis=0).tolist()

    def probability(first):
        return np.prod([float(comb(c, f)) for c, f in zip(columns, first)]) / comb(sum(columns), rows[0])

    every = (first for first in itertools.product(*(range(c + 1) for c in columns)) if sum(first) == rows[0])
    limit = probability(table[0]) * (1 + 1e-7)
    return float(sum(p for p in map(probability, every) if p <= limit))


print(f"SciPy {scipy.__version__}, numpy {np.__version__}")
tables = {
    "two hospitals and four sites": [[40, 10, 5, 3], [30, 16, 9, 6]],
    "two hospitals and three diagnoses": [[60, 2, 1], [20, 22, 19]],
    "two hospitals and two diagnoses": [[60, 3], [20, 41]],
}
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for what, table in tables.items():
        found[what] = [float(fisher_exact(table).pvalue) for _ in range(20)], exact(table)
        p_values, by_hand = found[what]
        print(f"{what}: 20 calls give p from {min(p_values):.4g} to {max(p_values):.4g}, {len(set(p_values))} values; by all tables {by_hand:.4g}")
print(f"warnings: {len(told)}")
four, three, two = found.values()
drawn = len(set(four[0])) > 5 and abs(np.mean(four[0]) - four[1]) < 0.01 and set(three[0]) == {0.0001} and three[1] < 1e-8
sys.exit(not (drawn and len(set(two[0])) == 1 and np.isclose(two[0][0], two[1], rtol=1e-6)))
P
echo "expected: an exact test returns the same p at each call, however small it is"
check
