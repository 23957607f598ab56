"""Train: data -> split -> pixels -> fit -> bundle -> figures -> registered version -> champion, tracked throughout."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from lesionflow.bundle.card import AVERAGED, CARD_FILE, SINGLE, Calibration, Card, Estimate, write_card
from lesionflow.bundle.export import write_bundle
from lesionflow.data.cache import decoded_pixels
from lesionflow.data.ham10000 import LabelledImages, read_labelled_images
from lesionflow.data.sampling import shares
from lesionflow.data.split import PARTS, Split, split_by_lesion
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.evaluation.calibration import fit_calibration
from lesionflow.evaluation.figures import confusion_picture
from lesionflow.evaluation.learning import History, learning_curves
from lesionflow.evaluation.metrics import classification_metrics, confusion_matrix
from lesionflow.registry import tracking
from lesionflow.registry.champion import Decision, crown_the_better
from lesionflow.registry.versions import DECIDING, DEFAULT_NAME, Version, register_bundle
from lesionflow.scoring.predictor import load_predictor
from lesionflow.training.config import TrainingConfig

if TYPE_CHECKING:
    from lesionflow.training.fit import Fitted


@dataclass(frozen=True)
class Trained:
    """What a training ended with."""

    versions: tuple[Version, ...]  # one a network, in the order of training
    best: Version
    decision: Decision
    champion_before: Version | None
    tracking_uri: str


def train(
    config: TrainingConfig,
    *,
    tracking_uri: str | None = None,
    experiment: str = "lesionflow",
    registered_model: str = DEFAULT_NAME,
    cache: Path | None = None,
    console: Console | None = None,
) -> Trained:
    """Train the networks that config names, track and register them; the better one can become champion.

    Messages go to console, stderr by default. Raises a `LesionflowError`; a bundle that could not be registered is
    kept, and the error says where.
    """
    console = console or Console(stderr=True)
    address = tracking.connect(tracking_uri)  # first of all: an hour of training must not end at a closed door
    images = read_labelled_images(config.data, cache)
    for warning in images.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    split = split_by_lesion(
        images.table["image_id"], images.table["lesion_id"], images.labels, config.fractions, config.seed
    )
    size = config.image_size
    with console.status("decoding images") as status:
        pixels = decoded_pixels(
            images.table["path"].tolist(), images.digest, size, size, cache,
            progress=lambda done, total: status.update(f"decoding images: {done} of {total}"),
        )  # fmt: skip
    counts = ", ".join(f"{len(split.part(part))} {part}" for part in PARTS)
    console.print(f"{images.description}: {counts} images, split by lesion", highlight=False, soft_wrap=True)

    trained = []
    with _parent_run(config, experiment, images, split) as nested:
        for name in config.networks:
            with tracking.run(name, experiment, nested=nested):
                trained.append(_train_one(name, config, images, split, pixels, registered_model, console))
        best, decision, before = crown_the_better(trained)
        if nested:
            tracking.log_metrics({f"{v.card.network}/{k}": m for v in trained for k, m in _deciding(v.card).items()})
    return Trained(tuple(trained), best, decision, before, address)


@contextlib.contextmanager
def _parent_run(config: TrainingConfig, experiment: str, images: LabelledImages, split: Split) -> Iterator[bool]:
    """One run over the networks' runs, where there are several; yields whether there is one."""
    if len(config.networks) == 1:
        yield False
        return
    # The machine's load is kept with the networks' own runs; here it would be the same curves once more.
    with tracking.run(" and ".join(config.networks), experiment, system_metrics=False):
        tracking.log_setting(config.parameters(), images, split)
        yield True


def _deciding(card: Card) -> dict[str, float]:
    return {f"{part}_{DECIDING}": card.metrics[part][DECIDING].value for part in ("validation", "test")}


