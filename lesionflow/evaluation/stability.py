"""How many calls change under harmless changes of the images.

A picture that is uploaded twice, mirrored, saved again or taken under a slightly different light shows the same lesion.
Every change is made to the whole decoded image, before it is scaled to what the network sees, and drawn from the seed
and the image's id alone.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageFilter

from lesionflow.defaults import thread_map, usable_cores
from lesionflow.errors import ImageError, counted
from lesionflow.evaluation.bootstrap import SECTION_RESAMPLES, interval, ratio, resampled_sums
from lesionflow.evaluation.metrics import with_interval
from lesionflow.images.decode import decode, fit_image, header
from lesionflow.model.card import Estimate
from lesionflow.model.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

USUAL_IMAGES = 500  # that are looked at unless told otherwise
STABILITY = "stability"  # under which a card has these metrics, beside the parts of the split
SHORTEST_SIDE = 1000  # pixels; larger images are reduced to it before the change, which makes no visible difference
_IMAGES_AT_ONCE = 4


@dataclass(frozen=True)
class HarmlessChange:
    """A change of an image that does not change the lesion."""

    name: str  # in JSON, in cards and in MLflow
    display_name: str
    make: Callable[[Image.Image, np.random.Generator], Image.Image]


def _saved_as_jpeg(quality: int) -> Callable[[Image.Image, np.random.Generator], Image.Image]:
    def make(image: Image.Image, generator: np.random.Generator) -> Image.Image:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality)
        return Image.open(stream).convert("RGB")

    return make


def _cropped(share: float) -> Callable[[Image.Image, np.random.Generator], Image.Image]:
    """Cut off a share of the width and of the height, somewhere at the edges."""

    def make(image: Image.Image, generator: np.random.Generator) -> Image.Image:
        width, height = (max(1, round(side * (1 - share))) for side in image.size)
        left = int(generator.integers(0, image.width - width + 1))
        top = int(generator.integers(0, image.height - height + 1))
        return image.crop((left, top, left + width, top + height))

    return make


def _multiplied(*factors: float) -> Callable[[Image.Image, np.random.Generator], Image.Image]:
    """Multiply red, green and blue; what exceeds white is white."""
    table = [min(255, round(value * factor)) for factor in factors for value in range(256)]
    return lambda image, generator: image.point(table)


CHANGES = (
    HarmlessChange("mirrored", "mirrored", lambda image, _: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    HarmlessChange("upside_down", "turned by half", lambda image, _: image.transpose(Image.Transpose.ROTATE_180)),
    HarmlessChange("quarter_turn", "turned by a quarter", lambda image, _: image.transpose(Image.Transpose.ROTATE_90)),
    HarmlessChange("saved_again", "saved again without loss", lambda image, _: image),
    HarmlessChange("jpeg_90", "saved again as JPEG, quality 90", _saved_as_jpeg(90)),
    HarmlessChange("jpeg_75", "saved again as JPEG, quality 75", _saved_as_jpeg(75)),
    HarmlessChange("jpeg_60", "saved again as JPEG, quality 60", _saved_as_jpeg(60)),
    HarmlessChange(
        "softened", "slightly softened",
        lambda image, _: image.filter(ImageFilter.GaussianBlur(max(0.5, min(image.size) / 300))),
    ),
    HarmlessChange("cropped_2", "cropped by 2% of width and height", _cropped(0.02)),
    HarmlessChange("cropped_6", "cropped by 6% of width and height", _cropped(0.06)),
    HarmlessChange("brighter", "10% brighter", _multiplied(1.1, 1.1, 1.1)),
    HarmlessChange("darker", "10% darker", _multiplied(0.9, 0.9, 0.9)),
    HarmlessChange("warmer", "slight colour cast: red 3% up, blue 3% down", _multiplied(1.03, 1.0, 0.97)),
    HarmlessChange("cooler", "slight colour cast: red 3% down, blue 3% up", _multiplied(0.97, 1.0, 1.03)),
    HarmlessChange(
        "resized", "resized to three quarters",
        lambda image, _: image.resize([max(1, round(0.75 * side)) for side in image.size], Image.Resampling.BICUBIC),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Moved:
    """The shares of calls and flags that one change moves, with 95 % intervals from a bootstrap over lesions."""

    name: str
    display_name: str
    calls: Estimate  # share of images whose called diagnosis changes
    flags: Estimate  # share of images that become malignant, or no longer are


@dataclass(frozen=True)
class Stability:
    """How many calls and malignant flags harmless changes of the images move."""

    images: int  # that were looked at
    lesions: int
    seed: int
    calls: Estimate  # share of changed images whose call differs, over all changes
    flags: Estimate
    changes: tuple[Moved, ...]

    @property
    def measured(self) -> str:
        """What was looked at, in words."""
        return f"{counted(self.images, 'image')} of {counted(self.lesions, 'lesion')}"

    @property
    def worst(self) -> Moved:
        """The change that moves most calls."""
        return max(self.changes, key=lambda moved: moved.calls.value)

    def metrics(self) -> dict[str, Estimate]:
        """By name, for cards and MLflow: `calls` and `flags` over all changes, `calls_mirrored` and so on of each."""
        found = {"calls": self.calls, "flags": self.flags, "worst_calls": self.worst.calls}
        for moved in self.changes:
            found |= {f"calls_{moved.name}": moved.calls, f"flags_{moved.name}": moved.flags}
        return found


def stability_told(metrics: Mapping[str, Estimate]) -> str:
    """What `Stability.metrics` come to, in one sentence without its end."""
    worst = metrics["worst_calls"]
    change = next(change.display_name for change in CHANGES if metrics.get(f"calls_{change.name}") == worst)
    moved = (
        "harmless changes (mirrored, turned, saved again, softened, cropped, brighter ...) move "
        f"{with_interval(metrics['calls'])} of the calls and {with_interval(metrics['flags'])} of the malignant flags"
    )
    return f"{moved}; the one that moves most, {change}, {with_interval(worst)} of the calls" if worst.value else moved


def measure_stability(
    predictor: Predictor,
    images: Mapping[str, Sequence[str]] | pd.DataFrame,
    *,
    most: int = USUAL_IMAGES,
    seed: int = 0,
    changes: Sequence[HarmlessChange] = CHANGES,
    counted_as: np.ndarray | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Stability | None:
    """Score a sample of images as they are and after each harmless change.

    Parameters
    ----------
    predictor : Predictor
    images : table
        With the columns `image_id`, `lesion_id` and `path`.
    most : int
        How many images are drawn from them.
    seed : int
        Of the sample and of what a change leaves open.
    changes : sequence of HarmlessChange
    counted_as : (diagnoses,) int64, optional
        As what each of the model's diagnoses counts: a call of another one that counts as the same has not changed.
    progress : callable
        Is told how many images are done, of how many.

    Returns
    -------
    Stability or None
        None where no image could be read.
    """
    image_ids, lesion_ids, paths = (list(images[name]) for name in ("image_id", "lesion_id", "path"))
    order = sorted(range(len(image_ids)), key=lambda index: _seed(seed, image_ids[index]))
    sample = sorted(order[:most])
    height, width = predictor.card.height, predictor.card.width

    def variants(index: int) -> np.ndarray | None:
        try:
            return _variants(paths[index], height, width, changes, _seed(seed, image_ids[index]))
        except (ImageError, MemoryError):  # counted among the failures of reading already, or gone since
            return None

    looked_at: list[int] = []
    moved: list[np.ndarray] = []  # (changes, 2) bool each: the call, the flag
    progress(0, len(sample))
    read = enumerate(zip(sample, thread_map(variants, sample, usable_cores()), strict=True), start=1)
    found = ((done, index, pixels) for done, (index, pixels) in read if pixels is not None)
    while chunk := list(islice(found, _IMAGES_AT_ONCE)):
        said = predictor.predict(np.concatenate([pixels for _, _, pixels in chunk]))
        called = said.called if counted_as is None else counted_as[said.called]
        shape = (len(chunk), 1 + len(changes))
        seen = np.stack([called.reshape(shape), said.malignant.reshape(shape)], axis=2)
        moved += list(seen[:, 1:] != seen[:, :1])
        looked_at += [index for _, index, _ in chunk]
        progress(chunk[-1][0], len(sample))
    if not looked_at:
        return None
    return _counted(np.array(moved), np.asarray(lesion_ids, dtype=str)[looked_at], changes, seed)


def _variants(path: str, height: int, width: int, changes: Sequence[HarmlessChange], seed: int) -> np.ndarray:
    """The network's input for a file, and after each change of its image: (1 + changes, height, width, 3) uint8."""
    _, columns, rows = header(path)
    scale = min(1.0, SHORTEST_SIDE / min(rows, columns))
    whole = Image.fromarray(decode(path, max(1, round(rows * scale)), max(1, round(columns * scale))))
    seen = [decode(path, height, width)]
    for index, change in enumerate(changes):
        changed = change.make(whole, np.random.default_rng((seed, index)))
        seen.append(fit_image(changed, height, width))
    return np.stack(seen)


def _seed(seed: int, image_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}\t{image_id}".encode("utf-8", "surrogateescape")).digest()[:8])


def _counted(moved: np.ndarray, lesion_ids: np.ndarray, changes: Sequence[HarmlessChange], seed: int) -> Stability:
    """The shares of true values in (images, changes, 2) bool, with intervals."""
    images, lesions = len(moved), len(np.unique(lesion_ids))
    flat = moved.reshape(images, -1).astype(np.float64)  # (images, changes * 2)
    columns = np.concatenate([np.ones((images, 1)), moved.mean(axis=1), flat], axis=1)
    sums = resampled_sums(lesion_ids, columns, SECTION_RESAMPLES, seed)
    resampled, values = ratio(sums[:, 1:], sums[:, :1]), columns[:, 1:].mean(axis=0)
    found = [
        interval(float(value), each, lesions) or Estimate(float(value), 0.0, 1.0)
        for value, each in zip(values, resampled.T, strict=True)
    ]
    of_changes = (
        Moved(change.name, change.display_name, found[2 + 2 * index], found[3 + 2 * index])
        for index, change in enumerate(changes)
    )
    return Stability(images, lesions, seed, found[0], found[1], tuple(of_changes))
