#!/usr/bin/env bash
# MLflow's scoring server cuts the places off where a signature has whole numbers: an image of 0 to 1 is black for a model of uint8.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 fastapi==0.165.0 httpx2==2.16.2 sqlalchemy==2.1.9 alembic==1.20.1 numpy==2.4.6 pandas==3.1.1
export MLFLOW_DISABLE_TELEMETRY=true
cat >"$folder/try.py" <<'P'
import logging, sys, warnings

warnings.simplefilter("ignore")
import mlflow, numpy as np
from fastapi.testclient import TestClient
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import Schema, TensorSpec

logging.disable(logging.WARNING)
print("mlflow", mlflow.__version__)


class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return np.asarray(model_input).max(axis=(1, 2, 3)).astype(float)  # the brightest pixel


signature = ModelSignature(Schema([TensorSpec(np.dtype(np.uint8), (-1, 8, 8, 3))]), Schema([TensorSpec(np.dtype(np.float64), (-1,))]))
mlflow.pyfunc.save_model("model", python_model=Model(), signature=signature, pip_requirements=[])
model = mlflow.pyfunc.load_model("model")
client = TestClient(scoring_server.init(model))
skin = np.random.default_rng(0).integers(150, 250, (1, 8, 8, 3))
found = {}
for name, image in (("0 to 255", skin), ("0 to 1", skin / 255), ("0 to 510", skin * 2)):
    answer = client.post("/invocations", json={"inputs": image.tolist()})
    found[name] = answer.json().get("predictions", "refused")
    try:
        here = model.predict(image.astype(np.uint8) if name == "0 to 255" else image)
    except mlflow.exceptions.MlflowException:
        here = "refused"
    print(f"an image of {name}, its brightest pixel {image.max():.3g}: the model answers {found[name]}; by predict in Python: {here}")
sys.exit(found != {"0 to 255": [float(skin.max())], "0 to 1": [0.0], "0 to 510": "refused"})
P
echo "expected: numbers with places are refused where the signature says uint8, as numbers above 255 are"
cd "$folder"
check
