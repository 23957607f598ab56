"""Load a model for predicting single images from Python."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL.Image import Image

from lesionflow.defaults import BATCH_SIZES, DEFAULT_MODEL
from lesionflow.errors import ImageError
from lesionflow.images.decode import fit_array, fit_image
from lesionflow.model.card import Card
from lesionflow.model.prediction import Prediction, prediction_class
from lesionflow.model.predictor import Predictor, load_predictor, only_frame, predict_batch
from lesionflow.scoring.config import ScoringConfig
from lesionflow.scoring.engines.local import default_workers
from lesionflow.storage.location import location_text

AnyImage: TypeAlias = str | os.PathLike[str] | bytes | bytearray | Image | np.ndarray


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory; thread-safe."""

    label: str  # as reports name it: lesionflow/3, or the bundle
    predictor: Predictor

    @property
    def card(self) -> Card:
        """The model's card: classes, licence, `card.metrics["test"]["balanced_accuracy"]` and more."""
        return self.predictor.card

    def predict(self, images: AnyImage | Iterable[AnyImage]) -> list[Prediction]:
        """Predict one image or several.

        Files get the numbers that `lesionflow.score` gives in that order, to the last bit, and so do Pillow images that
        were opened and not yet read. Decoded images give nearly the same numbers: of a large JPEG file, no more detail
        is decoded than the network can see.

        Parameters
        ----------
        images
            An image is the path or URL of a file, its bytes, a Pillow image, or an array, (height, width, 3) uint8 RGB;
            an array of four axes is several images, and so is one of paths.

        Returns
        -------
        list[Prediction]
            One for each image, in order; a problem with an image, also that its file has several frames, is in the
            `error` of its prediction.

        Raises
        ------
        StoreError
            If the store of a URL is unreachable.
        """
        if isinstance(images, str | os.PathLike | bytes | bytearray | Image) or (
            isinstance(images, np.ndarray) and not _holds_several(images)
        ):
            images = [images]
        asked = list(images)
        size = BATCH_SIZES[self.predictor.device]
        batches = [asked[first : first + size] for first in range(0, len(asked), size)]
        with ThreadPoolExecutor(min(default_workers(), max(1, len(batches)))) as threads:
            scored = threads.map(lambda batch: predict_batch(self.predictor, batch, _decode), batches)
            failed = prediction_class(self.card.labels)
            return [
                row.prediction.by_name() if row.prediction else failed(error=f"{row.reason}: {row.detail}")
                for rows in scored for row in rows
            ]  # fmt: skip


def load(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    tracking_uri: str | None = None,
    device: str = "auto",
    tta: bool = False,
) -> LoadedModel:
    """Load a model for predictions, without running any code from it.

    Parameters
    ----------
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or the folder of a bundle.
    tracking_uri
        MLflow tracking store and registry.
    device
        `auto`, `cpu` or `cuda`.
    tta
        Average over the eight flips and quarter turns of each image.

    Returns
    -------
    LoadedModel
        Whose `predict` takes images.

    Raises
    ------
    LesionflowError
        If the model is missing or incomplete.

    Example:
        model = lesionflow.load("pretrained")
        model.predict(["mole.jpg"])[0].probabilities["mel"]
    """
    from lesionflow.registry.versions import opened

    config = ScoringConfig(device=device, tta=tta)
    with opened(location_text(model, "model"), tracking_uri) as resolved:
        # One thread a batch, as in scoring: the batches are what is done at the same time.
        predictor = load_predictor(resolved.folder, threads=1, device=config.device, averaged=config.tta)
    return LoadedModel(resolved.label, predictor)


def _holds_several(array: np.ndarray) -> bool:
    """Whether an array is of several images' pixels or of paths, such as a table's column."""
    return array.ndim == 4 or (array.ndim == 1 and array.dtype.kind in "OUT")


def _decode(image: object, height: int, width: int) -> np.ndarray:
    if isinstance(image, bytearray):
        image = bytes(image)
    if isinstance(image, str | os.PathLike | bytes):
        return only_frame(image, height, width)
    if isinstance(image, Image):
        return fit_image(image, height, width)
    if isinstance(image, np.ndarray):
        return fit_array(image, height, width)
    raise ImageError("not_an_image", f"of type {type(image).__name__}; give a path, bytes, a Pillow image or an array")
