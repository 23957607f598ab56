"""Evaluate a registered version or a bundle on labelled images."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from rich.console import Console

from lesionflow.api.overrides import EvaluationOptions, configured
from lesionflow.atomic import check_own_folder, output_folder
from lesionflow.datasets.labelled import LabelledImages, read_labelled_images, same_bytes
from lesionflow.datasets.split import PARTS, Split
from lesionflow.diagnoses import LabelSet, read_label_set
from lesionflow.errors import DataError, UsageError, counted, first_few
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.evaluation.evaluate import (
    EVALUATION_FILES,
    METRICS_FILE,
    EvaluatedPart,
    Measuring,
    draw_evaluation,
    evaluate_model,
    write_evaluation,
)
from lesionflow.evaluation.label_mapping import LabelMapping, map_between, read_mapping
from lesionflow.evaluation.leaks import find_leak_of_images, members_of_part, split_of_training, trained_on
from lesionflow.evaluation.result import Evaluation
from lesionflow.evaluation.stability import STABILITY, USUAL_IMAGES
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.model.card import CARD_FILE, HASHES_FILE, TRAINED_ON_FILE, VALIDATION_FILE
from lesionflow.model.files import PRETRAINED
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.model.predictor import Predictor, load_predictor
from lesionflow.progress import show_status, stderr_console
from lesionflow.registry.versions import SCORING_FILES, is_address, opened
from lesionflow.storage.location import location_text, path_here
from lesionflow.tracking.tracking_store import connect, kept_settings


@kept_settings()
def evaluate(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    config: EvaluationConfig | None = None,
    *,
    tracking_uri: str | None = None,
    cache: Path | None = None,
    console: Console | None = None,
    **overrides: Unpack[EvaluationOptions],
) -> Evaluation:
    """Measure a model on labelled images.

    On the data that the model was trained on, the test part of its own split is measured unless `part` is given; on
    other data, all images. A data set of several, or one whose files were resized since, counts as that data if it is
    split as then: see `evaluation.leaks.split_of_training`; of others, `part` measures the files that were in it.
    Images of lesions that the model was trained on are found by the digests that its bundle keeps, copies of its
    training images also by the hashes, and the first warning counts them.

    Parameters
    ----------
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or the folder of a bundle.
    data
        Labelled images: what `read_labelled_images` takes.
    out
        Folder for the page, metrics and figures; without it and `log`, no figures are drawn.
    config
        How to evaluate; `overrides` replace single options of it.
    tracking_uri
        MLflow tracking store and registry.
    cache
        Folder for decoded pixels.
    console
        Where progress goes; stderr by default.

    Returns
    -------
    Evaluation
        Metrics with 95 % intervals, figures and warnings.

    Raises
    ------
    UsageError
        If `part` is given for data of which no file was in that part of the training. If the model is given where the
        data belong, and the data where the model belongs.
    ReportError
        If the folder already holds an evaluation, or anything else.
    """
    model, config = location_text(model, "model"), configured(evaluate, EvaluationConfig, config, overrides)
    if not _names_model(model) and _names_model(os.fspath(data)):
        raise UsageError(
            f"{os.fspath(data)}: a model, where labelled images belong; give the model first, then the data"
        )
    console = console or stderr_console()
    folder = None if out is None else path_here(out, "out")
    check_own_folder(folder, "an evaluation", METRICS_FILE)  # a dozen figures lie in it
    with output_folder(folder, EVALUATION_FILES, config.overwrite), show_status("reading images", console) as status:
        if config.log:
            connect(tracking_uri, writes=True)
        asked = open_on(model, data, config, tracking_uri, cache)
        status("looking for images that the model was trained on")
        warnings = asked.warnings(cache)
        evaluated, predictor, part = asked.decoded(cache, status), asked.predictor, asked.part
        drawn = folder is not None or config.log
        stability = (USUAL_IMAGES if drawn else 0) if config.stability is None else config.stability
        how = Measuring(config.resamples, stability, config.pool if config.group_by else None, asked.mapping)
        evaluation = evaluate_model(
            predictor, asked.label, evaluated, how, validation=asked.validation, progress=status
        )
        evaluation = dataclasses.replace(evaluation, warnings=(*warnings, *evaluation.warnings))
        if drawn:
            shown, _ = evaluated.lesions() if config.group_by else (evaluated, None)
            evaluation = draw_evaluation(evaluation, predictor, shown, progress=status)
        if folder is not None:
            write_evaluation(evaluation, folder, config.overwrite)
        if config.log:
            found = {"part": part, "stability": stability, "diagnoses": config.diagnoses or predictor.card.labels.name}
            given = {"model": asked.address or model, "data": os.fspath(data)} | config.parameters() | found
            _log(evaluation, asked.images, given, config.experiment)
    return evaluation


@dataclass(frozen=True)
class ModelOnData:
    """A model and the labelled images to measure it on."""

    label: str
    address: str  # of a registered version, also where an alias named it; else empty
    predictor: Predictor
    known: dict[str, np.ndarray] | None  # what its bundle tells of its training images, or its split
    validation: LabelledPredictions | None
    mapping: LabelMapping | None  # of its label set and that of the images, where they differ
    images: LabelledImages
    part: str  # of the split of its training; all where there is none
    members: np.ndarray  # the indices of the images of that part
    is_own_split: bool  # whether the part is of the split drawn again, not of files that were in it

    @property
    def image_keys(self) -> np.ndarray:
        """What identifies each image: the demo set has other ones by the same ids for other diagnoses."""
        return np.asarray(self.images.table["image_id"] + "\t" + self.images.table["content"], dtype=str)

    @property
    def found_by_bytes(self) -> list[str]:
        """What to say of a part whose images were found by their files: copies in another data set count there, too."""
        if self.part not in PARTS or self.is_own_split:
            return []
        images = counted(len(self.members), "image", "was", "were", of=len(self.images.table))
        told = f"{images} in the {self.part} part of the training, by the file's bytes, in any of its data sets"
        sources = self.predictor.card.training.get("sources", ())
        named = [each["images"] for each in sources if each["name"] == self.images.name]
        if len(named) == 1:
            if len(self.members) <= named[0][self.part]:
                return []
            told += f"; of {self.images.name} it counted {named[0][self.part]}, as copies count in the first data set"
        return [told]

    def leaks(self, cache: Path | None) -> list[str]:
        """A warning if the model was trained on some of the images, or does not tell; else none."""
        if self.known is None:
            return [f"{self.label} does not say which lesions trained it: a leak would go unnoticed"]
        leak = find_leak_of_images(self.known, self.images.table.iloc[self.members], cache)
        return [told] if (told := leak.describe(self.label)) else []

    def warnings(self, cache: Path | None) -> list[str]:
        """All that is to be said of the images, as they are measured."""
        measured = self.images.table.iloc[self.members]
        return [*self.leaks(cache), *self.found_by_bytes, *self.images.warnings, *same_bytes(measured)]

    def decoded(self, cache: Path | None, status: Callable[[str], None]) -> EvaluatedPart:
        """The images with their pixels in the model's size; status: is told how far it is."""
        status("decoding images")
        card = self.predictor.card
        pixels = decoded_pixels(
            *self.images.files, card.height, card.width, cache,
            progress=lambda done, total: status(f"decoding images: {done} of {total}"),
        )  # fmt: skip
        return EvaluatedPart(self.part, self.images, self.members, pixels)


