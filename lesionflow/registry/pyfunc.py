"""The face of a bundle towards MLflow: image bytes in, the report's columns out. No pickle is involved.

MLflow imports this module by name (`loader_module`) and hands it the bundle's folder (`data_path`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lesionflow.data.pixels import decode
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
}


class BundleModel:
    """What `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, predictor: Predictor):
        self.predictor = predictor

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """What the report says of each image in the column `image` (bytes of a file, as stored on disk), a row each.

        An image that cannot be decoded gives a row of missing values: one broken file must not fail its neighbours.
        """
        import pandas as pd

        rows = [self._row(bytes(content)) for content in model_input[INPUT_COLUMN]]
        columns = zip(OUTPUT_COLUMNS.items(), extractors(tuple(OUTPUT_COLUMNS), ""), strict=True)
        return pd.DataFrame(
            {
                name: pd.Series([value(row) for row in rows], model_input.index, float if kind == "double" else object)
                for (name, kind), value in columns
            }
        )

    def _row(self, content: bytes) -> Row:
        card = self.predictor.card
        try:
            pixels = decode(content, card.height, card.width)
        except ImageError as error:
            return Row("", None, error.reason, error.detail)
        return Row("", one_by_one(self.predictor.predict(pixels[None]))[0])


def _load_pyfunc(data_path: str) -> BundleModel:
    return BundleModel(load_predictor(data_path))
