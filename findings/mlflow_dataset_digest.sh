#!/usr/bin/env bash
# MLflow's digest of a data set reads 10,000 rows of a table and 10,000 numbers of an array; HAM10000 has 10,015 images.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 numpy==2.4.6 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true
cat >"$folder/try.py" <<'P'
import sys, warnings
import mlflow, numpy as np, pandas as pd
warnings.simplefilter("ignore")
random = np.random.default_rng(0)
table = pd.DataFrame({"image_id": [f"image {index}" for index in range(10_015)], "diagnosis": random.choice(["nv", "mel"], 10_015)})
relabelled = table.copy()
relabelled.loc[10_000:, "diagnosis"] = "bkl"
images = random.integers(0, 256, (100, 96, 128, 3), np.uint8)
others = images.copy()
others[1:] = random.integers(0, 256, others[1:].shape, np.uint8)
first = images.copy()
first[0, 0, 0, 0] ^= 1
print("mlflow", mlflow.__version__)
rows = [mlflow.data.from_pandas(each).digest for each in (table, relabelled)]
print(f"table of 10,015 rows: {rows[0]}; the last 15 with another diagnosis: {rows[1]}")
arrays = [mlflow.data.from_numpy(each).digest for each in (images, others, first)]
print(f"100 images: {arrays[0]}; 99 of them others: {arrays[1]}; the first with one other pixel: {arrays[2]}")
sys.exit(not (rows[0] == rows[1] and arrays[0] == arrays[1] != arrays[2]))
P
echo "expected: other data have another digest"
cd "$folder"
check
