"""Train: data -> split -> pixels -> fit -> finished bundle -> registered version -> champion, tracked throughout."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from lesionflow.bundle.card import CARD_FILE, Card
from lesionflow.data.cache import decoded_pixels
from lesionflow.data.description import Description, describe_images
from lesionflow.data.description_page import write_description
from lesionflow.data.labelled import LabelledImages, read_labelled_images
from lesionflow.data.split import PARTS, Split, split_by_lesion
from lesionflow.evaluation.finish import Finished, finish_bundle, history_of
from lesionflow.evaluation.learning import History
from lesionflow.evaluation.report_pictures import learning_picture
from lesionflow.registry import tracking
from lesionflow.registry.champion import Decision, crown_the_better
from lesionflow.registry.versions import DECIDING, DEFAULT_NAME, Version, register_bundle
from lesionflow.training.config import TrainingConfig
from lesionflow.training.presets import ALL, NETWORKS


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
    config = _without_missing(config, console)
    preset = _preset(config, console)
    images = read_labelled_images(config.data, cache)
    for warning in images.warnings:
        console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
    split = split_by_lesion(
        images.table["image_id"], images.table["lesion_id"], images.labels, config.fractions, config.seed
    )
    with console.status("describing the data"):
        description = describe_images(images, split)
    for finding in description.findings:
        if finding.warning:
            console.print(f"warning: {finding.text}", style="yellow", highlight=False, soft_wrap=True)
    counts = ", ".join(f"{len(split.part(part))} {part}" for part in PARTS)
    console.print(f"{images.description}: {counts} images, split by lesion", highlight=False, soft_wrap=True)

    trained: list[Version] = []
    histories: dict[str, History] = {}
    with _parent_run(config, experiment, images, split) as nested:
        if nested:
            _log_description(description)
        for name in config.networks:
            with tracking.run(name, experiment, nested=nested):
                if not nested:
                    _log_description(description)
                version, histories[name] = _train_one(
                    config.resolved(name, preset), images, split, registered_model, cache, console
                )
                trained.append(version)
        best, decision, before = crown_the_better(trained)
        if nested:
            tracking.log_metrics({f"{v.card.network}/{k}": m for v in trained for k, m in _deciding(v.card).items()})
            picture = learning_picture(f"{' and '.join(config.networks)} on {images.description}", histories)
            tracking.log_picture(picture)
    return Trained(tuple(trained), best, decision, before, address)


def _without_missing(config: TrainingConfig, console: Console) -> TrainingConfig:
    """Leave out of `all`, the default, what needs an extra that is not there; asked for by name, it is an error."""
    from lesionflow.training.imagenet import MISSING, has_imagenet_weights

    named = config.model.split(",")
    if ALL not in named or "efficientnet" in named or has_imagenet_weights():
        return config
    console.print(f"warning: left out: {MISSING}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    return dataclasses.replace(config, model=",".join(name for name in NETWORKS if name != "efficientnet"))


def _preset(config: TrainingConfig, console: Console) -> str:
    from lesionflow.training.devices import chosen_preset
    from lesionflow.training.imagenet import imagenet_weights

    preset = chosen_preset(config.preset)
    if preset != config.preset:
        console.print(f"preset: {preset}", highlight=False, soft_wrap=True)
    if "efficientnet" in config.networks:
        imagenet_weights()  # missing weights are a matter for now, not for after two other networks
    return preset


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


def _log_description(description: Description) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tracking.log_description(write_description(description, Path(folder)))


def _deciding(card: Card) -> dict[str, float]:
    return {f"{part}_{DECIDING}": card.metrics[part][DECIDING].value for part in ("validation", "test")}


def _train_one(
    config: TrainingConfig,
    images: LabelledImages,
    split: Split,
    registered_model: str,
    cache: Path | None,
    console: Console,
) -> tuple[Version, History]:
    from lesionflow.training.display import TrainingDisplay
    from lesionflow.training.fit import fit

    name, size = config.model, config.image_size
    with console.status("decoding images") as status:
        pixels = decoded_pixels(
            images.table["path"].tolist(), images.digest, size, size, cache,
            progress=lambda done, total: status.update(f"decoding images: {done} of {total}"),
        )  # fmt: skip
    tracking.log_setting(config.parameters(), images, split)
    fitted = fit(
        config, name, pixels, images.labels, split,
        on_epoch=lambda result: tracking.log_epoch(result.epoch, result.figures),
        callbacks=(TrainingDisplay(name, console),),
    )  # fmt: skip
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
        licence=images.licence,
        training=config.parameters()
        | {"best_epoch": fitted.best_epoch, "seconds": fitted.seconds, "precision": fitted.precision},
        versions=tracking.package_versions(),
    )

    kept = Path(tempfile.mkdtemp(prefix=f"lesionflow-{name}-"))
    bundle = kept / "bundle"
    try:
        with console.status(f"{name}: exporting") as status:
            finished = finish_bundle(
                bundle, fitted, card, config, images, split, pixels,
                progress=lambda doing: status.update(f"{name}: {doing}"),
            )  # fmt: skip
            status.update(f"{name}: logging and registering")
            _log(finished, fitted.best_epoch, fitted.seconds)
            example = Path(images.table["path"].iloc[split.validation[0]]).read_bytes()
            version = register_bundle(bundle, finished.card, registered_model, example, finished.description)
    except BaseException:
        if (bundle / CARD_FILE).exists():  # a finished training is never thrown away
            console.print(f"the trained bundle is kept in {bundle}", style="yellow", highlight=False, soft_wrap=True)
        else:
            shutil.rmtree(kept)
        raise
    shutil.rmtree(kept)
    return version, history_of(fitted)


def _log(finished: Finished, best_epoch: int, seconds: float) -> None:
    """Log what came out of a training: figures, the card, and an evaluation's page and pictures of each part."""
    card = finished.card
    for part in PARTS:
        tracking.log_estimates(part, card.metrics[part])
    tracking.log_metrics(
        {
            f"gap/{metric}": card.metrics["train"][metric].value - card.metrics["validation"][metric].value
            for metric in ("accuracy", "balanced_accuracy", "macro_auc")
            if metric in card.metrics["train"] and metric in card.metrics["validation"]
        }
        | {"best_epoch": best_epoch, "training_seconds": seconds}
    )
    tracking.log_card(card, finished.description)
    for part, report in finished.reports.items():
        tracking.log_evaluation(report, part)
