"""What the model says: of one image, of many, and of many beside the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lesionflow.diagnoses import DIAGNOSES, MALIGNANT_INDICES
from lesionflow.errors import BundleError

TRUSTED, UNCERTAIN, UNFAMILIAR = "no", "uncertain", "unfamiliar"  # whether a person should look, and why


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image, by the names of the report's columns.

    Where the image could not be read, `error` says why, as in the report, and all else is None.
    `pandas.DataFrame(model.predict(images))` is a table of them.
    """

    diagnosis: str | None = None  # that is called: the most probable if all seven were equally frequent
    probability: float | None = None  # of that diagnosis, calibrated, as the others
    p_akiec: float | None = None
    p_bcc: float | None = None
    p_bkl: float | None = None
    p_df: float | None = None
    p_mel: float | None = None
    p_nv: float | None = None
    p_vasc: float | None = None
    p_malignant: float | None = None  # the sum of melanoma, basal cell carcinoma and actinic keratosis
    malignant: bool | None = None  # at the model's operating point
    refer: str | None = None  # whether a person should look: "no", "uncertain" or "unfamiliar"
    error: str | None = None

    @property
    def probabilities(self) -> dict[str, float]:
        """The probability of each diagnosis, by its short name; empty where there is an error."""
        if self.error is not None:
            return {}
        return {name: getattr(self, f"p_{name}") for name in DIAGNOSES}


class IndexedPrediction(NamedTuple):
    """What a model says of one image, by indices into `DIAGNOSES`: one row of `Predictions`, as plain Python values."""

    probabilities: tuple[float, ...]  # (7,) in the order of DIAGNOSES, float64, calibrated
    called: int  # the diagnosis that is most probable if all seven were equally frequent
    malignant: bool  # at the bundle's operating point
    refer: str  # TRUSTED, UNCERTAIN or UNFAMILIAR

    @property
    def malignant_probability(self) -> float:
        """The summed probability of the malignant diagnoses."""
        total = 0.0
        for index in MALIGNANT_INDICES:  # `sum` adds otherwise from Python 3.12 on
            total += self.probabilities[index]
        return total

    def by_name(self) -> Prediction:
        """The same by the names of the report's columns."""
        akiec, bcc, bkl, df, mel, nv, vasc = self.probabilities
        return Prediction(
            DIAGNOSES[self.called], self.probabilities[self.called], akiec, bcc, bkl, df, mel, nv, vasc,
            self.malignant_probability, self.malignant, self.refer,
        )  # fmt: skip


class Row(NamedTuple):
    """What is known of one input of a scoring run: what the model says of it, or why it says nothing."""

    path: str  # as found; bytes of a name that are no UTF-8 are surrogates, as Python reads file names
    prediction: IndexedPrediction | None  # None if it failed
    reason: str = ""  # a word of errors.IMAGE_FAILURES if it failed
    detail: str = ""  # what went wrong, for a person
    frame: int = 0  # frame of a multi-frame file, from 0
    carried: tuple[str, ...] = ()  # values of the columns carried through from a CSV source
    format: str = ""  # of the file: JPEG, DICOM, ...
    note: str = ""  # what was done to its pixels, or could not be


@dataclass(frozen=True)
class Predictions:
    """What a model says of many images."""

    probabilities: np.ndarray  # (images, 7) float64, calibrated
    called: np.ndarray  # (images,) int64, indices into DIAGNOSES
    malignant: np.ndarray  # (images,) bool, at the operating point
    refer: np.ndarray  # (images,) text: TRUSTED, UNCERTAIN or UNFAMILIAR

    def __len__(self) -> int:
        return len(self.called)

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the diagnosis that is called: (images,)."""
        return np.asarray(np.take_along_axis(self.probabilities, self.called[:, None], axis=1)[:, 0])

    @property
    def malignant_probability(self) -> np.ndarray:
        """The summed probability of the malignant diagnoses: (images,)."""
        return np.asarray(self.probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1))

    def one_by_one(self) -> list[IndexedPrediction]:
        """Image by image, as plain Python values."""
        columns = (self.called, self.malignant, self.refer)
        return [
            IndexedPrediction(tuple(probabilities), *others)
            for probabilities, *others in zip(
                self.probabilities.tolist(), *(column.tolist() for column in columns), strict=True
            )
        ]


@dataclass(frozen=True)
class LabelledPredictions(Predictions):
    """What a model says of many images, beside the truth: all that metrics are computed from."""

    image_ids: np.ndarray  # (images,) text
    lesion_ids: np.ndarray  # (images,) text; images of one lesion are no independent evidence
    labels: np.ndarray  # (images,) int64, indices into DIAGNOSES

    @property
    def is_malignant(self) -> np.ndarray:
        """Whether the true diagnosis is malignant: (images,) bool."""
        return np.isin(self.labels, MALIGNANT_INDICES)

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name, for a file."""
        return dict(self.__dict__)

    def take(self, members: np.ndarray) -> LabelledPredictions:
        """Those of some of the images: members are indices or (images,) bool."""
        return LabelledPredictions(**{name: array[members] for name, array in self.arrays().items()})


def with_labels(
    predictions: Predictions, image_ids: np.ndarray, lesion_ids: np.ndarray, labels: np.ndarray
) -> LabelledPredictions:
    """Put the truth beside what a model says.

    Parameters
    ----------
    predictions : Predictions
        Of the images, in the order of the arrays.
    image_ids, lesion_ids : (images,) text
    labels : (images,) integer indices into `DIAGNOSES`
    """
    return LabelledPredictions(
        predictions.probabilities, predictions.called, predictions.malignant, predictions.refer,
        np.asarray(image_ids, dtype=str), np.asarray(lesion_ids, dtype=str), np.asarray(labels, dtype=np.int64),
    )  # fmt: skip


def read_labelled(arrays: dict[str, np.ndarray] | None) -> LabelledPredictions | None:
    """Read back what `LabelledPredictions.arrays` gave to a file; None stays None. Raises `BundleError` for others."""
    if arrays is None:
        return None
    shapes = {name: array.shape for name, array in arrays.items()}
    images = shapes.get("labels", ())
    expected = {name: images for name in LabelledPredictions.__dataclass_fields__}
    if shapes != expected | {"probabilities": (*images, len(DIAGNOSES))} or len(images) != 1:
        raise BundleError(f"the predictions of the validation part are arrays of {shapes}; train the model again")
    return LabelledPredictions(**arrays)
