#!/usr/bin/env bash
# MLflow: log_model with an input example raises "Set changed size during iteration" where another thread reads the environment.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow==3.17.2
cat >"$folder/try.py" <<'P'
import os
import sys
import threading
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import mlflow  # noqa: E402

print("mlflow", version("mlflow"))
mlflow.set_tracking_uri("sqlite:///mlflow.db")
for number in range(20_000):  # a large environment makes certain what a usual one does now and then
    os.environ[f"SETTING_{number}"] = "1"
names, over = list(os.environ), threading.Event()


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input


def read():  # as libraries do that look for proxies, credentials or their own settings
    while not over.wait(0.001):
        for name in names:
            os.environ.get(name)


def tried():
    try:
        mlflow.pyfunc.log_model(name="model", python_model=Echo(), input_example={"x": [1.0]}, pip_requirements=["mlflow"])
    except RuntimeError as error:
        return str(error)
    return "logged"


sys.setswitchinterval(1e-5)
reader = threading.Thread(target=read, daemon=True)
reader.start()
os.environ["MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING"] = "true"  # the default
recorded = [tried() for _ in range(6)]
os.environ["MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING"] = "false"
not_recorded = [tried() for _ in range(6)]
over.set()
print("as it comes:", recorded)
print("MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING=false:", not_recorded)
sys.exit("Set changed size during iteration" not in recorded or set(not_recorded) != {"logged"})
P
echo "expected: the model is logged, whatever other threads read"
cd "$folder"
check
