"""What scoring knows of one input, from the engine to every kind of report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """What is known of one input: probabilities, or why there are none."""

    path: str  # as found; bytes of a name that are no UTF-8 are surrogates, as Python reads file names
    probabilities: tuple[float, ...] | None  # (7,) in the order of DIAGNOSES, float64; None if it failed
    reason: str = ""  # a word of errors.IMAGE_FAILURES if it failed
    detail: str = ""  # what went wrong, for a person
    frame: int = 0  # frame of a multi-frame file, from 0
    carried: tuple[str, ...] = ()  # values of the columns carried through from a CSV source
