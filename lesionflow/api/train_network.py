"""Train one network in its run: pixels, fit, finalized bundle, registered version.

Where folds are asked for, models with the same settings are trained before it, each measured on a fold of lesions it
has not seen, and thrown away; what is left of each is a run below the network's, with its answers. All answers together
are measured as those of one model, with intervals over lesions: what such a training comes to on these data, not what
the registered model does.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console

from lesionflow.datasets.combined import check_every_diagnosis_trains, describe_sources, split_data_sets
from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.licences import FREE, LICENCE, SOME_NOT_KNOWN, is_ham10000, licences_of
from lesionflow.datasets.sampling import positive_shares
from lesionflow.datasets.split import Split
from lesionflow.defaults import new_objects_collected
from lesionflow.errors import RegistryError, StoreError, add_to_message, counted
from lesionflow.evaluation.learning import History
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.metrics import DECIDING, with_interval
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.model.card import CARD_FILE, Card, Estimate
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.model.predictor import load_predictor
from lesionflow.progress import say, show_status
from lesionflow.registry.training_artifacts import (
    BUNDLE,
    KEPT,
    how_to_register,
    keep_artifacts,
    register_artifacts,
    write_artifacts,
)
from lesionflow.registry.versions import Version
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.client import patient
from lesionflow.tracking.resume import (
    delete_checkpoints,
    find_folds,
    has_checkpoint,
    last_checkpoint,
    log_checkpoint,
    logged_epochs,
    mark_resumed,
)
from lesionflow.tracking.runs import CircuitBreaker, package_versions
from lesionflow.training.config import TrainingConfig
from lesionflow.training.finalize import MODEL_CARD_FILE, Training, answers_on_test, finalize_model, history_of

if TYPE_CHECKING:
    from lesionflow.training.checkpoint import Checkpoint, EpochResult
    from lesionflow.training.fit import Examples, Fitted
    from lesionflow.training.warm_start import Start


@dataclass(frozen=True)
class LearntFrom:
    """A model that a training builds on, and its training images."""

    label: str
    licence: str
    sources: list[dict[str, str]]  # where they come from, with the licence of each
    trained_on: dict[str, np.ndarray] | None  # what its bundle tells of them
    warning: str  # what is to be said of it beside metrics on validation and test; empty: nothing
    warning_of_folds: str = ""  # beside those of a cross-validation


@dataclass(frozen=True)
class Beginning:
    """The weights that a training starts from."""

    start: Start
    source: LearntFrom


@dataclass(frozen=True)
class Teaching:
    """A teacher's probabilities under equal priors: (images, classes), NaN for images that it was not given."""

    probabilities: np.ndarray
    source: LearntFrom


@dataclass(frozen=True)
class Material:
    """The data, initial weights and destinations that all networks of a training share."""

    images: LabelledImages
    split: Split
    registered_model: str
    cache: Path | None
    console: Console
    hashes: np.ndarray | None = None  # what the images' description has of each
    beginning: Beginning | None = None
    teaching: Teaching | None = None

    @property
    def sources(self) -> list[LearntFrom]:
        """The models that training builds on, each once."""
        return [*{each.source.label: each.source for each in (self.beginning, self.teaching) if each}.values()]


@dataclass(frozen=True)
class CrossValidated:
    """The results of cross-validating a network."""

    metrics: Mapping[str, Estimate]  # of all folds' answers together
    images: int
    lesions: int


def averaged_answers(folder: Path, images: LabelledImages, members: np.ndarray, cache: Path | None) -> np.ndarray:
    """A bundle's probabilities under equal priors, averaged over flips and turns: (images, classes).

    members: which images to predict; the others are NaN.
    """
    predictor = load_predictor(folder, threads=1, averaged=True)
    card = predictor.card
    pixels = decoded_pixels(*images.files, card.height, card.width, cache)
    probabilities = predictor.predict_many(pixels, members).probabilities / np.asarray(card.prior)
    answers = np.full((len(images.table), len(card.labels)), np.nan)
    answers[members] = probabilities / probabilities.sum(axis=1, keepdims=True)
    return answers


