"""Train: data, split, a tracked run for each network, registered versions, and the champion."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from rich.console import Console

from lesionflow.api.overrides import TrainingOptions, configured
from lesionflow.api.train_network import (
    Beginning,
    LearntFrom,
    Material,
    Teaching,
    averaged_answers,
    cross_validate,
    tell_kept,
    train_network,
)
from lesionflow.atomic import atomic_write_bytes
from lesionflow.datasets.combined import check_every_diagnosis_trains, describe_sources, read_data_sets, split_data_sets
from lesionflow.datasets.labelled import DEMO, LabelledImages, check_is_there
from lesionflow.datasets.split import HELD_OUT, PARTS, Split
from lesionflow.defaults import DEFAULT_NAME
from lesionflow.diagnoses import HAM10000, label_set_yaml, part_of_set, read_label_set
from lesionflow.errors import (
    LesionflowError,
    RegistryError,
    StoreError,
    UsageError,
    add_to_message,
    enumerated,
    first_few,
    os_errors_as,
)
from lesionflow.evaluation.leaks import find_leak
from lesionflow.evaluation.learning import History, learning_curves
from lesionflow.evaluation.metrics import DECIDING
from lesionflow.evaluation.model_card import sources_of
from lesionflow.evaluation.pictures import picture_of
from lesionflow.evaluation.slices import attribute_in_words
from lesionflow.images.discovery import cache_folder
from lesionflow.images.pixel_cache import check_all_decoded
from lesionflow.model.card import CARD_FILE, HASHES_FILE, KERAS_FILE, TRAINED_ON_FILE, Card, sha256
from lesionflow.options import SEPARATOR, listed, option_name
from lesionflow.profile.description import Description, describe_images
from lesionflow.profile.page import write_description
from lesionflow.progress import say, show_status, stderr_console
from lesionflow.registry.champion import find_champion, promote_best
from lesionflow.registry.config import check_model_name
from lesionflow.registry.gates import Verdict
from lesionflow.registry.training_artifacts import check_may_register, find_trained
from lesionflow.registry.versions import SCORING_FILES, Resolved, Version, opened
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.resume import (
    IF_MOVED,
    InterruptedRun,
    delete_checkpoints,
    find_interrupted,
    held_training,
    mark_begun,
    mark_finished,
    telling_what_moved,
)
from lesionflow.tracking.tracking_store import command_line, connect, is_to_be_made, kept_settings
from lesionflow.training.backend import check_export, divide_cores, import_keras, prepare_backend
from lesionflow.training.config import ALL, TrainingConfig
from lesionflow.training.imagenet import PUBLISHED


@dataclass(frozen=True)
class Trained:
    """The result of a training."""

    versions: tuple[Version, ...]  # one a network, in the order of training
    best: Version
    verdict: Verdict
    tracking_uri: str


@kept_settings()
def train(
    config: TrainingConfig | None = None,
    *,
    tracking_uri: str | None = None,
    migrate: bool = False,
    experiment: str = DEFAULT_NAME,
    registered_model: str = DEFAULT_NAME,
    cache: Path | None = None,
    console: Console | None = None,
    **overrides: Unpack[TrainingOptions],
) -> Trained:
    """Train networks, track and register them; the best one can become champion.

    If a `KeyboardInterrupt` stops it, the exception says how to resume.

    Parameters
    ----------
    config
        What to train, on what and how; `overrides` replace single options of it.
    tracking_uri
        MLflow tracking store and registry.
    migrate
        Migrate the database of an older MLflow, after a backup beside it.
    experiment
        MLflow experiment of the runs.
    registered_model
        Name in the registry.
    cache
        Folder for decoded pixels and the demo set.
    console
        Console for progress and warnings; stderr by default.

    Returns
    -------
    Trained
        A registered version for each network, and whether the best one is now the champion.

    Raises
    ------
    LesionflowError
        If training cannot begin or finish; if a bundle cannot be registered, the error says where it is kept.
    """
    config, console = configured(train, TrainingConfig, config, overrides), console or stderr_console()
    # fail fast if data are missing, Keras has no backend or the store cannot be written to
    for each in (*config.data_sets, *config.extra_sets):
        check_is_there(each)
    if config.extra_sets and config.data_sets == (DEMO,):
        raise UsageError(
            f"--extra: these images only train, and the model would be measured on the synthetic {DEMO} set, which is "
            "the default; name images to split and to measure on with --data"
        )
    prepare_backend()
    check_model_name(registered_model)
    if vars(config)["width"] not in (None, 1.0) and set(config.networks) <= set(PUBLISHED):
        raise UsageError(f"--width: is for cnn and vgg, and {config.model} has one of its own; leave it out")
    # A store that is there is asked before the data are read, but none is made for a folder that is no data set.
    address = None if is_to_be_made(tracking_uri) else connect(tracking_uri, writes=True, migrate=migrate)
    config, digests = _with_named_models(config, tracking_uri, cache)
    config = _prepared(config, console)
    material = Material(*_read_data(config, console, cache), registered_model, cache, console)
    address = address or connect(tracking_uri, writes=True)
    return _train(config, material, digests, None, address, experiment)


@kept_settings()
def resume(
    run_id: str,
    *,
    data: str | Sequence[str] | None = None,
    extra: str | Sequence[str] | None = None,
    diagnoses: str | None = None,
    labels: str | None = None,
    start_from: str | None = None,
    teacher: str | None = None,
    tracking_uri: str | None = None,
    migrate: bool = False,
    cache: Path | None = None,
    console: Console | None = None,
) -> Trained:
    """Resume an interrupted training in its run, after the last epoch with a checkpoint.

    Networks that are already registered are left alone.

    Parameters
    ----------
    run_id
        The run, whose options are taken.
    data, extra, diagnoses, labels, start_from, teacher
        Their new locations if they have moved.
    tracking_uri
        MLflow tracking store and registry.
    migrate
        Migrate the database of an older MLflow, after a backup beside it.
    cache
        Folder for decoded pixels and the demo set.
    console
        Console for progress and warnings; stderr by default.

    Returns
    -------
    Trained
        As `train` returns it.

    Raises
    ------
    RegistryError
        If there is nothing to resume, or another process is training the run.
    DataError, UsageError
        If something given again is not the same as before.
    LesionflowError
        As `train` raises it.
    """
    given = {
        "data": data, "extra": extra, "diagnoses": diagnoses, "labels": labels, "start_from": start_from,
        "teacher": teacher,
    }  # fmt: skip
    moved = {name: SEPARATOR.join(map(str, listed(value))) for name, value in given.items() if value is not None}
    console = console or stderr_console()
    prepare_backend()
    address = connect(tracking_uri, writes=True, creates=False, migrate=migrate)
    with held_training(run_id, cache):
        begun = find_interrupted(run_id, moved)
        with telling_what_moved(vars(begun.config)):
            config, digests = _with_named_models(begun.config, tracking_uri, cache, begun)
            config = _prepared(config, console)
            material = Material(*_read_data(config, console, cache), begun.registered_model, cache, console)
            return _train(config, material, digests, begun, address)


def _prepared(config: TrainingConfig, console: Console) -> TrainingConfig:
    """The configuration with its preset, after checking everything that can be checked before training."""
    divide_cores(config.networks)
    import_keras()
    from lesionflow.training.devices import chosen_preset, make_deterministic
    from lesionflow.training.imagenet import PUBLISHED, imagenet_weights

    config = _without_missing(config, console)
    check_export(config.networks)
    for network in PUBLISHED.keys() & set(config.networks) if not config.starts_from_bundle else ():
        imagenet_weights(network)  # missing weights are a matter for now, not for after two other networks
    if config.deterministic:
        make_deterministic()
    return dataclasses.replace(config, preset=chosen_preset(config.preset))


def _with_named_models(
    config: TrainingConfig, tracking_uri: str | None, cache: Path | None, begun: InterruptedRun | None = None
) -> tuple[TrainingConfig, dict[str, str]]:
    """The configuration completed from the models that it names, and digests of them and the diagnoses by option.

    The bundle that weights come from sets the diagnoses, the network, its width, the image size and whether it looks at
    mirror images, if they are not given. An alias is replaced by its version, since resuming or repeating the training
    must use the same one.
    """
    named = {"start_from": config.start_from if config.starts_from_bundle else "", "teacher": config.teacher}
    found: dict[str, Any] = {}
    models: dict[str, Resolved] = {}
    for option, address in named.items():
        if address:
            try:
                with opened(address, tracking_uri, (CARD_FILE,)) as models[option]:
                    found[option] = models[option].address or address
            except RegistryError as error:  # of a version that was deleted, a copy will do
                if begun and address not in str(error):  # with it, `telling_what_moved` knows what it is about
                    add_to_message(error, IF_MOVED.format(option_name(option)))
                raise
    if not config.diagnoses:
        named_by = _diagnoses_of(models["start_from"].card, cache) if "start_from" in models else HAM10000.name
        config = dataclasses.replace(config, diagnoses=named_by)
    digests = {option: models[option].card.digest if option in models else "none" for option in named}
    digests |= {"diagnoses": config.label_set.digest}
    if begun:
        begun.check_named(digests)
    for option, model in models.items():
        columns = [*zip(config.label_set.names, config.label_set.columns_of(model.card.labels), strict=True)]
        unknown = [name for name, column in columns if column is None]
        if unknown and (option == "teacher" or config.last_layer == "kept"):
            advice = "give a teacher that does" if option == "teacher" else "give --last-layer refitted"
            if part := part_of_set(name for name, column in columns if column is not None):
                advice = f"give --diagnoses {part}, which it knows, or {advice}"
            raise UsageError(
                f"{option_name(option)}: {model.label} does not know {first_few(unknown, 8)}, only "
                f"{', '.join(model.card.classes)}; {advice}"
            )
    if "start_from" in models:
        label, start = models["start_from"].label, models["start_from"].card
        width = start.training.get("width", 1.0)
        if ALL in config.model.split(","):
            found["model"] = start.network
        elif start.network not in config.networks:
            raise UsageError(
                f"--start-from: {label} has the network {start.network}, not {config.model}; leave out --model, "
                f"or give --model {start.network}"
            )
        found["width"] = width
        if vars(config)["width"] not in (None, width):
            raise UsageError(f"--start-from: {label} has a width of {width}; leave out --width")
        if vars(config)["image_size"] is None:  # the preset has not filled it in yet
            found["image_size"] = start.height
        if vars(config)["mirrored"] is None:
            found["mirrored"] = start.training.get("mirrored", False)
    return dataclasses.replace(config, **found), digests


def _diagnoses_of(card: Card, cache: Path | None) -> str:
    """What names a model's label set: its own name, or the file that it was trained with.

    If that file is gone, one that is written from the card into the cache.
    """
    for source in (card.labels.name, str(card.training.get("diagnoses", ""))):
        with contextlib.suppress(LesionflowError):
            if source and read_label_set(source).is_like(card.labels):
                return source
    content = label_set_yaml(card.labels).encode()
    file = cache_folder(cache).absolute() / "label_sets" / f"{sha256(content)[:16]}.yaml"
    with os_errors_as(StoreError, f"{file}: cannot be written", "name another folder with --cache"):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_bytes(file, content)
    return str(file)


def _read_data(config: TrainingConfig, console: Console, cache: Path | None) -> tuple[LabelledImages, Split]:
    """The images to train on, not decoded yet, and their split; prints what is notable about them."""
    images = read_data_sets(config.data_sets, config.extra_sets, cache, config.labels, config.label_set)
    for warning in images.warnings:
        say(warning, console=console, warning=True)
    split = split_data_sets(images, config.fractions, config.seed)
    check_every_diagnosis_trains(images, split)
    return images, split


def _describe_data(config: TrainingConfig, material: Material, begun: InterruptedRun | None) -> Description:
    """Describe the images to train on, and print what else is notable about them."""
    images, split, console = material.images, material.split, material.console
    if begun:
        begun.check(images, split)
    with show_status("describing the data", console) as status:
        description = describe_images(
            images, split, progress=lambda done, total: status(f"describing the data: image {done} of {total}")
        )
    path_of = dict(zip(images.table["image_id"], images.table["path"], strict=True))
    unreadable = [f"{path_of[image_id]} ({why})" for image_id, why in description.unreadable.items()]
    check_all_decoded(unreadable, len(images.table))  # before there is a run
    for finding in description.findings:
        if finding.warning and finding.text not in images.warnings:  # which were told before the split could fail
            say(finding.text, console=console, warning=True)
    counts = ", ".join(f"{len(split.part(part))} {part}" for part in PARTS)
    say(f"{images.description}: {counts} images, split by {split.by}; preset {config.preset}", console=console)
    if len(sources := describe_sources(images, split)) > 1:
        for source in sources:
            counts = ", ".join(f"{count} {part}" for part, count in source["images"].items() if count)
            extra = " (--extra)" if source["training_only"] else ""
            lacks = [name for name, count in source["diagnoses"].items() if not count]
            total = sum(source["images"].values())
            not_known = [attribute_in_words(name) for name, count in source["not_known"].items() if count == total]
            told = "".join(f"; no {first_few(names, 8)}" for names in (lacks, not_known) if names)
            say(f"  of which {source['name']}{extra}: {counts}{told}", console=console)
    return description


def _read_beginning(config: TrainingConfig, material: Material) -> Beginning | None:
    """The initial weights and the images they were trained on; None if no bundle is named.

    Warns if they were trained on lesions of the validation or the test part.
    """
    from lesionflow.training.warm_start import read_start

    if not config.starts_from_bundle:
        return None
    with opened(config.start_from, files=(*SCORING_FILES, KERAS_FILE, TRAINED_ON_FILE, HASHES_FILE)) as resolved:
        kept, label_set = config.last_layer == "kept", material.images.label_set
        start = read_start(resolved.folder, keep_last_layer=kept, label_set=label_set)
        source = _learnt_from(resolved, config, material)
    return Beginning(start, source)


def _read_teaching(config: TrainingConfig, material: Material) -> Teaching | None:
    """The teacher's predictions for the training images; None without a teacher."""
    if not config.teacher:
        return None
    with opened(config.teacher, files=(*SCORING_FILES, TRAINED_ON_FILE, HASHES_FILE)) as resolved:
        source, images = _learnt_from(resolved, config, material), material.images
        columns = np.array(images.label_set.columns_of(resolved.card.labels), dtype=np.int64)  # it knows all of them
        asked = np.arange(len(images.table)) if config.folds else material.split.train
        with show_status(f"{resolved.label}: predicting the training images", material.console):
            probabilities = averaged_answers(resolved.folder, images, asked, material.cache)
    probabilities = probabilities[:, columns]  # of these diagnoses alone, as if there were no others
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Teaching(probabilities, source)


