"""Export a model to a folder: as a bundle, for other runtimes or for the Hugging Face hub."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, Unpack

import numpy as np
from rich.console import Console

from lesionflow.api.overrides import ExportOptions, configured
from lesionflow.atomic import atomic_folder, remove_unfinished
from lesionflow.datasets.combined import split_data_sets
from lesionflow.datasets.demo.demo_set import draw_demo_set
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.errors import DataError, ImageError, ReportError, counted, first_few, os_errors_as
from lesionflow.evaluation.leaks import find_leak_of_images
from lesionflow.evaluation.model_card import model_card
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.model.card import ABOUT_FILE, Card, sha256
from lesionflow.model.columns import path_with_frame
from lesionflow.model.files import REMOVABLE, check_whole, read_bundle
from lesionflow.model.prediction import Row
from lesionflow.model.predictor import Predictor
from lesionflow.pages import markdown_page
from lesionflow.progress import show_status, stderr_console
from lesionflow.registry.training_artifacts import BUNDLE_FILES, copy_bundle
from lesionflow.registry.versions import Resolved, opened
from lesionflow.runtimes.artifact import check_installed, check_source, open_artifact, write_artifact
from lesionflow.runtimes.config import BUNDLE, HUB, INT8, ExportConfig
from lesionflow.runtimes.description import CARD_PAGE_FILE, README_FILE, describe_file, readme
from lesionflow.runtimes.parity import (
    MOST_IMAGES,
    Cost,
    LabelledPixels,
    Parity,
    RuntimePredictor,
    check_parity,
    compare_answers,
    measure_cost,
    without_ranges,
)
from lesionflow.scoring.engines.local import decode_all_in_sizes
from lesionflow.scoring.sources import open_source
from lesionflow.storage.location import location_text, path_here
from lesionflow.storage.temporary import temporary_folder
from lesionflow.training.finalize import kept_model_card

_Value = TypeVar("_Value")
_DRAWN = 64  # demo images, where none are named


@dataclass(frozen=True)
class Exported:
    """An exported model and its folder."""

    label: str  # as reports name the model
    folder: Path
    files: tuple[str, ...]
    parity: Parity | None = None  # of a file for another runtime: how far it is from the bundle
    cost: Cost | None = None  # what its precision costs, where labelled images were named
    unread: tuple[str, ...] = ()  # of `images`, those that were not compared, as `PATH (why)`


def export(
    model: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    config: ExportConfig | None = None,
    *,
    tracking_uri: str | None = None,
    cache: Path | None = None,
    console: Console | None = None,
    **overrides: Unpack[ExportOptions],
) -> Exported:
    """Export a model to a folder: its bundle, a file for another runtime, or a folder for the Hugging Face hub.

    Parameters
    ----------
    model : str or path
        As `registry.versions.resolve` takes it.
    folder : str or path
        A new folder, or an empty one. It is written completely or not at all.
    config : ExportConfig, optional
        How to export; `overrides` replace single options of it.
    tracking_uri : str, optional
        MLflow tracking store and registry.
    cache : path, optional
        Folder for decoded pixels of labelled images.
    console : rich.console.Console, optional
        Where progress goes; stderr by default.

    Returns
    -------
    Exported
        The files written, and how far those for another runtime are from the bundle.

    Raises
    ------
    UsageError
        If options contradict each other.
    MissingError
        If packages for the format are not installed.
    ReportError
        If the folder is not empty or cannot be written, or the file's answers differ from the bundle's.
    LesionflowError
        If the model does not exist, or one of its files is missing or altered.
    """
    config = configured(export, ExportConfig, config, overrides)
    if config.format != BUNDLE:
        check_installed(config.format, config.precision)
    target = path_here(folder, "folder")
    with os_errors_as(ReportError, f"{target}: cannot be written", "choose another place"):
        remove_unfinished(target)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise ReportError(f"{target}: not an empty folder; name a new one")
    console = console or stderr_console()
    parity, cost, unread = None, None, list[str]()
    with (
        opened(location_text(model, "model"), tracking_uri, BUNDLE_FILES) as found,
        _whole_folder(target) as partial,
        show_status("exporting", console) as status,
    ):
        if config.format == BUNDLE:
            _copy_bundle(found.folder, partial)
        elif config.format == HUB:
            _write_hub(found.folder, partial)
        else:
            parity, cost, unread = _write_runtime(found, partial, config, cache, status)
    files = tuple(sorted(file.name for file in target.iterdir()))
    return Exported(found.label, target, files, parity, cost, tuple(unread))


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """What `atomic_folder` gives; raises `ReportError` where it cannot be made."""
    told = f"{target}: cannot be written"
    with os_errors_as(ReportError, told, "choose another place"), atomic_folder(target) as partial:
        yield partial


def _copy_bundle(bundle: Path, folder: Path) -> Card:
    check_whole(bundle)  # errors name the user's file, not the copy
    return check_whole(copy_bundle(bundle, folder))


def _card_text(bundle: Path, card: Card) -> str:
    """The model card that the training wrote, which has groups and sizes; otherwise one made from the card."""
    return kept_model_card(bundle) or model_card(card)


def _write_hub(bundle: Path, folder: Path) -> None:
    from lesionflow.runtimes.description import hub_card

    card = _copy_bundle(bundle, folder)
    for name in REMOVABLE:  # whoever publishes a model means the model
        (folder / name).unlink(missing_ok=True)
    text = _card_text(bundle, card)
    (folder / README_FILE).write_text(hub_card(card, text), encoding="utf-8")
    (folder / CARD_PAGE_FILE).write_text(markdown_page(text), encoding="utf-8")


def _write_runtime(
    found: Resolved, folder: Path, config: ExportConfig, cache: Path | None, progress: Callable[[str], None]
) -> tuple[Parity, Cost | None, list[str]]:
    card, graph = read_bundle(found.folder)
    check_source(found.folder, card, config.format)
    bundle = Predictor(card, graph, threads=1)
    labelled, samples = None, np.empty((0, card.height, card.width, 3), np.uint8)
    if config.data is not None:
        progress("reading labelled images")
        labelled = _labelled_pixels(config.data, found, cache)
    if labelled is not None and config.precision == INT8:
        labelled, samples = without_ranges(labelled)
    of, pixels, unread = _parity_pixels(config, card, labelled)
    progress(f"writing {config.format}, {config.precision}")
    file = write_artifact(found.folder, card, graph, config, folder, samples)
    progress(f"comparing {counted(len(pixels), 'image')}")
    artifact = RuntimePredictor(card, open_artifact(file, config.format))
    parity = compare_answers(bundle.predict(pixels), artifact.predict(pixels), of, config.limits)
    check_parity(parity)
    cost = None
    if labelled is not None:
        progress(f"measuring on {counted(len(labelled.labels), 'labelled image')}")
        cost = measure_cost(bundle, artifact, labelled)
    digests = {each.name: sha256(each.read_bytes()) for each in sorted(folder.iterdir())}
    about = describe_file(card, found.label, config, digests, parity, cost)
    (folder / ABOUT_FILE).write_text(json.dumps(about, indent=2, allow_nan=False) + "\n")
    (folder / README_FILE).write_text(readme(card, found.label, config, parity, cost), encoding="utf-8")
    (folder / CARD_PAGE_FILE).write_text(markdown_page(_card_text(found.folder, card)), encoding="utf-8")
    return parity, cost, unread


def _labelled_pixels(data: str, found: Resolved, cache: Path | None) -> LabelledPixels:
    """Labelled images that the model was not trained on; on its own training data, the validation part."""
    card, known = found.card, found.trained_on()
    images = read_labelled_images(data, cache, label_set=card.labels)
    if images.digest == card.data_digest:
        split = split_data_sets(images, card.split_fractions, card.split_seed, card.split_digest)
        members, of = split.validation, f"validation part of {images.description}"
    elif known is None:
        members, of = np.arange(len(images.table)), f"{images.description}; whether it was trained on them is not known"
    else:
        members = np.flatnonzero(~find_leak_of_images(known, images.table, cache).members)
        seen = len(images.table) - len(members)
        of = f"{images.description}, without {seen} of lesions that it was trained on" if seen else images.description
    if not len(members):
        raise DataError(f"{data}: the model was trained on all of its lesions; name others with --data")
    pixels = decoded_pixels(*images.files, card.height, card.width, cache)
    table = images.table.iloc[members]
    return LabelledPixels(
        of, table["image_id"].tolist(), table["lesion_id"].tolist(), table["path"].tolist(),
        np.array([card.labels.index_of(name) for name in table["dx"]], np.int64), np.asarray(pixels[members]),
    )  # fmt: skip


def _parity_pixels(
    config: ExportConfig, card: Card, labelled: LabelledPixels | None
) -> tuple[str, np.ndarray, list[str]]:
    """Images for comparing file and bundle: their description, (images, height, width, 3) uint8, and those not read."""
    if config.images is not None:
        source = open_source(config.images)
        paths = [path for path, *_ in source.inputs]
        if not paths:
            raise DataError(source.nothing)
        pixels, unread = _decoded(_evenly(paths), card)
        without = f", without {counted(len(unread), 'image')} that cannot be read" if unread else ""
        # The name alone, as with --data: who is given the file need not know where the images lie.
        name = os.path.basename(config.images.rstrip("/")) or config.images
        drawn = f"{len(paths)} of " if len(paths) > MOST_IMAGES else ""
        return f"of {drawn}{name}{without}", pixels, unread
    if labelled is not None:
        return labelled.of, labelled.pixels[_evenly(list(range(len(labelled.pixels))))], []
    with temporary_folder("demo") as folder:
        draw_demo_set(folder / "demo", images=_DRAWN)
        return "synthetic images", *_decoded([str(file) for file in sorted((folder / "demo").rglob("*.jpg"))], card)


def _evenly(values: list[_Value]) -> list[_Value]:
    """At most `MOST_IMAGES` of them, evenly spaced over the list."""
    count = min(len(values), MOST_IMAGES)
    return [values[index * len(values) // count] for index in range(count)]


def _decoded(paths: list[str], card: Card) -> tuple[np.ndarray, list[str]]:
    """The pixels of images, at most `MOST_IMAGES`, and those that cannot be read, as `PATH (why)`."""
    pixels: list[np.ndarray] = []
    unread: list[str] = []
    for path in paths:
        for frame, images in decode_all_in_sizes(path, [(card.height, card.width)]):
            if isinstance(images, ImageError):  # the others can be compared all the same
                unread.append(f"{path_with_frame(Row(path, None, frame=frame))} ({images})")
            else:
                pixels.append(images[0].pixels)
    if not pixels:
        raise DataError(
            f"none of {counted(len(unread), 'image')} can be read: {first_few(unread)}; name others with --images"
        )
    return np.stack(pixels)[_evenly(list(range(len(pixels))))], unread
