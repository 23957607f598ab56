"""Nights of made-up images: reports as `score` writes them, with truth that agrees with their probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lesionflow.model.prediction import Row
from lesionflow.scoring.report import ReportLayout
from tests.evaluation.made_up import made_up
from tests.scoring.write_report import write_report

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def write_night(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Give a function that writes the report of a night of about `lesions` x 2.5 images."""
    folder = tmp_path_factory.mktemp("nights")

    def write(
        name: str, seed: int, lesions: int = 200, doubt: float = 0, unfamiliar: float = 0.01, failed: int = 0,
        model: str = "lesions/3",
    ) -> Path:  # fmt: skip
        said = made_up(lesions=lesions, seed=seed)
        said = dataclasses.replace(said, probabilities=(1 - doubt) * said.probabilities + doubt / 7)
        strange = np.random.default_rng(seed).random(len(said)) < unfamiliar
        said.refer[strange] = "unfamiliar"
        rows = [
            Row(f"{name}/{image}.jpg", prediction, carried=(lesion,))
            for image, lesion, prediction in zip(said.image_ids, said.lesion_ids, said.one_by_one(), strict=True)
        ]
        rows += [Row(f"{name}/broken{i}.jpg", None, "empty", "no bytes", carried=("",)) for i in range(failed)]
        write_report(rows, folder / f"{name}.csv", ReportLayout(model, carried_columns=("lesion_id",)), overwrite=True)
        return folder / f"{name}.csv"

    return write


@pytest.fixture(scope="session")
def normal_nights(write_night: Write) -> list[Path]:
    """Eight nights that differ by chance alone."""
    return [write_night(f"night{number}", number) for number in range(8)]
