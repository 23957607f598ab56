#!/usr/bin/env bash
# DuckDB's median of 0.1 and 0.2 is 0.1, of 1 and 2 it is 1.5: numbers written with a point are decimals, and a quantile keeps their places.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv duckdb==2.0.1
cat >"$folder/try.py" <<'P'
import sys
import duckdb

WANTED = "typeof(any_value(auc)), avg(auc), median(auc), mad(auc), quantile_cont(auc, 0.025), quantile_cont(auc, 0.975)"
print("DuckDB", duckdb.__version__)
found = {}
for values in "(1), (2)", "(0.1::DOUBLE), (0.2)", "(0.1), (0.2)", "(0.92), (0.95)":
    kind, *found[values] = duckdb.sql(f"SELECT {WANTED} FROM (VALUES {values}) AS runs(auc)").fetchall()[0]
    numbers = [round(float(value), 4) for value in found[values]]
    print("{}, {}: mean {}, median {}, median distance of it {}, interval {} to {}".format(values, kind, *numbers))
whole, double, decimal, _ = ([float(value) for value in values] for values in found.values())
sys.exit(not (whole[1] == 1.5 and abs(double[1] - 0.15) < 1e-9 and decimal[0] == 0.15 and decimal[1:] == [0.1, 0.0, 0.1, 0.1]))
P
echo "expected: the median of two numbers is their mean, also of 0.1 and 0.2: 0.15"
check
