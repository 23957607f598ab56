#!/usr/bin/env bash
# mlflow.set_experiment changes the environment of its process, and a child that names another experiment is refused.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 sqlalchemy==2.0.43 alembic==1.16.5 numpy==2.2.6 pandas==2.3.3
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_TRACKING_URI="sqlite:///$folder/mlflow.db"
cat >"$folder/try.py" <<'P'
import logging, os, subprocess, sys
import mlflow
logging.disable(logging.INFO)
mlflow.set_experiment("night")
print("mlflow", mlflow.__version__, "after set_experiment: MLFLOW_EXPERIMENT_ID =", os.environ.get("MLFLOW_EXPERIMENT_ID"))
program = "import mlflow; print(mlflow.get_experiment(mlflow.start_run().info.experiment_id).name)"
child = os.environ | {"MLFLOW_EXPERIMENT_NAME": "day"}
mlflow.create_experiment("day")
done = subprocess.run([sys.executable, "-c", program], env=child, capture_output=True, text=True)
said = done.stdout.strip() or done.stderr.strip().splitlines()[-1]
print("a program started with MLFLOW_EXPERIMENT_NAME=day:", said)
sys.exit("does not match the experiment id" not in said)
P
echo "expected: it sets the experiment of this process, and a child that names its own experiment by MLFLOW_EXPERIMENT_NAME logs there"
cd "$folder"
check
