import csv
import os
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.model.pyfunc import _load_pyfunc, output_columns
from tests.conftest import invoke
from tests.images.test_dicom import dicom

PAGE = Path(__file__).parents[2] / "docs" / "how_to" / "serve_a_model.md"
NUMBERS = [name for name, kind in output_columns().items() if kind == "double"]
WORDS = [name for name, kind in output_columns().items() if kind == "string"]


def test_the_registered_model_gives_the_rows_of_the_report(store: Path, demo_folder: Path) -> None:
    result = invoke("score", str(demo_folder), "--out", "results.csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(Path("results.csv").read_text().splitlines()))
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    images = pd.DataFrame({"image": [Path(row["path"]).read_bytes() for row in rows]})
    predicted = model.predict(images)
    assert list(predicted.columns) == list(output_columns()) and len(predicted) == 150
    reported = np.array([[float(row[column]) for column in NUMBERS] for row in rows])
    np.testing.assert_allclose(predicted[NUMBERS].to_numpy(), reported, atol=2e-6)  # reports have six decimals
    words = [name for name in WORDS if name != "model"]
    assert predicted[words].to_numpy().tolist() == [[row[column] for column in words] for row in rows]
    assert list(output_columns()) == [*list(rows[0])[3:-1], "error", "status", "model"]  # all but path
    (label,) = set(predicted["model"])
    assert label.partition("@")[0] in ("cnn", "vgg") and label.endswith(" (demo data)")


def test_what_a_server_installs_is_all_that_answering_imports(trained_bundle: Path, demo_folder: Path) -> None:
    """A version's requirements are what its server has, beside its code and what these packages bring."""
    program = f"""
import sys
import numpy, pandas, mlflow.pyfunc, onnxruntime, PIL
before = set(sys.modules)
from lesionflow.model.pyfunc import REQUIREMENTS, _load_pyfunc
image = open({str(next(demo_folder.rglob("*.jpg")))!r}, "rb").read()
answer = _load_pyfunc({str(trained_bundle)!r}).predict(pandas.DataFrame({{"image": [image]}}))
assert list(answer["status"]) == ["ok"]
found = [name for name in set(sys.modules) - before if sys.modules[name]]  # None: kept from being imported
new = {{name.partition(".")[0] for name in found}} - set(sys.stdlib_module_names)
known = {{*REQUIREMENTS, "lesionflow", "PIL", "pyarrow"}}  # pyarrow comes with mlflow
print(sorted(name for name in new - known if not name.startswith("_")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_the_report_and_the_model_find_the_same_errors(store: Path, demo_folder: Path) -> None:
    good = next(demo_folder.rglob("*.jpg")).read_bytes()
    images = {"broken.jpg": good[:500], "empty.jpg": b"", "good.jpg": good, "text.jpg": b"no image"}
    Path("images").mkdir()
    for name, content in images.items():
        Path("images", name).write_bytes(content)
    assert invoke("score", "images", "--out", "results.csv").exit_code == 3
    rows = list(csv.DictReader(Path("results.csv").read_text().splitlines()))
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    predicted = model.predict(pd.DataFrame({"image": [*images.values(), None]}))
    errors = [row["error"] for row in rows]
    assert predicted["error"].tolist() == [*errors, errors[1]] and errors[2] == "" and all(errors[:2] + errors[3:])


@pytest.mark.filterwarnings("ignore")  # scikit-learn's about diagnoses that are never called, and MLflow's own
def test_mlflow_evaluates_it_as_the_page_shows(
    store: Path, demo_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = sorted(demo_folder.rglob("*.jpg"))[:40]
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    called = model.predict(pd.DataFrame({"image": [file.read_bytes() for file in images]}))["diagnosis"]
    true = ["mel" if index < 4 and name != "mel" else name for index, name in enumerate(called)]
    pd.DataFrame({"path": images, "diagnosis": true}).to_csv("labels.csv", index=False)
    capsys.readouterr()
    exec("".join(re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.M | re.S)), {})
    assert float(capsys.readouterr().out) == np.mean(called == true)


def test_a_broken_image_is_a_row_that_says_so_and_its_neighbours_are_whole(store: Path, demo_folder: Path) -> None:
    good = next(demo_folder.rglob("*.jpg")).read_bytes()
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    predicted = model.predict(pd.DataFrame({"image": [good, b"broken", good]}))
    assert predicted.loc[1, NUMBERS].isna().all() and not predicted.loc[[0, 2], NUMBERS].isna().any(axis=None)
    error = "not_an_image: the content is none of JPEG, PNG, TIFF, WEBP, BMP, GIF, JPEG 2000, AVIF, HEIF, DICOM"
    assert predicted.loc[1, WORDS[:-1]].tolist() == ["", "", "", error, "error"]
    assert predicted.iloc[0].tolist() == predicted.iloc[2].tolist()
    assert abs(sum(predicted.iloc[0][f"p_{dx}"] for dx in HAM10000.names) - 1) < 1e-6
    assert {name: str(predicted[name].dtype) for name in NUMBERS} == dict.fromkeys(NUMBERS, "float64")


def test_images_may_be_base64(store: Path, demo_folder: Path) -> None:
    good = next(demo_folder.rglob("*.jpg")).read_bytes()
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    images = pd.DataFrame({"image": [good, bytearray(good), b64encode(good).decode()]}, index=[5, 3, 5])
    predicted = model.predict(images)
    assert predicted.index.tolist() == [5, 3, 5] and predicted["status"].tolist() == ["ok"] * 3
    assert predicted.iloc[0].tolist() == predicted.iloc[1].tolist() == predicted.iloc[2].tolist()
    one_cell = model.predict(pd.DataFrame({"image": [[good, good]]}))  # what a server makes of {"image": [...]}
    assert one_cell["status"].tolist() == ["ok"] * 2
    beside = model.predict(pd.DataFrame({"image": [[good, good], good]}))  # an answer for each cell
    assert beside["status"].tolist() == ["error", "ok"] and "but of type list" in beside["error"][0]


def test_no_cell_keeps_the_others_from_their_answers(trained_bundle: Path, demo_folder: Path) -> None:
    good = next(demo_folder.rglob("*.jpg")).read_bytes()
    others = [
        np.zeros((9, 9, 3), np.uint8),
        Path("a"),
        3,
        {"a": 1},
        pd.NA,
        pd.NaT,
        float("nan"),
        None,
        memoryview(good),
    ]
    table = pd.DataFrame({"image": pd.Series([good, *others], dtype=object)})
    answers = _load_pyfunc(str(trained_bundle)).predict(table)
    assert answers["status"].tolist() == ["ok", *["error"] * 8, "ok"]
    of_type, empty = "not_an_image: neither bytes nor base64 but of type ", "empty: the file has no bytes"
    named = [f"{of_type}{type(each).__name__}" for each in others[:4]]
    assert answers["error"].tolist()[1:-1] == [*named, *[empty] * 4]
    texts = pd.Series([b64encode(good).decode(), None], dtype="string")
    assert _load_pyfunc(str(trained_bundle)).predict(pd.DataFrame({"image": texts}))["error"].tolist() == ["", empty]


def test_the_model_has_no_pickle_a_signature_requirements_and_an_example(store: Path, tmp_path: Path) -> None:
    source = mlflow.artifacts.download_artifacts("models:/lesionflow@champion", dst_path=str(tmp_path / "model"))
    files = [path for path in Path(source).rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".h5", ".pyc")]
    info = mlflow.models.get_model_info(source)
    assert info.signature.inputs.input_names() == ["image"]
    assert [(column.name, column.type.name) for column in info.signature.outputs] == [
        (name, kind) for name, kind in output_columns().items()
    ]
    requirements = (Path(source) / "requirements.txt").read_text()
    assert "onnxruntime==" in requirements and "tensorflow" not in requirements
    example = mlflow.models.Model.load(source).load_input_example(source)
    assert mlflow.pyfunc.load_model(source).predict(example).shape == (1, len(output_columns()))


def test_several_frames_in_one_file_are_an_error_and_not_the_first_frame(store: Path) -> None:
    pixels = np.zeros((2, 16, 16), np.uint8)
    model = mlflow.pyfunc.load_model("models:/lesionflow@champion")
    files = [dicom(pixels[0], "MONOCHROME2"), dicom(pixels, "MONOCHROME2", frames=2)]
    predicted = model.predict(pd.DataFrame({"image": files}))
    assert predicted["error"][0] == "" and predicted["error"][1].startswith("unsupported: several frames")


@pytest.mark.parametrize(("said", "threads"), [("3", 3), ("0", None), ("2,1", None)])
def test_threads_are_those_that_spark_allows(
    bundle: Path, said: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    options = _load_pyfunc(str(bundle)).predictor.session.get_session_options()
    assert options.intra_op_num_threads == (threads or os.cpu_count())
