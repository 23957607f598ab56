"""Predictions of a model: for one image, for many, and for many with their labels."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import BundleError

TRUSTED, UNCERTAIN, UNFAMILIAR = "no", "uncertain", "unfamiliar"  # whether a person should look, and why


class _Named:
    """Base of the predictions of all label sets; each set has its own dataclass with the fields."""

    error: str | None
    _names = HAM10000.names

    @property
    def probabilities(self) -> dict[str, float]:
        """The probability of each diagnosis, by its short name; empty where there is an error."""
        if self.error is not None:
            return {}
        return {name: getattr(self, f"p_{name}") for name in self._names}


@dataclass(frozen=True)
class Prediction(_Named):
    """A model's prediction for one image, with the report's columns as fields.

    Where the image could not be read, `error` says why, as in the report, and all else is None.
    `pandas.DataFrame(model.predict(images))` is a table of them. These are the fields of a model of HAM10000's seven
    diagnoses; one of another label set has a `p_<name>` for each of its own, and `probabilities` has them for any set.
    """

    diagnosis: str | None = None  # that is called, not always the most probable one: see `model.decision`
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


def prediction_class(labels: LabelSet) -> Any:
    """`Prediction`, or for another label set than the seven a class like it, with a field for each of its diagnoses."""
    return Prediction if labels.names == HAM10000.names else _prediction_class(labels.names)


@lru_cache
def _prediction_class(names: tuple[str, ...]) -> Any:
    said = ("diagnosis", "probability", *probability_columns(names), "malignant", "refer", "error")
    fields = [(name, Any, field(default=None)) for name in said]
    inherited: dict[str, Any] = {"_names": names, "__doc__": Prediction.__doc__, "__module__": __name__}
    # How `pickle` finds a class again that is made when it is needed.
    inherited["__reduce__"] = lambda said: (_named, (said._names, tuple(vars(said).values())))
    return make_dataclass("Prediction", fields, bases=(_Named,), namespace=inherited, frozen=True)


def _named(names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    return _prediction_class(names)(*values)


def probability_columns(names: tuple[str, ...]) -> tuple[str, ...]:
    """The columns of probabilities in a report: one a diagnosis, and last their sum over the malignant ones.

    A diagnosis called malignant is that sum itself.
    """
    return tuple(f"p_{name}" for name in names if name != "malignant") + ("p_malignant",)


class IndexedPrediction(NamedTuple):
    """A model's prediction for one image, as indices into its label set: one row of `Predictions`."""

    probabilities: tuple[float, ...]  # (classes,) in the order of the label set, float64, calibrated
    called: int  # the diagnosis called, not always the most probable one
    malignant: bool  # at the bundle's operating point
    refer: str  # TRUSTED, UNCERTAIN or UNFAMILIAR
    labels: LabelSet = HAM10000

    def __repr__(self) -> str:  # without the hundreds of words of the label set
        told = f"called={self.labels.names[self.called]!r}, malignant={self.malignant}, refer={self.refer!r}"
        return f"{type(self).__name__}({told}, probabilities={self.probabilities})"

    @property
    def malignant_probability(self) -> float:
        """The summed probability of the malignant diagnoses."""
        total = 0.0
        for index in self.labels.malignant_indices:  # `sum` adds otherwise from Python 3.12 on
            total += self.probabilities[index]
        return total

    def by_name(self) -> Prediction:
        """The same as a `Prediction`, with the report's columns as fields."""
        names, probabilities = self.labels.names, self.probabilities
        own = [chance for name, chance in zip(names, probabilities, strict=True) if name != "malignant"]
        said: Prediction = prediction_class(self.labels)(
            names[self.called], probabilities[self.called], *own,
            self.malignant_probability, self.malignant, self.refer,
        )  # fmt: skip
        return said


class Row(NamedTuple):
    """The result for one input of a scoring run: a prediction or an error."""

    path: str  # as found; bytes of a name that are no UTF-8 are surrogates, as Python reads file names
    prediction: IndexedPrediction | None  # None if it failed
    reason: str = ""  # a word of errors.IMAGE_FAILURES if it failed
    detail: str = ""  # what went wrong, for a person
    frame: int = 0  # frame of a multi-frame file, from 0
    carried: tuple[str, ...] = ()  # values of the columns carried through from a CSV source
    format: str = ""  # of the file: JPEG, DICOM, ...
    note: str = ""  # what was done to its pixels, or could not be
    also: IndexedPrediction | None = None  # what a second model says, where one was asked

    @property
    def disagrees(self) -> bool:
        """Whether a second model's call or malignant flag differs."""
        if self.prediction is None or self.also is None:
            return False
        return (self.also.called, self.also.malignant) != (self.prediction.called, self.prediction.malignant)