def _learnt_from(resolved: Resolved, config: TrainingConfig, material: Material) -> LearntFrom:
    """The training images of a model that training builds on; warns if measured lesions are among them."""
    if same := [source for source in material.sources if source.label == resolved.label]:
        return same[0]  # the starting model is its own teacher
    split, table, known = material.split, material.images.table, resolved.trained_on()
    looked_at = np.union1d(split.validation, split.test)
    measured = {"the {} for validation and test": looked_at}
    if config.folds:  # which are measured on these, too
        own = ~table["extra"].to_numpy() if "extra" in table.columns else np.ones(len(table), bool)
        looked_at = measured["the {} of --data that folds are measured on"] = np.flatnonzero(own)
    if known is not None:
        hashes = None if material.hashes is None else material.hashes[looked_at]
        with show_status(f"{resolved.label}: looking for images that it was trained on", material.console):
            found = find_leak(known, table.iloc[looked_at], hashes)
    warnings = []
    for told, members in measured.items():
        if known is None:
            warning = (
                f"{resolved.label} does not say which lesions trained it: they may be among {told.format('images')}"
            )
        else:
            leak = found.among(np.isin(looked_at, members))
            warning = leak.describe(f"{resolved.label}, which training builds on,", told)
        if warning:
            say(warning, console=material.console, warning=True)
        warnings.append(warning)
    return LearntFrom(resolved.label, resolved.card.licence, sources_of(resolved.card), known, *warnings)


