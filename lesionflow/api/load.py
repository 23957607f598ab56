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
from lesionflow.model.prediction import Prediction, Row, prediction_class
from lesionflow.model.predictor import Predictor, load_predictor, only_frame, predict_batch
from lesionflow.scoring.config import ScoringConfig
from lesionflow.scoring.engines.local import default_workers
from lesionflow.storage.location import location_text

AnyImage: TypeAlias = str | os.PathLike[str] | bytes | bytearray | Image | np.ndarray


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. Several threads may ask it at once."""

    label: str  # as reports name it: lesionflow/3, or the bundle
    predictor: Predictor

    @property
    def card(self) -> Card:
        """What the model says about itself: classes, licence, `card.metrics["test"]["balanced_accuracy"]` and more."""
        return self.predictor.card

    def predict(self, images: AnyImage | Iterable[AnyImage]) -> list[Prediction]:
        """What the model says of one image or of several: a prediction for each, in their order.

        An image is the path or URL of a file, its bytes, an image of Pillow's, or an array, (height, width, 3) uint8
        RGB; an array of four axes is several. Files get the numbers that `lesionflow.score` gives them in that order,
        to the last bit. Images that are decoded already come close to these: of a large JPEG file, no more detail is
        decoded than the network can see. What is wrong with an image is in its prediction's `error` and never raised.
        Files of several frames are such an error. Raises `StoreError` where the store of a URL is out of reach.
        """
        if isinstance(images, str | os.PathLike | bytes | bytearray | Image) or (
            isinstance(images, np.ndarray) and images.ndim != 4
        ):
            images = [images]
        asked = list(images)
        size = BATCH_SIZES[self.predictor.device]
        batches = [asked[first : first + size] for first in range(0, len(asked), size)]
        with ThreadPoolExecutor(min(default_workers(), max(1, len(batches)))) as threads:
            scored = threads.map(lambda batch: predict_batch(self.predictor, batch, _decode), batches)
            return [self._prediction(row) for rows in scored for row in rows]

    def _prediction(self, row: Row) -> Prediction:
        if row.prediction is None:
            failed: Prediction = prediction_class(self.card.labels)(error=f"{row.reason}: {row.detail}")
            return failed
        return row.prediction.by_name()


def load(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    *,
    tracking_uri: str | None = None,
    device: str = "auto",
    tta: bool = False,
) -> LoadedModel:
    """Load a model, to ask it for predictions.

    model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or a bundle's folder; device: `auto`, `cpu` or
    `cuda`; tta: average the eight flips and quarter turns of each image. No code of the model is run. Raises a
    `LesionflowError` where it is not there or not whole.

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


def _decode(image: object, height: int, width: int) -> np.ndarray:
    if isinstance(image, bytearray):
        image = bytes(image)
    if isinstance(image, str | os.PathLike | bytes):
        return only_frame(image, height, width)
    if isinstance(image, Image):
        return fit_image(image, height, width)
    if isinstance(image, np.ndarray):
        return fit_array(image, height, width)
    raise ImageError("not_an_image", f"a {type(image).__name__}; give a path, bytes, an image of Pillow's or an array")