def confidence_of(probabilities: np.ndarray, called: np.ndarray) -> np.ndarray:
    """The probability of the diagnosis that is called: (images,) of (images, classes)."""
    return np.asarray(np.take_along_axis(probabilities, called[:, None], axis=1)[:, 0])


@dataclass(frozen=True)
class Predictions:
    """A model's predictions for many images."""

    probabilities: np.ndarray  # (images, classes) float64, calibrated
    called: np.ndarray  # (images,) int64, indices into the label set
    malignant: np.ndarray  # (images,) bool, at the operating point
    refer: np.ndarray  # (images,) text: TRUSTED, UNCERTAIN or UNFAMILIAR
    label_set: LabelSet = field(default=HAM10000, kw_only=True)

    def __len__(self) -> int:
        return len(self.called)

    @property
    def confidence(self) -> np.ndarray:
        """The probability of the diagnosis that is called: (images,)."""
        return confidence_of(self.probabilities, self.called)

    @property
    def malignant_probability(self) -> np.ndarray:
        """The summed probability of the malignant diagnoses: (images,)."""
        return np.asarray(self.probabilities[:, list(self.label_set.malignant_indices)].sum(axis=1))

    def one_by_one(self) -> list[IndexedPrediction]:
        """Image by image, as plain Python values."""
        columns = (self.called, self.malignant, self.refer)
        return [
            IndexedPrediction(tuple(probabilities), called, malignant, refer, self.label_set)
            for probabilities, called, malignant, refer in zip(
                self.probabilities.tolist(), *(column.tolist() for column in columns), strict=True
            )
        ]


@dataclass(frozen=True)
class LabelledPredictions(Predictions):
    """A model's predictions for many images, with their labels: the input of all metrics."""

    image_ids: np.ndarray  # (images,) text
    lesion_ids: np.ndarray  # (images,) text; images of one lesion are no independent evidence
    labels: np.ndarray  # (images,) int64, indices into the label set

    @property
    def is_malignant(self) -> np.ndarray:
        """Whether the true diagnosis is malignant: (images,) bool."""
        return np.isin(self.labels, self.label_set.malignant_indices)

    def arrays(self) -> dict[str, np.ndarray]:
        """Every array by name, for a file."""
        return {name: array for name, array in self.__dict__.items() if name != "label_set"}

    def take(self, members: np.ndarray) -> LabelledPredictions:
        """The predictions for some of the images: members are indices or (images,) bool."""
        some = {name: array[members] for name, array in self.arrays().items()}
        return LabelledPredictions(**some, label_set=self.label_set)


def with_labels(
    predictions: Predictions, image_ids: np.ndarray, lesion_ids: np.ndarray, labels: np.ndarray
) -> LabelledPredictions:
    """Combine predictions with the labels.

    Parameters
    ----------
    predictions : Predictions
        One for each image, in the order of the arrays.
    image_ids, lesion_ids : (images,) text
    labels : (images,) integer indices into the label set of the predictions
    """
    return LabelledPredictions(
        predictions.probabilities, predictions.called, predictions.malignant, predictions.refer,
        np.asarray(image_ids, dtype=str), np.asarray(lesion_ids, dtype=str), np.asarray(labels, dtype=np.int64),
        label_set=predictions.label_set,
    )  # fmt: skip


def read_labelled(arrays: dict[str, np.ndarray] | None, label_set: LabelSet = HAM10000) -> LabelledPredictions | None:
    """Read back what `LabelledPredictions.arrays` gave to a file; None stays None. Raises `BundleError` for others."""
    if arrays is None:
        return None
    shapes = {name: array.shape for name, array in arrays.items()}
    images = shapes.get("labels", ())
    expected = {name: images for name in LabelledPredictions.__dataclass_fields__ if name != "label_set"}
    if shapes != expected | {"probabilities": (*images, len(label_set))} or len(images) != 1:
        raise BundleError(f"the predictions of the validation part are arrays of {shapes}; train the model again")
    return LabelledPredictions(**arrays, label_set=label_set)
