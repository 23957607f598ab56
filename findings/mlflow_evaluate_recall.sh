#!/usr/bin/env bash
# mlflow.models.evaluate takes the label that is last in the alphabet for the positive one: the recall of melanoma or nevus is that of nevus; of three labels it is the accuracy.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlflow-skinny==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1 scikit-learn==1.9.1 matplotlib==3.11.2 numpy==2.4.6 pandas==3.1.1 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import logging, sys, warnings
import mlflow, numpy as np, pandas as pd
from sklearn.metrics import recall_score

warnings.simplefilter("ignore")
print(f"mlflow {mlflow.__version__}")
mlflow.set_tracking_uri(f"sqlite:///{sys.argv[1]}/mlflow.db")
mlflow.set_experiment(experiment_id=mlflow.create_experiment("lesions", artifact_location=f"file://{sys.argv[1]}/artifacts"))
random = np.random.default_rng(0)


def evaluate(truth, called):
    with mlflow.start_run():
        return mlflow.models.evaluate(data=pd.DataFrame({"truth": truth, "called": called}), targets="truth", predictions="called", model_type="classifier").metrics


truth = np.repeat(["melanoma", "nevus"], [40, 260])
called = np.where(random.random(300) < np.where(truth == "melanoma", 0.6, 0.05), np.where(truth == "melanoma", "nevus", "melanoma"), truth)
two, own = evaluate(truth, called), {label: recall_score(truth, called, pos_label=label) for label in ("melanoma", "nevus")}
print(f"melanoma or nevus: recall_score {two['recall_score']:.3f}; of melanoma {own['melanoma']:.3f}, of nevus {own['nevus']:.3f}; {two['true_positives']} true positives of 40 melanomas")
truth = np.repeat(["bkl", "mel", "nv"], [30, 30, 240])
called = np.where(random.random(300) < 0.5, "nv", truth)
three = evaluate(truth, called)
macro = recall_score(truth, called, average="macro")
print(f"bkl, mel or nv: recall_score {three['recall_score']:.3f}, accuracy_score {three['accuracy_score']:.3f}; the mean of the three recalls {macro:.3f}")
sys.exit(not (two["recall_score"] == own["nevus"] != own["melanoma"] and two["true_positives"] > 40 and abs(three["recall_score"] - three["accuracy_score"]) < 1e-12 and macro < three["recall_score"] - 0.1))
P
echo "expected: a question which label is the positive one, or one figure for each; and of three labels another figure than the accuracy"
check "$folder"
