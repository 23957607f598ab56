"""Devices: which GPUs there are, how much memory they have, and which precision suits them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lesionflow.errors import UsageError
from lesionflow.training.config import AUTO

_XLA_FLAG = "--xla_gpu_deterministic_ops=true"
STEPS_AT_ONCE = 8
# Training steps in mixed_bfloat16 on a CPU with AVX512_BF16, images a CPU second against float32: `cnn` 1.32 times as
# many, `vgg` 1.37 times, `efficientnet` half as many: depthwise convolutions lose what whole ones gain.
GAIN_FROM_BFLOAT16 = ("cnn", "vgg")
# In bfloat16, TensorFlow 2.21's gradient of a strided convolution over one pixel is NaN now and then (findings/
# tensorflow_bfloat16_gradient.sh). `cnn` at 16 pixels has one: half of its trainings ended so, none of 32 at 24 to 64.
LEAST_FOR_BFLOAT16 = 48  # pixels a side; with --small-first, two thirds of it at first
SHARE_FOR_PIXELS = 0.5  # of a device's memory; the rest is for the network's activations and the copy on the way there


def has_gpu() -> bool:
    """Whether Keras's backend sees a GPU."""
    if keras.backend.backend() == "torch":  # Keras lists no devices for this backend
        import torch

        return bool(torch.cuda.is_available())
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX raises where the platform is missing
        return False


def devices_seen() -> dict[str, Any]:
    """Keras's backend and its devices by name, the bytes of memory of its GPUs, and the preset that `auto` is here."""
    if keras.backend.backend() == "torch":  # see above
        devices = ["cuda" if has_gpu() else "cpu"]
    else:
        devices = [str(device) for device in keras.distribution.list_devices()]
    memory = sum(gpu_memories()) if has_gpu() else 0
    return {"backend": keras.backend.backend(), "devices": devices, "memory": memory, "preset": chosen_preset(AUTO)}


def chosen_precision(choice: str, network: str, image_size: int | None) -> str:
    """The precision for a network, with `auto` resolved; image_size: None for that of a preset."""
    if choice != AUTO:
        return choice
    if has_gpu():
        return "mixed_float16"
    large = image_size is None or image_size >= LEAST_FOR_BFLOAT16
    gains = keras.backend.backend() == "tensorflow" and network in GAIN_FROM_BFLOAT16 and multiplies_bfloat16()
    return "mixed_bfloat16" if gains and large else "float32"


def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions that multiply bfloat16; without them it is slower than float32."""
    try:
        flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:  # only Linux tells so
        return False
    return bool(flags and {"avx512_bf16", "amx_bf16"} & set(flags[1].split()))


def chosen_preset(choice: str) -> str:
    """The preset, with `auto` resolved."""
    if choice != AUTO:
        return choice
    return "full" if has_gpu() else "quick"


def device_count() -> int:
    """The number of devices that share the steps of a fit: on JAX all of the kind it uses, otherwise one.

    Keras's own distribution, which is what shares them, there is on JAX alone.
    """
    return len(keras.distribution.list_devices()) if keras.backend.backend() == "jax" else 1


def across_devices() -> contextlib.AbstractContextManager:
    """Context for building and fitting a model with its weights on every device, each taking a part of each batch.

    A step computes what it would on one device, sums over the batch included.
    """
    if device_count() == 1:
        return contextlib.nullcontext()
    return keras.distribution.DataParallel(devices=keras.distribution.list_devices()).scope()


def divisible(batch_size: int, devices: int) -> int:
    """The largest batch size not above the given one that divides evenly among the devices, at least one each."""
    return max(1, batch_size // devices) * devices


def steps_at_once(steps: int) -> int:
    """How many of an epoch's steps run in one call: several on a GPU with TensorFlow, otherwise one.

    On TensorFlow, Keras waits for the metrics of each call, and a GPU would stand idle while Python prepares the next.
    JAX does not wait, and a CPU's steps are too long for it to matter.
    """
    return min(STEPS_AT_ONCE, steps) if keras.backend.backend() == "tensorflow" and has_gpu() else 1


def in_whole_parts(rows: np.ndarray, devices: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Rows to evaluate on, padded to divide evenly among the devices, and their weights; None if all are equal.

    What fills them up weighs nothing. The others weigh so much more than 1 that a mean over all is the mean over them,
    since Keras divides a loss by the number of rows.
    """
    missing = -len(rows) % devices
    if not missing:
        return rows, None
    filled = np.resize(rows, len(rows) + missing)
    weights = np.full(len(filled), len(filled) / len(rows), np.float32)
    weights[len(rows) :] = 0
    return filled, weights


def fits_device(size: int) -> bool:
    """Whether this many bytes of pixels fit into the device's memory while a network trains there."""
    return size <= SHARE_FOR_PIXELS * device_memory()


def device_memory() -> float:
    """Bytes of memory of the GPU, of the smallest where there are several, or of the machine; infinite if unknown."""
    if has_gpu():
        return min(gpu_memories(), default=float("inf"))
    import psutil

    try:
        return float(psutil.virtual_memory().total)
    except OSError:  # /proc is hidden, as in some sandboxes
        return float("inf")


def gpu_memories() -> list[int]:
    """Bytes of memory of each GPU that CUDA lets this process use; none where there is no CUDA driver.

    The driver is asked, since no function of Keras tells, and each backend would have to be asked in its own way.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    count, device, size = ctypes.c_int(0), ctypes.c_int(0), ctypes.c_size_t(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return []
    memories = []
    for number in range(count.value):
        if driver.cuDeviceGet(ctypes.byref(device), number):
            continue
        if not driver.cuDeviceTotalMem_v2(ctypes.byref(size), device):
            memories.append(size.value)
    return memories


def make_deterministic() -> None:
    """Make Keras's backend deterministic for the rest of the process, which is slower.

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