def _without_missing(config: TrainingConfig, console: Console) -> TrainingConfig:
    """Drop networks whose extra is missing from `all`, the default; if named, they are an error."""
    from lesionflow.training.imagenet import MISSING, has_imagenet_weights

    named = config.model.split(",")
    if ALL not in named or "efficientnet" in named or has_imagenet_weights():
        return config
    say(f"left out: {MISSING.format(network='efficientnet')}", console=console, warning=True)
    return dataclasses.replace(config, model=",".join(name for name in config.networks if name != "efficientnet"))


def _train(
    config: TrainingConfig,
    material: Material,
    digests: Mapping[str, str],
    begun: InterruptedRun | None,
    address: str,
    experiment: str = "",
) -> Trained:
    """Train the networks of config, except those that `begun`, the interrupted training, has already registered."""
    images, split = material.images, material.split
    registered_model, console = material.registered_model, material.console
    description = _describe_data(config, material, begun)
    material = dataclasses.replace(material, hashes=description.hashes)
    material = dataclasses.replace(material, beginning=_read_beginning(config, material))
    material = dataclasses.replace(material, teaching=_read_teaching(config, material))
    several = len(config.networks) > 1
    each = {name: config.resolved(name, config.preset, len(split.train)) for name in config.networks}
    runs = begun.networks if begun else {}
    trained: list[Version] = []
    histories: dict[str, History] = {}
    # One run over the networks' runs, where there are several. The machine's load is kept with the networks' own runs;
    # in that one it would be the same curves once more.
    resumed, title = begun.run_id if begun else None, enumerated(config.networks)
    with (
        tracking.without_autologging(),
        tracking.run(title, experiment, system_metrics=not several, resumed=resumed) as run_id,
        contextlib.nullcontext() if resumed else held_training(run_id, material.cache),
    ):
        setting = config if several else each[config.networks[0]]
        tracking.log_setting(setting.parameters(), images, split)
        tracking.log_configuration(_as_used(setting), registered_model)
        mark_begun(config, registered_model, digests)
        check_may_register(registered_model)
        _warn_of_other_diagnoses(config, registered_model, console)
        with _telling_how_to_resume(run_id, address, material):
            with temporary_folder() as folder:
                write_description(description, folder)
                tracking.log_files(folder, "data")
            for name in config.networks:
                whole = None if several else run_id
                version, histories[name] = _find_or_train(each[name], material, experiment, whole, runs.get(name))
                trained.append(version)
            best, verdict = _promote_best(trained)
            if several:
                tracking.log_metrics({
                    f"{each.card.network}/{part}_{DECIDING}": each.card.metrics[part][DECIDING].value
                    for each in trained for part in HELD_OUT
                })  # fmt: skip
                curves = learning_curves(f"{title} on {images.description}", histories)
                tracking.log_picture("learning_curves", picture_of("learning_curves", curves).png())
    return Trained(tuple(trained), best, verdict, address)


