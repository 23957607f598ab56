"""Turns a trained network into a bundle: export, calibration, evaluation and card."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.sampling import positive_shares
from lesionflow.datasets.split import HELD_OUT, PARTS
from lesionflow.evaluation.calibration import OperatingPoint, averaged_images, carried_over, fit_calibration
from lesionflow.evaluation.evaluate import EvaluatedPart, Measuring, draw_evaluation, evaluate_model
from lesionflow.evaluation.leaks import HASHES, digests_of_model
from lesionflow.evaluation.learning import History
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.model_card import model_card
from lesionflow.evaluation.result import Evaluation
from lesionflow.evaluation.stability import STABILITY
from lesionflow.model.card import (
    AVERAGED,
    CROSS_VALIDATION,
    HASHES_FILE,
    SINGLE,
    TRAINED_ON_FILE,
    VALIDATION_FILE,
    Calibration,
    Card,
    Estimate,
    write_card,
)
from lesionflow.model.files import write_arrays
from lesionflow.model.prediction import LabelledPredictions, with_labels
from lesionflow.model.predictor import Outputs, Predictor, load_predictor
from lesionflow.training.config import TrainingConfig
from lesionflow.training.export.onnx import write_bundle

if TYPE_CHECKING:
    from lesionflow.training.fit import Examples, Fitted

MODEL_CARD_FILE = "README.md"
# Nothing is decided by metrics of the training part, which has the most images: they only show overfitting.
TRAINING_RESAMPLES, MOST_TRAINING_IMAGES = 200, 1000
# Images of the validation part, as a gate may look at it; `lesionflow evaluate` uses more.
STABILITY_IMAGES = 100


@dataclass(frozen=True)
class Training:
    """What a network was trained on, and how."""

    config: TrainingConfig
    images: LabelledImages
    examples: Examples  # of the images
    hashes: np.ndarray | None = None  # of the images, (images, 4) uint64
    # What the bundles of models that training built on tell of their training images.
    trained_before: Sequence[dict[str, np.ndarray]] = ()


@dataclass(frozen=True)
class FinalizedModel:
    """A bundle on disk, and what its evaluations found."""

    card: Card
    evaluations: dict[str, Evaluation]  # of validation and test
    description: str  # the model card, Markdown


def finalize_model(
    folder: Path,
    fitted: Fitted,
    card: Card,
    training: Training,
    cross_validated: Mapping[str, Estimate] = MappingProxyType({}),
    progress: Callable[[str], None] = lambda doing: None,
) -> FinalizedModel:
    """Export a network, calibrate it on the validation part, measure it on every part and write its model card.

    card: what is known before; cross_validated: metrics of others that were trained likewise. What is measured is the
    exported bundle, not Keras: this is what will score. The test part is looked at here, once, when nothing is left to
    choose.
    """
    images, split, pixels = training.images, training.examples.split, training.examples.pixels
    history = history_of(fitted)
    progress("exporting")
    card = write_bundle(folder, fitted.network, card, training.examples, mirrored=training.config.mirrored)
    progress("calibrating")
    card, outputs = _calibrate(folder, card, training)
    predictor = load_predictor(folder, threads=1)
    progress("train: measuring")
    metrics = {"train": _measure_training(predictor, training)}
    evaluations = {}
    for part in HELD_OUT:
        known = history
        if part == PARTS[-1]:  # by then, both ends of the gap are known
            known = dataclasses.replace(
                history,
                train=metrics["train"]["balanced_accuracy"].value,
                validation=metrics["validation"]["balanced_accuracy"].value,
            )
        last = part == PARTS[-1]
        evaluated = EvaluatedPart(part, images, split.part(part), pixels, None if last else outputs)
        evaluation = evaluate_model(
            predictor, card.network, evaluated, Measuring(stability=0 if last else STABILITY_IMAGES),
            progress=progress,
        )  # fmt: skip
        evaluations[part] = draw_evaluation(
            evaluation, predictor, evaluated, histories={card.network: known}, show_images=last, progress=progress
        )
        metrics[part] = dict(evaluations[part].metrics)
    card = write_arrays(folder, card, VALIDATION_FILE, evaluations["validation"].predictions.arrays())
    seen = digests_of_model(images.table, split, training.trained_before)
    card = write_arrays(folder, card, TRAINED_ON_FILE, seen)
    if training.hashes is not None:
        looks = [
            training.hashes[split.train],
            *(before[HASHES] for before in training.trained_before if HASHES in before),
        ]
        card = write_arrays(folder, card, HASHES_FILE, {HASHES: np.unique(np.concatenate(looks), axis=0)})
    if moved := evaluations["validation"].stability:
        metrics[STABILITY] = moved.metrics()
        told = {"stability_images": moved.images, "stability_lesions": moved.lesions}
        card = dataclasses.replace(card, training=card.training | told)
    if cross_validated:
        metrics[CROSS_VALIDATION] = dict(cross_validated)
    card = write_card(folder, dataclasses.replace(card, metrics=metrics))
    evaluations = {part: dataclasses.replace(each, card=card) for part, each in evaluations.items()}  # with its digest
    lesions = images.table["lesion_id"]
    sizes = {part: (len(split.part(part)), int(lesions.iloc[split.part(part)].nunique())) for part in PARTS}
    description = model_card(card, evaluations["test"].gaps, sizes, evaluations["validation"].strengths)
    (folder / MODEL_CARD_FILE).write_text(description, encoding="utf-8")
    return FinalizedModel(card, evaluations, description)


def kept_model_card(bundle: Path) -> str:
    """The model card in a bundle, Markdown, without the hub's metadata; empty if the bundle has none."""
    file = bundle / MODEL_CARD_FILE
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    return re.sub(r"\A---\n.*?\n---\s+", "", text, flags=re.DOTALL)


