#!/usr/bin/env bash
# DuckDB draws 10 % of a table in blocks of 2,048 rows: of a test part of 1,489 images it takes none or all, of HAM10000's 10,015 often a multiple of 2,048.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv duckdb==2.0.1
cat >"$folder/try.py" <<'P'
import sys
import duckdb

print(f"duckdb {duckdb.__version__}")
connection = duckdb.connect()
for table, rows in (("test", 1489), ("ham10000", 10015)):
    connection.execute(f"CREATE TABLE {table} AS SELECT i AS image FROM range({rows}) t(i)").fetchall()


def counts(table, sample):
    query = f"SELECT count(*) FROM {table} USING SAMPLE {sample}"
    return [connection.execute(query.format(seed)).fetchall()[0][0] for seed in range(40)]


samples = ("10%", "10% (system, {})", "10% (bernoulli, {})", "150 (reservoir, {})")  # the first takes no seed
found = {(table, sample): counts(table, sample) for table in ("test", "ham10000") for sample in samples}
for (table, sample), each in found.items():
    print(f"{table} {sample}: {len(set(each))} sizes in 40 samples, {sorted(set(each))[:12]}, on average {sum(each) / 40:.0f}")
plain, system, bernoulli, reservoir = ([set(found[table, sample]) for table in ("test", "ham10000")] for sample in samples)
in_blocks = all(size % 2048 in (0, 10015 % 2048) for size in plain[1] | system[1])
sys.exit(not (plain[0] <= system[0] == {0, 1489} and in_blocks and min(bernoulli[0]) > 90 and reservoir[0] == {150}))
P
echo "expected: about 149 of 1,489 rows, each of which is drawn or not"
check
