#!/usr/bin/env bash
# DuckDB's years have 360 days when they are compared or handed to Python: age() of a patient of 60 years is 59 in pandas, and an age of one year is not above 364 days.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv duckdb==2.0.1 pandas==3.1.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import duckdb

print(f"DuckDB {duckdb.__version__}")
born = "select age(date '2026-11-30', date '1966-11-30') as age, date '2026-11-30' - date '1966-11-30' as days"
(age, days), frame = duckdb.sql(born).fetchall()[0], duckdb.sql(born).df()
years = age.days / 365.25, frame["age"].dt.days[0] / 365.25, days / 365.25
print(f"born on 1966-11-30, on 2026-11-30: {duckdb.sql(f'select age::varchar from ({born})').fetchall()[0][0]} in SQL; in Python {age}, or {years[0]:.2f} years; in pandas {frame['age'][0]}, or {years[1]:.2f}; the difference of the dates is {days} days, or {years[2]:.2f}")
ask = "select age(date '2026-11-30', date '2025-11-30') > interval 364 day, date '2026-11-30' - date '2025-11-30' > 364, date '2025-11-30' + interval 364 day < date '2026-11-30'"
later = duckdb.sql(ask).fetchall()[0]
print(f"a visit a year later is more than 364 days later: {later[0]} by age(), {later[1]} by the difference of dates, {later[2]} by adding")
sys.exit(not (age.days == 60 * 360 and frame["age"].dt.days[0] == 60 * 360 and days == 21915 and later == (False, True, True)))
P
echo "expected: 60 years, at least 59.99, and a year has 365 days"
check
