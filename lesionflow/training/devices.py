"""What the machine offers: whether there is a GPU, and the number format that suits it."""

from __future__ import annotations

import keras

from lesionflow.training.presets import AUTO


def has_gpu() -> bool:
    """Whether Keras's backend sees a GPU."""
    if keras.backend.backend() == "torch":  # Keras lists no devices for this backend
        import torch

        return bool(torch.cuda.is_available())
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX raises where the platform is missing
        return False


def chosen_precision(choice: str) -> str:
    """The number format, looked up where `auto` is asked for."""
    if choice != AUTO:
        return choice
    return "mixed_float16" if has_gpu() else "float32"


def chosen_preset(choice: str) -> str:
    """The preset, looked up where `auto` is asked for."""
    if choice != AUTO:
        return choice
    return "full" if has_gpu() else "quick"
