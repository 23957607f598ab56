"""Options of `lesionflow export`; the command line is made from their fields."""

from __future__ import annotations

from dataclasses import dataclass

from lesionflow.errors import UsageError
from lesionflow.options import FILES, FOLDERS, Config, option

BUNDLE, HUB = "bundle", "hub"
ONNX, LITERT, OPENVINO, TORCH = RUNTIMES = ("onnx", "litert", "openvino", "torch")
FLOAT32, FLOAT16, INT8 = PRECISIONS = ("float32", "float16", "int8")
# By precision, the largest difference of a probability from the bundle's and the largest share of calls that differ.
# Rounding in another order moves a probability by some 0.000001.
PARITY_LIMITS = {FLOAT32: (0.001, 0.0), FLOAT16: (0.02, 0.02), INT8: (0.4, 0.15)}
_OTHER = "; ".join(f"{PARITY_LIMITS[name][0]:g} in {name}" for name in (FLOAT16, INT8))
_OTHER_CALLS = "; ".join(f"{PARITY_LIMITS[name][1]:g} in {name}" for name in (FLOAT16, INT8))


@dataclass(frozen=True)
class ExportConfig(Config):
    """How to export. Values that do not go together raise `UsageError` before any work starts."""

    format: str = option(
        BUNDLE, "What to write: a bundle, a file for another runtime, or a folder for the Hugging Face hub.",
        choices=(BUNDLE, *RUNTIMES, HUB),
    )  # fmt: skip
    precision: str = option(
        FLOAT32, "Precision of the file; the cost of float16 and int8 is measured on --data.", choices=PRECISIONS,
        group="Runtimes",
    )  # fmt: skip
    data: str | None = option(
        None, "Labelled images for measuring the cost of the precision and calibrating int8.",
        kind=str, metavar="DATA", completes=(FOLDERS,), unset="none; needed for float16 and int8", group="Runtimes",
    )  # fmt: skip
    images: str | None = option(
        None, "Images for comparing the file with the bundle; anything that 'lesionflow score' takes; of more "
        "than 200, 200 spaced evenly over the list.", kind=str,
        metavar="IMAGES", completes=(FOLDERS, FILES), unset="those of --data, otherwise synthetic images",
        group="Runtimes",
    )  # fmt: skip
    max_difference: float | None = option(
        None, "Largest difference of a probability from the bundle's; above it, nothing is written.", kind=float,
        low=0, high=1, unset=f"{PARITY_LIMITS[FLOAT32][0]:g}; {_OTHER}", group="Runtimes",
    )  # fmt: skip
    max_changed_calls: float | None = option(
        None, "Largest share of calls that differ from the bundle's; above it, nothing is written.", kind=float,
        low=0, high=1, unset=f"{PARITY_LIMITS[FLOAT32][1]:g}; {_OTHER_CALLS}", group="Runtimes",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format not in RUNTIMES:
            if given := self.given("data", "images", "max_difference", "max_changed_calls"):
                raise UsageError(f"{given[0]}: only for --format {', '.join(RUNTIMES)}; leave it out")
            if self.precision != FLOAT32:
                raise UsageError(f"--precision {self.precision}: only for --format {', '.join(RUNTIMES)}; leave it out")
        if self.format == TORCH and self.precision != FLOAT32:
            raise UsageError(f"--precision {self.precision}: PyTorch files are float32 only; leave it out")
        if self.precision != FLOAT32 and self.data is None:
            raise UsageError(
                f"--precision {self.precision}: name labelled images with --data; what it costs is measured on them"
            )

    @property
    def limits(self) -> tuple[float, float]:
        """The largest difference of a probability, and the largest share of calls that differ."""
        difference, calls = PARITY_LIMITS[self.precision]
        return (
            difference if self.max_difference is None else self.max_difference,
            calls if self.max_changed_calls is None else self.max_changed_calls,
        )
