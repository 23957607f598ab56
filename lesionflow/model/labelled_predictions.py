"""What a model says of labelled images: all that figures of merit are computed from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import BundleError
from lesionflow.model.decision import Predictions, confidence, malignant_probability


@dataclass(frozen=True)
class LabelledPredictions:
    """A model's answers beside the truth, a row an image."""

    image_ids: np.ndarray  # (images,) text
    lesion_ids: np.ndarray  # (images,) text; images of one lesion are no independent evidence
    labels: np.ndarray  # (images,) int64, indices into DIAGNOSES
    probabilities: np.ndarray  # (images, 7) float64, calibrated
    called: np.ndarray  # (images,) int64: the diagnosis that the model calls
    malignant: np.ndarray  # (images,) bool: at or above the operating point
    refer: np.ndarray  # (images,) text of `bundle.decision`: no, uncertain or unfamiliar

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the diagnosis that is called: (images,)."""
        return confidence(self.probabilities, self.called)

    @property
    def malignant_probability(self) -> np.ndarray:
        """The summed probability of the malignant diagnoses: (images,)."""
        return malignant_probability(self.probabilities)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, for a file."""
        return dict(self.__dict__)

    def take(self, members: np.ndarray) -> LabelledPredictions:
        """Those of some of the images: members are indices or (images,) bool."""
        return LabelledPredictions(**{name: array[members] for name, array in self.arrays().items()})


def predictions(
    image_ids: np.ndarray, lesion_ids: np.ndarray, labels: np.ndarray, said: Predictions
) -> LabelledPredictions:
    """Put a model's decisions beside the truth."""
    return LabelledPredictions(
        np.asarray(image_ids, dtype=str), np.asarray(lesion_ids, dtype=str), np.asarray(labels, dtype=np.int64),
        said.probabilities, said.called, said.malignant, said.refer,
    )  # fmt: skip


def from_arrays(arrays: dict[str, np.ndarray] | None) -> LabelledPredictions | None:
    """Read back what `LabelledPredictions.arrays` gave to a file; None stays None. Raises `BundleError` for others."""
    if arrays is None:
        return None
    shapes = {name: array.shape for name, array in arrays.items()}
    images = shapes.get("labels", ())
    expected = {name: images for name in LabelledPredictions.__dataclass_fields__}
    if shapes != expected | {"probabilities": (*images, len(DIAGNOSES))} or len(images) != 1:
        raise BundleError(f"the predictions of the validation part are arrays of {shapes}; train the model again")
    return LabelledPredictions(**arrays)
