"""The face of a bundle towards MLflow: image bytes in, the report's columns out. No pickle is involved.

MLflow imports this module by name (`loader_module`) and hands it the bundle's folder (`data_path`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.data.pixels import decode_frames
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import ImageError
from lesionflow.scoring.columns import extractors
from lesionflow.scoring.predictor import Predictor, load_predictor
from lesionflow.scoring.row import Row, one_by_one

if TYPE_CHECKING:
    import pandas as pd

INPUT_COLUMN = "image"
OUTPUT_COLUMNS = {  # those of the report, with their types in MLflow's words
    "diagnosis": "string",
    "probability": "double",
    **{f"p_{diagnosis}": "double" for diagnosis in DIAGNOSES},
    "p_malignant": "double",
    "malignant": "string",
    "refer": "string",
    "error": "string",  # last, so that whoever counts columns finds the others where they were
}
BATCH_SIZE = 16  # images that go through the network at once, as in scoring on a processor


class BundleModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, predictor: Predictor):
        self.predictor = predictor

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """What the report says of each image in the column `image` (bytes of a file, as stored on disk), a row each.

        An image that cannot be decoded gives a row that says why in `error`: one broken file must not fail its
        neighbours. As in a CSV report its words are empty and its numbers missing; MLflow's Spark function would turn
        a missing word into the text "None".
        """
        import pandas as pd

        contents = [b"" if content is None else bytes(content) for content in model_input[INPUT_COLUMN]]
        rows: list[Row] = []
        for first in range(0, len(contents), BATCH_SIZE):
            rows += self._rows(contents[first : first + BATCH_SIZE])
        columns = {}
        for (name, kind), value in zip(OUTPUT_COLUMNS.items(), extractors(tuple(OUTPUT_COLUMNS), ""), strict=True):
            values = [value(row) for row in rows]
            if kind == "double":
                columns[name] = pd.Series(values, model_input.index, float)
            else:
                columns[name] = pd.Series(["" if word is None else word for word in values], model_input.index, object)
        return pd.DataFrame(columns)

    def _rows(self, contents: Sequence[bytes]) -> list[Row]:
        card = self.predictor.card
        pixels = np.zeros((len(contents), card.height, card.width, 3), np.uint8)  # what cannot be decoded stays black
        failures: dict[int, ImageError] = {}
        for place, content in enumerate(contents):
            try:
                pixels[place] = _only_frame(content, card.height, card.width)
            except ImageError as error:
                failures[place] = error
            except MemoryError:
                failures[place] = ImageError("too_large", "there is not enough memory to decode it")
        said = one_by_one(self.predictor.predict(pixels))
        return [
            Row("", None, failures[place].reason, failures[place].detail) if place in failures else Row("", decision)
            for place, decision in enumerate(said)
        ]


def _only_frame(content: bytes, height: int, width: int) -> np.ndarray:
    """The pixels of an image; one of several frames is refused, for it has one row here, and frames would be lost."""
    frames = decode_frames(content, height, width)
    _, image = next(frames)
    if next(frames, None) is not None:
        raise ImageError("unsupported", "several frames in one file; `lesionflow score` gives each a row")
    if isinstance(image, ImageError):
        raise image
    return image


def _load_pyfunc(data_path: str) -> BundleModel:
    # Spark runs a task on every core and says so in this variable; with all cores for each they would only be in each
    # other's way.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return BundleModel(load_predictor(data_path, int(threads) if threads.isdecimal() and int(threads) else None))
