"""Compare ways to pool the images of a lesion, on lesions of HAM10000 that a model was not trained on.

    python experiments/pooling.py MODEL /path/to/HAM10000

The split is that of training: each source is split on its own, by lesion. The default is chosen on validation; test is
printed beside it. Calls of other strengths (`--call`) are measured on all images of each part.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from lesionflow.datasets.combined import split_data_sets
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.evaluation.call_strength import call_strengths
from lesionflow.evaluation.leaks import find_leak
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.metrics import with_interval
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.model.card import TRAINED_ON_FILE
from lesionflow.model.decision import POOLS, called_diagnoses, pool_probabilities
from lesionflow.model.files import read_arrays
from lesionflow.model.prediction import LabelledPredictions, with_labels
from lesionflow.model.predictor import Predictor, load_predictor
from lesionflow.registry.versions import SCORING_FILES, resolve

SHOWN = (
    "balanced_accuracy",
    "accuracy",
    "sensitivity_mel",
    "malignant_auc",
    "malignant_sensitivity",
    "ece",
    "log_loss",
)


def main() -> None:
    """Print a table of each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        resolved = resolve(options.model, Path(folder), None, (*SCORING_FILES, TRAINED_ON_FILE))
        predictor = load_predictor(resolved.folder, threads=1)
        known = read_arrays(resolved.folder, predictor.card, TRAINED_ON_FILE)
    images, card = read_labelled_images(options.data, options.cache), predictor.card
    split = split_data_sets(images, card.split_fractions, card.split_seed)
    pixels = decoded_pixels(*images.files, card.height, card.width, options.cache)
    for part in ("validation", "test"):
        members = split.part(part)
        leak = 0 if known is None else find_leak(known, images.table.iloc[members]).images
        table = images.table.iloc[members]
        said = with_labels(
            predictor.predict_many(pixels, members), table["image_id"].to_numpy(), table["lesion_id"].to_numpy(),
            images.labels[members],
        )  # fmt: skip
        print(f"\n{part}: {len(members)} images, {leak} of lesions that the model was trained on")
        for each in call_strengths(said, card.prior):
            values = map(with_interval, (each.balanced_accuracy, each.accuracy, each.sensitivity))
            print("|", " | ".join([f"{each.strength:g}", *values]), "|")
        _print_pools(said, predictor)


def _print_pools(said: LabelledPredictions, predictor: Predictor) -> None:
    lesions, lesion_of, counts = np.unique(said.lesion_ids, return_inverse=True, return_counts=True)
    several = said.take(counts[lesion_of] > 1)
    names, group_of, sizes = np.unique(several.lesion_ids, return_inverse=True, return_counts=True)
    print(f"{len(names)} lesions with several images ({len(several)}), {len(lesions)} in all; {', '.join(SHOWN)}")
    _print_row("each image", several)
    firsts = np.unique(group_of, return_index=True)[1]
    _print_row("the first image", several.take(firsts))
    prior, calibration = predictor.card.prior, predictor.calibration
    for pool in POOLS:
        indices = said.label_set.malignant_indices
        pooled = pool_probabilities(several.probabilities, group_of, len(names), pool, indices)
        one = several.take(firsts)
        malignant = pooled[:, list(indices)].sum(axis=1) >= calibration.malignant_threshold
        called = called_diagnoses(pooled, prior, calibration.call_strength)
        _print_row(pool, dataclasses.replace(one, probabilities=pooled, called=called, malignant=malignant))
    assert sizes.min() > 1


def _print_row(name: str, said: LabelledPredictions) -> None:
    found = measure(said)
    print("|", " | ".join([name, *(with_interval(found.get(metric)) for metric in SHOWN)]), "|")


if __name__ == "__main__":
    main()
