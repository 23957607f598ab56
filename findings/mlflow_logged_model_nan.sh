#!/usr/bin/env bash
# MLflow gives a logged model whose loss is NaN the loss 0.0: it is the best one, and found by "loss < 0.5"; a run with the same loss is neither.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import math, sys
import mlflow
from mlflow import MlflowClient

print(f"mlflow {mlflow.__version__}")
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
experiment = mlflow.create_experiment("lesions", artifact_location=f"file://{sys.argv[1]}/artifacts")
for name, loss in (("good", 0.3), ("diverged", math.nan), ("overflowed", math.inf), ("poor", 0.9)):
    model = mlflow.create_external_model(name=name, experiment_id=experiment)
    with mlflow.start_run(experiment_id=experiment, run_name=name):
        mlflow.log_metric("loss", loss, model_id=model.model_id)
client = MlflowClient()


def runs(**search):
    return [(run.info.run_name, run.data.metrics["loss"]) for run in client.search_runs([experiment], **search)]


def models(**search):
    return [(model.name, model.metrics[0].value) for model in client.search_logged_models([experiment], **search)]


few_runs, few_models = runs(filter_string="metrics.loss < 0.5"), models(filter_string="metrics.loss < 0.5")
all_runs = runs(order_by=["metrics.loss ASC"])
all_models = models(order_by=[{"field_name": "metrics.loss", "ascending": True}])
print(f"loss < 0.5: runs {few_runs}; models {sorted(few_models)}")
print(f"best first, runs:   {all_runs}\n            models: {all_models}")
held = few_runs == [("good", 0.3)] and [name for name, _ in all_runs] == ["good", "poor", "overflowed", "diverged"] and math.isnan(all_runs[-1][1])
held &= sorted(few_models) == [("diverged", 0.0), ("good", 0.3)] and all_models[0] == ("diverged", 0.0)
held &= dict(all_runs)["overflowed"] == dict(all_models)["overflowed"] == sys.float_info.max  # infinity does not come back from either
sys.exit(not held)
P
echo "expected: a loss is what was logged, NaN is below nothing, and the best model is the good one, of runs as of models"
MLFLOW_DISABLE_TELEMETRY=true check "$folder"
