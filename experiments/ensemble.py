"""Compare the average of several models with its members on validation, and with the best of them.

    python experiments/ensemble.py models:/lesionflow/1 models:/lesionflow/2 ./another-bundle

All need the same data and split. Nothing is trained, and the images are not needed: a bundle contains its model's
predictions for the validation part. The test part is never looked at.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))  # the code beside the script, not another that is installed

from lesionflow.errors import LesionflowError
from lesionflow.evaluation.calibration import fit_calibration
from lesionflow.evaluation.measure import compare, measure
from lesionflow.evaluation.metrics import Difference
from lesionflow.model.decision import decide
from lesionflow.model.prediction import LabelledPredictions, with_labels
from lesionflow.registry.compared_model import find_compared_model, why_not_comparable
from lesionflow.tracking.tracking_store import connect

SHOWN = ("balanced_accuracy", "macro_auc", "sensitivity_mel", "ece")


def average(members: Sequence[LabelledPredictions], prior: np.ndarray) -> LabelledPredictions:
    """The mean of what members say at equal frequencies of the diagnoses, calibrated as a bundle is; prior: (7,)."""
    first = members[0]
    said = np.mean([equal_frequencies(member.probabilities, prior) for member in members], axis=0)  # (images, 7)
    logits, nowhere = np.log(said), np.full(len(said), np.nan)  # no distances: who is referred is not asked here
    calibration = fit_calibration((logits, nowhere), first.labels, np.full_like(prior, 1 / len(prior)), prior)
    decided = decide(logits, nowhere, calibration, tuple(prior))
    return with_labels(decided, first.image_ids, first.lesion_ids, first.labels)


def equal_frequencies(probabilities: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Probabilities as they were if all diagnoses were equally frequent: both (images, 7)."""
    weighted = probabilities / prior
    return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="models:/NAME/VERSION or a bundle's folder")
    parser.add_argument("--tracking-uri", help="MLflow's store")
    options = parser.parse_args()
    connect(options.tracking_uri, writes=True)
    contenders = [find_compared_model(model) for model in options.models]
    for other in contenders[1:]:
        if why := why_not_comparable(contenders[0], other):
            raise LesionflowError(why)
    members = [contender.validation for contender in contenders if contender.validation is not None]
    mean = average(members, np.asarray(contenders[0].card.prior))
    print(f"| model | {' | '.join(SHOWN)} |")
    print("| --- " * (1 + len(SHOWN)) + "|")
    measured = [measure(said) for said in (*members, mean)]
    labels = [f"{each.label} ({each.card.network})" for each in contenders] + ["their average"]
    for label, metrics in zip(labels, measured, strict=True):
        cells = (f"{metrics[name].value:.3f} ({metrics[name].low:.3f}–{metrics[name].high:.3f})" for name in SHOWN)
        print(f"| {label} | {' | '.join(cells)} |")
    best = max(range(len(members)), key=lambda place: measured[place]["balanced_accuracy"].value)
    print(f"\nThe average minus {labels[best]}, on the same lesions:")
    for name, difference in compare(mean, members[best], SHOWN).items():
        print(f"  {told(name, difference)}")


def told(name: str, difference: Difference) -> str:
    """A difference in words."""
    interval = f"{difference.low:+.3f} to {difference.high:+.3f}"
    return f"{name}: {difference.value:+.3f} ({interval}), better with probability {difference.probability_better:.2f}"


if __name__ == "__main__":
    main()
