"""How MLflow's flower_classifier example scores, written anew: the other side of `score_vs_example.py`.

All files become base64 text in one DataFrame; the model's `predict` decodes them a row at a time, puts all pixels into
one array, asks Keras, and writes probabilities as text. Arguments: folder of images, bundle, CSV file to write.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from PIL import Image


class KerasImageClassifier:
    """What the example wraps as a pyfunc model."""

    def __init__(self, bundle: Path):
        card = json.loads((bundle / "card.json").read_text())
        self.size, self.classes = (card["width"], card["height"]), card["labels"]["names"]
        self.network = keras.models.load_model(bundle / "model.keras")

    def predict(self, table: pd.DataFrame) -> pd.DataFrame:
        """A row of text for each image in the only column."""
        images = table[table.columns[0]].apply(lambda text: self._decode(base64.b64decode(text)))
        logits = self.network.predict(np.stack(list(images)), verbose=0)  # (images, 7)
        probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
        rows = [
            [self.classes[int(np.argmax(row))], *(f"{probability:.6f}" for probability in row)] for row in probabilities
        ]
        return pd.DataFrame(rows, columns=["diagnosis", *(f"p_{name}" for name in self.classes)], index=table.index)

    def _decode(self, content: bytes) -> np.ndarray:
        image = Image.open(io.BytesIO(content)).convert("RGB").resize(self.size)
        return np.asarray(image, dtype=np.float32)  # (height, width, 3)


def main(folder: Path, bundle: Path, out: Path) -> None:
    """Score a folder."""
    files = sorted(folder.glob("*.jpg"))
    table = pd.DataFrame(
        data=[base64.b64encode(file.read_bytes()).decode("ascii") for file in files], columns=["image"]
    )
    result = KerasImageClassifier(bundle).predict(table)
    result.insert(0, "path", [str(file) for file in files])
    result.to_csv(out, index=False)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
