import csv
import math
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd

from lesionflow.registry.pyfunc import OUTPUT_COLUMNS
from tests.conftest import invoke


def test_the_registered_model_gives_the_probabilities_of_the_report(store: Path, demo_folder: Path) -> None:
    result = invoke("score", str(demo_folder), "--out", "results.csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(Path("results.csv").read_text().splitlines()))
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    images = pd.DataFrame({"image": [Path(row["path"]).read_bytes() for row in rows]})
    predicted = model.predict(images)
    assert list(predicted.columns) == list(OUTPUT_COLUMNS) and len(predicted) == 150
    reported = np.array([[float(row[column]) for column in OUTPUT_COLUMNS] for row in rows])
    np.testing.assert_allclose(predicted.to_numpy(), reported, atol=2e-6)  # reports have six decimals


def test_a_broken_image_is_a_row_of_nan_and_its_neighbours_are_whole(store: Path, demo_folder: Path) -> None:
    good = next(demo_folder.rglob("*.jpg")).read_bytes()
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    predicted = model.predict(pd.DataFrame({"image": [good, b"broken", good]}))
    assert all(math.isnan(value) for value in predicted.iloc[1])
    np.testing.assert_allclose(predicted.iloc[0], predicted.iloc[2])
    assert abs(predicted.iloc[0][:7].sum() - 1) < 1e-6


def test_the_model_has_no_pickle_a_signature_requirements_and_an_example(store: Path, tmp_path: Path) -> None:
    source = mlflow.artifacts.download_artifacts("models:/lesionflow@champion", dst_path=str(tmp_path / "model"))
    files = [path for path in Path(source).rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".h5", ".pyc")]
    info = mlflow.models.get_model_info(source)
    assert info.signature.inputs.input_names() == ["image"]
    assert info.signature.outputs.input_names() == list(OUTPUT_COLUMNS)
    requirements = (Path(source) / "requirements.txt").read_text()
    assert "onnxruntime==" in requirements and "tensorflow" not in requirements
    example = mlflow.models.Model.load(source).load_input_example(source)
    assert mlflow.pyfunc.load_model(source).predict(example).shape == (1, len(OUTPUT_COLUMNS))