def _warn_of_other_diagnoses(config: TrainingConfig, registered_model: str, console: Console) -> None:
    """Say before the first epoch what the gates would say at the end: a champion of other diagnoses stays."""
    with contextlib.suppress(LesionflowError):  # the gates report a champion that cannot be read
        champion = find_champion(registered_model)
        if champion is not None and not champion.card.labels.is_like(config.label_set):
            theirs = ", ".join(champion.card.classes)
            say(
                f"the champion of {registered_model} has other diagnoses ({theirs}): "
                "this model cannot replace it; name another with --registered-model",
                console=console, warning=True,
            )  # fmt: skip


def _find_or_train(
    config: TrainingConfig, material: Material, experiment: str, whole_run: str | None, begun_run: str | None
) -> tuple[Version, History]:
    """One network's version: the one that an interrupted training has registered already, or a new one.

    whole_run: the training's, which is the network's own where it is the only one; None where it has a nested one;
    begun_run: the network's in the interrupted training.
    """
    name = config.model
    if begun_run and (found := find_trained(begun_run)):
        say(f"{name}: registered already as {found[0].label}", console=material.console)
        tell_kept(name, begun_run, material.console)
        delete_checkpoints(begun_run)  # it may have ended before it could
        if not whole_run:
            mark_finished(begun_run)
        return found
    if whole_run:
        return _train_one(config, whole_run, material)
    with tracking.run(name, experiment, nested=True, resumed=begun_run) as run_id:
        tracking.log_setting(config.parameters(), material.images, material.split)
        tracking.log_configuration(_as_used(config), material.registered_model)
        return _train_one(config, run_id, material)


