"""Pixels to probabilities with ONNX Runtime: neither Keras nor TensorFlow, and no code from the bundle."""

from __future__ import annotations

import os

import numpy as np

from lesionflow.bundle import Card, read_bundle, softmax
from lesionflow.diagnoses import DIAGNOSES, MALIGNANT_INDICES
from lesionflow.errors import BundleError


class Predictor:
    """A loaded bundle."""

    def __init__(self, card: Card, graph: bytes, threads: int | None = None):
        import onnxruntime

        self.card = card
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or os.cpu_count() or 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            self.input = self.session.get_inputs()[0].name
            self.predict(np.zeros((1, card.height, card.width, 3), np.uint8))
        except Exception as error:  # ONNX Runtime's exceptions have no common base but Exception
            raise BundleError(f"the bundle's graph cannot be run ({str(error).splitlines()[0]})") from error

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """(batch, height, width, 3) uint8 to calibrated probabilities (batch, 7) float64."""
        logits = self.session.run(None, {self.input: pixels.astype(np.float32)})[0]
        return softmax(logits / self.card.temperature + np.asarray(self.card.logit_offsets))

    def predict_many(self, pixels: np.ndarray, members: np.ndarray, batch_size: int = 64) -> np.ndarray:
        """Probabilities of the images at `members`, a batch at a time: (members, 7) float64."""
        parts = [
            self.predict(pixels[members[start : start + batch_size]]) for start in range(0, len(members), batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(DIAGNOSES)))


def load_predictor(folder: str | os.PathLike[str], threads: int | None = None) -> Predictor:
    """Load and verify the bundle in a folder. Raises `BundleError`."""
    return Predictor(*read_bundle(folder), threads=threads)


def malignant_probability(probabilities: np.ndarray) -> np.ndarray:
    """(images, 7) to (images,): the summed probability of the malignant diagnoses."""
    return np.asarray(probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1))
