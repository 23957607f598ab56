#!/usr/bin/env bash
# MLflow's scoring server takes an optional boolean that a record lacks for true, null for false, and the words "False" and "no" for true.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 fastapi==0.165.0 httpx2==2.16.2 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true
cat >"$folder/try.py" <<'P'
import logging, sys, warnings

warnings.simplefilter("ignore")
import mlflow, pandas as pd
from fastapi.testclient import TestClient
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, Schema

logging.disable(logging.WARNING)
print("mlflow", mlflow.__version__)


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [f"{each}" for each in model_input["ulcerated"]]


signature = ModelSignature(Schema([ColSpec("double", "age"), ColSpec("boolean", "ulcerated", required=False)]), Schema([ColSpec("string")]))
mlflow.pyfunc.save_model("model", python_model=Model(), signature=signature, pip_requirements=[])
model = mlflow.pyfunc.load_model("model")
client = TestClient(scoring_server.init(model))
known, found = {"age": 41.0, "ulcerated": False}, []
for record in ({"age": 52.0}, {"age": 52.0, "ulcerated": None}, {"age": 52.0, "ulcerated": "False"}):
    answer = client.post("/invocations", json={"dataframe_records": [known, record]}).json()
    try:
        here = model.predict(pd.DataFrame([known, record]))[1]
    except mlflow.exceptions.MlflowException:
        here = "refused"
    found.append(answer["predictions"][1])
    print(f"of the record {record} the model gets ulcerated={found[-1]}; by predict in Python: {here}")
sys.exit(found != ["True", "False", "True"])
P
echo "expected: what is missing stays missing, as it does in predict in Python, or is refused; and \"False\" is not true"
cd "$folder"
check
