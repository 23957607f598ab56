"""From a model and labelled images to everything that an evaluation says of them."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.atomic import atomic_file
from lesionflow.datasets.label_table import ATTRIBUTES
from lesionflow.datasets.labelled import LabelledImages
from lesionflow.errors import DataError, ImageError, first_few
from lesionflow.evaluation.call_strength import call_strengths
from lesionflow.evaluation.contact_sheet import worst_mistakes
from lesionflow.evaluation.heatmaps import occlusion_heatmap, typical_images
from lesionflow.evaluation.label_mapping import LabelMapping
from lesionflow.evaluation.learning import History
from lesionflow.evaluation.metrics import measure
from lesionflow.evaluation.report import Evaluation, evaluation_json
from lesionflow.evaluation.report_page import evaluation_page
from lesionflow.evaluation.report_pictures import (
    heatmaps_picture,
    learning_picture,
    mistakes_picture,
    numeric_pictures,
)
from lesionflow.evaluation.shift import measure_shift
from lesionflow.evaluation.slices import largest_gaps, slices
from lesionflow.evaluation.stability import CHANGES, measure_stability
from lesionflow.images.decode import decode
from lesionflow.model.columns import NO, YES, cell, utf8
from lesionflow.model.decision import decide, softmax
from lesionflow.model.pooling import pool_predictions, pool_probabilities
from lesionflow.model.prediction import LabelledPredictions, Predictions, with_labels
from lesionflow.model.predictor import Outputs, Predictor

if TYPE_CHECKING:
    import pandas as pd

PAGE_FILE, METRICS_FILE, PREDICTIONS_FILE = EVALUATION_FILES = ("report.html", "metrics.json", "predictions.csv")
THUMBNAIL = 160  # pixels a side, in the sheets of images


def evaluate_model(
    predictor: Predictor,
    model: str,
    images: LabelledImages,
    part: str,
    members: np.ndarray,
    pixels: np.ndarray,
    *,
    warnings: Sequence[str] = (),
    histories: Mapping[str, History] | None = None,
    resamples: int = 2000,
    draw: bool = True,
    show_images: bool = True,
    elsewhere: bool = False,
    validation: LabelledPredictions | None = None,
    stability: int = 0,
    outputs: Outputs | None = None,
    mapping: LabelMapping | None = None,
    pool: str | None = None,
    progress: Callable[[str], None] = lambda doing: None,
) -> Evaluation:
    """Measure a model on some of the labelled images, and draw what there is to see.

    model: its name; part: what the images are called; members: their indices; pixels: (images, height, width, 3) uint8
    of all labelled images; histories: of the training by network, for its curves; draw: otherwise there are no
    pictures, which take longer than all the rest; show_images: whether the worst mistakes and what typical calls rest
    on are among them; elsewhere: whether the images are of another data set than the
    training images, from which their distance is then measured; validation: what the model's bundle says of its
    validation part; stability: how many of the images are scored again after harmless changes; outputs: what
    `predictor.measure_many` gives for the members, if it was asked before; mapping: of the model's label set and that
    of the images onto the coarser one, where they differ; pool: one of `pooling.POOLS` for one prediction a lesion,
    None for one an image; progress: is told what is being done.
    """
    progress(f"{part}: looking at {len(members)} images")
    logits, distances = predictor.measure_many(pixels, members) if outputs is None else outputs
    table = images.table.iloc[members].reset_index(drop=True)
    answers = decide(logits, distances, predictor.calibration, predictor.card.prior, predictor.card.labels)
    uncalibrated, labels, predict = softmax(logits), images.labels[members], predictor.predict
    if pool is not None:
        firsts, lesion_of = _lesions(table, labels)
        prior, malignant = predictor.card.prior, predictor.card.labels.malignant_indices
        answers = pool_predictions(answers, lesion_of, len(firsts), pool, predictor.calibration, prior)
        uncalibrated = pool_probabilities(uncalibrated, lesion_of, len(firsts), pool, malignant)
        warnings = [*warnings, f"each lesion counts once: its images, {len(table)} in all, are pooled ({pool})"]
        labels, members, table = labels[firsts], members[firsts], table.iloc[firsts].reset_index(drop=True)
    if mapping is not None and mapping.of_model:
        answers, uncalibrated = mapping.of_predictions(answers), mapping.of_probabilities(uncalibrated)
        validation = None if validation is None else mapping.of_predictions(validation)

        def predict(pixels: np.ndarray) -> Predictions:
            return mapping.of_predictions(predictor.predict(pixels))

    elif mapping is not None:
        labels = mapping.indices[labels]
    said = with_labels(answers, table["image_id"].to_numpy(), table["lesion_id"].to_numpy(), labels)
    progress(f"{part}: measuring, with {resamples} resamples")
    metrics = measure(said, resamples=resamples)
    groups = slices(said, table[list(ATTRIBUTES)])
    moved = None
    if stability:
        progress(f"{part}: changing up to {stability} images in {len(CHANGES)} harmless ways")
        moved = measure_stability(
            predictor, said.image_ids.tolist(), said.lesion_ids.tolist(), table["path"].tolist(), most=stability
        )
    shift = None
    if elsewhere:
        tells = predictor.calibration.unfamiliar_above is not None
        shift = measure_shift(said, validation, tells_unfamiliar=tells)
    evaluation = Evaluation(
        model=model,
        card=predictor.card,
        data=images.description,
        data_digest=images.digest,
        demo=images.demo,
        part=part,
        predictions=said,
        metrics=metrics,
        calibration=predictor.calibration,
        strengths=() if mapping else call_strengths(said, predictor.card.prior, resamples=resamples),
        slices=groups,
        gaps=largest_gaps(groups, metrics),
        warnings=tuple(warnings),
        uncalibrated=uncalibrated,
        mapping=mapping,
        averaged=predictor.averaged,
        shift=shift,
        stability=moved,
        resamples=resamples,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    if not draw:
        return evaluation
    progress(f"{part}: drawing")
    pictures = [*numeric_pictures(evaluation)]
    thumbnails = _thumbnails(table["path"].tolist(), pixels, members)
    if show_images and (mistakes := worst_mistakes(said)):
        pictures.append(mistakes_picture(evaluation, mistakes, [thumbnails(mistake.index) for mistake in mistakes]))
    if show_images:
        maps = [
            occlusion_heatmap(predict, np.asarray(pixels[members[index]]), index, int(said.labels[index]))
            for index in typical_images(said)
        ]
        pictures.append(heatmaps_picture(evaluation, maps, [thumbnails(found.index) for found in maps]))
    if histories:
        pictures.append(learning_picture(f"{model} on {images.description}", histories))
    progress(f"{part}: drawing {len(pictures)} pictures")
    # Drawing takes far longer than computing, and page, files and MLflow each want the same bytes: drawn once.
    drawn = tuple(dataclasses.replace(picture, content=picture.png()) for picture in pictures)
    return dataclasses.replace(evaluation, pictures=drawn)


def _lesions(table: pd.DataFrame, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index of each lesion's first image, (lesions,), and the lesion of each image. Raises `DataError`."""
    names, firsts, lesion_of = np.unique(
        table["lesion_id"].to_numpy().astype(str), return_index=True, return_inverse=True
    )
    if differing := sorted({names[lesion] for lesion in lesion_of[labels[firsts][lesion_of] != labels]}):
        raise DataError(
            f"--group-by lesion_id: images of {len(differing)} lesions have several diagnoses: {first_few(differing)}; "
            "mend the table, or measure images"
        )
    return firsts, lesion_of


