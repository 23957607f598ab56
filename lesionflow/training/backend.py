"""Keras's backend: chosen and looked for before Keras is imported, which is when it is fixed."""

from __future__ import annotations

import importlib.util
import os

from lesionflow.errors import UsageError, did_you_mean

BACKENDS = ("tensorflow", "jax", "torch")
VARIABLE = "KERAS_BACKEND"


def prepare_backend() -> None:
    """Set what TensorFlow reads when it is imported, and make sure that Keras finds its backend.

    Called before the first import of Keras in a process; what the user has set stays.

    Raises
    ------
    UsageError
        Where KERAS_BACKEND names no backend, or one that is not installed.
    """
    # TensorFlow's start-up notices about drivers and instruction sets drown what a person needs to read.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow uses oneDNN by itself on some processors only; on the others too it makes a training step 1.2 to 1.5
    # times as fast (benchmarks/train_throughput.py shows the rate; set it to 0 to compare).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    name = os.environ.get(VARIABLE, "")
    if not name:
        return  # Keras's own configuration, TensorFlow by default, which is what the extra `train` installs
    if name not in BACKENDS:
        raise UsageError(f"{VARIABLE}={name}: choose one of {', '.join(BACKENDS)}{did_you_mean(name, BACKENDS)}")
    if importlib.util.find_spec(name) is None:
        raise UsageError(f"{VARIABLE}={name}: {name} is not installed; install it, or unset {VARIABLE} for TensorFlow")
