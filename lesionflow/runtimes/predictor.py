"""A predictor whose network another runtime runs, so that it is measured as a bundle is."""

from __future__ import annotations

import dataclasses

import numpy as np

from lesionflow.model.card import SINGLE, Card
from lesionflow.model.predictor import Outputs, Predictor
from lesionflow.runtimes.artifact import Run

_LEAST = 1e-9  # probability: int8 has zeros, which have no logarithm


class RuntimePredictor(Predictor):
    """What a file for another runtime says, decided as a bundle's `Predictor` decides it."""

    def __init__(self, card: Card, run: Run):
        self.card, self.run = card, run
        self.averaged, self.device = False, "cpu"
        self.threads = 2  # not 1, with which batches would be run beside each other: not every runtime takes that
        # The file has applied temperature and offsets already.
        self.calibration = dataclasses.replace(
            card.calibrations[SINGLE], temperature=1.0, logit_offsets=(0.0,) * len(card.labels)
        )

    def measure(self, pixels: np.ndarray) -> Outputs:
        """(batch, height, width, 3) uint8 to logarithms of probabilities (batch, classes) and distances (batch,)."""
        probabilities, distances = self.run(np.asarray(pixels))
        return np.log(np.maximum(probabilities, _LEAST)), distances