def _thumbnails(paths: Sequence[str], pixels: np.ndarray, members: np.ndarray) -> Callable[[int], np.ndarray]:
    """What gives an image by its place, larger than the network sees it."""

    def thumbnail(index: int) -> np.ndarray:
        try:
            return decode(paths[index], THUMBNAIL, THUMBNAIL)
        except ImageError:  # gone since its pixels were kept
            return np.asarray(pixels[members[index]])

    return thumbnail


def write_evaluation(evaluation: Evaluation, folder: Path, overwrite: bool = False) -> list[Path]:
    """Write an evaluation into a folder: `report.html`, `metrics.json`, `predictions.csv` and the figures.

    Raises `ReportError` where a file cannot be written.
    """
    contents = {
        METRICS_FILE: json.dumps(evaluation_json(evaluation), indent=2, allow_nan=False).encode() + b"\n",
        PREDICTIONS_FILE: _predictions_csv(evaluation.predictions).encode(),
        **{f"{picture.name}.png": picture.png() for picture in evaluation.pictures},
        PAGE_FILE: evaluation_page(evaluation).encode(),  # last: where it is, everything is
    }
    for name, content in contents.items():
        with atomic_file(folder / name, overwrite) as file:
            file.write(content)
    return [folder / name for name in contents]


def _predictions_csv(said: LabelledPredictions) -> str:
    text = io.StringIO()
    rows, names = csv.writer(text, lineterminator="\n"), said.label_set.names
    rows.writerow(
        ["image_id", "lesion_id", "true", "diagnosis", "malignant", "refer", *(f"p_{name}" for name in names)]
    )
    for index in range(len(said)):
        rows.writerow([
            *(cell(utf8(str(name))) for name in (said.image_ids[index], said.lesion_ids[index])),
            names[said.labels[index]], names[said.called[index]],
            YES if said.malignant[index] else NO, said.refer[index],
            *(f"{probability:.6f}" for probability in said.probabilities[index]),
        ])  # fmt: skip
    return text.getvalue()