def _train_one(
    name: str,
    config: TrainingConfig,
    images: LabelledImages,
    split: Split,
    pixels: np.ndarray,
    registered_model: str,
    console: Console,
) -> Version:
    from lesionflow.training.display import TrainingDisplay
    from lesionflow.training.fit import fit

    config = dataclasses.replace(config, model=name)
    tracking.log_setting(config.parameters(), images, split)
    fitted = fit(
        config, name, pixels, images.labels, split,
        on_epoch=lambda result: tracking.log_epoch(result.epoch, result.figures),
        callbacks=(TrainingDisplay(name, console),),
    )  # fmt: skip

    kept = Path(tempfile.mkdtemp(prefix=f"lesionflow-{name}-"))
    bundle = kept / "bundle"
    try:
        with console.status(f"{name}: exporting, checking and measuring"):
            card = _write_measured_bundle(bundle, name, config, images, split, pixels, fitted)
            example = Path(images.table["path"].iloc[split.validation[0]]).read_bytes()
            version = register_bundle(bundle, card, registered_model, example)
    except BaseException:
        if (bundle / CARD_FILE).exists():  # a finished training is never thrown away
            console.print(f"the trained bundle is kept in {bundle}", style="yellow", highlight=False, soft_wrap=True)
        else:
            shutil.rmtree(kept)
        raise
    shutil.rmtree(kept)
    return version


def _write_measured_bundle(
    folder: Path,
    name: str,
    config: TrainingConfig,
    images: LabelledImages,
    split: Split,
    pixels: np.ndarray,
    fitted: Fitted,
) -> Card:
    """Export the network, measure the exported bundle (not Keras: this is what will score) and log what came out."""
    card = Card(
        network=name,
        height=pixels.shape[1],
        width=pixels.shape[2],
        data_name=images.name,
        data_digest=images.digest,
        demo=images.demo,
        split_digest=split.digest,
        split_seed=split.seed,
        split_fractions=split.fractions,
        training=config.parameters()
        | {"best_epoch": fitted.best_epoch, "seconds": fitted.seconds, "precision": fitted.precision},
        versions=tracking.package_versions(),
    )
    card = write_bundle(folder, fitted.network, card, pixels, images.labels, split)
    card = _calibrate(folder, card, config, images.labels, split, pixels)
    predictor = load_predictor(folder)
    probabilities = {part: predictor.predict_many(pixels, split.part(part)).probabilities for part in PARTS}
    metrics = {part: classification_metrics(images.labels[split.part(part)], probabilities[part]) for part in PARTS}
    estimates = {part: {name: Estimate(*(value,) * 3) for name, value in metrics[part].items()} for part in PARTS}
    card = write_card(folder, dataclasses.replace(card, metrics=estimates))

    tracking.log_metrics({f"{part}/{metric}": value for part in PARTS for metric, value in metrics[part].items()})
    gaps = {
        f"gap/{metric}": metrics["train"][metric] - metrics["validation"][metric]
        for metric in ("accuracy", "balanced_accuracy", "macro_auc")
    }
    tracking.log_metrics(gaps | {"best_epoch": fitted.best_epoch, "training_seconds": fitted.seconds})
    tracking.log_card(card)
    history = History(
        [result.figures for result in fitted.history],
        fitted.best_epoch,
        metrics["train"]["balanced_accuracy"],
        metrics["validation"]["balanced_accuracy"],
    )
    title = f"{name} on {images.description}"
    tracking.log_picture(learning_curves(title, {name: history}), "learning_curves")
    for part in ("validation", "test"):
        matrix = confusion_matrix(images.labels[split.part(part)], probabilities[part])
        tracking.log_picture(confusion_picture(f"{title}: {part}", matrix), f"confusion_matrix_{part}")
    return card


def _calibrate(
    folder: Path, card: Card, config: TrainingConfig, labels: np.ndarray, split: Split, pixels: np.ndarray
) -> Card:
    """Fit the calibrations, of one look and of the average over flips and turns, and put them into the card."""
    # Of a diagnosis that training never saw nothing is known; half an image keeps the logarithms finite.
    least = 0.5 / len(split.train)
    shown = np.maximum(shares(labels[split.train], config.balance, len(DIAGNOSES)), least)
    prior = np.maximum(shares(labels[split.train], "none", len(DIAGNOSES)), least)
    neutral = {SINGLE: Calibration(), AVERAGED: Calibration()}
    card = write_card(folder, dataclasses.replace(card, prior=tuple(prior.tolist()), calibrations=neutral))
    fitted = {}
    for mode in neutral:
        predictor = load_predictor(folder, averaged=mode == AVERAGED)
        logits, distances = predictor.measure_many(pixels, split.validation)
        fitted[mode] = fit_calibration(
            logits, distances, labels[split.validation], shown, prior,
            sensitivity=config.malignant_sensitivity, referred=config.refer_share,
        )  # fmt: skip
    return write_card(folder, dataclasses.replace(card, calibrations=fitted))
