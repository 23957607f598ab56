"""What goes wrong in a fit, in words that name the lever."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec, TypeVar

from lesionflow.errors import LesionflowError, TrainingError
from lesionflow.training.config import TrainingConfig
from lesionflow.training.devices import has_gpu

# Of TensorFlow and PyTorch; JAX has one class for everything, and says in its message which it is, and so does
# PyTorch of memory that is not a GPU's.
_CLASSES = {"ResourceExhaustedError", "OutOfMemoryError"}
_MESSAGES = ("RESOURCE_EXHAUSTED", "DefaultCPUAllocator: can't allocate memory")

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def explain_out_of_memory(
    fit: Callable[Concatenate[TrainingConfig, _Given], _Result],
) -> Callable[Concatenate[TrainingConfig, _Given], _Result]:
    """Have a function of a configuration raise `TrainingError` where memory runs out."""

    @functools.wraps(fit)
    def fit_or_say(config: TrainingConfig, *given: _Given.args, **named: _Given.kwargs) -> _Result:
        try:
            return fit(config, *given, **named)
        except LesionflowError:
            raise
        except Exception as error:
            if not _out_of_memory(error):
                raise
            mixed = ", or use --precision mixed_float16" if has_gpu() and config.precision == "float32" else ""
            raise TrainingError(
                f"out of memory; lower --batch-size ({config.batch_size} now) or --image-size ({config.image_size} "
                f"now){mixed}"
            ) from error

    return fit_or_say


def check_finite(epoch: int, metrics: Mapping[str, float]) -> None:
    """Raise `TrainingError` where a metric of an epoch, counted from 1, is no number."""
    if not all(math.isfinite(value) for value in metrics.values()):
        raise TrainingError(
            f"the loss is no longer a number in epoch {epoch}; train anew with a lower --learning-rate, or with "
            "--precision float32"
        )


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ in _CLASSES:
        return True
    return any(message in str(error) for message in _MESSAGES)
