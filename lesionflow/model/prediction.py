"""What scoring knows of one input, from the engine to every kind of report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lesionflow.model.decision import Predictions


class Prediction(NamedTuple):
    """What a bundle says of one image: `Predictions`, for one."""

    probabilities: tuple[float, ...]  # (7,) in the order of DIAGNOSES, float64, calibrated
    called: int  # index into DIAGNOSES: the most probable one if all seven were equally frequent
    malignant: bool  # at the bundle's operating point
    refer: str  # TRUSTED, UNCERTAIN or UNFAMILIAR of `bundle.decision`


@dataclass(frozen=True)
class Row:
    """What is known of one input: the decision, or why there is none."""

    path: str  # as found; bytes of a name that are no UTF-8 are surrogates, as Python reads file names
    decision: Prediction | None  # None if it failed
    reason: str = ""  # a word of errors.IMAGE_FAILURES if it failed
    detail: str = ""  # what went wrong, for a person
    frame: int = 0  # frame of a multi-frame file, from 0
    carried: tuple[str, ...] = ()  # values of the columns carried through from a CSV source


def one_by_one(said: Predictions) -> list[Prediction]:
    """The decisions of a batch, image by image, as plain Python values."""
    probabilities = map(tuple, said.probabilities.tolist())
    return [
        Prediction(*each)
        for each in zip(probabilities, said.called.tolist(), said.malignant.tolist(), said.refer.tolist(), strict=True)
    ]
