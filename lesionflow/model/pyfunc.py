"""A bundle as an MLflow model: images in, the report's columns out. No pickle is involved.

MLflow imports this module by name (`loader_module`) and hands it the bundle's folder (`data_path`).
"""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import ImageError
from lesionflow.model.columns import row_values
from lesionflow.model.prediction import Row, probability_columns
from lesionflow.model.predictor import Predictor, load_predictor, only_frame, predict_batch

if TYPE_CHECKING:
    import pandas as pd

INPUT_COLUMN = "image"
# What a server or a Spark worker has to install; a registered version lists these and includes lesionflow's code.
REQUIREMENTS = ("mlflow", "numpy", "onnxruntime", "pandas", "pillow", "simplejpeg")
BATCH_SIZE = 16  # images that go through the network at once, as in scoring on a processor


def output_columns(labels: LabelSet = HAM10000) -> dict[str, str]:
    """The columns of an answer, which are those of the report, with their MLflow types."""
    return {
        "diagnosis": "string",
        "probability": "double",
        **dict.fromkeys(probability_columns(labels.names), "double"),
        "malignant": "string",
        "refer": "string",
        "error": "string",  # after the others, so that those keep their positions
        "status": "string",
        "model": "string",
    }


class BundleModel:
    """The model that `mlflow.pyfunc.load_model` wraps."""

    def __init__(self, predictor: Predictor):
        self.predictor = predictor

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Score images.

        Parameters
        ----------
        model_input : pandas.DataFrame
            A column `image` with the bytes of an image file in each cell, or these as base64.

        Returns
        -------
        pandas.DataFrame
            A row for each image with the report's columns. Whatever is wrong with an image is in its row's `error`; as
            in a CSV report its words are then empty and its numbers missing, since MLflow's Spark function would turn a
            missing word into the text "None". As records, which is how a server answers, whatever is missing is None,
            since JSON knows no NaN. `model` is the bundle's name: its version gets a number after it is stored.
        """
        import pandas as pd

        values, index = model_input[INPUT_COLUMN].tolist(), model_input.index
        # A server that is given {"inputs": {"image": [...]}} makes one cell of all images; a list beside other cells
        # would put answers out of step with them.
        if len(values) == 1 and isinstance(values[0], list):
            values, index = values[0], pd.RangeIndex(len(values[0]))
        rows: list[Row] = []
        for first in range(0, len(values), BATCH_SIZE):
            rows += predict_batch(self.predictor, values[first : first + BATCH_SIZE], _decode)
        card = self.predictor.card
        model = card.marked_label
        columns, kinds = {}, output_columns(card.labels)
        values_of = row_values(tuple(kinds), model, labels=card.labels)
        table = [values_of(row) for row in rows]
        for column, (name, kind) in enumerate(kinds.items()):
            said = [values[column] for values in table]
            if kind == "double":
                columns[name] = pd.Series(said, index, float)
            else:
                columns[name] = pd.Series(["" if word is None else word for word in said], index, object)
        return _with_null_records(pd.DataFrame(columns))


def _with_null_records(answers: pd.DataFrame) -> pd.DataFrame:
    """Make `to_dict`, from which MLflow's server makes JSON, give None for missing values."""

    def to_dict(*given: Any, **named: Any) -> Any:
        nulls = answers.astype(object).where(answers.notna() & (answers != ""), None)
        return type(answers).to_dict(nulls, *given, **named)

    object.__setattr__(answers, "to_dict", to_dict)  # of this object alone: a copy is any data frame
    return answers


def _decode(value: object, height: int, width: int) -> np.ndarray:
    return only_frame(_content(value), height, width)


def _content(value: object) -> bytes:
    """The bytes of an image file, which may be written as base64, also behind `data:image/jpeg;base64,`."""
    import pandas as pd

    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, str):
        text = value.partition(",")[2] if value.startswith("data:") else value
        try:  # strictly: MLflow's own decoder skips invalid characters, which would give another file
            return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
        except ValueError as error:
            raise ImageError("not_an_image", "the text is not base64 of a file") from error
    if pd.api.types.is_scalar(value) and pd.isna(value):  # whatever null becomes in a table
        return b""
    raise ImageError("not_an_image", f"neither bytes nor base64 but of type {type(value).__name__}")


def _load_pyfunc(data_path: str) -> BundleModel:
    # Spark runs a task on every core and says so in this variable; tasks that each use all cores would only be in each
    # other's way.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    return BundleModel(load_predictor(data_path, int(threads) if threads.isdecimal() and int(threads) else None))
