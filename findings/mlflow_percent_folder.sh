#!/usr/bin/env bash
# MLflow unescapes the plain path of an artifact folder: what goes to a folder named 50%20off lies in one named 50 off, beside it.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true
cat >"$folder/try.py" <<'P'
import logging, pathlib, sys
import mlflow

logging.disable(logging.WARNING)
print("mlflow", mlflow.__version__)
mlflow.set_tracking_uri("sqlite:///store.db")
folder = pathlib.Path("50%20off").resolve()
folder.mkdir()
experiment = mlflow.create_experiment("lesions", artifact_location=str(folder))
with mlflow.start_run(experiment_id=experiment) as run:
    mlflow.log_text("kept", "report.csv")
said = pathlib.Path(run.info.artifact_uri, "report.csv")
found = {str(path.relative_to(folder.parent).parts[0]) for path in folder.parent.rglob("report.csv")}
print(f"the run says that its artifacts lie in {said.relative_to(folder.parent).parts[0]!r}; they lie in {found}; the folder itself holds {len(list(folder.iterdir()))} files")
sys.exit(not (not said.exists() and found == {"50 off"} and not list(folder.iterdir())))
P
echo "expected: a path without file:// is a path, and % is a letter of it"
cd "$folder"
check
