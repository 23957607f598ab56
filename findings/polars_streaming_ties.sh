#!/usr/bin/env bash
# Which of several largest values polars' streaming engine returns depends on the number of threads: arg_max is 14 with one thread and 50,012 with two.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv polars==2.1.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import json, os, subprocess, sys
import numpy as np, polars as pl

if len(sys.argv) > 1:
    balanced_accuracy = np.random.default_rng(0).integers(60, 90, 100_000) / 100  # of models, so that many are equally good
    frame = pl.LazyFrame({"model": np.arange(100_000), "balanced_accuracy": balanced_accuracy})
    best, worst = pl.col.balanced_accuracy.arg_max().alias("best"), pl.col.balanced_accuracy.arg_min().alias("worst")
    found = {engine: [frame.select(best, worst).collect(engine=engine).row(0), frame.select(pl.col.model.get(pl.col.balanced_accuracy.arg_max())).collect(engine=engine).item()] for engine in ("in-memory", "streaming")}
    print(json.dumps([pl.thread_pool_size(), found, int(balanced_accuracy.argmax()), int(balanced_accuracy.argmin())]))
    sys.exit()
print("polars", pl.__version__, "numpy", np.__version__)
streaming = set()
for threads in "1", "2", "8":
    answer = subprocess.run([sys.executable, __file__, "once"], env=os.environ | {"POLARS_MAX_THREADS": threads}, check=True, capture_output=True, text=True).stdout
    size, found, best, worst = json.loads(answer)
    print(f"{size} threads: the best and the worst model are {found['in-memory'][0]} in memory, {found['streaming'][0]} streaming; by NumPy {[best, worst]}; model.get(arg_max) is {found['in-memory'][1]} and {found['streaming'][1]}")
    streaming.add(tuple(found["streaming"][0]))
    held = found["in-memory"][0] == [best, worst]
sys.exit(not (held and len(streaming) == 3))
P
echo "expected: the first of equal values, whatever the engine and the number of threads, as in memory"
check