def answers_on_test(folder: Path, fitted: Fitted, card: Card, training: Training) -> LabelledPredictions:
    """Predictions of a network for the test part, exported and calibrated as by `finalize_model`."""
    card = write_bundle(folder, fitted.network, card, training.examples, mirrored=training.config.mirrored)
    _calibrate(folder, card, training)
    return _answers(load_predictor(folder, threads=1), training, training.examples.split.test)


def history_of(fitted: Fitted) -> History:
    """The history of a training, for its curves."""
    return History([result.metrics for result in fitted.history], fitted.best_epoch)


def _calibrate(folder: Path, card: Card, training: Training) -> tuple[Card, Outputs]:
    """Fit the calibrations of a single pass and of the average over flips and turns, and add them to the card.

    Returns the card, and what the network put out at one look at each validation image.

    Diagnoses are as frequent as in the training part, without what only trains: that comes from elsewhere. The average
    is taken of some of the images, as it costs several times as much; what all of them say of one look is carried over.
    """
    config, images, examples = training.config, training.images, training.examples
    labels, split, pixels = examples.labels, examples.split, examples.pixels
    measured_like = split.train
    if "extra" in images.table.columns:
        measured_like = measured_like[~images.table["extra"].to_numpy()[measured_like]]
    classes = examples.classes
    believed = config.believed_prior(labels[split.train], classes)
    prior = positive_shares(labels[measured_like], "none", classes)
    aims = OperatingPoint(config.malignant_sensitivity, config.refer_share, config.call)
    neutral = {SINGLE: Calibration()}
    card = write_card(folder, dataclasses.replace(card, prior=tuple(prior.tolist()), calibrations=neutral))
    predictor = load_predictor(folder, threads=1)

    def fitted(outputs: Outputs, members: np.ndarray) -> Calibration:
        return fit_calibration(outputs, labels[members], believed, prior, aims, images.label_set)

    order, count = averaged_images(np.isin(labels[split.validation], images.label_set.malignant_indices), split.seed)
    some, others = split.validation[order[:count]], split.validation[order[count:]]
    of_some, averaged = predictor.measure_many_both(pixels, some)
    of_others = predictor.measure_many(pixels, others)
    back = np.argsort(order)
    single = (np.concatenate([of_some[0], of_others[0]])[back], np.concatenate([of_some[1], of_others[1]])[back])
    calibrations = {SINGLE: fitted(single, split.validation), AVERAGED: fitted(averaged, some)}
    if len(others):
        calibrations[AVERAGED] = carried_over(calibrations[AVERAGED], fitted(of_some, some), calibrations[SINGLE])
    return write_card(folder, dataclasses.replace(card, calibrations=calibrations)), single


def _measure_training(predictor: Predictor, training: Training) -> dict[str, Estimate]:
    """The metrics of the training part, or of as many of its lesions as have `MOST_TRAINING_IMAGES`."""
    split = training.examples.split
    lesions = training.images.table["lesion_id"].to_numpy()[split.train]
    names, lesion_of, counts = np.unique(lesions, return_inverse=True, return_counts=True)
    order = np.random.default_rng(split.seed).permutation(len(names))
    chosen = np.zeros(len(names), dtype=bool)
    chosen[order[np.cumsum(counts[order]) <= max(MOST_TRAINING_IMAGES, counts[order[0]])]] = True
    said = _answers(predictor, training, split.train[chosen[lesion_of]])
    return measure(said, resamples=TRAINING_RESAMPLES)


def _answers(predictor: Predictor, training: Training, members: np.ndarray) -> LabelledPredictions:
    examples, table = training.examples, training.images.table.iloc[members]
    return with_labels(
        predictor.predict_many(examples.pixels, members),
        table["image_id"].to_numpy(), table["lesion_id"].to_numpy(), examples.labels[members],
    )  # fmt: skip
