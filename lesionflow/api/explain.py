"""Explain calls: draw an occlusion map and the probability of each diagnosis for every image."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Unpack

import numpy as np
from rich.console import Console
from rich.markup import escape

from lesionflow.api.load import LoadedModel, load
from lesionflow.api.overrides import ExplanationOptions, configured
from lesionflow.atomic import atomic_file, output_folder
from lesionflow.defaults import DEFAULT_MODEL
from lesionflow.errors import (
    DataError,
    ImageError,
    LesionflowError,
    ReportError,
    UsageError,
    add_to_message,
    counted,
    first_few,
)
from lesionflow.evaluation.config import ExplanationConfig
from lesionflow.evaluation.explanation import Explanation, explanation_picture
from lesionflow.evaluation.heatmaps import occlude
from lesionflow.images.decode import decode, header
from lesionflow.images.read_bytes import NO_MEMORY, read_named
from lesionflow.model.card import Card
from lesionflow.model.columns import utf8
from lesionflow.model.prediction import IndexedPrediction
from lesionflow.options import listed
from lesionflow.progress import stderr_console
from lesionflow.scoring.engines.local import decode_all_in_sizes
from lesionflow.scoring.sources import open_source
from lesionflow.storage.location import location_text, path_here

_METADATA = "lesionflow "  # how the names of the metadata begin in a picture
PICTURE_SIDE = 480  # pixels of the shorter side in the picture


@dataclass(frozen=True)
class Explained:
    """The result for one image: its picture or its error."""

    path: str  # as found; of a file's second frame path#2, and so on
    picture: Path | None  # None where the image could not be read
    said: IndexedPrediction | None
    error: str = ""  # why it could not, as in a report
    kept: bool = False  # whether the picture was there already


def explain(
    images: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    config: ExplanationConfig | str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    tracking_uri: str | None = None,
    console: Console | None = None,
    on_image: Callable[[Explained], None] = lambda done: None,
    **overrides: Unpack[ExplanationOptions],
) -> list[Explained]:
    """Draw an occlusion map and the probability of each diagnosis for every image.

    The map shows occlusion sensitivity. It needs only the graph, about a hundred inferences per image, and so works for
    every bundle. An image that cannot be read is returned with an error, and the others are drawn. Each picture names
    in its metadata what it is of: with `resume`, one that is there already is not drawn again, but returned as well.

    Parameters
    ----------
    images
        Anything that `score` takes as a source.
    out
        Folder for the PNG files.
    config
        How to explain; `overrides` replace single options of it. A string is taken as the model.
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or the folder of a bundle.
    tracking_uri
        MLflow tracking store and registry.
    console
        Where progress goes; stderr by default.
    on_image
        Called with each result as soon as it is finished.

    Returns
    -------
    list of Explained
        In the order of the images.

    Raises
    ------
    LesionflowError
        If nothing can be drawn; `ReportError`, before anything is drawn, if a picture already exists, with `resume` one
        of another model or diagnosis.
    """
    if isinstance(config, str | os.PathLike):
        model, config = config, None
    config = configured(explain, ExplanationConfig, config, overrides)
    folder, paths = path_here(out, "out"), _found(listed(images))
    names = picture_names(paths)
    there = {name: drawn for name in names.values() if config.resume and (drawn := _drawn(folder / f"{name}.png"))}
    pictures = [f"{name}.png" for name in names.values() if name not in there]
    explained, done = list[Explained](), 0
    status_line = (console or stderr_console()).status("")
    with output_folder(folder, pictures, config.overwrite), status_line as status:
        loaded = load(model, tracking_uri=tracking_uri, device="cpu")
        of = _Asked(loaded, _index_of(config.target, loaded.card), config)
        if others := [f"{name}.png" for name, drawn in there.items() if drawn.by != of.by and not config.overwrite]:
            raise ReportError(
                f"{folder}: has pictures of another model or --target: {first_few(others)}; add --overwrite or choose "
                "another folder"
            )
        try:
            for path in paths:
                status.update(f"explaining {escape(utf8(path))}")
                for each in _explain(path, folder / names[path], of):
                    on_image(each)
                    explained.append(each)
                done += 1
        except (LesionflowError, KeyboardInterrupt) as error:
            if done or isinstance(error, KeyboardInterrupt):
                how = "the same command with --resume continues from there"
                add_to_message(error, f"{counted(done, 'file', 'is', 'are', of=len(paths))} done; {how}")
            raise
    return explained


class _Drawn(NamedTuple):
    """What a picture is of, in its metadata."""

    by: str  # the model and the diagnosis
    image: str  # the digest of its path and its file


@dataclass(frozen=True)
class _Asked:
    """What is drawn of each image."""

    model: LoadedModel
    target: int | None
    config: ExplanationConfig

    @property
    def by(self) -> str:
        """The model and the diagnosis, for the metadata."""
        return f"{self.model.label} {self.model.card.digest} {'' if self.target is None else self.target}".strip()


def _drawn(picture: Path) -> _Drawn | None:
    """What a picture that is there is of; None for one that `explain` did not draw."""
    from PIL import Image

    try:
        with Image.open(picture, formats=["PNG"]) as opened:
            return _Drawn(*(str(opened.info[f"{_METADATA}{name}"]) for name in _Drawn._fields))
    except (OSError, KeyError):  # also where there is none
        return None


def picture_names(paths: list[str]) -> dict[str, str]:
    """A file name for each path's picture, without the ending: as much of the path's end as no other path ends with."""
    parts = {path: tuple(part for part in utf8(path).split("/") if part not in ("", ".", "..")) for path in paths}
    ends = Counter(found[-depth:] for found in parts.values() for depth in range(1, len(found) + 1))
    names: dict[str, str] = {}
    for path, found in parts.items():
        depth = next((depth for depth in range(1, len(found)) if ends[found[-depth:]] == 1), len(found))
        name, number = "_".join(found[-depth:]), 1
        while (numbered := name if number == 1 else f"{name}-{number}") in names.values():
            number += 1
        names[path] = numbered
    return names


def _found(images: Iterable[str | os.PathLike[str]]) -> list[str]:
    paths: dict[str, None] = {}  # one that is named twice counts once
    for image in images:
        source = open_source(location_text(image, "images"))
        found = [path for path, *_ in source.inputs]
        if not found:
            raise DataError(source.nothing)
        paths |= dict.fromkeys(found)
    if not paths:
        raise UsageError("images: is an empty list; name one or more")
    return list(paths)


def _index_of(target: str | None, card: Card) -> int | None:
    """Index of the requested diagnosis; None for the one that is called."""
    if target is None:
        return None
    try:
        return card.labels.index_of(target)
    except UsageError as error:
        raise UsageError(f"--target {target}: {error}") from error


def _explain(path: str, out: Path, of: _Asked) -> Iterator[Explained]:
    """Explain the frames of a file, one after the other."""
    card = of.model.card
    try:
        data, named = read_named(path)
    except ImageError as error:
        yield Explained(path, None, None, str(error))
        return
    # If the path names a frame, only that one is decoded, as number 0.
    for frame, images in decode_all_in_sizes(data if named is None else path, [(card.height, card.width)]):
        further = "" if frame == 0 else f"#{frame + 1}"
        name, picture = f"{path}{further}", out.with_name(f"{out.name}{further}.png")
        if isinstance(images, ImageError):
            yield Explained(name, None, None, str(images))
            continue
        try:
            explained = _draw(name, picture, images[0].pixels, data, named or frame, of)
        except ImageError as error:  # in the size of the picture, or for want of memory
            explained = Explained(name, None, None, str(error))
        except MemoryError:
            explained = Explained(name, None, None, str(ImageError(*NO_MEMORY)))
        yield explained


def _draw(name: str, picture: Path, pixels: np.ndarray, data: bytes, frame: int, of: _Asked) -> Explained:
    """Draw one frame of a file's bytes, unless its picture is there; pixels: as the network sees it."""
    card, predictor = of.model.card, of.model.predictor
    (said,) = predictor.predict(pixels[None]).one_by_one()
    digest = hashlib.sha256(f"{utf8(name)}\0".encode() + data).hexdigest()  # a path may name people
    drawn, before = _Drawn(of.by, digest), _drawn(picture) if of.config.resume else None
    if drawn == before:
        return Explained(name, picture, said, kept=True)
    larger = max(1.0, PICTURE_SIDE / min(card.height, card.width))
    shown = decode(data, round(larger * card.height), round(larger * card.width), frame)
    _, columns, rows = header(data)
    scale = min(columns / card.width, rows / card.height)
    cut = 1 - scale * card.width * scale * card.height / (columns * rows)
    occlusion = occlude(predictor.predict, pixels, of.target)
    about = Explanation(utf8(name), of.model.label, shown, cut, said, occlusion)
    figure = explanation_picture(about, card, predictor.calibration)
    metadata = {f"{_METADATA}{field}": text for field, text in drawn._asdict().items()}
    overwrite = of.config.overwrite or (before is not None and before.by == of.by)
    with atomic_file(picture, overwrite) as file:
        figure.savefig(file, format="png", metadata=metadata)
    return Explained(name, picture, said)
