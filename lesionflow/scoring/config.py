"""Options of scoring; the command line is made from their fields."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from lesionflow.errors import DataError, UsageError, counted
from lesionflow.model.columns import ON_REQUEST, report_columns
from lesionflow.model.decision import pool_option
from lesionflow.options import FOLDERS, MODELS, Config, option
from lesionflow.scoring.review_sample import BY_BOTH, CHOSEN_BY
from lesionflow.storage.location import Location, parse_location

DEVICES = ("auto", "cpu", "cuda")
ISIC = "isic"
CSV, PARQUET, JSONL = OF_ENDINGS = ("csv", "parquet", "jsonl")  # formats of reports that end in their names
REPORT_FORMATS = (*OF_ENDINGS, ISIC)
AS_PRIOR, OMITTED = "prior", "omit"
LOCAL, RAY = "local", "ray"
ENGINES = (LOCAL, RAY)
# What help lists the options under.
REPORT, FAILURES, IMAGES = "Report", "Failures and interruptions", "Images and model"
REVIEW = "Review"
SPEED, MACHINES, MLFLOW = "Speed", "Several machines", "MLflow"


@dataclass(frozen=True)
class ShardRange:
    """The part of one of several processes in a job: every `of`-th shard."""

    number: int  # from 1
    of: int

    def shards(self, all_shards: range) -> range:
        """Return the shards of the job that belong to this part."""
        return all_shards[self.number - 1 :: self.of]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class ReportConfig(Config):
    """What to write for a finished job. Values out of range raise `UsageError` before any work starts."""

    format: str | None = option(
        None, "Format of the report.", kind=str, choices=REPORT_FORMATS, unset="by the ending of --out", group=REPORT
    )
    columns: str | None = option(
        None, "Columns of the report, separated by commas.", kind=str, unset="all", group=REPORT,
        completes=(*report_columns(), *ON_REQUEST), several=True, metavar="NAMES",
    )  # fmt: skip
    top_k: int | None = option(
        None, "Add the N most probable diagnoses; the first may differ from the call.", kind=int, low=1, high=1000,
        group=REPORT,
    )  # fmt: skip
    html: Location | None = option(  # noqa: RUF009
        None, "Also write a page with a sortable table and thumbnails.", kind=Location, group=REPORT, metavar="FILE"
    )
    summary: Location | None = option(  # noqa: RUF009
        None, "Also write counts, failures and provenance as JSON.", kind=Location, group=REPORT, metavar="FILE"
    )
    overwrite: bool = option(False, "Replace the report if it exists.", group=REPORT)
    group_by: str | None = option(
        None, "One row per value of a carried-through column, such as lesion_id.", kind=str,
        unset="one row per image", group=REPORT, metavar="COLUMN",
    )  # fmt: skip
    pool: str = pool_option(group=REPORT)
    rank_by: str | None = option(
        None, "Add the rank by malignant probability among rows with the same value of a carried-through column, such "
        "as patient_id.", kind=str, unset="no such column", group=REPORT, metavar="COLUMN",
    )  # fmt: skip
    sample: int | None = option(
        None, "Write a list of N scored images to review, with the chance of each to be drawn.", kind=int, low=1,
        high=1_000_000, unset="no list", group=REVIEW,
    )  # fmt: skip
    by: str = option(
        BY_BOTH,
        "How --sample draws: in proportion to the model's uncertainty, all with the same chance, or the mean of both.",
        choices=CHOSEN_BY, group=REVIEW, needs="--sample N",
    )  # fmt: skip
    sample_out: Location | None = option(  # noqa: RUF009
        None, "File for the list, a CSV for 'lesionflow evaluate --sampled'.", kind=Location,
        unset="OUT with -sample.csv in place of its ending", group=REVIEW, metavar="FILE", needs="--sample N",
    )  # fmt: skip
    sample_seed: int = option(
        0, "Seed for drawing the images.", low=0, high=2**31 - 1, group=REVIEW, needs="--sample N"
    )
    on_error: str = option(
        "row", "Whether an unreadable image is an error row or fails the run.", choices=("row", "fail"), group=FAILURES
    )
    max_failures: str | None = option(
        None, "Stop if more than N images, or than P%, fail.", kind=str, unset="never stop", group=FAILURES,
        metavar="N|P%",
    )  # fmt: skip
    failed_as: str | None = option(
        None, "With --format isic, whose scorer needs every image: give a failed one the shares of the diagnoses in "
        "training, or leave it out.", kind=str, choices=(AS_PRIOR, OMITTED),
        unset="refuse to write the report, and keep finished work", group=FAILURES,
    )  # fmt: skip
    log: bool = option(
        False, "Log the job as an MLflow run, in the experiment NAME/scoring of a registered model NAME, else in "
        "lesionflow/scoring.", group=MLFLOW,
    )  # fmt: skip
    log_report: bool = option(
        False, "With --log, keep the report among the run's artifacts.", group=MLFLOW, needs="--log"
    )
    quiet: bool = option(False, "Print errors and warnings only.", group=REPORT)

    def __post_init__(self) -> None:
        # As programs may give them: a location as text, a number of images as a number.
        for name in ("html", "summary", "sample_out"):
            if isinstance(value := getattr(self, name), str):
                object.__setattr__(self, name, parse_location(value))
        most: Any = self.max_failures
        if type(most) is int:
            object.__setattr__(self, "max_failures", str(most))
        super().__post_init__()
        if self.on_error == "fail" and self.max_failures is not None:
            raise UsageError("--max-failures: --on-error fail allows none; leave one of the two out")
        self.failures_allowed(0)

    @property
    def column_names(self) -> tuple[str, ...] | None:
        """The selected columns; None for the default ones."""
        return None if self.columns is None else tuple(name.strip() for name in self.columns.split(","))

    def failures_allowed(self, images: int) -> int | None:
        """How many of `images` may fail before the run stops; None for all."""
        if self.on_error == "fail":
            return 0
        if self.max_failures is None:
            return None
        limit = str(self.max_failures)
        if re.fullmatch(r"[0-9]+", limit):
            return int(limit)
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", limit) and float(limit[:-1]) <= 100:
            return int(images * float(limit[:-1]) / 100)
        raise UsageError(f"--max-failures {limit}: write a number of images, or a share such as 5%")

    def stop_if_too_many(self, failed: int, images: int, example: str = "") -> None:
        """Raise `DataError` if too many images failed; example: one of them, with its error."""
        allowed = self.failures_allowed(images)
        if allowed is None or failed <= allowed:
            return
        which = f" ({example})" if example else ""
        otherwise = "leave out --on-error fail" if self.on_error == "fail" else "raise --max-failures"
        raise DataError(
            f"{counted(failed, 'image', of=images)} failed{which}, but at most {allowed} may; repair the images, or "
            f"{otherwise}"
        )


@dataclass(frozen=True)
class ScoringConfig(ReportConfig):
    """How to score and what to write. Values out of range raise `UsageError` before any work starts."""

    overwrite: bool = option(
        False, "Replace the report if it exists, and restart unfinished work unless --resume continues it.",
        group=REPORT,
    )  # fmt: skip
    resume: bool = option(False, "Resume an interrupted run.", group=FAILURES)
    recursive: bool = option(True, "Include subfolders of a folder.", group=IMAGES)
    pattern: str | None = option(
        None, "Names of files to take from a folder, such as '*.png'.", kind=str, unset="by content", group=IMAGES
    )
    also: str | None = option(
        None,
        "A second model for the same images, such as models:/NAME@challenger; its columns begin with also_.",
        kind=str, unset="one model", group=IMAGES, metavar="MODEL", completes=(FOLDERS, "pretrained", MODELS),
    )  # fmt: skip
    tta: bool = option(False, "Average over the eight flips and quarter turns; several times slower.", group=IMAGES)
    device: str = option("auto", "Where the network runs.", choices=DEVICES, group=SPEED)
    batch_size: int | None = option(
        None, "Images in one batch.", kind=int, low=1, high=65_536, unset="16, or 64 with cuda", group=SPEED
    )
    workers: int | None = option(
        None, "Threads that decode and infer.", kind=int, low=1, high=1024, unset="two per core", group=SPEED
    )
    shard_size: int = option(
        512, "Images per shard, the unit of work that --resume continues with.", low=1, high=1_000_000, group=SPEED
    )
    shard: str | None = option(
        None, "Score only part I of N, as in 3/8; merge the parts with 'lesionflow merge'.", kind=str,
        unset="all images", group=MACHINES, metavar="I/N",
    )  # fmt: skip
    engine: str = option(
        LOCAL,
        "Where images are scored: on this machine, or on a Ray cluster (extra 'ray').",
        choices=ENGINES,
        group=MACHINES,
    )
    ray_address: str | None = option(
        None, "HOST:PORT of the cluster, 'auto' for the one this machine belongs to, or 'local' for one of its own.",
        kind=str, unset="RAY_ADDRESS, or auto", group=MACHINES, metavar="ADDRESS",
    )  # fmt: skip
    cpus_per_task: int | None = option(
        None, "Cores of a Ray task.", kind=int, low=1, high=1024, unset="1", group=MACHINES
    )
    gpus_per_task: float | None = option(
        None, "GPUs of a Ray task; several tasks can share one.", kind=float, low=0, high=64, unset="none",
        group=MACHINES,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard_range is not None:  # which refuses a text that names none
            for_merge = self.given(
                "columns", "failed_as", "format", "group_by", "html", "rank_by", "sample", "summary", "top_k"
            )
            if for_merge:
                raise UsageError(f"{for_merge[0]}: give it to 'lesionflow merge', not to one --shard")
            if self.log:
                raise UsageError("--log: give it to 'lesionflow merge', not to one --shard: a job is one run")
            if self.overwrite:
                raise UsageError("--overwrite with --shard would remove what other parts have done; leave it out")
        if self.engine != RAY and (given := self.given("ray_address", "cpus_per_task", "gpus_per_task")):
            raise UsageError(f"{given[0]} is for --engine ray; add that, or leave it out")
        if self.engine == RAY and self.device == "cuda" and not self.gpus_per_task:
            raise UsageError("--device cuda: a Ray task has no GPU unless it asks for one; add --gpus-per-task 1")
        if self.device == "cpu" and self.gpus_per_task:
            raise UsageError("--gpus-per-task: --device cpu leaves GPUs idle; leave one of the two out")

    @property
    def shard_range(self) -> ShardRange | None:
        """The part of the job that this process is to do; None for the whole job."""
        if self.shard is None:
            return None
        matched = re.fullmatch(r"([0-9]{1,5})/([0-9]{1,5})", self.shard)
        if not matched or not 1 <= int(matched[1]) <= int(matched[2]):
            wrong = ""
            if matched:
                no_part = f"; there is no part {matched[1]} of {matched[2]}"
                wrong = no_part if int(matched[1]) else "; parts count from 1"
            raise UsageError(f"--shard {self.shard}: write the number of the part and of all parts, as in 3/8{wrong}")
        return ShardRange(int(matched[1]), int(matched[2]))
