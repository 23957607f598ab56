"""Score: model -> images -> report, a row for every image found."""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from lesionflow.data.files import find_images
from lesionflow.diagnoses import DIAGNOSES, MALIGNANT
from lesionflow.errors import ImageError
from lesionflow.registry.versions import CHAMPION, DEFAULT_NAME, resolve
from lesionflow.scoring.local import score_images
from lesionflow.scoring.predictor import load_predictor
from lesionflow.scoring.report import open_report

DEFAULT_MODEL = f"models:/{DEFAULT_NAME}@{CHAMPION}"


@dataclass(frozen=True)
class Summary:
    """What a scoring run came to."""

    model: str
    report: Path
    diagnoses: dict[str, int]  # images by most probable diagnosis, in the order of `DIAGNOSES`
    failures: dict[str, int]  # images by word of `IMAGE_FAILURES`
    seconds: float  # from the first image read to the report's last row

    @property
    def scored(self) -> int:
        """Images with probabilities."""
        return sum(self.diagnoses.values())

    @property
    def failed(self) -> int:
        """Images with an error."""
        return sum(self.failures.values())

    @property
    def malignant_share(self) -> float:
        """The share of scored images whose most probable diagnosis is malignant; 0 without images."""
        return sum(self.diagnoses[dx] for dx in MALIGNANT) / self.scored if self.scored else 0.0


def score(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    model: str = DEFAULT_MODEL,
    *,
    overwrite: bool = False,
    batch_size: int = 32,
    workers: int | None = None,
    console: Console | None = None,
) -> Summary:
    """Score a folder of images, or one image, into a CSV report whose columns are `scoring.report.COLUMNS`.

    Raises a `LesionflowError` where nothing can be scored or the report cannot be written; images that cannot be read
    are rows of the report and counted in the summary.
    """
    console = console or Console(stderr=True)
    paths = find_images(source)
    diagnoses, failures = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="lesionflow-model-") as folder:
        resolved = resolve(model, Path(folder))
        predictor = load_predictor(resolved.folder)
        started = time.monotonic()
        with open_report(Path(out), resolved.label, overwrite) as report:
            for path, result in track(
                score_images(predictor, paths, batch_size, workers), "scoring", len(paths), console=console,
                transient=True, disable=not console.is_terminal,
            ):  # fmt: skip
                if isinstance(result, ImageError):
                    report.failed(path, result)
                    failures[result.reason] += 1
                else:
                    report.scored(path, result)
                    diagnoses[DIAGNOSES[int(result.argmax())]] += 1
    return Summary(
        resolved.label,
        Path(out),
        {dx: diagnoses[dx] for dx in DIAGNOSES},
        dict(sorted(failures.items())),
        time.monotonic() - started,
    )
