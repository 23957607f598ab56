#!/usr/bin/env bash
# MLflow's value of a run is not the one logged last: without a step it is step 0, before all epochs, and at a tie the larger one wins.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true
cat >"$folder/try.py" <<'P'
import logging, sys
import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient

logging.disable(logging.WARNING)
mlflow.set_tracking_uri("sqlite:///store.db")
print("mlflow", mlflow.__version__)
client, found = MlflowClient(), {}
with mlflow.start_run(run_name="trained") as run:
    for epoch, auc in enumerate((0.81, 0.86, 0.84)):
        mlflow.log_metric("auc", auc, step=epoch)
    mlflow.log_metric("auc", 0.90)  # of the network that is kept, with the weights of the best epoch
found["epochs 0.81, 0.86, 0.84, then 0.90 without a step"] = client.get_run(run.info.run_id).data.metrics["auc"]
with mlflow.start_run(run_name="other"):
    mlflow.log_metric("auc", 0.85)
best = mlflow.search_runs(search_all_experiments=True, order_by=["metrics.auc DESC"], output_format="list")[0].info.run_name
for values in ((0.90, 0.70), (0.70, 0.90), (float("nan"), 0.70), (0.70, float("nan"))):
    with mlflow.start_run() as run:
        for value in values:  # a correction in the same millisecond
            client.log_batch(run.info.run_id, metrics=[Metric("loss", value, timestamp=1_700_000_000_000, step=0)])
    found["{} and then {} at one time and step".format(*values)] = client.get_run(run.info.run_id).data.metrics["loss"]
for name, value in found.items():
    print(f"{name}: the run's value is {value}")
print(f"the best run by AUC, of this one and another with 0.85: {best}")
sys.exit(not (list(found.values()) == [0.84, 0.90, 0.90, 0.70, 0.70] and best == "other"))
P
echo "expected: a run's value is the one that was logged last"
cd "$folder"
check
