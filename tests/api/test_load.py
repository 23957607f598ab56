import csv
import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from PIL import Image

import lesionflow
from lesionflow.api.load import AnyImage, Prediction
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import BundleError, UsageError
from lesionflow.model.card import read_card
from tests.images.test_dicom import dicom
from tests.scoring.conftest import draw_images, write_deciding_bundle

NUMBERS = ["probability", *(f"p_{name}" for name in HAM10000.names), "p_malignant"]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    return write_deciding_bundle(folder / "small", draw_images(folder / "images", 40))


@pytest.fixture(scope="module")
def model(small: Path) -> lesionflow.LoadedModel:
    return lesionflow.load(small)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty good images, more than a batch, and three that have errors."""
    folder = draw_images(tmp_path_factory.mktemp("images") / "folder", 40)
    (folder / "image0003 cut.jpg").write_bytes((folder / "image0003.jpg").read_bytes()[:300])
    (folder / "image0020 empty.png").touch()
    (folder / "image0021 text.jpg").write_text("no image")
    return folder


@pytest.mark.parametrize("tta", [False, True])
def test_files_get_what_score_gives_them_to_the_last_bit(small: Path, images: Path, tmp_path: Path, tta: bool) -> None:
    lesionflow.score(images, tmp_path / "out.parquet", str(small), tta=tta, quiet=True)
    rows = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    predictions = lesionflow.load(small, tta=tta).predict(row["path"] for row in rows)
    assert len(predictions) == len(rows) == 43
    for said, row in zip(predictions, rows, strict=True):
        assert said.error == row["error"]
        assert [getattr(said, name) for name in NUMBERS] == [None if said.error else row[name] for name in NUMBERS]
        assert said.diagnosis == row["diagnosis"] and said.refer == row["refer"]
        assert said.malignant == {"yes": True, "no": False, None: None}[row["malignant"]]
    assert len({said.malignant for said in predictions}) == 3 and len({said.refer for said in predictions}) == 4


def test_an_image_may_be_a_path_bytes_an_image_of_pillows_or_an_array(
    model: lesionflow.LoadedModel, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    file = tmp_path / "image.png"
    Image.fromarray(pixels).save(file)
    contents, rgba = file.read_bytes(), Image.fromarray(pixels).convert("RGBA")
    forms: list[AnyImage] = [str(file), file, contents, bytearray(contents), Image.open(file), rgba, pixels]
    predictions = model.predict(forms)
    assert predictions[0].error is None and len(predictions) == 7 and len(set(predictions)) == 1
    for alone in forms:
        (said,) = model.predict(alone)
        assert said.diagnosis == predictions[0].diagnosis and said.p_mel == pytest.approx(predictions[0].p_mel)
    assert len(model.predict(np.stack([pixels, pixels]))) == len(model.predict(iter([file, file]))) == 2
    for paths in (
        np.array([str(file)] * 2),
        np.array([file, contents], dtype=object),
        pd.Series([str(file)] * 2).to_numpy(),
    ):
        assert model.predict(paths) == predictions[:2]
    assert model.predict([]) == []


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("not there.jpg", "not_found: no such file"),
        (b"", "empty: the file has no bytes"),
        (b"no image", "not_an_image: the content is none of"),
        (None, "not_an_image: of type NoneType; give a path"),
        (np.zeros((4, 5, 3)), "unsupported: an array of float64, (4, 5, 3); give (height, width, 3) uint8"),
        (np.zeros((4, 5), np.uint8), "unsupported: an array of uint8, (4, 5)"),
        (np.zeros((0, 5, 3), np.uint8), "unsupported: an array of uint8, (0, 5, 3)"),
        (Image.new("F", (9, 9)), "unsupported: pixels of mode F"),
        (Image.new("1", (9000, 9000)), "too_large: 9000 x 9000 is more"),
        (dicom(np.zeros((2, 16, 16), np.uint8), "MONOCHROME2", frames=2), "unsupported: several frames in one file"),
    ],
)
def test_what_is_wrong_with_an_image_is_in_its_prediction(
    model: lesionflow.LoadedModel, images: Path, wrong: object, error: str
) -> None:
    good = images / "image0001.jpg"
    first, failed, last = model.predict([good, wrong, good])  # type: ignore[list-item]
    assert first == last and first.error is None
    assert failed.error is not None and failed.error.startswith(error)
    assert failed == Prediction(error=failed.error) and failed.probabilities == {}


def test_predictions_make_a_table_with_the_columns_of_the_report(
    model: lesionflow.LoadedModel, small: Path, images: Path, tmp_path: Path
) -> None:
    table = pd.DataFrame(model.predict(sorted(images.iterdir())))
    lesionflow.score(images, tmp_path / "out.csv", str(small), quiet=True)
    with open(tmp_path / "out.csv", newline="") as file:
        columns = next(csv.reader(file))
    assert set(columns) - set(table.columns) == {"path", "status", "model"} and set(table.columns) <= set(columns)
    assert table["p_mel"].dtype == float and table["p_mel"].isna().sum() == 3


def test_a_prediction_has_its_probabilities_by_name(model: lesionflow.LoadedModel, images: Path) -> None:
    (said,) = model.predict(images / "image0000.jpg")
    assert list(said.probabilities) == list(HAM10000.names) and sum(said.probabilities.values()) == pytest.approx(1)
    assert said.probability == said.probabilities[said.diagnosis or ""]
    assert [field.name for field in dataclasses.fields(Prediction)][2:9] == [f"p_{name}" for name in HAM10000.names]


def test_a_model_says_what_it_is(model: lesionflow.LoadedModel, small: Path) -> None:
    assert model.card == read_card(small) and model.card.classes == HAM10000.names
    assert model.label == f"small@{model.card.digest[:12]} (demo data)"


def test_a_model_says_that_it_stays_in_its_process(model: lesionflow.LoadedModel, images: Path) -> None:
    with pytest.raises(TypeError, match="load it in each process that predicts"):
        pickle.dumps(model.predict)
    said = model.predict(images / "image0001.jpg")
    assert pickle.loads(pickle.dumps(said)) == said


@pytest.mark.parametrize(
    ("load", "error", "message"),
    [
        (lambda small: lesionflow.load(small / "nowhere"), BundleError, "no such bundle folder"),
        (lambda small: lesionflow.load("lesions/3"), BundleError, r"did you mean 'models:/lesions/3'\?"),
        (lambda small: lesionflow.load("lesions@champion"), BundleError, r"did you mean 'models:/lesions@champion'\?"),
        (lambda small: lesionflow.load(small / "card.json"), BundleError, "card.json: a file, and no bundle folder"),
        (lambda small: lesionflow.load(small.parent), BundleError, "card.json: cannot be read"),
        (lambda small: lesionflow.load(small, device="tpu"), UsageError, "--device tpu: choose one of"),
    ],
)
def test_a_model_that_is_not_there_is_an_error(
    small: Path, load: Callable[[Path], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        load(small)
    assert isinstance(raised.value, lesionflow.LesionflowError)
