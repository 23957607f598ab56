"""Train one network in its run: pixels -> fit -> finished bundle -> registered version."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from rich.console import Console

from lesionflow.bundle.card import CARD_FILE, Card
from lesionflow.data.cache import decoded_pixels
from lesionflow.data.labelled import LabelledImages
from lesionflow.data.split import PARTS, Split
from lesionflow.evaluation.finish import Finished, finish_bundle, history_of
from lesionflow.evaluation.learning import History
from lesionflow.registry import tracking
from lesionflow.registry.interrupted import (
    delete_checkpoints,
    last_checkpoint,
    log_checkpoint,
    logged_epochs,
    mark_resumed,
)
from lesionflow.registry.versions import Version, register_bundle
from lesionflow.training.config import TrainingConfig


def train_network(
    config: TrainingConfig,
    run_id: str,
    images: LabelledImages,
    split: Split,
    registered_model: str,
    cache: Path | None,
    console: Console,
) -> tuple[Version, History]:
    """Train the network of a resolved configuration in the active run, after the last checkpoint that lies there.

    Returns the version that it was registered as, and how the training went. Raises a `LesionflowError`.
    """
    from lesionflow.training.checkpoint import Checkpoints
    from lesionflow.training.display import TrainingDisplay
    from lesionflow.training.fit import EpochResult, fit

    name, size = config.model, config.image_size
    with console.status("decoding images") as status:
        pixels = decoded_pixels(
            images.table["path"].tolist(), images.digest, size, size, cache,
            progress=lambda done, total: status.update(f"decoding images: {done} of {total}"),
        )  # fmt: skip
    last, logged = last_checkpoint(run_id), logged_epochs(run_id)
    if last:
        mark_resumed(last.epoch)
        console.print(f"{name}: goes on after epoch {last.epoch} of {config.epochs}", highlight=False, soft_wrap=True)
    elif logged:
        console.print(f"{name}: no whole checkpoint; begins with epoch 1", highlight=False, soft_wrap=True)

    def log(result: EpochResult) -> None:
        # An epoch of which the figures were logged and the checkpoint was not kept is trained a second time.
        known = logged.get(result.epoch, {})
        tracking.log_epoch(result.epoch, {key: value for key, value in result.figures.items() if key not in known})

    display = TrainingDisplay(name, console)
    try:
        fitted = fit(
            config, name, pixels, images.labels, split, on_epoch=log, callbacks=(display,),
            checkpoints=Checkpoints(lambda checkpoint: log_checkpoint(run_id, checkpoint), last, images.digest),
        )  # fmt: skip
    finally:
        display.close()
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
    delete_checkpoints(run_id)
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
