"""Calls of other strengths: what they are, what they come to, and that the card's is the one applied."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score

from lesionflow.errors import BundleError
from lesionflow.evaluation.call_strength import STRENGTHS, call_strengths, strength_rows
from lesionflow.evaluation.measure import measure
from lesionflow.model.card import CARD_FILE, Calibration, read_card, write_card
from lesionflow.model.decision import called_diagnoses, decide
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.model.predictor import load_predictor
from tests.conftest import error_line, invoke
from tests.scoring.conftest import PRIOR, draw_images, write_deciding_bundle

MEL = 4


def labelled(images: int = 400) -> LabelledPredictions:
    numbers = np.random.default_rng(0)
    labels = numbers.choice(7, images, p=np.array(PRIOR) / sum(PRIOR))
    logits = numbers.normal(size=(images, 7)) + np.log(PRIOR) + 1.5 * np.eye(7)[labels]
    said = decide(logits, np.full(images, np.nan), Calibration(), PRIOR)
    ids = np.arange(images).astype(str)
    return LabelledPredictions(said.probabilities, said.called, said.malignant, said.refer, ids, ids, labels)


def test_each_strength_is_measured_as_scikit_learn_measures_its_calls() -> None:
    said = labelled()
    found = call_strengths(said, PRIOR, resamples=200)
    assert tuple(each.strength for each in found) == STRENGTHS
    for each in found:
        called = (np.log(said.probabilities) - each.strength * np.log(PRIOR)).argmax(axis=1)
        for estimate, expected in (
            (each.accuracy, accuracy_score(said.labels, called)),
            (each.balanced_accuracy, balanced_accuracy_score(said.labels, called)),
            (each.sensitivity, recall_score(said.labels, called, labels=[MEL], average=None)[0]),
        ):
            assert estimate is not None
            assert estimate.value == pytest.approx(expected) and estimate.low < expected < estimate.high
    first, last = found[0], found[-1]
    assert first.accuracy is not None and last.accuracy is not None and first.accuracy.value > last.accuracy.value
    header, rows = strength_rows(found, 1.0, "mel")
    assert header == ["--call", "balanced accuracy", "accuracy", "mel sensitivity"]
    assert [row[0] for row in rows] == ["0", "0.25", "0.5", "0.75", "1, this model's"]


@pytest.mark.parametrize("missed", [False, True])
def test_the_models_own_strength_has_the_intervals_of_its_metrics(missed: bool) -> None:
    said = labelled()
    if missed:  # a share of 0 has an exact interval
        said = said.take((said.labels != MEL) | (said.called != MEL))
    (own,) = call_strengths(said, PRIOR, [Calibration().call_strength], resamples=200)
    metrics = measure(said, resamples=200)
    for found, name in ((own.accuracy, "accuracy"), (own.balanced_accuracy, "balanced_accuracy"),
                        (own.sensitivity, "sensitivity_mel")):  # fmt: skip
        assert found is not None and [*found] == pytest.approx([*metrics[name]])


def test_what_is_not_there_has_no_figure() -> None:
    said = labelled()
    nevi = said.take(said.labels == 5)
    (only,) = call_strengths(nevi, PRIOR, [0.5], resamples=100)
    assert only.sensitivity is None and only.balanced_accuracy is not None


def test_the_ends_are_the_most_probable_diagnosis_and_the_call_there_always_was() -> None:
    said = labelled()
    assert (called_diagnoses(said.probabilities, PRIOR, 0.0) == said.probabilities.argmax(axis=1)).all()
    assert (called_diagnoses(said.probabilities, PRIOR, 1.0) == (said.probabilities / PRIOR).argmax(axis=1)).all()
    likeliest, between = said.probabilities.argmax(axis=1), called_diagnoses(said.probabilities, PRIOR, 0.5)
    assert (between == likeliest).mean() > (said.called == likeliest).mean()


def test_the_cards_strength_calls_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    images = draw_images(tmp_path / "images", 20)
    bundle = write_deciding_bundle(tmp_path / "bundle", images)
    card = read_card(bundle)
    content = json.loads((bundle / CARD_FILE).read_text())
    assert {each["call_strength"] for each in content["calibrations"].values()} == {1.0}
    pixels = np.random.default_rng(0).integers(0, 256, (40, card.height, card.width, 3), np.uint8)
    as_it_was = load_predictor(bundle).predict(pixels)

    def write(strength: float) -> None:
        changed = {mode: dataclasses.replace(each, call_strength=strength) for mode, each in card.calibrations.items()}
        write_card(bundle, dataclasses.replace(card, calibrations=changed))

    write(0.0)
    called = load_predictor(bundle).predict(pixels)
    assert (called.called == called.probabilities.argmax(axis=1)).all()
    assert (called.called != as_it_was.called).any() and (called.malignant == as_it_was.malignant).all()
    scored = invoke("score", str(images), "--model", str(bundle), "--out", str(tmp_path / "i.csv"), "--format", "isic")
    assert scored.exit_code == 0, scored.output
    first = (tmp_path / "i.csv").read_text().splitlines()[1].split(",")
    assert sum(map(float, first[1:])) == pytest.approx(1, abs=1e-5)
    write(1.5)
    with pytest.raises(BundleError, match="strength of the call"):
        read_card(bundle)
    refused = invoke("train", "--call", "1.5")
    assert refused.exit_code == 2 and "--call" in refused.stderr
    assert error_line(invoke("score", str(images), "--model", str(bundle), "--out", str(tmp_path / "x.csv")))
