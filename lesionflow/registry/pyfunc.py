"""The face of a bundle towards MLflow: image bytes in, named numeric columns out. No pickle is involved.

MLflow imports this module by name (`loader_module`) and hands it the bundle's folder (`data_path`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.bundle.decision import malignant_probability
from lesionflow.data.pixels import decode
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import ImageError
from lesionflow.scoring.predictor import Predictor, load_predictor

if TYPE_CHECKING:
    import pandas as pd

INPUT_COLUMN = "image"
OUTPUT_COLUMNS = (*(f"p_{diagnosis}" for diagnosis in DIAGNOSES), "p_malignant")


class BundleModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, predictor: Predictor):
        self.predictor = predictor

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """A row of probabilities for each image in the column `image` (bytes of a file, as stored on disk).

        An image that cannot be decoded gives a row of NaN: one broken file must not fail its neighbours.
        """
        import pandas as pd

        card = self.predictor.card
        probabilities = np.full((len(model_input), len(OUTPUT_COLUMNS)), np.nan)
        for row, content in enumerate(model_input[INPUT_COLUMN]):
            try:
                pixels = decode(bytes(content), card.height, card.width)
            except ImageError:
                continue
            by_diagnosis = self.predictor.predict(pixels[None]).probabilities
            probabilities[row] = [*by_diagnosis[0], malignant_probability(by_diagnosis)[0]]
        return pd.DataFrame(probabilities, columns=list(OUTPUT_COLUMNS), index=model_input.index)


def _load_pyfunc(data_path: str) -> BundleModel:
    return BundleModel(load_predictor(data_path))