def open_on(
    model: str,
    data: str | os.PathLike[str],
    config: EvaluationConfig,
    tracking_uri: str | None,
    cache: Path | None,
    before: Sequence[ModelOnData] = (),
    also: Sequence[LabelSet] = (),
) -> ModelOnData:
    """Open a model, read labelled images in its label set or that of the configuration, and choose the part.

    before: others on the same images, which are not read again for the same label set; also: other sets of diagnoses
    that words of the data may mean.
    """
    with opened(model, tracking_uri, (*SCORING_FILES, TRAINED_ON_FILE, HASHES_FILE, VALIDATION_FILE)) as resolved:
        predictor = load_predictor(resolved.folder, threads=1, averaged=config.tta)
        card, known, validation = predictor.card, resolved.trained_on(), resolved.validation()
    label_set = card.labels if config.diagnoses is None else read_label_set(config.diagnoses)
    mapping = map_between(card.labels, label_set, read_mapping(config.mapping))
    read = [each.images for each in before if each.images.label_set == label_set]
    images = read[0] if read else read_labelled_images(data, cache, config.labels, label_set, also)
    _check_mapped(mapping, images)
    split = split_of_training(card, images, known)
    part, members = _members(resolved.label, images, split, known, config.part)
    if known is None and split is not None:
        known = trained_on(images.table, split.train)
    return ModelOnData(
        resolved.label, resolved.address, predictor, known, validation, mapping, images, part, members,
        is_own_split=split is not None,
    )  # fmt: skip


def _log(evaluation: Evaluation, images: LabelledImages, asked: dict[str, Any], experiment: str) -> None:
    """Log an evaluation as a run; images: the data set; asked: further parameters of the run, besides the digests."""
    from lesionflow.tracking import runs as tracking

    part, measured = evaluation.part, evaluation.predictions.label_set
    with tracking.run(f"evaluate {evaluation.model}", experiment, system_metrics=False):
        digests = {"bundle_digest": evaluation.card.digest, "data_digest": evaluation.data_digest}
        tracking.log_parameters(asked | digests)
        tracking.log_data(images, "evaluation", {"model": evaluation.model, "bundle_digest": evaluation.card.digest})
        tracking.log_estimates(part, evaluation.metrics, measured)
        if evaluation.shift:
            tracking.log_metrics({f"shift/{name}": value for name, value in evaluation.shift.metrics().items()})
        if evaluation.stability:
            tracking.log_estimates(STABILITY, evaluation.stability.metrics(), measured)
        tracking.log_evaluation(evaluation, part)


def _names_model(text: str) -> bool:
    """Whether a text names a model: an address, `pretrained`, or a folder with a card."""
    return is_address(text) or text == PRETRAINED or os.path.isfile(os.path.join(text, CARD_FILE))


def _check_mapped(mapping: LabelMapping | None, images: LabelledImages) -> None:
    """Raise `DataError` for images of a diagnosis onto which none of the model's diagnoses maps."""
    if mapping is None or not mapping.of_model:
        return
    counts = images.table["dx"].value_counts()
    without = [name for name, fine in mapping.groups.items() if not fine and name in counts]
    if without:
        told = first_few([f"{name} ({counts[name]})" for name in without])
        raise DataError(
            f"{images.name}: the model has no diagnosis that counts as {told}; leave these images out with --labels "
            "FILE, or evaluate with --diagnoses binary"
        )


def _members(
    label: str, images: LabelledImages, split: Split | None, known: dict[str, np.ndarray] | None, part: str | None
) -> tuple[str, np.ndarray]:
    """The part to measure, and its images.

    split: of the model's training, None where these images are not drawn again as then; known: what it tells of them.
    """
    if split is not None and part != "all":
        part = part or "test"
        return part, split.part(part)
    if part not in PARTS:
        return "all", np.arange(len(images.table))
    members = members_of_part(known or {}, images.table, part)
    if not len(members):
        raise UsageError(
            f"--part {part}: none of these images is known to be in that part of the training of {label}; leave it "
            "out: all images are measured, and those that it was trained on are counted"
        )
    return part, members
