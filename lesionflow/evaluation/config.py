"""Options of `lesionflow evaluate` and `explain`; the command line is made from their fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from lesionflow.datasets.label_words import diagnoses_option, labels_option
from lesionflow.datasets.split import PARTS
from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.stability import USUAL_IMAGES
from lesionflow.model.decision import pool_option
from lesionflow.options import FILES, Config, option

PICTURES = "Pictures"  # what help lists options under


@dataclass(frozen=True)
class EvaluationConfig(Config):
    """How to evaluate. Values out of range raise `UsageError` before any work starts."""

    part: str | None = option(
        None, "Part of the model's own split.", kind=str, choices=(*PARTS, "all"),
        unset="test on the data it was trained on, otherwise all",
    )  # fmt: skip
    diagnoses: str | None = diagnoses_option(None, unset="the model's")
    mapping: str | None = option(
        None,
        "YAML file that maps the model's diagnoses to those of the data, or vice versa.",
        kind=str, metavar="FILE", completes=(FILES,), unset="by their words, and benign or malignant",
    )  # fmt: skip
    labels: str | None = labels_option(None)
    group_by: str | None = option(
        None, "Measure lesions instead of images, with one prediction from all images of each.", kind=str,
        choices=("lesion_id",), unset="each image",
    )  # fmt: skip
    pool: str = pool_option()
    tta: bool = option(False, "Average over the eight flips and quarter turns of each image.")
    resamples: int = option(2000, "Bootstrap resamples behind the intervals.", low=100, high=100_000)
    stability: int | None = option(
        None,
        "Number of images to score again after harmless changes, such as mirroring; 0: none.",
        kind=int, low=0, high=1_000_000,
        unset=f"{USUAL_IMAGES} where a page is written or a run logged, else 0",
    )  # fmt: skip
    overwrite: bool = option(False, "Replace files of an earlier evaluation in the folder.")
    log: bool = option(False, "Log the evaluation as a run in MLflow as well.", group="MLflow")
    experiment: str = option(
        "lesionflow", "MLflow experiment of that run.", group="MLflow", variable="MLFLOW_EXPERIMENT_NAME",
        metavar="NAME",
    )  # fmt: skip

    def parameters(self) -> dict[str, object]:
        """The options that change what is measured, given or by default, as parameters of a run."""
        others = {"overwrite", "log", "experiment", *(() if self.group_by else ("pool",))}
        values = dataclasses.asdict(self).items()
        return {name: value for name, value in values if name not in others and value not in (None, "")}


@dataclass(frozen=True)
class ExplanationConfig(Config):
    """How to explain images. Values out of range raise `UsageError` before any work starts."""

    target: str | None = option(
        None, "Short name of the diagnosis to explain.", kind=str, unset="the one that is called", group=PICTURES,
        completes=HAM10000.names, metavar="NAME",
    )  # fmt: skip
    overwrite: bool = option(False, "Replace existing pictures.", group=PICTURES)
    resume: bool = option(
        False, "Resume an interrupted run: what it drew of the same file, model and --target is kept.", group=PICTURES
    )