def _train_one(config: TrainingConfig, run_id: str, material: Material) -> tuple[Version, History]:
    return train_network(config, run_id, material, cross_validate(config, run_id, material) if config.folds else None)


def _as_used(config: TrainingConfig) -> TrainingConfig:
    """The configuration with the precision chosen for this machine, so that another machine uses the same."""
    from lesionflow.training.devices import chosen_precision

    precisions = {chosen_precision(config.precision, name, config.image_size) for name in config.networks}
    return dataclasses.replace(config, precision=precisions.pop()) if len(precisions) == 1 else config


@contextlib.contextmanager
def _telling_how_to_resume(run_id: str, address: str, material: Material) -> Iterator[None]:
    """Print the command that resumes: at the start, in case the process is killed, and when the block is stopped."""
    # The decoded pixels are there, and what keeps two processes from training the same run.
    kept = ("--cache", str(material.cache)) if material.cache else ()
    command = command_line("train", "--resume", run_id, *kept, store=address)
    say(f"run {run_id}; if it is interrupted: {command}", console=material.console)
    try:
        yield
    except (KeyboardInterrupt, StoreError, ImportError) as error:  # of a full disk, say, or Ctrl-C during an import
        stopped = error.__context__ if isinstance(error, ImportError) else error
        if isinstance(stopped, (KeyboardInterrupt, StoreError)):
            add_to_message(stopped, f"to continue: {command}")
        raise


def _promote_best(trained: list[Version]) -> tuple[Version, Verdict]:
    """Let the best version challenge the champion; an error says how to try again."""
    try:
        return promote_best(trained)
    except RegistryError as error:
        best = max(trained, key=lambda version: version.deciding)
        again = command_line("promote", best.name, str(best.number))
        add_to_message(error, f"{best.label} is registered, to ask whether it becomes champion: {again}")
        raise
