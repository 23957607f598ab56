#!/usr/bin/env bash
# MLflow: restoring an experiment restores its runs, those too that had been deleted one by one long before; a run that was thrown away is the best one again.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import sys
import mlflow
from mlflow import MlflowClient

print(f"mlflow {mlflow.__version__}")
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
experiment = mlflow.create_experiment("lesions", artifact_location=f"file://{sys.argv[1]}/artifacts")
client, runs = MlflowClient(), {}
for name, auc in (("leaking split", 0.99), ("split by lesion", 0.94), ("smaller", 0.91)):
    with mlflow.start_run(experiment_id=experiment, run_name=name) as run:
        mlflow.log_metric("auc", auc)
        runs[name] = run.info.run_id


def best():
    return [run.info.run_name for run in client.search_runs([experiment], order_by=["metrics.auc DESC"])]


client.delete_run(runs["leaking split"])
before = best()
client.delete_experiment(experiment)
client.restore_experiment(experiment)
after = best()
print(f"one run deleted: {before}; the experiment deleted and restored: {after}")
sys.exit(not (before == ["split by lesion", "smaller"] and after[0] == "leaking split" and len(after) == 3))
P
echo "expected: an experiment comes back as it was"
check "$folder"
