import csv
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

from lesionflow.diagnoses import DIAGNOSES
from lesionflow.registry.pyfunc import OUTPUT_COLUMNS
from tests.conftest import invoke

NUMBERS = [name for name, kind in OUTPUT_COLUMNS.items() if kind == "double"]
WORDS = [name for name, kind in OUTPUT_COLUMNS.items() if kind == "string"]


def test_the_registered_model_gives_the_rows_of_the_report(store: Path, demo_folder: Path) -> None:
    result = invoke("score", str(demo_folder), "--out", "results.csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(Path("results.csv").read_text().splitlines()))
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    images = pd.DataFrame({"image": [Path(row["path"]).read_bytes() for row in rows]})
    predicted = model.predict(images)
    assert list(predicted.columns) == list(OUTPUT_COLUMNS) and len(predicted) == 150
    reported = np.array([[float(row[column]) for column in NUMBERS] for row in rows])
    np.testing.assert_allclose(predicted[NUMBERS].to_numpy(), reported, atol=2e-6)  # reports have six decimals
    assert predicted[WORDS].to_numpy().tolist() == [[row[column] for column in WORDS] for row in rows]
    assert list(OUTPUT_COLUMNS) == list(rows[0])[3:-1]  # all but path, status, error and model


def test_a_broken_image_is_a_row_of_missing_values_and_its_neighbours_are_whole(store: Path, demo_folder: Path) -> None:
    good = next(demo_folder.rglob("*.jpg")).read_bytes()
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    predicted = model.predict(pd.DataFrame({"image": [good, b"broken", good]}))
    assert predicted.iloc[1].isna().all() and not predicted.iloc[[0, 2]].isna().any(axis=None)
    assert predicted.iloc[0].tolist() == predicted.iloc[2].tolist()
    assert abs(sum(predicted.iloc[0][f"p_{dx}"] for dx in DIAGNOSES) - 1) < 1e-6
    assert {name: str(predicted[name].dtype) for name in NUMBERS} == dict.fromkeys(NUMBERS, "float64")


def test_the_model_has_no_pickle_a_signature_requirements_and_an_example(store: Path, tmp_path: Path) -> None:
    source = mlflow.artifacts.download_artifacts("models:/lesionflow@champion", dst_path=str(tmp_path / "model"))
    files = [path for path in Path(source).rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".h5", ".pyc")]
    info = mlflow.models.get_model_info(source)
    assert info.signature.inputs.input_names() == ["image"]
    assert [(column.name, column.type.name) for column in info.signature.outputs] == [
        (name, kind) for name, kind in OUTPUT_COLUMNS.items()
    ]
    requirements = (Path(source) / "requirements.txt").read_text()
    assert "onnxruntime==" in requirements and "tensorflow" not in requirements
    example = mlflow.models.Model.load(source).load_input_example(source)
    assert mlflow.pyfunc.load_model(source).predict(example).shape == (1, len(OUTPUT_COLUMNS))
