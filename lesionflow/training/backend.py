"""Keras's backend: chosen and checked before Keras is imported, after which it cannot change."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Sequence

from lesionflow.defaults import no_collection, usable_cores
from lesionflow.errors import MissingError, UsageError, did_you_mean, enumerated
from lesionflow.progress import without_notices

BACKENDS = ("tensorflow", "jax", "torch")
VARIABLE = "KERAS_BACKEND"
# What Keras exports to ONNX with: through TensorFlow, whatever the backend, or with a package of the backend's own.
TENSORFLOW_EXPORT = ("tensorflow", "tf2onnx")
OWN_EXPORT = {"jax": "jax2onnx", "torch": "onnxscript"}
# jax2onnx 0.17 writes the max pooling of these as one of four dimensions, which ONNX Runtime 1.32 does not run.
MAX_POOLING = ("cnn", "vgg")
# Networks whose steps on two cores are no slower where TensorFlow works on two operations at once, each with one
# thread, than where threads share each operation; threads that wait spin, so it takes fewer CPU seconds. Measured:
# `cnn` at 64 pixels 0.81 of the CPU time and 0.93 of the time, at 40 pixels 0.74 and 0.80; `vgg` 0.87 and 1.13.
GAIN_FROM_ONE_THREAD = ("cnn",)
STARTUP_NOTICES = (b"I0000 ", b"WARNING: All log messages before absl::InitializeLog()")


def prepare_backend() -> None:
    """Set the variables that TensorFlow reads when it is imported, and check that Keras finds its backend.

    Called before the first import of Keras in a process; what the user has set stays. Raises `UsageError` where
    KERAS_BACKEND names no backend, `MissingError` where it names one that is not installed.
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
        raise MissingError(
            f"{VARIABLE}={name}: {name} is not installed; install it, or unset {VARIABLE} for TensorFlow"
        )


def divide_cores(networks: Sequence[str]) -> None:
    """On two cores, have TensorFlow give each operation one thread, if all of the networks to train gain from it.

    Called before TensorFlow's first operation in a process; what the user has set stays.
    """
    if usable_cores() == 2 and set(networks) <= set(GAIN_FROM_ONE_THREAD):
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")


def import_keras() -> None:
    """Import Keras and its backend without TensorFlow's notices.

    TensorFlow 2.21 heeds TF_CPP_MIN_LOG_LEVEL only after its start (as its issue 100442 says of 2.19).
    """
    if "keras" in sys.modules:
        return
    with without_notices(STARTUP_NOTICES), no_collection():
        import keras  # noqa: F401
    # Each fit traces its own steps once; from the fifth network of a process on TensorFlow warns of that.
    logging.getLogger("tensorflow").addFilter(lambda record: "retracing" not in str(record.msg))


def exports_through_tensorflow() -> bool:
    """Whether TensorFlow and its converter are installed: their graphs are the smallest, so they go before others."""
    return all(importlib.util.find_spec(name) is not None for name in TENSORFLOW_EXPORT)


def check_export(networks: Sequence[str]) -> None:
    """Make sure, before any work, that networks trained on this backend can be exported to ONNX.

    Raises `MissingError` where a package is missing; `UsageError` where the one that is there cannot export one of the
    networks.
    """
    name = os.environ.get(VARIABLE, "")
    if name not in OWN_EXPORT or exports_through_tensorflow():
        return  # where the extra `train` is installed, as for the backend that Keras takes by itself
    install = f"pip install {' '.join(TENSORFLOW_EXPORT)}"
    if importlib.util.find_spec(OWN_EXPORT[name]) is None:
        raise MissingError(
            f"{VARIABLE}={name}: the export to ONNX needs {install}, or without TensorFlow: "
            f"pip install {OWN_EXPORT[name]}"
        )
    if name == "jax" and (pooled := [network for network in networks if network in MAX_POOLING]):
        raise UsageError(
            f"{VARIABLE}=jax: {OWN_EXPORT[name]} cannot export the max pooling of {enumerated(pooled)}; {install}"
        )
