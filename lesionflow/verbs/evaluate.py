"""Evaluate: any registered version or bundle on labelled images."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionflow.data.cache import decoded_pixels
from lesionflow.data.labelled import read_labelled_images
from lesionflow.data.split import PARTS, split_by_lesion
from lesionflow.errors import ReportError, UsageError
from lesionflow.evaluation.figures import confusion_picture
from lesionflow.evaluation.metrics import classification_metrics, confusion_matrix
from lesionflow.registry.versions import resolve
from lesionflow.scoring.predictor import load_predictor


@dataclass(frozen=True)
class Evaluation:
    """Figures of one model on one part of one data set."""

    model: str
    data: str
    part: str
    images: int
    metrics: dict[str, float]
    warnings: tuple[str, ...]


def evaluate(
    model: str,
    data: str,
    out: str | os.PathLike[str] | None = None,
    *,
    part: str | None = None,
    cache: Path | None = None,
) -> Evaluation:
    """Measure a model on a HAM10000 folder or on 'demo'; writes metrics and a confusion matrix into the folder out.

    On the data the model was trained on, `part` is one of its own split's parts, 'test' unless said otherwise; on other
    data all images count. Raises `UsageError` for a part that other data does not have.
    """
    with tempfile.TemporaryDirectory(prefix="lesionflow-model-") as folder:
        resolved = resolve(model, Path(folder))
        predictor = load_predictor(resolved.folder)
    card = predictor.card
    images = read_labelled_images(data, cache)
    warnings = list(images.warnings)
    same_data = images.digest == card.data_digest
    if part in PARTS and not same_data:
        raise UsageError(
            f"--part {part}: {resolved.label} was trained on other data, which has no such part; leave it out"
        )
    part = part or ("test" if same_data else "all")
    if part == "all":
        members = np.arange(len(images.table))
        if same_data:
            warnings.append(f"{resolved.label} was TRAINED on most of these images: the figures flatter it")
    else:
        split = split_by_lesion(
            images.table["image_id"],
            images.table["lesion_id"],
            images.labels,
            card.split_fractions,
            card.split_seed,
        )
        members = split.part(part)
        if part == "train":
            warnings.append(f"{resolved.label} was TRAINED on these images: the figures flatter it")
    pixels = decoded_pixels(images.table["path"].tolist(), images.digest, card.height, card.width, cache)
    probabilities = predictor.predict_many(pixels, members).probabilities
    labels = images.labels[members]
    evaluation = Evaluation(
        resolved.label,
        images.description,
        part,
        len(members),
        classification_metrics(labels, probabilities),
        tuple(warnings),
    )
    if out is not None:
        _write(Path(out), evaluation, confusion_matrix(labels, probabilities))
    return evaluation


def _write(out: Path, evaluation: Evaluation, matrix: np.ndarray) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").write_text(json.dumps(evaluation.__dict__, indent=2) + "\n")
        title = f"{evaluation.model} on {evaluation.data}: {evaluation.part}"
        confusion_picture(title, matrix).savefig(out / "confusion_matrix.png")
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror})") from error
