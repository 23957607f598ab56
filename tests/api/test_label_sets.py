"""Training with another label set than the seven, from a model of the seven, and measuring across sets."""

import re
from pathlib import Path

import numpy as np
import pytest

from lesionflow.api.evaluate import evaluate
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.diagnoses import BINARY
from lesionflow.errors import DataError
from lesionflow.evaluation.metrics import metrics_of
from lesionflow.images.decode import decode
from lesionflow.model.card import read_card
from lesionflow.model.files import read_arrays
from lesionflow.model.predictor import load_predictor
from lesionflow.registry.versions import resolve
from tests.conftest import PLAIN, invoke, without_pictures, working_in


@pytest.fixture(scope="module")
def two(trained_store: Path, demo_folder: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a network of benign and malignant, which began with the weights of one of seven diagnoses."""
    folder = tmp_path_factory.mktemp("two")
    with working_in(folder, like=trained_store), without_pictures():
        result = invoke(
            "train", "--data", str(demo_folder), "--diagnoses", "binary", "--start-from", str(trained_store / "bundle"),
            "--last-layer", "refitted", "--epochs", "1", "--image-size", "32", "--cache", str(cache),
            "--registered-model", "two",
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        assert "commonest" in result.stdout and "always nv" not in result.stdout
        return resolve("models:/two/1", folder / "copy").folder


@pytest.mark.slow
def test_the_card_and_what_was_fitted_are_of_the_two(two: Path, demo_folder: Path, trained_store: Path) -> None:
    card = read_card(two)
    assert card.labels == BINARY and len(card.prior) == 2 and card.training["diagnoses"] == "binary"
    assert set(card.metrics["test"]) <= set(metrics_of(BINARY)) and "sensitivity_malignant" in card.metrics["test"]
    table = read_labelled_images(demo_folder, label_set=BINARY).table
    assert card.prior[1] == pytest.approx((table["dx"] == "malignant").mean(), abs=0.05)
    arrays = read_arrays(two, card, "validation.npz")
    assert arrays is not None and arrays["probabilities"].shape[1] == 2
    assert "p_malignant" not in card.metrics  # the sum of one is that one


@pytest.mark.slow
def test_some_of_the_diagnoses_are_taught_by_what_a_model_of_all_knows_of_them(
    bundle: Path, demo_folder: Path, cache: Path, store: Path
) -> None:
    with without_pictures():
        result = invoke(
            "train", "--data", str(demo_folder), "--diagnoses", "nv,mel,bkl", "--start-from", str(bundle), "--teacher",
            str(bundle), "--epochs", "1", "--learning-rate", "1e-9", *PLAIN, "--cache", str(cache),
            "--registered-model", "three",
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "left out" in result.stderr
    found = resolve("models:/three/1", store / "copy").folder
    assert read_card(found).classes == ("bkl", "mel", "nv")
    pixels = np.stack([decode(path, 32, 32) for path in sorted(demo_folder.rglob("*.jpg"))[:60]])
    logits, before = (load_predictor(folder).measure(pixels)[0] for folder in (found, bundle))
    refused = invoke("train", "--data", str(demo_folder), "--start-from", "models:/three/1", "--diagnoses", "ham10000")
    assert refused.exit_code == 2
    assert "akiec, bcc, df, vasc" in refused.stderr and "give --diagnoses bkl,mel,nv, which it knows" in refused.stderr
    with without_pictures():  # the label set, too, is the starting model's by default
        again = invoke(
            "train", "--data", str(demo_folder), "--start-from", "models:/three/1", "--epochs", "1", *PLAIN,
            "--cache", str(cache), "--registered-model", "again",
        )  # fmt: skip
    assert again.exit_code == 0 and "left out" in again.stderr, again.output
    card = read_card(resolve("models:/again/1", store / "again").folder)
    assert card.classes == ("bkl", "mel", "nv") and card.training["diagnoses"] == "bkl,mel,nv"
    of_three = before[:, [2, 4, 5]]
    for one, other in ((0, 1), (1, 2)):  # it says what it said; only normalisation has been adapted
        now, then = (each[:, one] - each[:, other] for each in (logits, of_three))
        assert np.corrcoef(now, then)[0, 1] > 0.6


def test_a_model_of_seven_is_measured_on_benign_and_malignant(bundle: Path, demo_folder: Path, cache: Path) -> None:
    coarse = evaluate(bundle, demo_folder, diagnoses="binary", cache=cache, resamples=100)
    assert coarse.mapping is not None and coarse.mapping.of_model
    assert coarse.predictions.label_set == BINARY and coarse.shift is not None and coarse.shift.scores
    fine = evaluate(bundle, demo_folder, part="all", cache=cache, resamples=100)
    kept = np.isin(fine.predictions.image_ids, coarse.predictions.image_ids)  # without akiec, which is neither
    of_seven = fine.predictions.take(kept)
    assert coarse.predictions.malignant.tolist() == of_seven.malignant.tolist()
    np.testing.assert_allclose(coarse.predictions.malignant_probability, of_seven.malignant_probability)
    assert any("TRAINED" in warning for warning in coarse.warnings)
    assert any("no metric of these diagnoses can be measured" in warning for warning in coarse.all_warnings)
    assert "auc_mel" not in coarse.metrics and "auc_malignant" in coarse.metrics


@pytest.mark.slow
def test_a_model_of_two_is_measured_on_seven(two: Path, demo_folder: Path, cache: Path, tmp_path: Path) -> None:
    done = invoke(
        "evaluate", str(two), str(demo_folder), "--diagnoses", "ham10000", "--cache", str(cache), "--resamples", "100",
        "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "malignant = akiec, bcc, mel" in done.stderr and "  malignant_auc " in done.stdout
    assert done.stdout.count("malignant_sensitivity") == 2 and "sensitivity_malignant and" in done.stdout
    assert "sensitivity_mel" in (tmp_path / "out" / "report.html").read_text()


def test_images_of_what_no_diagnosis_of_the_model_counts_as_are_one_line(
    bundle: Path, demo_folder: Path, tmp_path: Path, cache: Path
) -> None:
    table = read_labelled_images(demo_folder).table[["path", "dx"]].head(12).rename(columns={"dx": "diagnosis"})
    table.loc[:2, "diagnosis"] = "scc"
    table.loc[3:, "diagnosis"] = "nv"
    table.to_csv(tmp_path / "eight.csv", index=False)
    with pytest.raises(DataError, match=r"the model has no diagnosis that counts as scc \(3\)"):
        evaluate(bundle, tmp_path / "eight.csv", diagnoses="isic2019", cache=cache)
    (tmp_path / "map.yaml").write_text("scc: akiec\nak: akiec\n")
    found = evaluate(bundle, tmp_path / "eight.csv", diagnoses="isic2019", mapping=str(tmp_path / "map.yaml"),
                     cache=cache, resamples=100)  # fmt: skip
    assert found.predictions.label_set.names == read_card(bundle).classes and (found.predictions.labels == 0).sum() == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--diagnoses", "isic2018"], "isic2018: cannot be read .*; built in are ham10000, isic2019"),
        (
            ["--diagnoses", "binary", "--start-from", "BUNDLE", "--model", "cnn"],
            "not know benign, .*; give --last-layer refitted",
        ),
        (
            ["--diagnoses", "binary", "--teacher", "BUNDLE", "--model", "cnn"],
            "not know benign, .*; give a teacher that",
        ),
        (["--start-from", "BUNDLE", "--model", "cnn", "--width", "2"], r"has a width of 1\.0; leave out --width"),
        (["--diagnoses", "OWN", "--model", "cnn"], "rows with an unknown diagnosis: akiec"),
    ],
)
def test_what_does_not_go_together_is_one_line_before_any_training(
    bundle: Path, demo_folder: Path, cache: Path, store: Path, options: list[str], message: str
) -> None:
    (store / "own.yaml").write_text("names: {wart: wart, cancer: skin cancer}\nmalignant: [cancer]\n")
    files = {"BUNDLE": bundle, "OWN": store / "own.yaml"}
    words = [str(files.get(word, word)) for word in options]
    done = invoke("train", "--data", str(demo_folder), *words, "--epochs", "1", "--cache", str(cache))
    last = done.stderr.strip().splitlines()[-1]
    assert "split by" not in done.stderr  # nor before the images are looked at
    assert done.exit_code in (1, 2) and last.startswith("Error: ") and re.search(message, last), done.output