def soft_targets(config: TrainingConfig, probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Targets for the training images: a mixture of the teacher's probabilities and the labels.

    Parameters
    ----------
    config : TrainingConfig
        With `teacher_share`, and `balance`, from which the frequencies that training shows follow.
    probabilities : ndarray
        The teacher's probabilities under equal priors: (images, classes).
    labels : ndarray
        Indices into the label set: (images,).

    Returns
    -------
    ndarray
        (images, classes) float32; rows add up to 1.
    """
    classes = probabilities.shape[1]
    said = probabilities * positive_shares(labels, config.balance, classes)
    said = said / said.sum(axis=1, keepdims=True)
    mixed = config.teacher_share * said + (1 - config.teacher_share) * np.eye(classes)[labels]
    return np.asarray(mixed, np.float32)


def fit_network(
    config: TrainingConfig, run_id: str, material: Material, split: Split, title: str
) -> tuple[Fitted, Examples]:
    """Fit the network of a resolved configuration in the active run, from its last checkpoint if it has one.

    title: its name on the console. Returns the network and what it was trained on. A store that fails meanwhile does
    not stop it.
    """
    from lesionflow.training.callbacks import TrainingDisplay
    from lesionflow.training.checkpoint import Checkpoints
    from lesionflow.training.fit import Examples, fit

    size, console = config.image_size, material.console
    images, beginning, teaching = material.images, material.beginning, material.teaching
    with show_status("decoding images", console) as status:
        pixels = decoded_pixels(
            *images.files, size, size, material.cache,
            progress=lambda done, total: status(f"decoding images: {done} of {total}"),
        )  # fmt: skip
    last, logged = last_checkpoint(run_id), logged_epochs(run_id)
    if last:
        mark_resumed(last.epoch)
        say(f"{title}: resumes after epoch {last.epoch} of {config.epochs}", console=console)
    elif logged:
        say(f"{title}: no complete checkpoint; starts with epoch 1", console=console)

    log, keep = _unstoppable(run_id, last, logged, console)
    display, targets = TrainingDisplay(title, console), None
    if teaching:
        targets = soft_targets(config, teaching.probabilities[split.train], images.labels[split.train])
    examples = Examples(pixels, images.labels, split, len(images.label_set), targets)
    try:
        fitted = fit(
            config, examples, on_epoch=log, callbacks=(display,), checkpoints=Checkpoints(keep, last, images.digest),
            start=beginning.start if beginning else None,
        )  # fmt: skip
    finally:
        display.close()
    return fitted, examples


def train_network(
    config: TrainingConfig, run_id: str, material: Material, folds: CrossValidated | None = None
) -> tuple[Version, History]:
    """Train the network of a resolved configuration in the active run, and register it.

    folds: the results of `cross_validate`. Returns the registered version, and the history of the training.
    Raises a `LesionflowError`; if the model cannot be registered, it says where it is kept and which command
    registers it.
    """
    name, console, split = config.model, material.console, material.split
    fitted, examples = fit_network(config, run_id, material, split, name)
    history, card = history_of(fitted), card_of(config, material, split, fitted)
    if folds:
        told = {"cross_validated_images": folds.images, "cross_validated_lesions": folds.lesions}
        card = dataclasses.replace(card, training=card.training | told)
    before = [source.trained_on for source in material.sources if source.trained_on]
    with (
        new_objects_collected(),
        _kept_if_it_fails(name, run_id, console) as left,
        show_status(f"{name}: exporting", console) as status,
    ):
        finished = finalize_model(
            left / BUNDLE, fitted, card, Training(config, material.images, examples, material.hashes, before),
            cross_validated=folds.metrics if folds else {},
            progress=lambda doing: status(f"{name}: {doing}"),
        )  # fmt: skip
        say(f"{name}: {_kept_epoch(config, fitted, finished.card)}", console=console)
        status(f"{name}: logging and registering")
        example = examples.pixels[split.validation[0]]
        outcome = write_artifacts(left, finished, run_id, material.registered_model, history, example)
        with patient():
            version = register_artifacts(outcome, material.registered_model)
    delete_checkpoints(run_id)
    return version, history


ANSWERS_FILE = "answers.npz"  # among the artifacts of a fold's run


def cross_validate(config: TrainingConfig, run_id: str, material: Material) -> CrossValidated:
    """Train and measure the folds of a resolved configuration, each in a run below the active one.

    run_id: the active run, from which folds are read that it finished before an interruption. Raises `DataError` if a
    diagnosis has too few lesions for the number of folds, before any is trained.
    """
    images, begun = material.images, find_folds(run_id)
    validation = config.validation_fraction
    shares = (1 - validation - 1 / config.folds, validation, 1 / config.folds)
    splits = [split_data_sets(images, shares, config.seed, fold=(k, config.folds)) for k in range(config.folds)]
    for split in splits:
        check_every_diagnosis_trains(images, split)
    answers: list[dict[str, np.ndarray]] = []
    for number, split in enumerate(splits, start=1):
        before = begun.get(number)
        if before and before.info.status == "FINISHED":
            answers.append(tracking.read_arrays(before.info.run_id, ANSWERS_FILE))
            continue
        title = f"{config.model}, fold {number} of {config.folds}"
        resumed = before.info.run_id if before else None
        with tracking.run(title, "", nested=True, system_metrics=False, resumed=resumed) as its_run:
            tracking.log_setting(config.parameters() | {"fold": number}, images, split)
            answers.append(_answers_of_fold(config, its_run, material, split, title))
    together = {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}
    pooled = LabelledPredictions(**together, label_set=images.label_set)
    metrics, lesions = measure(pooled), len(np.unique(pooled.lesion_ids))
    measured = f"{counted(len(pooled.labels), 'image')} of {counted(lesions, 'lesion')}"
    say(
        f"{config.model}: models trained like this, each on {shares[0]:.0%} of the lesions, reach a balanced accuracy "
        f"of {with_interval(metrics[DECIDING])} on folds that they have not seen ({config.folds} with {measured} in "
        "all); none of them is the registered one",
        console=material.console,
    )
    return CrossValidated(metrics, len(pooled.labels), lesions)


def _answers_of_fold(
    config: TrainingConfig, run_id: str, material: Material, split: Split, title: str
) -> dict[str, np.ndarray]:
    fitted, examples = fit_network(config, run_id, material, split, title)
    with show_status(f"{title}: measuring", material.console), temporary_folder() as folder:
        card = card_of(config, material, split, fitted)
        said = answers_on_test(folder / "bundle", fitted, card, Training(config, material.images, examples))
    tracking.log_arrays(ANSWERS_FILE, said.arrays())
    tracking.log_estimates("test", measure(said, resamples=100), said.label_set)
    delete_checkpoints(run_id)
    return said.arrays()


def _kept_epoch(config: TrainingConfig, fitted: Fitted, card: Card) -> str:
    """Which epoch was kept and why, with its balanced accuracy before and after calibration."""
    why = "the last" if config.keep == "last" else "the best on validation"
    seen = fitted.history[fitted.best_epoch - 1].validation_balanced_accuracy
    calibrated = card.metrics["validation"][DECIDING].value
    return (
        f"kept epoch {fitted.best_epoch} of {len(fitted.history)}, {why}: balanced accuracy {seen:.3f} before "
        f"calibration, {calibrated:.3f} after it"
    )


def card_of(config: TrainingConfig, material: Material, split: Split, fitted: Fitted) -> Card:
    """The card of a fitted network, before it is exported."""
    images, sources = material.images, material.sources
    return Card(
        network=config.model,
        height=config.image_size,
        width=config.image_size,
        data_name=images.name,
        data_digest=images.digest,
        demo=images.demo,
        split_digest=split.digest,
        split_seed=split.seed,
        split_fractions=split.fractions,
        licence=_licence(images, sources),
        labels=images.label_set,
        training=config.parameters()
        | {"best_epoch": fitted.best_epoch, "seconds": fitted.seconds, "precision": fitted.precision}
        | {"split_by": split.by, "sources": describe_sources(images, split)}
        | {"learnt_from": [source.label for source in sources]}
        | {"warnings": [source.warning for source in sources if source.warning]}
        | {"ham10000": bool(is_ham10000(images.table).any())}
        | {"inherited_sources": [each | {"model": source.label} for source in sources for each in source.sources]}
        | {"warnings_of_folds": [source.warning_of_folds for source in sources if source.warning_of_folds]},
        versions=package_versions(),
    )


@contextlib.contextmanager
def _kept_if_it_fails(name: str, run_id: str, console: Console) -> Iterator[Path]:
    """A folder for the trained bundle and its artifacts, kept on failure: a finished training is never lost.

    An unfinished bundle, which is not calibrated or not measured yet, is kept only where its run has no checkpoint.
    """
    with temporary_folder(name) as left:
        try:
            yield left
        except BaseException as error:
            if not (left / BUNDLE / CARD_FILE).exists():
                raise
            finished = (left / BUNDLE / MODEL_CARD_FILE).exists()  # its last file
            if not finished and has_checkpoint(run_id):  # from which it is made again
                raise
            kept = keep_artifacts(left, f"{name}-{run_id}")
            if kept == left:  # it cannot be moved far, but this block removes its folder
                kept = Path(shutil.move(left, tempfile.mkdtemp(prefix=f"lesionflow-{name}-")))
            told = f"the trained bundle is kept in {kept / BUNDLE}"
            told += (
                f"; to register it later: {how_to_register(kept)}" if finished else ", neither calibrated nor measured"
            )
            if isinstance(error, RegistryError):
                add_to_message(error, told)
            else:
                say(told, console=console, warning=True)
            raise
    tell_kept(name, run_id, console)


def tell_kept(name: str, run_id: str, console: Console) -> None:
    """Name what was kept of a network's training while it could not be registered: now it is."""
    for kept in KEPT.absolute().glob(f"{name}-{run_id}*"):
        say(f"{kept}: is no longer needed, its training is registered now; delete it", console=console)


def _licence(images: LabelledImages, sources: Sequence[LearntFrom]) -> str:
    """The licences that bind what was trained on these images and built on these models, each once."""
    own = [*licences_of(images.table).unique()]
    licences = [*own, *([LICENCE] if is_ham10000(images.table).any() else []), *(source.licence for source in sources)]
    known = [text for text in dict.fromkeys(licences) if text not in ("", FREE)]
    return ", ".join([*known, *([SOME_NOT_KNOWN] if "" in own and {*own} - {"", FREE} else [])])


def _unstoppable(
    run_id: str, last: Checkpoint | None, logged: dict[int, dict[str, float]], console: Console
) -> tuple[Callable[[EpochResult], None], Callable[[Checkpoint], None]]:
    """Functions that log an epoch and save a checkpoint, and tolerate a failing store.

    Epochs that the store did not accept are logged with a later one, or with the model; a checkpoint that failed is
    dropped, as the next one supersedes it. Without room for temporary files from the first one on, the training ends:
    its model could not be saved, either.
    """
    kept = last is not None
    breaker = CircuitBreaker(functools.partial(say, console=console))
    waiting: dict[int, Mapping[str, float]] = dict(enumerate(last.history, start=1)) if last else {}

    def log(result: EpochResult) -> None:
        waiting[result.epoch] = result.metrics
        for epoch, metrics in sorted(waiting.items()):
            # An epoch of which the metrics were logged and the checkpoint was not kept is trained a second time.
            known = logged.get(epoch, {})
            missing = {key: value for key, value in metrics.items() if key not in known}
            if missing and not breaker.attempt(tracking.log_epoch, epoch, missing):
                break
            del waiting[epoch]

    def keep(checkpoint: Checkpoint) -> None:
        nonlocal kept
        try:
            kept = breaker.attempt(log_checkpoint, run_id, checkpoint) or kept
        except StoreError as error:
            if not kept:
                raise
            told = f"{error}; training continues, without a checkpoint of epoch {checkpoint.epoch}"
            say(told, console=console, warning=True)

    return log, keep
