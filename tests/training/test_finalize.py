from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lesionflow.datasets.combined import split_data_sets
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.evaluation.result import Evaluation
from lesionflow.images.decode import decode
from lesionflow.model.card import Card, read_card
from lesionflow.training import finalize
from lesionflow.training.config import TrainingConfig
from tests.scoring.conftest import SIDE, write_small_bundle


def test_what_a_gate_may_look_at_is_of_the_validation_part(
    demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test part chooses nothing, and `promote --stability-ceiling` chooses by the card's stability."""

    def export(folder: Path, *_: object, **__: object) -> Card:
        return read_card(write_small_bundle(folder))

    def undrawn(evaluation: Evaluation, *_: object, **__: object) -> Evaluation:
        return evaluation

    monkeypatch.setattr(finalize, "write_bundle", export)
    monkeypatch.setattr(finalize, "draw_evaluation", undrawn)
    images = read_labelled_images(demo_folder)
    split, pixels = split_data_sets(images), np.stack([decode(path, SIDE, SIDE) for path in images.table["path"]])
    examples: Any = SimpleNamespace(split=split, pixels=pixels, labels=images.labels, classes=len(images.label_set))
    fitted: Any = SimpleNamespace(network=None, history=(), best_epoch=1)
    training = finalize.Training(TrainingConfig().resolved("cnn", "quick"), images, examples)
    done = finalize.finalize_model(tmp_path / "bundle", fitted, read_card(write_small_bundle(tmp_path / "a")), training)
    found = done.evaluations["validation"].stability
    assert done.evaluations["test"].stability is None and found is not None
    assert found.metrics() == done.card.metrics["stability"] and found.images == len(split.validation)
    assert f"Of {len(split.validation)} images of {found.lesions} lesions of the validation part" in done.description
