"""The same figures every time on the same machine."""

from __future__ import annotations

import os

import keras

from lesionflow.errors import UsageError
from lesionflow.training.devices import has_gpu

_XLA_FLAG = "--xla_gpu_deterministic_ops=true"


def make_deterministic() -> None:
    """Have Keras's backend compute the same every time, for the rest of the process; it takes longer.

    JAX always does on a CPU; on a GPU it has to be told before it starts. Raises `UsageError` where it was not.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow  # Keras has no switch of its own for it

        tensorflow.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which CUDA asks for
        torch.use_deterministic_algorithms(True)
    elif has_gpu() and _XLA_FLAG not in os.environ.get("XLA_FLAGS", ""):
        raise UsageError(f"--deterministic: JAX on a GPU needs the environment variable XLA_FLAGS={_XLA_FLAG}")
