#!/usr/bin/env bash
# MLflow's log_table turns text that looks like a number into one when it appends, in the store: 0012 becomes 12, and 31e400 is gone.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR=false
cat >"$folder/try.py" <<'P'
import json, logging, pathlib, sys, warnings
import mlflow, pandas as pd

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)
mlflow.set_tracking_uri("sqlite:///store.db")
print("mlflow", mlflow.__version__, "pandas", pd.__version__)
first = {"image": ["0012", "0013"], "lesion": ["12e3", "31e400"]}  # ids: a number with zeros, the digits of a hash
second = {"image": ["0014"], "lesion": ["7fa9c2"]}
with mlflow.start_run() as run:
    mlflow.log_table(first, "scores.json")
    stored = pathlib.Path(run.info.artifact_uri.removeprefix("file://"), "scores.json")
    kept = [dict(zip(("image", "lesion"), row)) for row in json.loads(stored.read_text())["data"]]
    print("stored after the first table: ", *kept)
    read = mlflow.load_table("scores.json", run_ids=[run.info.run_id])
    print("read by load_table:           ", *read.to_dict("records"))
    mlflow.log_table(second, "scores.json")
    lost = [dict(zip(("image", "lesion"), row)) for row in json.loads(stored.read_text())["data"]]
    print("stored after the second table:", *lost)
wanted = [{"image": "0012", "lesion": "12e3"}, {"image": "0013", "lesion": "31e400"}]
sys.exit(not (kept == wanted and read["image"].tolist() == [12, 13] and lost[1] == {"image": 13, "lesion": None}))
P
echo "expected: text that was logged is stored, read and appended to as text"
cd "$folder"
check
