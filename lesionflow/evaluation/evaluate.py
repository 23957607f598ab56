"""Evaluates a model on labelled images: metrics, slices, calibration, leaks and everything else that is measured."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.atomic import write_together
from lesionflow.datasets.labelled import LabelledImages
from lesionflow.errors import DataError, ImageError, counted, first_few
from lesionflow.evaluation.call_strength import STRENGTHS, call_strengths
from lesionflow.evaluation.heatmaps import heatmap_sheet, occlusion_heatmap, typical_images
from lesionflow.evaluation.label_mapping import LabelMapping
from lesionflow.evaluation.learning import History, learning_curves
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.page import evaluation_page
from lesionflow.evaluation.pictures import HOW_TO_READ, contact_sheet, numeric_pictures, picture_of, worst_mistakes
from lesionflow.evaluation.result import Evaluation, evaluation_json
from lesionflow.evaluation.shift import measure_shift
from lesionflow.evaluation.slices import largest_gaps, slices
from lesionflow.evaluation.stability import CHANGES, measure_stability
from lesionflow.images.decode import decode
from lesionflow.model.card import SINGLE, Calibration, Card
from lesionflow.model.columns import NO, YES, cell, utf8
from lesionflow.model.decision import decide, pool_predictions, pool_probabilities, softmax
from lesionflow.model.prediction import LabelledPredictions, Predictions, with_labels
from lesionflow.model.predictor import Outputs, Predictor

if TYPE_CHECKING:
    import pandas as pd

PAGE_FILE, METRICS_FILE, PREDICTIONS_FILE = EVALUATION_FILES = ("report.html", "metrics.json", "predictions.csv")
ALL_FILES = (*EVALUATION_FILES, *(f"{name}.png" for name in HOW_TO_READ))  # that a folder of an evaluation can have
THUMBNAIL = 160  # pixels a side, in the sheets of images


@dataclass(frozen=True)
class EvaluatedPart:
    """The labelled images that are evaluated together."""

    name: str  # of the split: train, validation or test; all without one
    images: LabelledImages
    members: np.ndarray  # their indices
    pixels: np.ndarray  # (images, height, width, 3) uint8, of all labelled images
    outputs: Outputs | None = None  # what `Predictor.measure_many` gives for the part, if it was asked before

    @property
    def table(self) -> pd.DataFrame:
        """A row for each image of the part."""
        return self.images.table.iloc[self.members].reset_index(drop=True)

    @property
    def labels(self) -> np.ndarray:
        """The indices of the true diagnoses: (images of the part,) int64."""
        return self.images.labels[self.members]

    def lesions(self) -> tuple[EvaluatedPart, np.ndarray]:
        """The first image of each lesion as a part, and for each image the index of its lesion there.

        Raises `DataError` where images of a lesion have several diagnoses.
        """
        labels = self.labels
        names, firsts, lesion_of = np.unique(
            self.table["lesion_id"].to_numpy().astype(str), return_index=True, return_inverse=True
        )
        if differing := sorted({names[lesion] for lesion in lesion_of[labels[firsts][lesion_of] != labels]}):
            raise DataError(
                f"--group-by lesion_id: images of {counted(len(differing), 'lesion')} have several diagnoses: "
                f"{first_few(differing)}; correct the table, or measure images"
            )
        return dataclasses.replace(self, members=self.members[firsts], outputs=None), lesion_of


@dataclass(frozen=True)
class Measuring:
    """How a model is measured on labelled images."""

    resamples: int = 2000  # of the bootstrap
    stability: int = 0  # images that are scored again after harmless changes
    pool: str | None = None  # one of `decision.POOLS` for one prediction a lesion, None for one an image
    mapping: LabelMapping | None = None  # of the model's label set and that of the images, where they differ


def evaluate_model(
    predictor: Predictor,
    model: str,
    part: EvaluatedPart,
    how: Measuring = Measuring(),
    *,
    validation: LabelledPredictions | None = None,
    progress: Callable[[str], None] = lambda doing: None,
) -> Evaluation:
    """Measure a model on some labelled images; `draw_evaluation` adds the figures.

    model: its name; validation: what the model's bundle says of its validation part, from which the distance of images
    of another data set than the training images is measured; progress: is told what is being done.
    """
    progress(f"{part.name}: looking at {counted(len(part.members), 'image')}")
    card, calibration, mapping, images = predictor.card, predictor.calibration, how.mapping, len(part.members)
    each_image = part.table
    one_look = None  # of which the validation part's predictions are
    if predictor.averaged:
        single, outputs = predictor.measure_many_both(part.pixels, part.members)
        part = dataclasses.replace(part, outputs=outputs)
        _, one_look, _ = _answers(predictor, part, how, single, card.calibrations[SINGLE])
    part, said, uncalibrated = predict_part(predictor, part, how)
    if validation is not None and how.pool is not None:
        validation = _pooled(validation, card, how.pool)
    if validation is not None and mapping is not None and mapping.of_model:
        validation = mapping.of_predictions(validation)
    table = part.table
    progress(f"{part.name}: measuring, with {how.resamples} resamples")
    metrics = measure(said, resamples=how.resamples)
    groups = slices(said, table)
    moved = None
    if how.stability:
        doing = f"{part.name}: changing images in {len(CHANGES)} harmless ways"
        moved = measure_stability(
            predictor, each_image, most=how.stability,
            counted_as=mapping.indices if mapping is not None and mapping.of_model else None,
            progress=lambda done, total: progress(f"{doing}: image {done} of {total}"),
        )  # fmt: skip
    shift = None
    if part.images.digest != card.data_digest:
        knows_distance = card.calibrations[SINGLE].unfamiliar_above is not None
        shift = measure_shift(one_look or said, validation, tells_unfamiliar=knows_distance)
    told = (
        f"Each lesion counts once: its images, {images} in all, are pooled ({how.pool}). Where a figure says images, "
        "it means lesions."
    )
    return Evaluation(
        model=model,
        card=card,
        data=part.images.describe(part.members),
        data_digest=part.images.digest,
        demo=part.images.demo,
        part=part.name,
        predictions=said,
        metrics=metrics,
        calibration=calibration,
        strengths=()
        if mapping
        else call_strengths(said, card.prior, sorted({*STRENGTHS, calibration.call_strength}), resamples=how.resamples),
        slices=groups,
        gaps=largest_gaps(groups, metrics),
        warnings=(told,) if how.pool else (),
        uncalibrated=uncalibrated,
        pooled=images if how.pool else 0,
        mapping=mapping,
        sources=table["source"].to_numpy() if part.images.has_sources else None,
        averaged=predictor.averaged,
        shift=shift,
        stability=moved,
        resamples=how.resamples,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def predict_part(
    predictor: Predictor, part: EvaluatedPart, how: Measuring = Measuring()
) -> tuple[EvaluatedPart, LabelledPredictions, np.ndarray]:
    """Predictions for a part with its labels, pooled and mapped as `how` says, and those before calibration.

    The part comes back with one image for each row: of lesions that are pooled, their first ones.
    """
    outputs = part.outputs or predictor.measure_many(part.pixels, part.members)
    return _answers(predictor, part, how, outputs, predictor.calibration)


def _answers(
    predictor: Predictor, part: EvaluatedPart, how: Measuring, outputs: Outputs, calibration: Calibration
) -> tuple[EvaluatedPart, LabelledPredictions, np.ndarray]:
    """What `predict_part` returns, of outputs for its images."""
    card, mapping, (logits, distances) = predictor.card, how.mapping, outputs
    answers = decide(logits, distances, calibration, card.prior, card.labels)
    uncalibrated = softmax(logits)  # (images, classes)
    if how.pool is not None:
        part, lesion_of = part.lesions()
        groups = (lesion_of, len(part.members), how.pool)
        answers = pool_predictions(answers, *groups, calibration, card.prior)
        uncalibrated = pool_probabilities(uncalibrated, *groups, card.labels.malignant_indices)
    table, labels = part.table, part.labels
    if mapping is not None and mapping.of_model:
        answers, uncalibrated = mapping.of_predictions(answers), mapping.of_probabilities(uncalibrated)
    elif mapping is not None:
        labels = mapping.indices[labels]
    return part, with_labels(answers, table["image_id"].to_numpy(), table["lesion_id"].to_numpy(), labels), uncalibrated


def _pooled(said: LabelledPredictions, card: Card, pool: str) -> LabelledPredictions:
    """One prediction for each lesion, with the label of its first image; said: by one look at each."""
    _, firsts, lesion_of = np.unique(said.lesion_ids, return_index=True, return_inverse=True)
    pooled = pool_predictions(said, lesion_of, len(firsts), pool, card.calibrations[SINGLE], card.prior)
    return with_labels(pooled, said.image_ids[firsts], said.lesion_ids[firsts], said.labels[firsts])


def draw_evaluation(
    evaluation: Evaluation,
    predictor: Predictor,
    part: EvaluatedPart,
    *,
    histories: Mapping[str, History] | None = None,
    show_images: bool = True,
    progress: Callable[[str], None] = lambda doing: None,
) -> Evaluation:
    """Add its figures to an evaluation, which takes longer than everything else.

    part: whose images are one for each prediction: of lesions, their first ones; histories: of the training by network,
    for its curves; show_images: whether the worst mistakes and what typical calls rest on are among the pictures.
    """
    said, mapping = evaluation.predictions, evaluation.mapping

    def predict(pixels: np.ndarray) -> Predictions:
        answers = predictor.predict(pixels)
        return mapping.of_predictions(answers) if mapping is not None and mapping.of_model else answers

    progress(f"{part.name}: drawing")
    pictures = [*numeric_pictures(evaluation)]
    thumbnails = _thumbnails(part)
    if show_images and (mistakes := worst_mistakes(said)):
        shown = [thumbnails(mistake.index) for mistake in mistakes]
        pictures.append(picture_of("worst_mistakes", contact_sheet(evaluation.about, said, mistakes, shown)))
    if show_images:
        maps = [
            occlusion_heatmap(predict, np.asarray(part.pixels[part.members[index]]), index, int(said.labels[index]))
            for index in typical_images(said)
        ]
        shown = [thumbnails(found.index) for found in maps]
        pictures.append(picture_of("heatmaps", heatmap_sheet(evaluation.about, said, maps, shown)))
    if histories:
        curves = learning_curves(f"{evaluation.model} on {evaluation.data}", histories)
        pictures.append(picture_of("learning_curves", curves))
    progress(f"{part.name}: drawing {len(pictures)} pictures")
    # Drawing takes far longer than computing, and page, files and MLflow each want the same bytes: drawn once.
    drawn = tuple(dataclasses.replace(picture, content=picture.png()) for picture in pictures)
    return dataclasses.replace(evaluation, pictures=drawn)


def _thumbnails(part: EvaluatedPart) -> Callable[[int], np.ndarray]:
    """A function that returns an image of a part by its index, larger than the network sees it."""
    paths = part.table["path"].tolist()

    def thumbnail(index: int) -> np.ndarray:
        try:
            return decode(paths[index], THUMBNAIL, THUMBNAIL)
        except ImageError:  # gone since its pixels were kept
            return np.asarray(part.pixels[part.members[index]])

    return thumbnail


def write_evaluation(evaluation: Evaluation, folder: Path, overwrite: bool = False) -> list[Path]:
    """Write an evaluation into a folder, in place of all files of an earlier one if that may be overwritten.

    Raises `ReportError` where a file cannot be written.
    """
    contents: dict[str, str | bytes] = {
        METRICS_FILE: json.dumps(evaluation_json(evaluation), indent=2, allow_nan=False) + "\n",
        PREDICTIONS_FILE: _predictions_csv(evaluation.predictions, evaluation.sources),
        **{f"{picture.name}.png": picture.png() for picture in evaluation.pictures},
        PAGE_FILE: evaluation_page(evaluation),  # last: where it is, everything is
    }
    return write_together(folder, contents, overwrite, ALL_FILES)


def _predictions_csv(said: LabelledPredictions, sources: np.ndarray | None) -> str:
    text = io.StringIO()
    rows, names = csv.writer(text, lineterminator="\n"), said.label_set.names
    named = {"image_id": said.image_ids, "lesion_id": said.lesion_ids} | (
        {} if sources is None else {"source": sources}
    )
    rows.writerow([*named, "true", "diagnosis", "malignant", "refer", *(f"p_{name}" for name in names)])
    for index in range(len(said)):
        rows.writerow([
            *(cell(utf8(str(column[index]))) for column in named.values()),
            names[said.labels[index]], names[said.called[index]],
            YES if said.malignant[index] else NO, said.refer[index],
            *(f"{probability:.6f}" for probability in said.probabilities[index]),
        ])  # fmt: skip
    return text.getvalue()
